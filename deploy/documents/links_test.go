package documents_test

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestLinks holds that every link within the repository leads somewhere, to the
// heading that it names.
func TestLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	// What stands in code is no link.
	code := regexp.MustCompile("`[^`\n]*`")
	headings := map[string]map[string]bool{}
	all := documents(t)
	for _, d := range all {
		headings[d.name] = anchors(d)
	}
	links := 0
	for _, d := range all {
		prose := code.ReplaceAllString(d.prose, "code")
		for _, found := range link.FindAllStringSubmatch(prose, -1) {
			if strings.Contains(found[1], "://") {
				continue
			}
			links++
			name, anchor, _ := strings.Cut(found[1], "#")
			target := path.Join(path.Dir(d.name), name)
			if name == "" {
				target = d.name
			}
			if _, err := os.Stat(filepath.Join(top, target)); err != nil {
				t.Errorf("%s: (%s) leads nowhere: %v", d.name, found[1], err)
				continue
			}
			if anchor != "" && !headings[target][anchor] {
				t.Errorf("%s: (%s): %s has no such heading", d.name, found[1], target)
			}
		}
	}
	if links < 50 {
		t.Errorf("%d links were found", links)
	}
}

// anchors returns what GitHub calls the headings of a document.
func anchors(d document) map[string]bool {
	all := map[string]bool{}
	for _, found := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(d.prose, -1) {
		anchor := regexp.MustCompile(`[^\p{L}\p{N}_ -]`).ReplaceAllString(strings.ToLower(found[1]), "")
		all[strings.ReplaceAll(anchor, " ", "-")] = true
	}
	return all
}
