package documents_test

import (
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path"
	"strings"
	"testing"
	"testing/fstest"

	"golang.org/x/net/html"

	"cckm_sync_exporter/collector/web/documents"
	"cckm_sync_exporter/deploy"
)

func get(t *testing.T, files fs.FS, address string) *httptest.ResponseRecorder {
	t.Helper()
	h, err := documents.New(files)
	if err != nil {
		t.Fatal(err)
	}
	recorder := httptest.NewRecorder()
	h.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, address, http.NoBody))
	return recorder
}

// parse returns the links and the ids of a page.
func parse(t *testing.T, body string) (links []string, ids map[string]bool) {
	t.Helper()
	root, err := html.Parse(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	ids = map[string]bool{}
	for node := range root.Descendants() {
		for _, attribute := range node.Attr {
			switch {
			case attribute.Key == "href" && node.Data == "a":
				links = append(links, attribute.Val)
			case attribute.Key == "id":
				ids[attribute.Val] = true
			}
		}
		if node.Data == "img" || node.Data == "script" {
			t.Errorf("there is an element %s, which the policy forbids", node.Data)
		}
	}
	return links, ids
}

// TestServed follows every link of the documents of the exporter, from both lists. Each leads to a page that
// is served, and to a heading of it, or to the status page.
func TestServed(t *testing.T) {
	bodies := map[string]string{}
	next := []string{"/runbooks/", "/docs/"}
	for len(next) > 0 {
		at := next[0]
		next = next[1:]
		if _, seen := bodies[at]; seen || at == "/" {
			continue
		}
		got := get(t, deploy.Documents, at)
		if got.Code != http.StatusOK {
			t.Fatalf("%s: status %d", at, got.Code)
		}
		bodies[at] = got.Body.String()
		base := &url.URL{Path: at}
		links, _ := parse(t, bodies[at])
		for _, link := range links {
			if to, err := base.Parse(link); err != nil {
				t.Errorf("%s: %v", at, err)
			} else if to.Host == "" {
				next = append(next, to.Path)
			}
		}
	}
	for at, body := range bodies {
		links, _ := parse(t, body)
		for _, link := range links {
			if name, heading, ok := strings.Cut(link, "#"); ok && !strings.Contains(name, "://") {
				to := at
				if name != "" {
					to = path.Join(path.Dir(at), name)
				}
				if _, ids := parse(t, bodies[to]); !ids[heading] {
					t.Errorf("%s: %s has no heading %s", at, to, heading)
				}
			}
		}
	}
	for _, dir := range []string{"runbooks", "docs"} {
		files, err := os.ReadDir("../../../deploy/" + dir)
		if err != nil || len(files) < 8 {
			t.Fatalf("%d files, %v", len(files), err)
		}
		for _, file := range files {
			if bodies["/"+dir+"/"+file.Name()] == "" {
				t.Errorf("no link leads to %s/%s", dir, file.Name())
			}
		}
	}
	// Also as alerts may link to it.
	if got := get(t, deploy.Documents, "/runbooks/CCKMSyncFailed").Body.String(); got != bodies["/runbooks/CCKMSyncFailed.md"] {
		t.Errorf("without .md:\n%s", got)
	}
}

func TestPage(t *testing.T) {
	files := fstest.MapFS{
		"runbooks/A.md": {Data: []byte("# A & b\n\nSee [B](B.md#x), [its code](../../main.go), [the net](https://example.com/), [here](#a--b)." +
			"\n\n![picture](a.png)\n\n<script>x</script>\n\n| a |\n|---|\n| b |\n")},
		"runbooks/B.md": {Data: []byte("# B\n\n## x\n")},
	}
	got := get(t, files, "/runbooks/A.md")
	for _, want := range []string{
		"<title>A &amp; b · CCKM sync</title>",
		`<p>See <a href="B.md#x">B</a>, its code, <a href="https://example.com/">the net</a>, <a href="#a--b">here</a>.</p>`,
		"<p>picture</p>", "<td>b</td>", `<h1 id="a--b">`,
	} {
		if !strings.Contains(got.Body.String(), want) {
			t.Errorf("the page has no %q:\n%s", want, got.Body)
		}
	}
	parse(t, got.Body.String())
	if policy := got.Header().Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'none'") {
		t.Errorf("policy %q", policy)
	}
	if list := get(t, files, "/runbooks/").Body.String(); !strings.Contains(list, `<li><a href="A.md">A &amp; b</a></li>`) {
		t.Errorf("the list has no A:\n%s", list)
	}
	for _, missing := range []string{"/runbooks/C.md", "/runbooks/A.md/", "/runbooks/../A.md", "/runbooks", "/docs/", "/[/", "/runbooks/*", "/"} {
		if got := get(t, files, missing); got.Code != http.StatusNotFound || strings.Contains(got.Body.String(), "<") {
			t.Errorf("%s: status %d\n%s", missing, got.Code, got.Body)
		}
	}
}
