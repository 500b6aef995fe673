package web

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/go-kit/log"

	"cckm_sync_exporter/collector/targets"
)

// probe reads the target that the query names. A request can only choose one of the configured
// targets, never an address or a credential.
func probe(set *targets.Set, limits *limits, logger log.Logger) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		names := r.URL.Query()["target"]
		if len(names) != 1 || names[0] == "" {
			http.Error(w, "Exactly one target parameter is required: "+PathProbe+"?target=NAME. "+known(set), http.StatusBadRequest)
			return
		}
		name := names[0]
		t, done, ok := set.Use(name)
		if !ok {
			http.Error(w, fmt.Sprintf("There is no target %q. %s", name, known(set)), http.StatusNotFound)
			return
		}
		defer done()
		// The server's own timeouts are for the targets that it started with.
		control := http.NewResponseController(w)
		deadline := time.Now().Add(t.Config.Timeout + TransferTimeout)
		_, _ = control.SetReadDeadline(deadline), control.SetWriteDeadline(deadline)
		scrapeHandler{
			lists: t.ListNames(), read: t.ReadSome, exposition: t.Exposition(), longest: t.Config.Timeout, offset: t.Config.TimeoutOffset, logger: logger,
		}.serve(name, limits, w, r)
	}
}

// known names the targets.
func known(set *targets.Set) string {
	var names []string
	for _, t := range set.All() {
		if t.Config.Name != "" {
			names = append(names, t.Config.Name)
		}
	}
	if len(names) == 0 {
		return "No target has a name: name some in --config.file."
	}
	return "The configured targets are: " + strings.Join(names, ", ") + "."
}
