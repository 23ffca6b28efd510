// Prints what github.com/distribution/reference makes of many texts, as the kubelet calls it
// (kubernetes pkg/util/parsers: ParseNormalizedNamed, sha256, sha384 and sha512 registered, `latest` by default).
// `npm run reference-table` writes the answers to test/fixtures/reference-table.json.
package main

import (
	"bufio"
	_ "crypto/sha256"
	_ "crypto/sha512"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/distribution/reference"
)

// Answer is what the library says of one text: the parts, or an error.
type Answer struct {
	Input  string `json:"input"`
	Domain string `json:"domain,omitempty"`
	Path   string `json:"path,omitempty"`
	Tag    string `json:"tag,omitempty"`
	Digest string `json:"digest,omitempty"`
	Error  string `json:"error,omitempty"`
}

// Texts over this alphabet, none longer than this, are all asked; those that are refused are not printed.
const (
	alphabet  = "aA1.:/-_"
	maxLength = 5
)

func main() {
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	fmt.Fprintf(out, "{\n\"chosen\": ")
	printList(out, answersTo(chosen()))
	fmt.Fprintf(out, ",\n\"every\": { \"alphabet\": %q, \"maxLength\": %d, \"valid\": ", alphabet, maxLength)
	printList(out, validOf(every("", maxLength)))
	fmt.Fprintf(out, "}\n}\n")
}

func answer(input string) Answer {
	named, err := reference.ParseNormalizedNamed(input)
	if err != nil {
		return Answer{Input: input, Error: class(err)}
	}
	result := Answer{Input: input, Domain: reference.Domain(named), Path: reference.Path(named)}
	if tagged, ok := named.(reference.Tagged); ok {
		result.Tag = tagged.Tag()
	}
	if digested, ok := named.(reference.Digested); ok {
		result.Digest = digested.Digest().String()
	}
	if result.Tag == "" && result.Digest == "" {
		result.Tag = "latest"
	}
	return result
}

func answersTo(inputs []string) []Answer {
	seen := map[string]bool{}
	answers := []Answer{}
	for _, input := range inputs {
		if !seen[input] {
			answers = append(answers, answer(input))
		}
		seen[input] = true
	}
	return answers
}

func validOf(inputs []string) []Answer {
	valid := []Answer{}
	for _, each := range answersTo(inputs) {
		if each.Error == "" {
			valid = append(valid, each)
		}
	}
	return valid
}

func every(prefix string, left int) []string {
	texts := []string{prefix}
	if left == 0 {
		return texts
	}
	for _, character := range alphabet {
		texts = append(texts, every(prefix+string(character), left-1)...)
	}
	return texts
}

func printList(out *bufio.Writer, answers []Answer) {
	lines := make([]string, len(answers))
	for index, each := range answers {
		var line strings.Builder
		encoder := json.NewEncoder(&line)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(each); err != nil {
			panic(err)
		}
		lines[index] = strings.TrimSpace(line.String())
	}
	fmt.Fprintf(out, "[\n%s\n]", strings.Join(lines, ",\n"))
}

// class is the library's own message, without the text that two of its messages repeat.
func class(err error) string {
	for _, message := range []string{"must be lowercase", "cannot specify 64-byte hexadecimal strings"} {
		if strings.Contains(err.Error(), message) {
			return message
		}
	}
	return err.Error()
}
