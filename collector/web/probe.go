package web

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/go-kit/log"
)

// TransferTimeout is what a request and its answer may take beyond the longest
// scrape, be it the server's or a probe's own.
const TransferTimeout = 30 * time.Second

// probeHandler reads the target that the query names. A request chooses among
// what is configured and nothing else: neither an address nor a credential.
type probeHandler struct {
	targets Targets
	limits  *limits
	// encoders is shared by all targets, as scrapeHandler's.
	encoders chan struct{}
	logger   log.Logger
}

// ServeHTTP implements http.Handler.
func (h *probeHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	names := r.URL.Query()["target"]
	if len(names) != 1 || names[0] == "" {
		http.Error(w, "Say once which target to probe: "+PathProbe+"?target=NAME. "+h.known(), http.StatusBadRequest)
		return
	}
	name := names[0]
	t, done, ok := h.targets.Use(name)
	if !ok {
		http.Error(w, fmt.Sprintf("There is no target %q. %s", name, h.known()), http.StatusNotFound)
		return
	}
	defer done()
	scrape := &scrapeHandler{
		scraped: scraped{t, t.Exposition(), t.Config.Timeout, t.Config.TimeoutOffset}, encoders: h.encoders, logger: h.logger,
	}
	// The server's own times are made for the targets that it began with.
	control := http.NewResponseController(w)
	deadline := time.Now().Add(t.Config.Timeout + TransferTimeout)
	_, _ = control.SetReadDeadline(deadline), control.SetWriteDeadline(deadline)
	h.limits.serve(name, w, r, scrape)
}

// known names the targets.
func (h *probeHandler) known() string {
	targets := h.targets.All()
	names := make([]string, 0, len(targets))
	for _, t := range targets {
		if t.Config.Name != "" {
			names = append(names, t.Config.Name)
		}
	}
	if len(names) == 0 {
		return "No target has a name: name some in --config.file."
	}
	return "The configured targets are: " + strings.Join(names, ", ") + "."
}
