package web

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/go-kit/log"
)

// TransferTimeout is how long a request and its response may take in addition to the longest scrape.
const TransferTimeout = 30 * time.Second

// probeHandler reads the target that the query names. A request can only choose one of the configured
// targets, never an address or a credential.
type probeHandler struct {
	targets Targets
	limits  *limits
	logger  log.Logger
}

// ServeHTTP implements http.Handler.
func (h *probeHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	names := r.URL.Query()["target"]
	if len(names) != 1 || names[0] == "" {
		http.Error(w, "Exactly one target parameter is required: "+PathProbe+"?target=NAME. "+h.known(), http.StatusBadRequest)
		return
	}
	name := names[0]
	t, done, ok := h.targets.Use(name)
	if !ok {
		http.Error(w, fmt.Sprintf("There is no target %q. %s", name, h.known()), http.StatusNotFound)
		return
	}
	defer done()
	// The server's own timeouts are for the targets that it started with.
	control := http.NewResponseController(w)
	deadline := time.Now().Add(t.Config.Timeout + TransferTimeout)
	_, _ = control.SetReadDeadline(deadline), control.SetWriteDeadline(deadline)
	h.limits.serve(name, w, func(responses *responses) {
		probed := scraped{reader: t, exposition: t.Exposition(), longest: t.Config.Timeout, offset: t.Config.TimeoutOffset, logger: h.logger}
		probed.serve(responses, w, r)
	})
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
