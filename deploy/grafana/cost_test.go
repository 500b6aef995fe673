package grafana_test

import (
	"bufio"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"cckm_sync_exporter/collector/state"
	"cckm_sync_exporter/deploy/e2e/livetest"
)

// TestRefreshCost logs what a refresh of each board costs Prometheus if there are 500 key
// rings and vaults, a third of them with an alert, and a day of data: the sum of the times
// of its queries, one after the other, without those of folded rows.
func TestRefreshCost(t *testing.T) {
	promtool := livetest.Program(t, "promtool")
	const scopes, day = 500, 24 * time.Hour
	dir, end := t.TempDir(), time.Now().Add(-time.Minute).Truncate(time.Minute)
	samples := filepath.Join(dir, "samples")
	writeSamples(t, samples, scopes, end.Add(-day), end)
	livetest.Run(t, "", promtool, "tsdb", "create-blocks-from", "--max-block-duration=24h", "openmetrics", samples, filepath.Join(dir, "data"))
	p := &prometheusServer{livetest.StartPrometheusWith(t, filepath.Join(dir, "data"), "global: {}")}
	p.Await(t, time.Minute, "vector(1)")
	values := everything("scope-7")
	for _, b := range readBoards(t) {
		var sum time.Duration
		number, before := 0, cpuSeconds(t, p.URL)
		for i := range b.panels {
			panel := &b.panels[i]
			if panel.folded {
				continue
			}
			for _, q := range panel.queries {
				// About what Grafana asks for a panel of this width.
				step := max(time.Minute, (day / time.Duration(60*panel.GridPos.W)).Round(time.Minute))
				if panel.MaxDataPoints != nil {
					step = day / time.Duration(*panel.MaxDataPoints)
				}
				asked := substituteAll(q.Expr, values, map[string]string{"__rate_interval": "4m", "__range": "1d", "__interval": strconv.Itoa(int(step.Seconds())) + "s"})
				path, parameters := "/api/v1/query", url.Values{"query": {asked}, "time": {strconv.FormatInt(end.Unix(), 10)}}
				if *q.Range {
					path = "/api/v1/query_range"
					parameters.Set("start", strconv.FormatInt(end.Add(-day).Unix(), 10))
					parameters.Set("end", strconv.FormatInt(end.Unix(), 10))
					parameters.Set("step", strconv.Itoa(int(step.Seconds())))
				}
				var data struct{ Result []any }
				begin := time.Now()
				if err := p.Get(t.Context(), path, parameters, &data); err != nil {
					t.Fatalf("%s: %v", panel.title, err)
				}
				took := time.Since(begin)
				sum += took
				number++
				if took > 100*time.Millisecond {
					t.Logf("%s: %s, %s: %d series in %s", b.uid, panel.title, *q.RefId, len(data.Result), took.Round(time.Millisecond))
				}
			}
		}
		t.Logf("%s: %d queries for %d key rings and vaults and a day: %s, of which Prometheus computes %.2f s",
			b.uid, number, scopes, sum.Round(10*time.Millisecond), cpuSeconds(t, p.URL)-before)
	}
}

// cpuSeconds returns the CPU time that a Prometheus has used. On a busy machine it is
// less than the time of the queries.
func cpuSeconds(t *testing.T, address string) (seconds float64) {
	t.Helper()
	_, metrics, _ := livetest.Get(t, address+"/metrics")
	_, after, _ := strings.Cut(metrics, "\nprocess_cpu_seconds_total ")
	if _, err := fmt.Sscan(after, &seconds); err != nil {
		t.Fatal(err)
	}
	return seconds
}

// writeSamples writes a day of the series that the boards query, a sample a minute, in
// OpenMetrics format.
func writeSamples(t *testing.T, path string, scopes int, start, end time.Time) {
	t.Helper()
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	out := bufio.NewWriterSize(file, 1<<20)
	const target = `job="cckm_sync",instance="prod-eu"`
	write := func(name, labels string, value func(minute int64) int64) {
		for at := start; !at.After(end); at = at.Add(time.Minute) {
			_, _ = fmt.Fprintf(out, "%s{%s%s} %d %d\n", name, target, labels, value(at.Unix()/60), at.Unix())
		}
	}
	constant := func(value int64) func(int64) int64 { return func(int64) int64 { return value } }
	// A family is written at once, as the format demands.
	each := func(name string, series func(name, labels string, i int)) {
		_, _ = fmt.Fprintf(out, "# TYPE %s gauge\n", name)
		for i := range scopes {
			series(name, fmt.Sprintf(`,cloud="google",item="key",scope="scope-%d"`, i), i)
		}
	}
	each("cckm_sync_scope:state", func(name, labels string, i int) {
		s := state.All()[i%state.NumStates]
		if i%3 > 0 {
			s = state.InSync
		}
		severity := ""
		if s.Info().Severity != state.None {
			severity = `,severity="` + string(s.Info().Severity) + `"`
		}
		write(name, labels+`,state="`+s.Info().Key+`"`+severity, constant(1))
	})
	age := func(minute int64) int64 { return minute % 60 * 60 }
	each("cckm_sync_scope:last_success_age:seconds", func(name, labels string, _ int) { write(name, labels, age) })
	each("cckm_sync_scope:overdue_after:seconds", func(name, labels string, _ int) { write(name, labels, constant(172800)) })
	each("cckm_sync_scope_in_progress_age_seconds", func(name, labels string, _ int) { write(name, labels, age) })
	each("cckm_sync_scope_info", func(name, labels string, i int) {
		write(name, labels+fmt.Sprintf(`,kind="key_ring",name="ring-%d",project="acme",location="global",subscription=""`, i), constant(1))
	})
	for _, name := range []string{"ALERTS", "ALERTS_FOR_STATE"} {
		each(name, func(name, labels string, i int) {
			if i%3 > 0 {
				return
			}
			labels += `,alertname="CCKMSyncFailed",severity="warning"`
			if name == "ALERTS" {
				labels += `,alertstate="firing"`
			}
			write(name, labels, constant(start.Unix()))
		})
	}
	list := `,cloud="google",item="key"`
	for _, name := range []string{"cckm_sync_up", "cckm_sync_exporter:up:max_over_time10m", "cckm_sync_list:stuck_after:seconds"} {
		_, _ = fmt.Fprintf(out, "# TYPE %s gauge\n", name)
		write(name, list, constant(1))
	}
	for _, name := range []string{"cckm_sync_jobs", "cckm_sync_list:finished_scope_jobs:increase5m"} {
		_, _ = fmt.Fprintf(out, "# TYPE %s gauge\n", name)
		for _, status := range []string{"completed", "failed", "aborted", "unknown"} {
			write(name, list+`,status="`+status+`"`, age)
		}
	}
	_, _ = fmt.Fprintln(out, "# EOF")
	if err := out.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
}
