// Package statuspage is the page at "/": what the last read of each list said,
// worst first, with the appliance's own words, which cannot be labels. It is
// rendered here and needs no script and no other file. Opening it reads nothing.
package statuspage

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"
	"strconv"
	"strings"
	"time"

	"cckm_sync_exporter/collector/printable"
	"cckm_sync_exporter/collector/scrape"
)

// Source tells what is to be shown. It never reads an appliance.
type Source interface {
	// Targets returns the appliances and domains in the order of the
	// configuration. What it returns is not changed afterwards.
	Targets() []Target
}

// Target is what the page shows of one appliance or domain.
type Target struct {
	// Name is the target's name in the configuration file, and empty where the
	// exporter has one target, by flags.
	Name string
	// URL is the appliance's address, without credentials.
	URL string
	// Domain is the domain that is logged into; empty is the root domain.
	Domain string
	// Labels are those of the configuration file.
	Labels map[string]string
	// Lists holds each list that is read, or would be.
	Lists []scrape.Latest
	// ForgetScopesAfter leaves a scope out whose newest job is older, as the
	// metrics do; 0 keeps every scope.
	ForgetScopesAfter time.Duration
	// Redact removes secrets from a name of the appliance, which may repeat what it was sent; nil means
	// that there are none. Texts and errors are redacted already.
	Redact func(text string) string
	// ClockOffset is by how much the appliance's clock is ahead of this host's, for ages.
	ClockOffset time.Duration
	// Hint rewrites advice that names flags for what has configured the target; nil means flags.
	Hint func(hint string) string
}

// clean returns a name or an id of the appliance as people may read it.
func (t *Target) clean(name string) string {
	if t.Redact != nil {
		name = t.Redact(name)
	}
	return printable.Text(name)
}

func (t *Target) hint(hint string) string {
	if t.Hint == nil {
		return hint
	}
	return t.Hint(hint)
}

// Config configures the page.
type Config struct {
	// Source is asked at every request.
	Source Source
	// TelemetryPath is where the metrics are, such as "/metrics", ProbePath where one
	// target is read, and DiscoveryPath where Prometheus finds all.
	TelemetryPath, ProbePath, DiscoveryPath string
	// Version is the exporter's version, for the foot of the page.
	Version string
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// maxRenderings bounds the pages that are made at once: one of 100,000 scopes
// takes up to half a second of a processor that scrapes need as well.
const maxRenderings = 2

//go:embed page.html.tmpl
var pageTemplate string

//go:embed page.css
var pageStyle string

// New returns the handler of exactly "/". Every other path is 404.
func New(cfg Config) (http.Handler, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	tmpl, err := template.New("page").Parse(pageTemplate)
	if err != nil {
		return nil, fmt.Errorf("the status page's template: %w", err)
	}
	return &handler{
		Config: cfg,
		tmpl:   tmpl,
		policy: contentSecurityPolicy(pageStyle),
		slots:  make(chan struct{}, maxRenderings),
	}, nil
}

// contentSecurityPolicy allows the one style sheet that is part of the page, the
// form, the icon, which is part of the page as well, and nothing else.
func contentSecurityPolicy(style string) string {
	sum := sha256.Sum256([]byte(style))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
}

type handler struct {
	Config

	tmpl   *template.Template
	policy string
	slots  chan struct{}
}

// ServeHTTP implements http.Handler.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/" {
		http.NotFound(w, r)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "The status page can only be looked at: GET or HEAD.", http.StatusMethodNotAllowed)
		return
	}
	select {
	case h.slots <- struct{}{}:
	case <-r.Context().Done():
		return // Nobody waits any more.
	}
	page, err := h.render(r.URL.RawQuery)
	<-h.slots

	header := w.Header()
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Cache-Control", "no-store")
	if err != nil {
		http.Error(w, "The status page could not be made: "+err.Error(), http.StatusInternalServerError)
		return
	}
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Security-Policy", h.policy)
	// Names of key rings may stand in the query; runbooks are on another host.
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Content-Length", strconv.Itoa(len(page)))
	w.Write(page) //nolint:gosec // The template has escaped what is somebody else's.
}

// render makes the page as a whole, so that a mistake in it cannot leave half a
// page that looks as if all were well.
func (h *handler) render(rawQuery string) ([]byte, error) {
	var page bytes.Buffer
	v := newView(&h.Config, h.Source.Targets(), parseQuery(rawQuery))
	if err := h.tmpl.Execute(&page, v); err != nil {
		return nil, err
	}
	return page.Bytes(), nil
}

// relative returns a path of this exporter as a link that still holds where a
// proxy serves the exporter below a path of its own. The page is at "/".
func relative(path string) string { return "./" + strings.TrimLeft(path, "/") }
