package web

import (
	"fmt"
	"net/http"
	"strings"
)

// reload loads the configuration anew where it is asked to by POST, or by PUT, as
// Prometheus has it.
func reload(load func() (string, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost && r.Method != http.MethodPut {
			methodNotAllowed(w, http.MethodPost, http.MethodPut)
			return
		}
		done, err := load()
		if err != nil {
			http.Error(w, fmt.Sprintf("The configuration was not loaded, the one before goes on:\n%s", err), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		fmt.Fprintln(w, done)
	}
}

// methodNotAllowed says which methods are.
func methodNotAllowed(w http.ResponseWriter, allowed ...string) {
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	http.Error(w, "The method must be "+strings.Join(allowed, " or ")+".", http.StatusMethodNotAllowed)
}
