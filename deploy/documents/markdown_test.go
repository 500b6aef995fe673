// Package documents_test runs the commands of the documents and checks their
// links, snippets and names.
package documents_test

import (
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"

	"cckm_sync_exporter/deploy/e2e/livetest"
)

// top is the repository.
const top = "../.."

// document is a Markdown file.
type document struct {
	// name is its path within the repository.
	name, text string
	headings   map[string]bool
	links      []string
	// spans are the texts between backticks in sentences.
	spans  []string
	blocks []block
}

// block is a fenced block of code.
type block struct{ language, text string }

func read(t *testing.T, name string) string {
	t.Helper()
	return livetest.ReadFile(t, top, name)
}

// documents returns every document of the repository, sorted by name.
func documents(t *testing.T) []document {
	t.Helper()
	var all []document
	err := fs.WalkDir(os.DirFS(top), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && slices.Contains([]string{".git", "node_modules", "testdata", "dist"}, entry.Name()) {
			return fs.SkipDir
		}
		if !entry.IsDir() && strings.HasSuffix(path, ".md") {
			all = append(all, parse(t, path))
		}
		return nil
	})
	if err != nil || len(all) < 10 {
		t.Fatalf("%d documents: %v", len(all), err)
	}
	return all
}

func parse(t *testing.T, name string) document {
	t.Helper()
	d := document{name: name, text: read(t, name), headings: map[string]bool{}}
	source := []byte(d.text)
	markdown := goldmark.New(goldmark.WithExtensions(extension.Table), goldmark.WithParserOptions(parser.WithAutoHeadingID()))
	err := ast.Walk(markdown.Parser().Parse(text.NewReader(source)), func(node ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch node := node.(type) {
		case *ast.Heading:
			if id, ok := node.AttributeString("id"); ok {
				d.headings[string(id.([]byte))] = true //nolint:errcheck,forcetypeassert // goldmark's type of an id.
			}
		case *ast.Link:
			d.links = append(d.links, string(node.Destination))
		case *ast.Image:
			d.links = append(d.links, string(node.Destination))
		case *ast.FencedCodeBlock:
			d.blocks = append(d.blocks, block{string(node.Language(source)), strings.TrimSpace(string(node.Lines().Value(source)))})
		case *ast.CodeSpan:
			var span strings.Builder
			for child := node.FirstChild(); child != nil; child = child.NextSibling() {
				if part, ok := child.(*ast.Text); ok {
					span.Write(part.Value(source))
				}
			}
			d.spans = append(d.spans, strings.Join(strings.Fields(span.String()), " "))
		}
		return ast.WalkContinue, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// scripts returns what the reader is asked to type: each block of shell, and each
// command in a sentence. A single word in a sentence only names a program.
func (d document) scripts() []string {
	typed := regexp.MustCompile(`^(((\./)?cckm_sync_exporter|go|bash|sh|docker|curl|promtool|prometheus|alertmanager|amtool|apt|dnf|` +
		`systemctl|systemd-analyze|sed|npm|helm|kubectl|git|sha256sum|cosign|gh|install|kill|buildah|nfpm|sudo|make|python3|echo|cat) \S.*` +
		`|(once|check|healthy|serve|demo) --.*|(deploy/\S+\.sh|\.ci/run)( .*)?)$`)
	var all []string
	for _, b := range d.blocks {
		if slices.Contains([]string{"sh", "bash", "shell", "console", ""}, b.language) {
			all = append(all, b.text)
		}
	}
	flagOfCommand := regexp.MustCompile(`^(once|demo) --[a-z]+$`) // It is only named.
	for _, span := range d.spans {
		if typed.MatchString(span) && !flagOfCommand.MatchString(span) {
			all = append(all, span)
		}
	}
	return all
}
