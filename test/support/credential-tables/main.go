// Command credential-tables prints what Kubernetes itself makes of pull secrets: the tables that our own reader and
// keyring are held equal to. It runs the kubelet's packages, and Go's own path/filepath.Match, which they match with.
//
//	cd test/support/credential-tables && go run . ../../fixtures/credentials
//
// Users stand for credentials, so that the tables show who is tried, and in which order.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/go-logr/logr"
	v1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/credentialprovider"
	"k8s.io/kubernetes/pkg/credentialprovider/secrets"
	"k8s.io/kubernetes/pkg/util/parsers"
)

// entry is a key of a docker config and its user, in a list, since the order of a JSON object is not kept.
type entry [2]string

// keyring is a row of the table of lookups: the entries of each secret, and whom the kubelet would try for an image;
// nobody for the other images, which are those of images.json where the row does not say.
type keyring struct {
	Secrets [][]entry           `json:"secrets"`
	Images  []string            `json:"images,omitempty"`
	Lookups map[string][]string `json:"lookups"`
}

// config is a row of the table of readings: what the kubelet reads from a secret's body.
type config struct {
	Type    string                       `json:"type"`
	Body    string                       `json:"body"`
	Entries map[string]map[string]string `json:"entries"` // null where the kubelet refuses the body
}

// secret is a row of the table of types and keys.
type secret struct {
	Type string   `json:"type"`
	Keys []string `json:"keys"`
	Used bool     `json:"used"`
}

// match is a row of the table of globs: which names the pattern matches, and which show that it is malformed (Go notices
// that only as far as it has to read).
type match struct {
	Pattern  string   `json:"pattern"`
	Matching []string `json:"matching"`
	Other    []string `json:"other"`
	Bad      []string `json:"bad"`
}

func main() {
	directory := os.Args[1]
	klog.SetLogger(logr.Discard()) // it reports every key that it cannot read
	write(directory, "images.json", readableImages())
	write(directory, "keyrings.json", append(handmadeKeyrings(), randomKeyrings()...))
	write(directory, "configs.json", configs())
	write(directory, "secrets.json", secretTypes())
	write(directory, "matches.json", matches())
}

// One row a line, so that a change of a row is a change of a line.
func write[Row any](directory, name string, rows []Row) {
	file, err := os.Create(filepath.Join(directory, name))
	must(err)
	fmt.Fprintln(file, "[")
	for index, row := range rows {
		text, err := json.Marshal(row)
		must(err)
		comma := ","
		if index == len(rows)-1 {
			comma = ""
		}
		fmt.Fprintf(file, "%s%s\n", text, comma)
	}
	fmt.Fprintln(file, "]")
	must(file.Close())
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// lookUp asks the kubelet's keyring. An image that Kubernetes cannot read has no answer. Go ranges over maps in random
// order: where the answer depends on it there is none either.
func lookUp(secretEntries [][]entry, image string) ([]string, bool) {
	repository, _, _, err := parsers.ParseImageName(image)
	if err != nil {
		return nil, false
	}
	var first []string
	for round := range 40 {
		users := lookUpOnce(secretEntries, repository)
		if round == 0 {
			first = users
		} else if !slices.Equal(first, users) {
			return nil, false
		}
	}
	return first, true
}

func lookUpOnce(secretEntries [][]entry, repository string) []string {
	pulled := []v1.Secret{}
	for _, entries := range secretEntries {
		auths := map[string]map[string]string{}
		for _, each := range entries {
			auths[each[0]] = map[string]string{"username": each[1], "password": "p"}
		}
		body, err := json.Marshal(map[string]any{"auths": auths})
		must(err)
		pulled = append(pulled, v1.Secret{
			Type: v1.SecretTypeDockerConfigJson,
			Data: map[string][]byte{v1.DockerConfigJsonKey: body},
		})
	}
	ring, err := secrets.MakeDockerKeyring(pulled, &credentialprovider.BasicDockerKeyring{})
	must(err)
	found, _ := ring.Lookup(repository)
	users := []string{}
	for _, each := range found {
		users = append(users, each.Username)
	}
	return users
}

func readConfig(kind v1.SecretType, body string) config {
	row := config{Type: string(kind), Body: body}
	read := credentialprovider.DockerConfig{}
	var err error
	if kind == v1.SecretTypeDockercfg {
		err = json.Unmarshal([]byte(body), &read)
	} else {
		whole := credentialprovider.DockerConfigJSON{}
		err = json.Unmarshal([]byte(body), &whole)
		read = whole.Auths
	}
	if err != nil {
		return row
	}
	row.Entries = map[string]map[string]string{}
	for key, each := range read {
		row.Entries[key] = map[string]string{"username": each.Username, "password": each.Password}
	}
	return row
}

func secretTypes() []secret {
	rows := []secret{}
	types := []v1.SecretType{
		v1.SecretTypeDockerConfigJson, v1.SecretTypeDockercfg, v1.SecretTypeOpaque, v1.SecretTypeBasicAuth, "", "kubernetes.io/DockerConfigJson",
	}
	bodies := map[string]string{
		v1.DockerConfigJsonKey: `{"auths":{"registry.example.com":{"auth":"YTpi"}}}`,
		v1.DockerConfigKey:     `{"registry.example.com":{"auth":"YTpi"}}`,
		"config.json":          `{"auths":{"registry.example.com":{"auth":"YTpi"}}}`,
	}
	sets := [][]string{
		{}, {v1.DockerConfigJsonKey}, {v1.DockerConfigKey}, {"config.json"}, {v1.DockerConfigJsonKey, v1.DockerConfigKey},
	}
	for _, kind := range types {
		for _, keys := range sets {
			data := map[string][]byte{}
			for _, key := range keys {
				data[key] = []byte(bodies[key])
			}
			ring, err := secrets.MakeDockerKeyring([]v1.Secret{{Type: kind, Data: data}}, &credentialprovider.BasicDockerKeyring{})
			must(err)
			found, _ := ring.Lookup("registry.example.com/web")
			rows = append(rows, secret{Type: string(kind), Keys: keys, Used: len(found) > 0})
		}
	}
	return rows
}
