package statuspage_test

import (
	"errors"
	"io"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"

	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/scrape"
	"cckm_sync_exporter/collector/syncjob"
	"cckm_sync_exporter/collector/web/statuspage/fleettest"
)

// skeleton returns the tags of a page and the names of their attributes. It fails if tags are not balanced,
// or if a link leads to anything but this exporter.
func skeleton(t *testing.T, page string) []string {
	t.Helper()
	void := map[string]bool{"meta": true, "link": true, "input": true, "br": true}
	var tags, open []string
	z := html.NewTokenizer(strings.NewReader(page))
	for {
		kind := z.Next()
		token := z.Token()
		switch kind {
		case html.ErrorToken:
			if !errors.Is(z.Err(), io.EOF) || len(open) > 0 {
				t.Fatalf("the page ends with %v and open tags %q", z.Err(), open)
			}
			return tags
		case html.StartTagToken:
			tag := []string{token.Data}
			for _, a := range token.Attr {
				tag = append(tag, a.Key)
				if a.Key == "href" && !allowedLink(a.Val) {
					t.Fatalf("a link leads to %q", a.Val)
				}
			}
			tags = append(tags, strings.Join(tag, " "))
			if !void[token.Data] {
				open = append(open, token.Data)
			}
		case html.EndTagToken:
			if len(open) == 0 || open[len(open)-1] != token.Data {
				t.Fatalf("</%s> closes %q", token.Data, open)
			}
			open = open[:len(open)-1]
			tags = append(tags, "/"+token.Data)
		case html.CommentToken:
			t.Fatalf("a comment: %q", token.Data)
		case html.TextToken, html.SelfClosingTagToken, html.DoctypeToken:
		}
	}
}

func allowedLink(link string) bool {
	for _, start := range []string{"./", "#", "data:,"} {
		if strings.HasPrefix(link, start) {
			return true
		}
	}
	return false
}

// named returns a fleet with the given untrusted texts.
func named(scope, text, target string) fleettest.Source {
	list := syncjob.List{Name: "aws-keys", Cloud: "aws", Item: "key", Path: "cckm/aws/synchronization-jobs", Kind: "kms"}
	now := fleettest.Now()
	read := &scrape.ListRead{List: list, Summary: &syncjob.Summary{Scopes: []syncjob.Scope{{
		Name: scope, Jobs: [...]int{syncjob.InProgress: 1, syncjob.Failed: 1, syncjob.Unknown: 0},
		Newest:           syncjob.ScopeJob{ID: text, CreatedAt: now.AddDate(0, 0, -1), Text: text},
		Last:             &syncjob.ScopeJob{ID: text, Status: syncjob.Failed, CreatedAt: now.AddDate(0, 0, -2), FinishedAt: now.AddDate(0, 0, -2), Text: text},
		OldestInProgress: now.AddDate(0, 0, -1), OldestInProgressID: text, OldestInProgressText: text,
	}}}}
	failed := &scrape.ListRead{List: list, Err: reason.New(reason.Other, io.EOF, text)}
	lists := []scrape.Latest{
		{List: list, Read: read, ReadAt: now, Complete: read, CompleteAt: now},
		{List: list, Read: failed, ReadAt: now},
	}
	return fleettest.Source{
		{Name: target, Domain: text, URL: "https://cm.example.com/" + url.PathEscape(text), Labels: map[string]string{"label": text}, Lists: lists},
		{Name: "other", Lists: lists},
	}
}

// FuzzPage checks that untrusted texts change only the text of the page: it has the same tags and attributes
// as one with plain words.
func FuzzPage(f *testing.F) {
	for _, s := range []string{
		"ring", `"><script>alert(1)</script>`, `' onmouseover='x`, "</style><b>", "{{.}}", "<!--", "javascript:alert(1)", "&lt;b&gt;",
		"\x00\xff\u202e", "%zz&state=x;", "</table></td>", "]]>", strings.Repeat("<a href=x>", 200), "`${x}`", "\u2028",
	} {
		f.Add(s, s, s, s)
	}
	f.Fuzz(func(t *testing.T, scope, text, target, query string) {
		// A letter before each, since the page omits empty texts.
		page := newPage(t, named("a"+scope, "b"+text, "c"+target))
		got := skeleton(t, get(t, page, ""))
		if diff := cmp.Diff(skeleton(t, get(t, newPage(t, named("a", "b", "c")), "")), got); diff != "" {
			t.Errorf("tags (-plain +got):\n%s", diff)
		}
		skeleton(t, get(t, page, "?"+url.PathEscape(query)))

		// As a parameter, the text causes a notice or an empty table.
		query = strings.ToValidUTF8("zz"+strings.Join(strings.Fields(query), "-")+"zz", "-")
		if utf8.RuneCountInString(query) > 200 {
			return
		}
		values := func(s string) string {
			return "?" + url.Values{"q": {s}, "state": {s}, "list": {s}, "target": {s}, "cause": {s}}.Encode()
		}
		none := newPage(t, fleettest.Source{})
		if diff := cmp.Diff(skeleton(t, get(t, none, values("zz"))), skeleton(t, get(t, none, values(query)))); diff != "" {
			t.Errorf("tags for %q (-plain +got):\n%s", query, diff)
		}
	})
}
