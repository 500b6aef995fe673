package targets_test

import (
	"net/http"
	"strings"
	"testing"

	"cckm_sync_exporter/collector/scrape"
	"cckm_sync_exporter/collector/simulator"
)

// TestSourcesDelayNothing checks that neither a scrape nor the end waits for schedules and inventories that
// hang, even if one request is allowed at a time, and that a later scrape has them.
func TestSourcesDelayNothing(t *testing.T) {
	a := startAppliance(t)
	a.SetPlans(simulator.DefaultLives())
	cfg := a.target("a")
	cfg.Schedules, cfg.Inventory, cfg.Concurrency = true, true, 1
	hangs := make(chan string, 1000)
	a.Intercept(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method == http.MethodGet && !strings.HasSuffix(r.URL.Path, "synchronization-jobs") {
			hangs <- r.URL.Path
			<-r.Context().Done()
			return
		}
		next.ServeHTTP(w, r)
	})
	s := newSet(t, cfg)
	read := func(i int) *scrape.Snapshot {
		if i > 0 {
			return s.read(t, "a")
		}
		// Like a scrape that names its lists.
		target, done, _ := s.Use("a")
		defer done()
		return target.ReadSome(t.Context(), target.ListNames())
	}
	for i := range 3 {
		if snapshot := read(i); !snapshot.Complete() || snapshot.Sources == nil || len(snapshot.Sources.Sources) != 0 {
			t.Errorf("complete: %t, with the sources %v", snapshot.Complete(), snapshot.Sources)
		}
	}
	if first := <-hangs; first != "/api/v1/cckm/google/key-rings" || len(hangs) > 0 {
		t.Errorf("%s was requested first, and %d at the same time", first, len(hangs))
	}
	s.close(t)
	if n := a.tokens(); n != 0 {
		t.Errorf("%d refresh tokens are left", n)
	}
}
