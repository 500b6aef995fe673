package statuspage_test

import (
	"crypto/sha256"
	"encoding/base64"
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"

	"cckm_sync_exporter/collector/web/statuspage"
	"cckm_sync_exporter/collector/web/statuspage/fleettest"
)

// update rewrites the golden files: go test ./collector/web/statuspage -update.
var update = flag.Bool("update", false, "rewrite the golden files in testdata")

func newPage(tb testing.TB, source fleettest.Source) http.Handler {
	tb.Helper()
	page, err := statuspage.New(statuspage.Config{
		Targets: source.Targets, TelemetryPath: "/metrics", ProbePath: "/probe", DiscoveryPath: "/sd", Version: "1.2.3", Now: fleettest.Now,
	})
	if err != nil {
		tb.Fatal(err)
	}
	return page
}

func request(tb testing.TB, page http.Handler, method, target string) *httptest.ResponseRecorder {
	tb.Helper()
	w := httptest.NewRecorder()
	page.ServeHTTP(w, httptest.NewRequestWithContext(tb.Context(), method, target, http.NoBody))
	return w
}

// get returns the page for a query string.
func get(tb testing.TB, page http.Handler, query string) string {
	tb.Helper()
	w := request(tb, page, http.MethodGet, "/"+query)
	if w.Code != http.StatusOK {
		tb.Fatalf("%s: status %d: %s", query, w.Code, w.Body)
	}
	return w.Body.String()
}

// rows returns the text of each row of the table of scopes, without details.
func rows(t *testing.T, page string) []string {
	t.Helper()
	var found []string
	for _, n := range elements(t, page, "tr") {
		if class := attribute(n, "class"); (class == "" || class == "old") && hasClass(n, "c-state") {
			found = append(found, text(n))
		}
	}
	return found
}

func elements(t *testing.T, page, name string) []*html.Node {
	t.Helper()
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	var found []*html.Node
	for n := range root.Descendants() {
		if n.Type == html.ElementNode && n.Data == name {
			found = append(found, n)
		}
	}
	return found
}

func hasClass(n *html.Node, class string) bool {
	for d := range n.Descendants() {
		if d.Type == html.ElementNode && attribute(d, "class") == class {
			return true
		}
	}
	return false
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// text returns the visible text, with a space between the parts.
func text(n *html.Node) string {
	var parts []string
	for d := range n.Descendants() {
		if d.Type == html.TextNode && d.Parent.Data != "style" {
			parts = append(parts, strings.Fields(d.Data)...)
		}
	}
	return strings.Join(parts, " ")
}

func textOf(t *testing.T, page, name string) string {
	t.Helper()
	all := elements(t, page, name)
	parts := make([]string, 0, len(all))
	for _, n := range all {
		parts = append(parts, text(n))
	}
	return strings.Join(parts, "\n")
}

// TestGolden compares the page of a fleet, and of an exporter with one target, with golden files.
func TestGolden(t *testing.T) {
	one := fleettest.Fleet(fleettest.Now())[:1]
	one[0].Name, one[0].Labels, one[0].Lists = "", nil, one[0].Lists[:3]
	for name, test := range map[string]struct {
		source fleettest.Source
		query  string
	}{
		"fleet":    {fleettest.Fleet(fleettest.Now()), "?q=prod-eu"},
		"filtered": {fleettest.Fleet(fleettest.Now()), "?q=KV&state=partly_failed&target=prod-eu&list=nothing"},
		"one":      {one, ""},
		"empty":    {fleettest.Source{}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := withoutStyle(t, get(t, newPage(t, test.source), test.query))
			path := filepath.Join("testdata", name+".html")
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("the page differs from %s (-want +got):\n%s", path, diff)
			}
		})
	}
}

// withoutStyle removes the style sheet from a page, so that the golden files do not change with it.
func withoutStyle(t *testing.T, page string) string {
	t.Helper()
	style, err := os.ReadFile("page.css")
	if err != nil {
		t.Fatal(err)
	}
	before, after, found := strings.Cut(page, string(style))
	if !found {
		t.Fatal("the page does not contain page.css")
	}
	return before + after
}

func TestPathsAndMethods(t *testing.T) {
	page := newPage(t, fleettest.Fleet(fleettest.Now()))
	for _, test := range []struct {
		method, target string
		want           int
	}{
		{http.MethodGet, "/", http.StatusOK},
		{http.MethodHead, "/", http.StatusOK},
		{http.MethodGet, "/?q=x", http.StatusOK},
		{http.MethodGet, "/index.html", http.StatusNotFound},
		{http.MethodGet, "/metric", http.StatusNotFound},
		{http.MethodPost, "/nowhere", http.StatusNotFound},
		{http.MethodPost, "/", http.StatusMethodNotAllowed},
		{http.MethodDelete, "/", http.StatusMethodNotAllowed},
	} {
		if got := request(t, page, test.method, test.target).Code; got != test.want {
			t.Errorf("%s %s: status %d, want %d", test.method, test.target, got, test.want)
		}
	}
	if allow := request(t, page, http.MethodPost, "/").Header().Get("Allow"); allow != "GET, HEAD" {
		t.Errorf("Allow: %q", allow)
	}
}

// TestHeaders checks what makes a page with untrusted texts safe.
func TestHeaders(t *testing.T) {
	w := request(t, newPage(t, fleettest.Fleet(fleettest.Now())), http.MethodGet, "/")
	for name, want := range map[string]string{
		"Content-Type":           "text/html; charset=utf-8",
		"X-Content-Type-Options": "nosniff",
		"Referrer-Policy":        "no-referrer",
		"Cache-Control":          "no-store",
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	styles := elements(t, w.Body.String(), "style")
	if len(styles) != 1 {
		t.Fatalf("%d style sheets, want 1", len(styles))
	}
	sum := sha256.Sum256([]byte(styles[0].FirstChild.Data))
	want := "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
	if got := w.Header().Get("Content-Security-Policy"); got != want {
		t.Errorf("Content-Security-Policy: %s\nwant %s", got, want)
	}
	for _, name := range []string{"script", "img", "iframe", "object", "embed", "base"} {
		if n := len(elements(t, w.Body.String(), name)); n > 0 {
			t.Errorf("%d elements <%s>", n, name)
		}
	}
	if strings.Contains(w.Body.String(), " style=") || strings.Contains(w.Body.String(), "http-equiv") {
		t.Error("the page has a style attribute or http-equiv")
	}
}

// blockedClient is a response that its client does not read before it is released.
type blockedClient struct {
	*httptest.ResponseRecorder
	released <-chan struct{}
}

func (c blockedClient) Write(b []byte) (int, error) {
	<-c.released
	return c.ResponseRecorder.Write(b)
}

// TestSlowClients checks that clients that read slowly hold a bounded number of pages.
func TestSlowClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		page := newPage(t, fleettest.Source{})
		released := make(chan struct{})
		var wait sync.WaitGroup
		for range 20 {
			wait.Go(func() {
				r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", http.NoBody)
				page.ServeHTTP(blockedClient{httptest.NewRecorder(), released}, r)
			})
		}
		synctest.Wait()
		if got := request(t, page, http.MethodGet, "/").Code; got != http.StatusServiceUnavailable {
			t.Errorf("status %d while 20 clients do not read their page", got)
		}
		close(released)
		wait.Wait()
		if got := request(t, page, http.MethodGet, "/").Code; got != http.StatusOK {
			t.Errorf("status %d after they have read it", got)
		}
	})
}
