package joblist_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-kit/log"

	"cckm_sync_exporter/collector/joblist"
	"cckm_sync_exporter/collector/syncjob"
)

// job is a job as the API gives it.
type job struct {
	ID        string            `json:"id"`
	CreatedAt time.Time         `json:"createdAt"`
	Status    string            `json:"overall_status"`
	KeyRings  []string          `json:"key_rings,omitempty"`
	Details   map[string]string `json:"detailed_status,omitempty"`

	// raw is the job's JSON. It is made when the job is first requested.
	raw json.RawMessage
}

// completed returns 100 completed jobs, newest first.
func completed() []job {
	jobs := make([]job, 0, 100)
	for at := range cap(jobs) {
		jobs = append(jobs, newJob(-at, syncjob.OverallCompleted, "ring"))
	}
	return jobs
}

// newJob returns a job. One with a higher number is newer.
func newJob(number int, status string, keyRings ...string) job {
	return job{
		ID:        fmt.Sprintf("%08x-0000-4000-8000-000000000000", uint32(number)), //nolint:gosec // Any bits will do.
		CreatedAt: time.Date(2026, 11, 1, 0, number, 0, 0, time.UTC), Status: status, KeyRings: keyRings,
	}
}

// rings returns the names of key rings from a number on.
func rings(from, n int) []string {
	names := make([]string, 0, n)
	for i := range n {
		names = append(names, fmt.Sprintf("ring-%d", from+i))
	}
	return names
}

// served is a joblist.Getter of a list, newest first.
type served struct {
	jobs []job
	// refuse returns the error for a request, and total changes the total of a page. Both may be nil.
	refuse func(url.Values) error
	total  func(query url.Values, total int) int
	// requests counts the requests, and filtered those by overall_status.
	requests, filtered atomic.Int64

	// mu guards raw of jobs.
	mu sync.Mutex
}

// Get implements joblist.Getter.
func (s *served) Get(_ context.Context, _ string, query url.Values, read func(io.Reader) error) error {
	s.requests.Add(1)
	status := query.Get("overall_status")
	if status != "" {
		s.filtered.Add(1)
	}
	if s.refuse != nil {
		if err := s.refuse(query); err != nil {
			return err
		}
	}
	skip, err := strconv.Atoi(query.Get("skip"))
	if err != nil {
		return fmt.Errorf("skip: %w", err)
	}
	limit, err := strconv.Atoi(query.Get("limit"))
	if err != nil {
		return fmt.Errorf("limit: %w", err)
	}
	body, err := s.page(skip, limit, status, query)
	if err != nil {
		return fmt.Errorf("page: %w", err)
	}
	return read(bytes.NewReader(body))
}

// page returns the body of a page.
func (s *served) page(skip, limit int, status string, query url.Values) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	total := 0
	var resources [][]byte
	for i := range s.jobs {
		job := &s.jobs[i]
		if status != "" && status != job.Status {
			continue
		}
		if total >= skip && total < skip+limit {
			if job.raw == nil {
				raw, err := json.Marshal(job)
				if err != nil {
					return nil, err
				}
				job.raw = raw
			}
			resources = append(resources, job.raw)
		}
		total++
	}
	if s.total != nil {
		total = s.total(query, total)
	}
	return fmt.Appendf(nil, `{"total":%d,"resources":[%s]}`, total, bytes.Join(resources, []byte(","))), nil
}

// newReader returns a reader of Google's keys with a cache.
func newReader(getter joblist.Getter, logger log.Logger) *joblist.Reader {
	return joblist.NewReader(syncjob.Lists()[0], getter, joblist.Options{PageSize: 30, Concurrency: 4, Cache: true, Logger: logger})
}

// readWhole makes the cache of a reader by a full read.
func readWhole(t *testing.T, reader *joblist.Reader) {
	t.Helper()
	full := reader.NewFullRead(false)
	if err := full.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	reader.Adopt(t.Context(), full)
}
