//go:build linux

package joblist_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"cckm_sync_exporter/collector/ciphertrust"
	"cckm_sync_exporter/collector/scrape"
	"cckm_sync_exporter/collector/syncjob"
)

// BenchmarkPeakMemory reads whole lists in a process of its own, and compares its peak memory with that before the
// first read. Another process serves the pages. Each list is read three times, because the garbage of one read
// counts in the next.
//
//	go test ./collector/joblist -run '^$' -bench PeakMemory -benchtime 1x
//
// "of-bar" is the peak's share of the bar, which is 1.5 times the idle process and 44 bytes a job.
// deploy/docs/performance.md has the results.
func BenchmarkPeakMemory(b *testing.B) {
	for _, list := range []struct{ jobs, pageSize int }{
		{1_000, 10},
		{100_000, 10},
		{1_000, 1_000},
		{100_000, 1_000},
		{1_000_000, 1_000},
		{100_000, 10_000},
		{1_000_000, 10_000},
		// One page of 100 MB, and one of 600 MB.
		{160_000, 160_000},
		{1_000_000, 1_000_000},
	} {
		b.Run(fmt.Sprintf("jobs=%d/page=%d", list.jobs, list.pageSize), func(b *testing.B) {
			server := startRole(b, roleServer, strconv.Itoa(list.jobs))
			var url string
			if err := json.NewDecoder(server).Decode(&url); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				reader := startRole(b, roleReader, url, strconv.Itoa(list.jobs), strconv.Itoa(list.pageSize))
				var got memoryUse
				if err := json.NewDecoder(reader).Decode(&got); err != nil {
					b.Fatal(err)
				}
				const mib = 1 << 20
				b.ReportMetric(float64(got.Idle)/mib, "idle-MiB")
				b.ReportMetric(float64(got.Peak)/mib, "peak-MiB")
				b.ReportMetric(float64(got.Peak-got.Idle)/float64(list.jobs), "B/job")
				b.ReportMetric(float64(got.Peak)/(1.5*float64(got.Idle)+44*float64(list.jobs)), "of-bar")
			}
		})
	}
}

// roleVariable is the environment variable with the role of a process that a benchmark has started.
const roleVariable = "JOBLIST_BENCHMARK_ROLE"

const (
	roleServer = "server"
	roleReader = "reader"
)

// memoryUse is the peak memory of a process in bytes: before the first read and at its end.
type memoryUse struct {
	Idle int64 `json:"idle"`
	Peak int64 `json:"peak"`
}

// TestMain runs the tests, or the role for which a benchmark has started this process.
func TestMain(m *testing.M) {
	var err error
	switch role := os.Getenv(roleVariable); role {
	case "":
		os.Exit(m.Run())
	case roleServer:
		err = beServer(os.Args[1:])
	case roleReader:
		err = beReader(os.Args[1:])
	default:
		err = fmt.Errorf("there is no role %q", role)
	}
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// startRole starts this program with a role. The process ends when its stdin is closed.
func startRole(b *testing.B, role string, args ...string) io.Reader {
	b.Helper()
	command := exec.CommandContext(context.WithoutCancel(b.Context()), os.Args[0], args...) //nolint:gosec // It starts itself.
	command.Env = append(os.Environ(), roleVariable+"="+role)
	command.Stderr = os.Stderr
	input, err := command.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	output, err := command.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := command.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = input.Close()
		if err := command.Wait(); err != nil {
			b.Errorf("%s: %v", role, err)
		}
	})
	return output
}

// beServer serves a list of jobs and prints its address.
func beServer(args []string) error {
	jobs, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	s := servePages(jobs, 0)
	defer s.Close()
	if err := json.NewEncoder(os.Stdout).Encode(s.URL); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// beReader reads a list and prints its memoryUse.
func beReader(args []string) error {
	jobs, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	pageSize, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	client, err := ciphertrust.New(ciphertrust.Config{
		URL: args[0], Credentials: ciphertrust.Credentials{Username: "u", Password: "p"}, TLS: ciphertrust.TLSConfig{InsecureSkipVerify: true},
	})
	if err != nil {
		return err
	}
	reader := scrape.NewList(syncjob.Lists()[0], client, scrape.ListOptions{PageSize: pageSize, Concurrency: 4})
	if err := client.Login(context.Background()); err != nil {
		return err
	}
	var use memoryUse
	if use.Idle, err = peakMemory(); err != nil {
		return err
	}
	for range 3 {
		summary, _, err := reader.Read(context.Background())
		if err != nil {
			return err
		}
		if got := summary.Jobs[syncjob.Completed]; got != jobs {
			return fmt.Errorf("%d jobs of %d", got, jobs)
		}
	}
	if use.Peak, err = peakMemory(); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(use)
}

// peakMemory returns the peak memory of the process in bytes.
func peakMemory() (int64, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	lines := bufio.NewScanner(bytes.NewReader(status))
	for lines.Scan() {
		if value, ok := strings.CutPrefix(lines.Text(), "VmHWM:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(value, "kB")), 10, 64)
			return kib << 10, err
		}
	}
	return 0, errors.New("/proc/self/status has no VmHWM")
}
