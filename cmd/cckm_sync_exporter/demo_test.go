package main

import (
	"strings"
	"testing"
	"time"
)

// TestLongDemo holds that the demo's history is as long as --jobs says, and newest first: it is
// known after one read.
func TestLongDemo(t *testing.T) {
	p := start(t, nil, "demo", "--jobs=3000", "--latency=100ms", "--collector.disable-defaults", "--collector.google-keys")
	begun := time.Now()
	metrics := p.metrics(t)
	wantLines(t, metrics, `cckm_sync_up{cloud="google",item="key"} 1`, `cckm_sync_exporter_list_reads_total{cloud="google",item="key",kind="full"} 1`)
	// The pages after the first are requested at the same time.
	if took := time.Since(begun); took < 200*time.Millisecond {
		t.Errorf("four pages of 100ms took %s", took)
	}
	_, completed, _ := strings.Cut(metrics, `cckm_sync_jobs{cloud="google",item="key",status="completed"} `)
	if completed, _, _ = strings.Cut(completed, "\n"); len(completed) != 4 || completed < "2500" {
		t.Errorf("%s completed jobs, of 3000 in the history", completed)
	}
	wantLines(t, p.metrics(t), `cckm_sync_exporter_list_reads_total{cloud="google",item="key",kind="incremental"} 1`)
}

func TestDemoBounds(t *testing.T) {
	for args, want := range map[string]string{
		"--jobs=-1":        "--jobs is -1: give 0 to 1000000",
		"--jobs=1000001":   "--jobs is 1000001: give 0 to 1000000",
		"--latency=-1s":    "--latency is -1s: give 0s or more",
		"--targets=1001":   "--targets is 1001: give 0 to 1000",
		"--config.file=/x": "does not read --config.file",
	} {
		_, s, err := parse([]string{commandDemo, args})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.validateDemo(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", args, err, want)
		}
	}
}
