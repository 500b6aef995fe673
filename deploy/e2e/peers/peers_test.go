//go:build linux

// Package peers_test compares the exporter with two simpler implementations, a shell
// script and a Python exporter, on the same jobs of a simulated appliance.
package peers_test

import (
	"flag"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"cckm_sync_exporter/collector/simulator"
	"cckm_sync_exporter/deploy/e2e/livetest"
)

// sizes are the numbers of jobs in both lists together. The default takes three pages
// each.
var sizes = flag.String("peers.jobs", "5000", "numbers of jobs, with commas") //nolint:gochecknoglobals // A test's flag has no other place.

// scrapes is how often each server is scraped.
const scrapes = 3

// TestPeers checks that all programs export the same metrics of the same jobs, and logs
// the resources that each of them uses:
//
//	CCKM_TEST_ALL=1 go test ./deploy/e2e/peers -count 1 -v -peers.jobs 1000,10000,100000
//
// On 2 cores that had other work, go1.26.8, relative to the exporter:
//
//	jobs     textfile.sh: wall, CPU, memory   exporter.py: wall, CPU, memory
//	  1000   27x, 19x, 0.7x                   3.5x, 3.9x, 1.3x
//	 10000   22x, 23x, 0.6x                   3.5x, 4.9x, 1.4x
//	100000   12x, 27x, 0.5x                   3.1x, 5.1x, 1.3x
func TestPeers(t *testing.T) {
	python := programs(t)
	ours := livetest.BuildExporter(t)

	var table strings.Builder
	columns := tabwriter.NewWriter(&table, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(columns, "jobs\tprogram\twall\tCPU\tpeak memory\twall\tCPU\tpeak memory\t")
	row := func(jobs int, program string, got, than usage) {
		_, _ = fmt.Fprintf(columns, "%d\t%s\t%s\t%s\t%d MB\t%.1fx\t%.1fx\t%.1fx\t\n", jobs, program,
			got.wall.Round(time.Millisecond), got.cpu.Round(time.Millisecond), got.peak>>20,
			float64(got.wall)/float64(than.wall), float64(got.cpu)/float64(than.cpu), float64(got.peak)/float64(than.peak))
	}
	for size := range strings.SplitSeq(*sizes, ",") {
		jobs, err := strconv.Atoi(size)
		if err != nil {
			t.Fatal(err)
		}
		env := startAppliance(t, jobs)
		once, onceText := runOnce(t, env, ours, "once")
		file := filepath.Join(t.TempDir(), "cckm_sync.prom")
		script, _ := runOnce(t, env, "./textfile.sh", file)
		serve, serveText := runServer(t, env, ours, "--web.listen-address=127.0.0.1:PORT")
		server, serverText := runServer(t, env, python, "exporter.py", "PORT")

		want := parse(t, onceText)
		compare(t, "serve", want, parse(t, serveText))
		compare(t, "textfile.sh", want, parse(t, livetest.ReadFile(t, file)))
		compare(t, "exporter.py", want, parse(t, serverText))
		sum := 0.0
		for _, value := range want.only("cckm_sync_jobs") {
			sum += value
		}
		if int(sum) != jobs {
			t.Errorf("%v jobs, want %d", sum, jobs)
		}

		row(jobs, "cckm_sync_exporter once", once, once)
		row(jobs, "textfile.sh (curl, jq)", script, once)
		row(jobs, fmt.Sprintf("cckm_sync_exporter, %d scrapes", scrapes), serve, serve)
		row(jobs, fmt.Sprintf("exporter.py, %d scrapes", scrapes), server, serve)
	}
	if err := columns.Flush(); err != nil {
		t.Fatal(err)
	}
	t.Logf("wall time is of all scrapes, CPU and peak memory of the whole process and its children:\n%s", table.String())
}

// programs checks that the programs that the peers need are installed, and returns
// Debian's Python: another one may be first in PATH, without its packages.
func programs(t *testing.T) (python string) {
	t.Helper()
	for _, program := range []string{"curl", "jq", "/usr/bin/time"} {
		livetest.Program(t, program)
	}
	python = livetest.Program(t, "/usr/bin/python3")
	if err := exec.CommandContext(t.Context(), python, "-c", "import prometheus_client").Run(); err != nil {
		t.Fatal("Debian's python3-prometheus-client is needed and not installed: run .ci/run install")
	}
	return python
}

// startAppliance starts an appliance with this number of jobs, and returns the
// environment of its clients.
func startAppliance(t *testing.T, jobs int) []string {
	t.Helper()
	appliance := simulator.New(simulator.Options{})
	// In each list, one job is in progress, and one ended with an unknown status.
	left := jobs
	for i, name := range []string{simulator.GoogleKeys, simulator.AzureCertificates} {
		list := appliance.List(name)
		share := left / (2 - i)
		left -= share
		list.SetHistory(share-2, simulator.HistoryShape{})
		scopes := list.Jobs()[0].Scopes
		for _, job := range []*simulator.Job{
			{CreatedAt: time.Now().Add(-30 * time.Second), Scopes: scopes},
			{OverallStatus: "paused", CreatedAt: time.Now().Add(-50 * time.Second), CompletedAt: time.Now().Add(-40 * time.Second), Scopes: scopes},
		} {
			list.Put(*job)
		}
	}
	server := livetest.Serve(t, appliance)
	ca := livetest.WriteFile(t, "ca.pem", server.CAPEM)
	return []string{
		"CM_ADDRESS=" + server.URL, "CM_USERNAME=" + simulator.DefaultUsername, "CM_PASSWORD=" + simulator.DefaultPassword,
		"CM_CA_FILE=" + ca, "CCKM_SYNC_EXPORTER_CIPHERTRUST_CA_FILE=" + ca,
	}
}
