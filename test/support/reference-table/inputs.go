package main

import "strings"

var (
	sha256 = "sha256:" + strings.Repeat("a1", 32)
	sha384 = "sha384:" + strings.Repeat("b2", 48)
	sha512 = "sha512:" + strings.Repeat("c3", 64)
)

var domains = []string{
	"", "docker.io", "index.docker.io", "registry-1.docker.io", "Docker.IO", "Index.docker.io", "docker.io:443",
	"localhost", "LOCALHOST", "Localhost", "localhost:5000", "localhost.", "localhost.localdomain",
	"ghcr.io", "GHCR.io", "ghcr.io:443", "registry", "REGISTRY", "registry:5000", "Registry:5000",
	"a_b", "a_b.c", "a__b.c", "a_b:5000", "A_b.c", "a--b.c", "a-.b", "-a.b", "a.-b", "a..b", ".a.b", "a.b.", "xn--nxasmq6b.example",
	"ghcr.io:", "ghcr.io:0", "ghcr.io:1", "ghcr.io:00080", "ghcr.io:65535", "ghcr.io:65536", "ghcr.io:99999999999999999999",
	"ghcr.io:-1", "ghcr.io:+1", "ghcr.io:http", "ghcr.io:1:2", "ghcr.io:１",
	"127.0.0.1", "127.0.0.1:5000", "127.1", "0x7f.1", "256.1.1.1", "1.2.3.4.5", "10",
	"[::1]", "[::1]:5000", "[::]", "[:]", "[]", "[::1", "::1]", "::1", "[::1]a", "[::1]:", "[::1]:5000:1", "a[::1]",
	"[2001:db8::1]", "[2001:DB8::1]:443", "[fe80::1%eth0]", "[fe80::1%25eth0]", "[::ffff:127.0.0.1]", "[fffff::1]", "[1:2:3:4:5:6:7:8:9]", "[[::1]]",
	"user@ghcr.io", "user:pass@ghcr.io", "https:", "http://ghcr.io", "docker://ghcr.io", "ghcr.io ", " ghcr.io", "ghcr.io%2f",
	"\u212a.io", "\u212a", "ı.io", "İ.io", "ſ", "ß.io", "é.io", "例え.テスト", "ａ.io",
	strings.Repeat("d", 63) + ".io", strings.Repeat("d", 64) + ".io", strings.Repeat("d.", 130) + "io",
}

var paths = []string{
	"app", "library/app", "a/b/c", "library", "library/library/app", "a/library", "localhost", "docker.io", "App", "app/App",
	"a.b", "a..b", "a_b", "a__b", "a___b", "a-b", "a---b", "a._b", "a-_b", ".a", "a.", "_a", "a_", "-a", "a-",
	"", "/", "a/", "/a", "a//b", "a/./b", "a/../b", "..", "~a", "a b", "a%2fb", "a\\b", "a+b", "a?b", "a#b", "a*", "é", "\u212a", "ſ", "ｐ",
	strings.Repeat("f", 63), strings.Repeat("f", 64), strings.Repeat("F", 64), strings.Repeat("g", 64), strings.Repeat("f", 65),
	strings.Repeat("p", 246), strings.Repeat("p", 247), strings.Repeat("p", 248), strings.Repeat("p", 254), strings.Repeat("p", 255), strings.Repeat("p", 256),
	strings.Repeat("p/", 127) + "p", strings.Repeat("p/", 127) + "pp",
}

var suffixes = []string{
	"", ":1", ":latest", ":LATEST", ":_", ":1_2.3-4", ":", ":.1", ":-1", ":1:2", ":1/2", ":a b", ": ", ":é", ":\u212a", ":ſ", ":1+2", ":1@", ":v1\n", ":v1\x00",
	":" + strings.Repeat("t", 127), ":" + strings.Repeat("t", 128), ":" + strings.Repeat("t", 129),
	"@", "@" + sha256, "@" + sha384, "@" + sha512, ":1@" + sha256, ":@" + sha256, ":-@" + sha256, "@" + sha256 + ":1", "@" + sha256 + "@" + sha256,
	"@" + strings.ToUpper(sha256), "@sha256:" + strings.ToUpper(sha256[7:]), "@SHA256:" + sha256[7:], "@Sha256:" + sha256[7:],
	"@sha256:", "@sha256", "@:" + sha256[7:], "@" + sha256[7:], "@sha256:" + sha256[8:], "@" + sha256 + "0", "@sha256:" + sha256[7:70] + "g", "@sha256:" + sha256[7:70] + "１",
	"@sha256:" + sha384[7:], "@sha384:" + sha256[7:], "@sha384:" + sha384[8:], "@sha512:" + sha512[8:], "@sha512:" + sha512[7:] + "0", "@sha512:" + sha256[7:],
	"@md5:" + strings.Repeat("a", 32), "@sha1:" + strings.Repeat("a", 40), "@sha224:" + strings.Repeat("a", 56), "@blake3:" + sha256[7:],
	"@sha256+b64:" + sha256[7:], "@sha512/256:" + sha256[7:], "@sha-256:" + sha256[7:], "@sha256 :" + sha256[7:], "@ " + sha256, "@" + sha256 + " ", "@" + sha256 + "\n", "@" + sha256 + "/a",
}

// Each of these is put into every place of each of the bases.
var odd = strings.Split(". : / @ - _ [ ] A 0 % + ? # \\ \" ' ~ , ; = & | < { \u0000 \t \n \r \u007f \u0080 \u00a0 \u00ad é ſ ı İ \u212a ﬀ \u200b \u2028 \ufeff Ａ １ ． ： ／ 😀", " ")

var bases = []string{"a", "ab:c1", "a.b/c", "a.b:80/c/d:e", "localhost/a", "[::1]:5/a:b", "A/b", "a_b.c/d", "index.docker.io/a"}

var byHand = []string{
	" ", "  ", "\n", "\t", "\x00", "/", ":", "@", "//", "::", "@@", "/:", ":/", "@/", "/@", ":@", ".", "..", "./a", "../a", "-", "_", "[", "]", "latest", "@" + sha256, sha256, sha256[7:], strings.ToUpper(sha256[7:]),
	sha256 + "/a", "a/" + sha256, "a:1/" + sha256[7:], "docker.io/" + sha256[7:], "library/" + sha256[7:], sha256[7:] + ":1", sha256[7:] + "@" + sha256, sha256[7:] + "\n",
	"docker.io", "docker.io/", "docker.io//a", "docker.io/docker.io/a", "docker.io/index.docker.io/a", "index.docker.io", "index.docker.io/library/a", "docker.io/a:1/2", "docker.io/a@b/c", "a:1/2", "a:1/2:3", "a:b/c", "a@b/c", "a.b@c/d",
	"localhost", "localhost:5000", "localhost:1/a", "localhost/", "localhost//a", "LOCALHOST/A", "nginx ", " nginx", "nginx\t:1", "nginx: 1", "nginx:1 ", "\ufeffnginx", "nginx\u200b", "nginx:１",
	"a_b.c/" + strings.Repeat("p", 249), "a_b.c/" + strings.Repeat("p", 250), "a_b.c/d@" + sha256, "a_b.c/d:1@" + sha256, "a_b.c/a_b.c/d", "a_b.c/D", "a_b.c",
	strings.Repeat("a", 5000), strings.Repeat("a.", 2500) + "io/a", "a.io:" + strings.Repeat("0", 5000) + "80/a", "[" + strings.Repeat(":", 5000) + "]/a",
}

func chosen() []string {
	texts := append([]string{""}, byHand...)
	join := func(domain, path, suffix string) {
		if domain != "" {
			domain += "/"
		}
		texts = append(texts, domain+path+suffix)
	}
	for _, domain := range domains {
		for _, path := range []string{"app", "library/app", "a/b", "App", "a_", "", strings.Repeat("p", 255), strings.Repeat("p", 256)} {
			join(domain, path, "")
		}
		for _, suffix := range []string{":1", ":", "@" + sha256, ":1@" + sha256, "@sha256:a"} {
			join(domain, "app", suffix)
		}
	}
	for _, domain := range []string{"", "docker.io", "ghcr.io:443", "A"} {
		for _, path := range paths {
			join(domain, path, "")
			join(domain, path, ":1")
		}
	}
	for _, suffix := range suffixes {
		join("", "a", suffix)
		join("ghcr.io", "a/b", suffix)
		join("[::1]:5", "a", suffix)
		join("a_b.c", "d", suffix)
	}
	return append(texts, mutations()...)
}

func mutations() []string {
	texts := []string{}
	for _, base := range bases {
		for place := 0; place <= len(base); place++ {
			for _, character := range odd {
				texts = append(texts, base[:place]+character+base[place:])
			}
			if place < len(base) {
				texts = append(texts, base[:place]+base[place+1:])
			}
		}
	}
	return texts
}
