package main

import (
	"html"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"cckm_sync_exporter/collector/simulator"
	"cckm_sync_exporter/deploy/e2e/livetest"
)

// TestRefusedSources lists what an appliance may answer instead of schedules and registered containers, and
// checks that check, the metrics, the page and the log give the same reason and hint for each source, and that
// the lists do not suffer.
func TestRefusedSources(t *testing.T) {
	t.Parallel()
	const form = "report the form of its answer"
	access := map[string]string{
		"inventory-azure":  "give it the permission certificateview on each key vault",
		"inventory-google": "give it the permission view on each key ring",
		"schedules":        "let the user view the scheduler's job configurations (no public document names the group that may)",
	}
	sources := []string{"inventory-azure", "inventory-google", "schedules"}
	paths := []string{"/api/v1/cckm/azure/vaults", "/api/v1/cckm/google/key-rings", "/api/v1/scheduler/job-configs"}
	for name, test := range map[string]struct {
		status int
		body   string
		// reason is that of cckm_sync_source_error. An empty hint means that of access.
		reason, hint string
	}{
		"403":                {http.StatusForbidden, `{"code":7,"codeDesc":"NCERRForbidden","message":"no"}`, "forbidden", ""},
		"no license":         {http.StatusForbidden, `{"message":"License not found"}`, "forbidden", "add the license there, or turn this off"},
		"404":                {http.StatusNotFound, "404 page not found", "not_found", "an older appliance does not have this path: turn this off (--no-collector."},
		"a page of a proxy":  {http.StatusOK, "<html><body>Log in</body></html>", "decode", form},
		"an empty answer":    {http.StatusOK, "", "decode", form},
		"an object":          {http.StatusOK, `{"message":"ok"}`, "decode", form},
		"records of strings": {http.StatusOK, `{"total":1,"resources":["a"]}`, "decode", form},
		"half of an answer":  {http.StatusOK, `{"total":2,"resources":[{"id":"1"},`, "decode", form},
		"too few records":    {http.StatusOK, `{"total":2,"resources":[]}`, "inconsistent", "if it stays, report it with the appliance's version"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.SetPlans(simulator.DefaultLives())
			r.Intercept(func(w http.ResponseWriter, req *http.Request, next http.Handler) {
				if !slices.Contains(paths, req.URL.Path) {
					next.ServeHTTP(w, req)
					return
				}
				w.WriteHeader(test.status)
				_, _ = io.WriteString(w, test.body)
			})
			stdout, _, code := runCommand(t, r.env, "check", "--collector.schedules", "--collector.inventory")
			p := r.start(t, "--collector.schedules", "--collector.inventory")
			var metrics string
			livetest.Eventually(t, 30*time.Second, "the sources", func() bool {
				metrics = p.metrics(t)
				return strings.Count(metrics, "\ncckm_sync_source_up{") == len(sources)
			})
			page := html.UnescapeString(regexp.MustCompile(`<[^>]*>`).ReplaceAllString(p.mustRequest(t, http.MethodGet, "/", http.StatusOK), ""))
			if code != 1 || !strings.HasSuffix(stdout, " 3 failures\n") {
				t.Errorf("check exits with %d:\n%s", code, stdout)
			}
			wantLines(t, metrics, `cckm_sync_up{cloud="google",item="key"} 1`, `cckm_sync_up{cloud="azure",item="certificate"} 1`)
			if strings.Contains(metrics, "\ncckm_sync_scope_registered") || strings.Contains(metrics, "\ncckm_sync_schedule_") {
				t.Error("there are series about what was not read")
			}
			for _, source := range sources {
				hint := test.hint
				if hint == "" {
					hint = access[source]
				}
				wantLines(t, metrics, `cckm_sync_source_up{source="`+source+`"} 0`, `cckm_sync_source_error{reason="`+test.reason+`",source="`+source+`"} 1`)
				if want := regexp.MustCompile(`(?m)^FAIL  ` + source + `: ` + test.reason + `: .*\n      hint: .*` + regexp.QuoteMeta(hint)); !want.MatchString(stdout) {
					t.Errorf("check does not have %s:\n%s", want, stdout)
				}
				line := regexp.MustCompile(`(?m)^.* source=`+source+` .*$`).FindAllString(p.log(), -1)
				if len(line) != 1 || !strings.Contains(line[0], "reason="+test.reason) || !strings.Contains(line[0], hint) {
					t.Errorf("the log has %q, want once reason=%s and %q", line, test.reason, hint)
				}
				_, lists, _ := strings.Cut(page, "how the last read of each ended")
				_, row, _ := strings.Cut(lists, "\n"+source)
				row, _, _ = strings.Cut(row, "\n")
				if !strings.Contains(row, "Source unreadable") || !strings.Contains(row, test.reason) || !strings.Contains(row, hint) {
					t.Errorf("the page says of %s %q, want %s and %q", source, row, test.reason, hint)
				}
			}
			p.terminate(t)
		})
	}
}
