package main

import (
	"encoding/base64"
	"math/rand"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	v1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/pkg/util/parsers"
)

// Keys that the kubelet's own tests name, keys that people write, and keys that nobody should write.
var keys = []string{
	"registry.example.com", "https://registry.example.com", "http://registry.example.com", "registry.example.com/",
	"https://registry.example.com/", "https://registry.example.com/v1/", "https://registry.example.com/v2/",
	"https://registry.example.com/v1", "https://registry.example.com/v2", "https://registry.example.com/v2/team",
	"registry.example.com/v2/team/", "registry.example.com/v3/", "registry.example.com:5000", "registry.example.com:443",
	"registry.example.com:", "registry.example.com:5000/", "registry.example.com:5000/team", "registry.example.com:05000",
	"registry.example.com:port", "registry.example.com:1:2", "Registry.Example.com", "REGISTRY.EXAMPLE.COM/team",
	"registry.example.com/team", "registry.example.com/team/", "registry.example.com/tea", "registry.example.com/team/web",
	"registry.example.com/team/web/", "registry.example.com/Team", "registry.example.com//team", "registry.example.com/*",
	"registry.example.com/team/*", "registry.example.com/team?x=1", "registry.example.com?", "registry.example.com#fragment",
	"registry.example.com/%74eam", "registry.example.com/team%2fweb", "registry.example.com/team%2Fweb", "registry.example.com/%2574eam",
	"registry.example.com/team%3Fx", "registry.example.com/team%23x", "registry.example.com/100%", "registry.example.com/%zz",
	"registry.example.com/te\u0000am", "registry.example.com/te am", " registry.example.com", "registry.example.com ",
	"registry.example.com/caf\u00e9", "r\u00e9gistry.example.com", "r%C3%A9gistry.example.com", "r%65gistry.example.com",
	"user@registry.example.com", "user:secret@registry.example.com/team", "us er@registry.example.com", "a@b@registry.example.com",
	"%zz@registry.example.com", "%41@registry.example.com", "HTTPS://registry.example.com", "ftp://registry.example.com",
	"https:registry.example.com", "//registry.example.com", "https:///registry.example.com", "https://", "http://", "", "/", "*",
	"*.example.com", "registry.*.com", "registry.example.*", "*.*.*", "*.*", "*", "**.example.com", "reg*.example.com",
	"*istry.example.com", "r*y.ex*le.c*m", "*.example.com/team", "*.example.com:5000", "*.example.com:*", "*example.com",
	"registry.example.com.", ".registry.example.com", "registry..com", "reg?stry.example.com", "reg[a-i]stry.example.com",
	"[r]egistry.example.com", "reg\\istry.example.com", "reg[.example.com", "reg].example.com", "reg^istry.example.com",
	"registry_1.example.com", "reg~istry.example.com", "<registry>.example.com", "registry.example.com,other.example.com",
	"docker.io", "https://docker.io", "docker.io/library", "docker.io/team", "index.docker.io", "https://index.docker.io/v1/",
	"https://index.docker.io/v1", "https://index.docker.io/v2/", "http://index.docker.io/v1/", "index.docker.io/", "index.docker.io/team",
	"https://index.docker.io/v1/team", "registry-1.docker.io", "hub.docker.com", "*.docker.io", "*.io", "docker.*", "index.docker.io:443",
	"INDEX.docker.io", "Docker.io", "localhost", "localhost:5000", "localhost:5000/team", "127.0.0.1", "127.0.0.1:5000", "10.0.0.*",
	"127.*.*.*:5000", "[::1]", "[::1]:5000", "[::1]:5000/team", "[0:0::1]:5000", "[::A]", "[::1%25eth0]:5000", "[::ffff:1.2.3.4]:5000",
	"[1.2.3.4]:5000", "[zz]:5000", "[::1", "::1", "[*]:5000", "x[::1]:5000", "[::1]x", "A", "quay.io", "quay.io/team", "ghcr.io",
	"gcr.io/project", "gcr.io/project/team", "*.gcr.io", "*.azurecr.*", "*.azurecr.io", "acme.azurecr.io",
	"123456789012.dkr.ecr.eu-west-1.amazonaws.com", "*.dkr.ecr.*.amazonaws.com", "*.dkr.ecr.*.amazonaws.com.cn",
	"registry.gitlab.com", "registry.gitlab.com/group/project", "europe-docker.pkg.dev", "*-docker.pkg.dev", "*-docker.pkg.dev/project",
}

var images = []string{
	"nginx", "nginx:1", "library/nginx", "team/web:1.0", "docker.io/nginx", "docker.io/team/web", "index.docker.io/team/web",
	"index.docker.io/nginx", "registry-1.docker.io/library/nginx", "hub.docker.com/team/web", "docker.io:443/team/web",
	"registry.example.com/web", "registry.example.com/team", "registry.example.com/team:1", "registry.example.com/team/web",
	"registry.example.com/team/web:1.0", "registry.example.com/team-evil/web", "registry.example.com/teammate",
	"registry.example.com/other/team/web", "registry.example.com:443/team/web", "registry.example.com:5000/team/web:1",
	"registry.example.com:05000/team/web", "registry.example.com/v1/web", "registry.example.com/v2/team/web", "registry.example.com/v3/web",
	"Registry.Example.com/team/web", "REGISTRY.EXAMPLE.COM/team/web", "other.example.com/team/web", "example.com/team/web",
	"a.b.example.com/team", "registry.example.org/team/web", "r.example.com/web", "registry.example.com./web",
	"localhost/web", "localhost/team/web", "localhost:5000/web", "localhost:5000/team/web", "127.0.0.1/web", "127.0.0.1:5000/web", "10.0.0.7/web",
	"[::1]/web", "[::1]:5000/web", "[::1]:5000/team/web", "[0:0:0:0:0:0:0:1]:5000/web", "[:::]/web", "A/web", "ABC/web", "ABC.d/web",
	"quay.io/team/web", "quay.io/team-evil/web", "ghcr.io/team/web", "gcr.io/project/web", "gcr.io/project/team/web", "eu.gcr.io/project/web",
	"acme.azurecr.io/web", "acme.azurecr.us/web", "a.b.azurecr.io/web", "123456789012.dkr.ecr.eu-west-1.amazonaws.com/web:1",
	"123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn/web", "registry.gitlab.com/group/project/web", "registry.gitlab.com/group/project-2",
	"europe-docker.pkg.dev/project/web", "docker.pkg.dev/project/web",
	"registry.example.com/team/web@sha256:" + strings.Repeat("a", 64), "registry.example.com/Team/web", "registry.example.com//web",
}

// readableImages are those of the images that Kubernetes can read.
func readableImages() []string {
	readable := []string{}
	for _, image := range images {
		if _, _, _, err := parsers.ParseImageName(image); err == nil {
			readable = append(readable, image)
		}
	}
	return readable
}

// handmadeKeyrings are every key alone, and those together whose order matters, against every image.
func handmadeKeyrings() []keyring {
	rows := []keyring{}
	ask := func(secretEntries [][]entry) {
		row := keyring{Secrets: secretEntries, Lookups: map[string][]string{}}
		for _, image := range readableImages() {
			users, ok := lookUp(secretEntries, image)
			if !ok {
				panic("the answer for " + image + " depends on chance")
			}
			if len(users) > 0 {
				row.Lookups[image] = users
			}
		}
		rows = append(rows, row)
	}
	for _, key := range keys {
		ask([][]entry{{{key, "user"}}})
	}
	several := [][][]entry{
		// All that match are tried, the longer path first; literal before star; secrets in their order where keys are equal.
		{{{"registry.example.com", "host"}, {"registry.example.com/team", "team"}, {"registry.example.com/team/web", "web"}}},
		{{{"*.example.com", "star"}, {"registry.example.com", "literal"}, {"registry.*.com", "middle"}}},
		{{{"registry.example.com", "first"}}, {{"registry.example.com", "second"}}, {{"registry.example.com", "third"}}},
		{{{"registry.example.com", "first"}}, {{"registry.example.com/team", "second"}}},
		{{{"https://registry.example.com/v1/", "first"}}, {{"registry.example.com", "second"}}, {{"http://registry.example.com/", "third"}}},
		{{{"quay.io", "quay"}}, {{"quay.io/team", "team"}, {"quay.io/team-evil", "evil"}}},
		// Docker Hub: by its key only where nothing else matches.
		{{{"https://index.docker.io/v1/", "hub"}}, {{"docker.io", "plain"}}},
		{{{"https://index.docker.io/v1/", "hub"}}, {{"docker.io/team", "team"}}},
		{{{"https://index.docker.io/v1/", "hub"}}, {{"index.docker.io", "second"}}, {{"https://index.docker.io/v2/", "third"}}},
		{{{"https://index.docker.io/v1/", "hub"}}, {{"localhost:5000", "local"}}, {{"registry.example.com", "other"}}},
		{{{"https://index.docker.io/v1", "slashless"}}, {{"*.io", "star"}}},
		{{{"registry.example.com", ""}}, {{"registry.example.com", "real"}}},
		{{{"docker.io", ""}}, {{"https://index.docker.io/v1/", "hub"}}},
		{},
		{{}},
	}
	for _, secretEntries := range several {
		ask(secretEntries)
	}
	return rows
}

// randomKeyrings joins parts of keys at random, always the same ones; most rows that match nothing are left out.
func randomKeyrings() []keyring {
	random := rand.New(rand.NewSource(7))
	pick := func(parts ...string) string { return parts[random.Intn(len(parts))] }
	odd := func() string {
		return pick("", "http://", "HTTPS://") + pick("", "u@", "u:p@", "%41@", "%4@") + pick("a", "?", "[ab]", "a%62", "[", "", "[::a]") + "." +
			pick("b", "*", "", "]") + pick("", ":", ":x", ":*", ":5000") + pick("", "/A", "//a", "/%", "/a", "/%zz")
	}
	key := func() string {
		if random.Intn(12) == 0 {
			return odd()
		}
		scheme := pick("", "", "", "https://", "http://")
		label := func() string { return pick("a", "a", "b", "*", "*", "a*", "*b", "A") }
		host := label() + "." + label()
		if random.Intn(4) == 0 {
			host += "." + label()
		}
		host = pick(host, host, host, host, "docker.io", "index.docker.io", "localhost", "[::1]", "*.docker.io")
		port := pick("", "", "", "", "", ":5000", ":5000", ":443", ":")
		path := pick("", "", "", "/", "/v1/", "/v2/", "/v1", "/v2/a", "/a", "/a/", "/a/b", "/b", "/%61", "/%2561", "/a%2Fb", "/a?b", "/a#b", "/a%3fb")
		return scheme + host + port + path
	}
	image := func() string {
		label := func() string { return pick("a", "a", "b", "ab") }
		host := label() + "." + label()
		if random.Intn(4) == 0 {
			host += "." + label()
		}
		host = pick(host, host, host, host, "docker.io", "index.docker.io", "localhost", "[::1]", "A")
		return host + pick("", "", "", "", ":5000", ":443") + "/" + pick("a", "b", "a/b", "a-b/c", "v1/a", "v2/a", "ab") + pick("", ":1")
	}
	rows := []keyring{}
	for len(rows) < 300 {
		secretEntries := [][]entry{}
		for number := range 1 + random.Intn(3) {
			entries := []entry{}
			seen := map[string]bool{}
			for index := range 1 + random.Intn(5) {
				each := key()
				if seen[each] {
					continue
				}
				seen[each] = true
				entries = append(entries, entry{each, "s" + strconv.Itoa(number) + "e" + strconv.Itoa(index)})
			}
			secretEntries = append(secretEntries, entries)
		}
		row := keyring{Secrets: secretEntries, Lookups: map[string][]string{}}
		for range 12 {
			each := image()
			users, ok := lookUp(secretEntries, each)
			if !ok || slices.Contains(row.Images, each) {
				continue
			}
			row.Images = append(row.Images, each)
			if len(users) > 0 {
				row.Lookups[each] = users
			}
		}
		if len(row.Lookups) > 0 || random.Intn(10) == 0 {
			rows = append(rows, row)
		}
	}
	return rows
}

// configs are bodies of secrets: what people write, halves of it, and what only a reader in Go takes.
func configs() []config {
	encode := func(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }
	auths := []string{
		encode("user:secret"), encode("user:secr"), encode("user:se"), strings.TrimRight(encode("user:secr"), "="),
		strings.TrimRight(encode("user:se"), "="), encode("user:"), encode(":secret"), encode(":"), encode("user:with:colons"),
		encode("user"), encode(""), encode("caf\u00e9:p\u00e4ss"), "dXNlcjpzZWNyZXQ", "dXNlcjpzZWNyZXQ=", "dXNlcjpzZWNyZXQ==", "dXNlcjpzZWNyZXQ===",
		"dXNlcjpzZWNy=", "dXNlcjpz", "dXNlcjpz=", "dXNlcjpz==", "dXNl\ncjpz\nZWNyZXQ=", "dXNlcjpz\r\nZWNyZXQ=\n", "dXNlcjpzZWNyZXQ= ",
		" dXNlcjpzZWNyZXQ=", "dXNlcjpz ZWNyZXQ=", "\n", " ", "=", "==", "-_-_", "+/+/", encode("a:>>>???"), "YTo-Pj4_Pz8", "!!!!", "user:secret",
		"dXNlcjpzZWNyZXR", "dXNlcjpzZWNyZXS", "dXNlcjpzZWNyZXR=", "dXNl=cjpzZWNyZXQ=", "dXNlcjpzZWNyZXQ=dXNl", "A", "dXNlc", "dXNlcjpzZWNyZX\n=\n", "dXNlcjpzZWNyZQ=\n=",
	}
	entries := []string{
		`{}`, `null`, `{"username":"u","password":"p"}`, `{"username":"u"}`, `{"password":"p"}`, `{"username":"","password":""}`,
		`{"username":"u","password":"p","email":"e@example.com"}`, `{"username":"u","password":"p","auth":""}`, `{"username":"u","password":"p","auth":"YTpi"}`,
		`{"username":"u","password":"p","auth":"broken!"}`, `{"auth":"YTpi"}`, `{"auth":null,"username":"u"}`, `{"username":null,"password":"p"}`,
		`{"auth":1}`, `{"auth":{}}`, `{"auth":[]}`, `{"auth":true}`, `{"username":1}`, `{"password":["p"]}`, `{"email":1,"auth":"YTpi"}`, `{"email":null,"auth":"YTpi"}`,
		`{"identitytoken":"t"}`, `{"identitytoken":"t","auth":"YTo="}`, `{"identitytoken":1,"auth":"YTpi"}`, `{"registrytoken":"t","username":"u","password":"p"}`,
		`{"Username":"u","PASSWORD":"p"}`, `{"AUTH":"YTpi"}`, `{"Auth":"YTpi","username":"u"}`, `{"username":"a","Username":"b"}`, `{"Username":"b","username":"a"}`,
		`{"user\u017fame":"u"}`, `{"\u017fername":"u","pa\u017f\u017fword":"p"}`, `{"u\u017fername":"u"}`, `{"pas\u017fword":"p"}`, `{"user":"u","pass":"p"}`,
		`[]`, `""`, `"YTpi"`, `1`, `true`, `{"serveraddress":"x","auth":"YTpi"}`, `{"username":"\ud800","password":"\u0000"}`, `{"username":" u ","password":" p\n"}`,
	}
	for _, auth := range auths {
		entries = append(entries, `{"auth":`+strconv.Quote(auth)+`}`)
	}
	bodies := []string{
		``, ` `, `null`, `{}`, `[]`, `""`, `1`, `true`, `{`, `{"auths"`, `{"auths":{"r.example.com":{"auth":"YTpi"`, `{"auths":{"r.example.com":{"auth":"YTpi"}}`,
		`{"auths":{"r.example.com":{"auth":"YTpi"}}}x`, `{"auths":{"r.example.com":{"auth":"YTpi"}},}`, "\ufeff" + `{"auths":{}}`, "\n\t {\"auths\":{}} \r\n",
		`{"auths":null}`, `{"auths":{}}`, `{"auths":[]}`, `{"auths":""}`, `{"auths":1}`, `{"Auths":{"r.example.com":{"auth":"YTpi"}}}`, `{"AUTHS":{"r.example.com":{"auth":"YTpi"}}}`,
		`{"auth\u017f":{"r.example.com":{"auth":"YTpi"}}}`, `{"r.example.com":{"auth":"YTpi"}}`, `{"auths":{"r.example.com":{"auth":"YTpi"}},"credsStore":"desktop"}`,
		`{"auths":{"r.example.com":{"auth":"YTpi"}},"credHelpers":{"r.example.com":"ecr-login"}}`, `{"auths":{"r.example.com":{"auth":"YTpi"}},"HttpHeaders":{"User-Agent":"Docker"}}`,
		`{"auths":{"r.example.com":{"auth":"YTpi"}},"HttpHeaders":{"a":1}}`, `{"auths":{"r.example.com":{"auth":"YTpi"}},"httpheaders":[]}`, `{"auths":{},"HttpHeaders":null}`,
		`{"auths":{"r.example.com":{"auth":"YTpi"}},"HttpHeaders":{"a":null}}`, `{"auths":{"a.example.com":{"auth":"YTpi"},"b.example.com":{"auth":"broken!"}}}`,
		`{"auths":{"a.example.com":{"auth":"YTpi"},"b.example.com":{"username":"u","password":"p"},"c.example.com":{}}}`, `{"auths":{"__proto__":{"auth":"YTpi"},"constructor":{"auth":"YTpi"}}}`,
		`{"auths":{"a.example.com":{"auth":"YTpi"}},"Auths":{"b.example.com":{"auth":"YTpi"}}}`, `{"auths":{"a.example.com":{"auth":"YTpi"}},"Auths":null}`, `{"Auths":null,"auths":{"a.example.com":{"auth":"YTpi"}}}`,
		`{"auths":{"":{"auth":"YTpi"}}}`, `{'auths':{}}`, `{"auths":{"a":{"auth":"YTpi"}} /* c */}`, `{"auths":{"a":NaN}}`, `auths: {}`, `{"a.example.com":{"auth":"YTpi"},"auths":{"b.example.com":{"auth":"YTpi"}}}`,
	}
	rows := []config{}
	for _, each := range entries {
		rows = append(rows, readConfig(v1.SecretTypeDockerConfigJson, `{"auths":{"r.example.com":`+each+`}}`))
		rows = append(rows, readConfig(v1.SecretTypeDockercfg, `{"r.example.com":`+each+`}`))
	}
	for _, body := range bodies {
		rows = append(rows, readConfig(v1.SecretTypeDockerConfigJson, body), readConfig(v1.SecretTypeDockercfg, body))
	}
	return rows
}

func matches() []match {
	patterns := []string{
		"", "abc", "*", "**", "a*", "*c", "*b*", "a*c", "a**c", "?", "???", "a?c", "*?", "?*", "*?*", "[abc]", "[a-c]", "[^a]", "[^a-c]", "[!a]", "[]", "[]a]", "[^]",
		"[^]a]", "[", "[a", "[a-", "[a-]", "[-a]", "[a-b-c]", "[c-a]", "a[b", "ab[c-d]", "ab[^c]", "*[bc]", "[*]", "[?]", "\\*", "\\?", "\\[", "\\", "a\\", "a\\bc", "[\\]]", "[\\-x]",
		"[x\\-]", "[a\\]", "]", "-", "^", "a^", "*-prod", "reg*y", "*a*b*c*", "x*", "ab*x", "[a-c]*", "*[", "a*[", "abc*", "*abc", "a[a-", "b[", "[[]", "[]]", "[a-c",
	}
	names := []string{"", "a", "b", "c", "abc", "abcd", "ab", "aXc", "x", "-", "]", "[", "*", "?", "\\", "^", "registry", "eu-prod", "aabbcc", "a-b"}
	rows := []match{}
	for _, pattern := range patterns {
		row := match{Pattern: pattern, Matching: []string{}, Other: []string{}, Bad: []string{}}
		for _, name := range names {
			matched, err := filepath.Match(pattern, name)
			if err != nil {
				row.Bad = append(row.Bad, name)
			} else if matched {
				row.Matching = append(row.Matching, name)
			} else {
				row.Other = append(row.Other, name)
			}
		}
		rows = append(rows, row)
	}
	return rows
}
