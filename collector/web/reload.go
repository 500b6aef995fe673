package web

import (
	"fmt"
	"net/http"
	"strings"
)

// reload loads the configuration again at a POST, or a PUT, as Prometheus does. A browser that another
// website has sent is refused, and so is everyone if load is nil.
func reload(load func() (string, error)) http.HandlerFunc {
	crossOrigin := http.NewCrossOriginProtection()
	return func(w http.ResponseWriter, r *http.Request) {
		if load == nil {
			http.Error(w, "Lifecycle API is not enabled: reload by SIGHUP, or start the exporter with --web.enable-lifecycle.", http.StatusForbidden)
			return
		}
		if r.Method != http.MethodPost && r.Method != http.MethodPut {
			methodNotAllowed(w, http.MethodPost, http.MethodPut)
			return
		}
		if crossOrigin.Check(r) != nil {
			http.Error(w, "A reload is not accepted from another website.", http.StatusForbidden)
			return
		}
		done, err := load()
		if err != nil {
			http.Error(w, fmt.Sprintf("The configuration was not loaded, the previous one remains in use:\n%s", err), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		fmt.Fprintln(w, done)
	}
}

// methodNotAllowed responds with the allowed methods.
func methodNotAllowed(w http.ResponseWriter, allowed ...string) {
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	http.Error(w, "The method must be "+strings.Join(allowed, " or ")+".", http.StatusMethodNotAllowed)
}
