package main

import (
	"regexp"
	"strconv"
	"testing"
	"time"

	"cckm_sync_exporter/collector/simulator"
)

// TestClocksApart has the appliance's clock an hour before and behind the
// exporter's own: no scrape fails, one login is enough, and no age is negative.
func TestClocksApart(t *testing.T) {
	for _, apart := range []time.Duration{-time.Hour, time.Hour} {
		t.Run(apart.String(), func(t *testing.T) {
			appliance := simulator.New(simulator.Options{Clock: func() time.Time { return time.Now().Add(apart) }})
			if _, err := simulator.NewFleet(appliance, simulator.FleetOptions{}); err != nil {
				t.Fatal(err)
			}
			server, err := appliance.StartTLS()
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(server.Close)
			p := start(t, []string{
				"CM_ADDRESS=" + server.URL, "CM_USERNAME=" + simulator.DefaultUsername, "CM_PASSWORD=" + simulator.DefaultPassword,
			}, "--ciphertrust.ca-file="+write(t, t.TempDir(), "ca.pem", server.CAPEM))
			for range 5 {
				wantUp(t, p, "with the clocks apart")
			}
			if n := len(appliance.Logins()); n != 1 {
				t.Errorf("%d logins", n)
			}
			metrics := p.metrics(t)
			ages := regexp.MustCompile(`(?m)^cckm_sync_scope_(?:job|in_progress)_age_seconds\{.*\} (\S+)$`).FindAllStringSubmatch(metrics, -1)
			if len(ages) == 0 {
				t.Fatalf("no ages:\n%s", metrics)
			}
			for _, age := range ages {
				if seconds, err := strconv.ParseFloat(age[1], 64); err != nil || seconds < 0 {
					t.Errorf("%s, %v", age[0], err)
				}
			}
		})
	}
}
