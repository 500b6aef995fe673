package main

import (
	"math"
	"net/http"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"cckm_sync_exporter/collector/simulator"
)

// TestClocksApart checks the exporter of an appliance whose clock differs: no scrape fails, one login
// is enough, and ages are by the appliance's clock. If times are more than a day in the future, they
// are missing.
func TestClocksApart(t *testing.T) {
	const year = 365 * 24 * time.Hour
	for _, test := range []struct {
		ahead time.Duration
		// warning is in the output of check.
		warning string
		// future is true if the jobs' times count as missing.
		future bool
	}{
		{-2 * time.Hour, `(?m)^WARN  clock: the appliance's clock is (2h0m[01]s|1h59m59s) behind this host's\n      hint: set NTP on the appliance`, false},
		{2 * time.Hour, `(?m)^WARN  clock: the appliance's clock is (2h0m[01]s|1h59m59s) ahead of this host's\n      hint: set NTP on the appliance`, false},
		{year, `(?m)^WARN  clock: the appliance's clock is 87(60h0m[01]s|59h59m59s) ahead of`, true},
	} {
		t.Run(test.ahead.String(), func(t *testing.T) {
			theirs := func() time.Time { return time.Now().Add(test.ahead) }
			appliance := simulator.New(simulator.Options{Clock: theirs})
			list := appliance.List(simulator.GoogleKeys)
			for status, ago := range map[string]time.Duration{simulator.StatusCompleted: 90*time.Minute + 30*time.Second, simulator.StatusInProgress: 30*time.Minute + 30*time.Second} {
				job := simulator.Job{OverallStatus: status, CreatedAt: theirs().Add(-ago), Scopes: []string{"ring"}}
				if status == simulator.StatusCompleted {
					job.CompletedAt = job.CreatedAt.Add(time.Minute)
				}
				list.Put(job)
			}
			server, err := appliance.StartTLS()
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(server.Close)
			ca := filepath.Join(t.TempDir(), "ca.pem")
			replace(t, ca, server.CAPEM)
			env := []string{
				"CM_ADDRESS=" + server.URL, "CM_USERNAME=" + simulator.DefaultUsername, "CM_PASSWORD=" + simulator.DefaultPassword,
				"CCKM_SYNC_EXPORTER_CIPHERTRUST_CA_FILE=" + ca,
			}
			p := start(t, env)
			for range 3 {
				p.wantUp(t, "/metrics")
			}
			if n := len(appliance.Logins()); n != 1 {
				t.Errorf("%d logins", n)
			}
			metrics := p.metrics(t)
			wantNear(t, metrics, `cckm_sync_exporter_appliance_clock_offset_seconds`, test.ahead.Seconds(), 2)
			ages := regexp.MustCompile(`(?m)^cckm_sync_scope_(?:job|in_progress)_age_seconds\{.*\} .*$`).FindAllString(metrics, -1)
			if test.future {
				if len(ages) > 0 || strings.Count(p.log(), "a time more than a day in the future counts as missing") != 1 {
					t.Errorf("times in the future: %q, log:\n%s", ages, p.log())
				}
			} else {
				const labels = `{cloud="google",item="key",scope="ring"}`
				wantNear(t, metrics, "cckm_sync_scope_job_age_seconds"+labels, 1830, 30)
				wantNear(t, metrics, "cckm_sync_scope_in_progress_age_seconds"+labels, 1830, 30)
				page := p.mustRequest(t, http.MethodGet, "/", http.StatusOK)
				if !regexp.MustCompile(`>3[01] min ago<`).MatchString(page) || !regexp.MustCompile(`1 h (29|30) min ago`).MatchString(page) {
					t.Errorf("the status page has other ages:\n%s", page)
				}
			}
			if out, _, code := runCommand(t, env, "check"); code != 0 || !regexp.MustCompile(test.warning).MatchString(out) {
				t.Errorf("check: code %d, want %s in:\n%s", code, test.warning, out)
			}
		})
	}
}

// wantNear checks that the metrics have a series with a value.
func wantNear(t *testing.T, metrics, series string, want, within float64) {
	t.Helper()
	match := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(series) + ` (\S+)$`).FindStringSubmatch(metrics)
	if match == nil {
		t.Errorf("%s is missing in:\n%s", series, metrics)
		return
	}
	if value, err := strconv.ParseFloat(match[1], 64); err != nil || math.Abs(value-want) > within {
		t.Errorf("%s is %s, want %g to within %g", series, match[1], want, within)
	}
}
