// Package documents serves documents as web pages: the runbooks of the alerts, and what they refer to.
package documents

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"

	"cckm_sync_exporter/collector/web/statuspage"
)

//go:embed page.html.tmpl
var pageTemplate string

//go:embed page.css
var pageStyle string

type handler struct {
	files    fs.FS
	markdown goldmark.Markdown
	template *template.Template
	policy   string
}

// page is the data of the template. Either has Body or Links.
type page struct {
	Style template.CSS
	Title string
	// Home is the relative path of the status page.
	Home  string
	Body  template.HTML
	Links []link
}

type link struct{ Path, Title string }

// New returns the handler of the documents in files, which are Markdown in directories. A document has the
// path of its file, such as /runbooks/CCKMSyncFailed.md, or the same without ".md". The path of a directory
// has links to its documents.
func New(files fs.FS) (http.Handler, error) {
	tmpl, err := template.New("document").Parse(pageTemplate)
	if err != nil {
		return nil, fmt.Errorf("the template of documents: %w", err)
	}
	return &handler{
		files: files,
		markdown: goldmark.New(goldmark.WithExtensions(extension.Table),
			goldmark.WithParserOptions(parser.WithAutoHeadingID())),
		template: tmpl,
		policy:   statuspage.ContentSecurityPolicy(pageStyle),
	}, nil
}

// ServeHTTP implements http.Handler.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "The documents allow only GET and HEAD.", http.StatusMethodNotAllowed)
		return
	}
	name := strings.Trim(r.URL.Path, "/")
	shown := page{Style: template.CSS(pageStyle), Home: "../"} //nolint:gosec // The style sheet is ours.
	var err error
	if strings.HasSuffix(r.URL.Path, "/") {
		shown.Title = name
		shown.Links, err = h.list(name)
	} else {
		shown.Title, shown.Body, err = h.document(strings.TrimSuffix(name, ".md") + ".md")
	}
	if err != nil {
		http.Error(w, fmt.Sprintf("There is no document %q. /docs/ and /runbooks/ have links to all.", r.URL.Path), http.StatusNotFound)
		return
	}
	var body bytes.Buffer
	if err := h.template.Execute(&body, shown); err != nil {
		http.Error(w, "The document could not be rendered: "+err.Error(), http.StatusInternalServerError)
		return
	}
	header := w.Header()
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Security-Policy", h.policy)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer")
	// Another version has other documents.
	header.Set("Cache-Control", "no-cache")
	_, _ = body.WriteTo(w) // The client may have left.
}

// list returns links to the documents of a directory.
func (h *handler) list(dir string) ([]link, error) {
	names, err := fs.Glob(h.files, dir+"/*.md")
	if err != nil || len(names) == 0 {
		return nil, fs.ErrNotExist
	}
	links := make([]link, 0, len(names))
	for _, name := range names {
		title, _, err := h.document(name)
		if err != nil {
			return nil, err
		}
		links = append(links, link{path.Base(name), title})
	}
	return links, nil
}

// document renders a file.
func (h *handler) document(name string) (title string, body template.HTML, err error) {
	source, err := fs.ReadFile(h.files, name)
	if err != nil {
		return "", "", err
	}
	root := h.markdown.Parser().Parse(text.NewReader(source))
	if heading, ok := root.FirstChild().(*ast.Heading); ok {
		title = string(heading.Lines().Value(source))
	}
	h.removeLinks(root, path.Dir(name))
	var rendered bytes.Buffer
	if err := h.markdown.Renderer().Render(&rendered, source, root); err != nil {
		return "", "", err
	}
	return title, template.HTML(rendered.String()), nil //nolint:gosec // The documents are ours, and goldmark omits HTML in them.
}

// removeLinks replaces links to files of the repository that are not served by their texts.
func (h *handler) removeLinks(root ast.Node, dir string) {
	var removed []ast.Node
	_ = ast.Walk(root, func(node ast.Node, entering bool) (ast.WalkStatus, error) { // The function returns no error.
		switch node := node.(type) {
		case *ast.Link:
			if entering && !h.served(string(node.Destination), dir) {
				removed = append(removed, node)
			}
		case *ast.Image:
			if entering {
				removed = append(removed, node)
			}
		}
		return ast.WalkContinue, nil
	})
	for _, node := range removed {
		for node.HasChildren() {
			node.Parent().InsertBefore(node.Parent(), node, node.FirstChild())
		}
		node.Parent().RemoveChild(node.Parent(), node)
	}
}

func (h *handler) served(destination, dir string) bool {
	name, _, _ := strings.Cut(destination, "#")
	if name == "" || strings.Contains(name, "://") {
		return true
	}
	_, err := fs.Stat(h.files, path.Join(dir, name))
	return err == nil
}
