// Package statuspage is the page at "/". It shows the result of the last read of each list, worst scopes
// first, with the appliance's texts, which cannot be labels. It needs no script and no other file. A
// request for the page never contacts an appliance.
package statuspage

import (
	"bytes"
	"cmp"
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
	"cckm_sync_exporter/collector/sources"
)

// Target is the data of one appliance or domain.
type Target struct {
	// Name is the target's name in the configuration file; empty for the target of the flags.
	Name string
	// URL is the appliance's URL, without credentials.
	URL string
	// Domain is the domain of the login; empty means the root domain.
	Domain string
	// Labels are the labels in the configuration file.
	Labels map[string]string
	// Lists are the enabled lists.
	Lists []scrape.Latest
	// Sources are the schedules and inventories; nil if none are read.
	Sources *sources.State
	// ForgetScopesAfter omits scopes whose newest job is older, except registered ones, as the metrics do; 0
	// keeps every scope.
	ForgetScopesAfter time.Duration
	// Redact removes secrets from a name, because an appliance may repeat what it received; nil if there
	// are none. Texts and errors are redacted already.
	Redact func(text string) string
	// ClockOffset is how far the appliance's clock is ahead of this host's, for ages.
	ClockOffset time.Duration
	// Hint replaces flags in advice by the keys of the target's file; nil if the target is from flags.
	Hint func(hint string) string
}

// clean returns a name or id of the appliance redacted and printable.
func (t *Target) clean(name string) string {
	if t.Redact != nil {
		name = t.Redact(name)
	}
	return printable.Text(name)
}

// ours returns a time of the appliance's clock by this host's. It leaves a missing time.
func (t *Target) ours(at time.Time) time.Time {
	if at.IsZero() {
		return at
	}
	return at.Add(-t.ClockOffset)
}

// Config configures the page.
type Config struct {
	// Targets returns the appliances and domains in the order of the configuration, without contacting an
	// appliance. The result must not change later.
	Targets func() []Target
	// TelemetryPath, ProbePath and DiscoveryPath are the paths to link to.
	TelemetryPath, ProbePath, DiscoveryPath string
	// ExternalURL is the exporter's URL for users, without a "/" at its end. If it is empty, links are
	// relative.
	ExternalURL string
	// Version is the exporter's version.
	Version string
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// maxRenderings bounds concurrent renderings, because a page of 100,000 scopes takes half a second of
// CPU time.
const maxRenderings = 2

// maxRequests bounds concurrent requests, because each holds a page until its client has read it.
const maxRequests = 20

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
		policy: ContentSecurityPolicy(pageStyle),
		slots:  make(chan struct{}, maxRenderings),

		requests: make(chan struct{}, maxRequests),
	}, nil
}

// ContentSecurityPolicy returns the header's value that allows only the embedded style sheet and icon, and
// forms that lead to the exporter.
func ContentSecurityPolicy(style string) string {
	sum := sha256.Sum256([]byte(style))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
}

type handler struct {
	Config

	tmpl   *template.Template
	policy string
	// slots has room for renderings, and requests for requests.
	slots, requests chan struct{}
}

// ServeHTTP implements http.Handler.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/" {
		http.NotFound(w, r)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "The status page allows only GET and HEAD.", http.StatusMethodNotAllowed)
		return
	}
	select {
	case h.requests <- struct{}{}:
		defer func() { <-h.requests }()
	default:
		http.Error(w, "The status page is being sent to too many clients; try again later.", http.StatusServiceUnavailable)
		return
	}
	select {
	case h.slots <- struct{}{}:
	case <-r.Context().Done():
		return // The client has left.
	}
	page, err := h.render(r.URL.RawQuery)
	<-h.slots

	header := w.Header()
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Cache-Control", "no-store")
	if err != nil {
		http.Error(w, "The status page could not be rendered: "+err.Error(), http.StatusInternalServerError)
		return
	}
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Security-Policy", h.policy)
	// The query may contain names of key rings, which another host must not get.
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Content-Length", strconv.Itoa(len(page)))
	w.Write(page) //nolint:gosec // The template has escaped what is somebody else's.
}

// render renders the whole page before it is sent, so that an error cannot leave a partial page that
// looks complete.
func (h *handler) render(rawQuery string) ([]byte, error) {
	var page bytes.Buffer
	v := newView(&h.Config, h.Targets(), parseQuery(rawQuery))
	if err := h.tmpl.Execute(&page, v); err != nil {
		return nil, err
	}
	return page.Bytes(), nil
}

// link returns a link to a path of the exporter. A relative one also works if a proxy serves the exporter
// below a path.
func (c *Config) link(path string) string {
	return cmp.Or(c.ExternalURL, ".") + "/" + strings.TrimLeft(path, "/")
}

// query returns a link to the page for a query with a change.
func (c *Config) query(q *query, change func(*query)) string {
	return c.link(q.link(change))
}
