package joblist_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"cckm_sync_exporter/collector/ciphertrust"
	"cckm_sync_exporter/collector/joblist"
	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/syncjob"
)

// refusing is a joblist.Getter of a list of completed jobs, newest first. It refuses some
// requests.
type refusing struct {
	jobs   int
	refuse func(url.Values) error
}

// Get implements joblist.Getter.
func (g *refusing) Get(_ context.Context, _ string, query url.Values, read func(io.Reader) error) error {
	if err := g.refuse(query); err != nil {
		return err
	}
	type job struct {
		ID        string    `json:"id"`
		CreatedAt time.Time `json:"createdAt"`
		Status    string    `json:"overall_status"`
		KeyRings  []string  `json:"key_rings"`
	}
	page := struct {
		Total     int   `json:"total"`
		Resources []job `json:"resources"`
	}{Total: g.jobs, Resources: []job{}}
	if status := query.Get("overall_status"); status != "" && status != syncjob.OverallCompleted {
		page.Total = 0
	}
	skip, err := strconv.Atoi(query.Get("skip"))
	if err != nil {
		return fmt.Errorf("skip: %w", err)
	}
	limit, err := strconv.Atoi(query.Get("limit"))
	if err != nil {
		return fmt.Errorf("limit: %w", err)
	}
	newest := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	for at := skip; at < min(skip+limit, page.Total); at++ {
		page.Resources = append(page.Resources, job{
			ID: fmt.Sprintf("%08d-0000-4000-8000-000000000000", at), CreatedAt: newest.Add(-time.Duration(at) * time.Minute),
			Status: syncjob.OverallCompleted, KeyRings: []string{"ring"},
		})
	}
	body, err := json.Marshal(page)
	if err != nil {
		return fmt.Errorf("page: %w", err)
	}
	return read(strings.NewReader(string(body)))
}

func statusError(status int, r reason.Reason) error {
	return reason.New(r, &ciphertrust.APIError{Status: status}, "")
}

// TestRefusedFilter holds that an appliance that refuses the filter by overall_status, with any
// status, does not keep a list down that it answers without the filter.
func TestRefusedFilter(t *testing.T) {
	for status, r := range map[int]reason.Reason{
		http.StatusBadRequest: reason.Other, http.StatusForbidden: reason.Forbidden, http.StatusNotFound: reason.NotFound,
		http.StatusInternalServerError: reason.Server, http.StatusNotImplemented: reason.Server,
	} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			refused := statusError(status, r)
			getter := &refusing{jobs: 100, refuse: func(query url.Values) error {
				if query.Has("overall_status") {
					return refused
				}
				return nil
			}}
			reader := joblist.NewReader(syncjob.Lists()[0], getter, joblist.Options{PageSize: 30, Concurrency: 4, Cache: true})
			readWhole(t, reader)
			if _, _, err := reader.Update(t.Context()); !errors.Is(err, joblist.ErrUnproven) {
				t.Fatalf("the first incremental read: %v, want ErrUnproven", err)
			}
			readWhole(t, reader)
			if _, _, err := reader.Update(t.Context()); err != nil {
				t.Fatalf("after the full read that the refusal caused: %v", err)
			}
			getter.refuse = func(url.Values) error { return refused }
			if _, _, err := reader.Update(t.Context()); err == nil || (status != http.StatusBadRequest && reason.Of(err) != r) {
				t.Errorf("an appliance that refuses everything: %v, want %s", err, r)
			}
		})
	}
}

// TestFilterFailsOnce holds that an incremental read outlives a single failure of the filter, and
// that a failure of every request is no doubt in the cache.
func TestFilterFailsOnce(t *testing.T) {
	var once atomic.Bool
	getter := &refusing{jobs: 100, refuse: func(url.Values) error { return nil }}
	reader := joblist.NewReader(syncjob.Lists()[0], getter, joblist.Options{PageSize: 30, Concurrency: 4, Cache: true})
	readWhole(t, reader)
	getter.refuse = func(query url.Values) error {
		if query.Has("overall_status") && once.CompareAndSwap(false, true) {
			return statusError(http.StatusInternalServerError, reason.Server)
		}
		return nil
	}
	if _, _, err := reader.Update(t.Context()); err != nil {
		t.Errorf("one failure: %v", err)
	}
	getter.refuse = func(url.Values) error { return statusError(http.StatusInternalServerError, reason.Server) }
	if _, _, err := reader.Update(t.Context()); reason.Of(err) != reason.Server || errors.Is(err, joblist.ErrUnproven) {
		t.Errorf("each request fails: %v, want server", err)
	}
}

// TestRequestTimeoutOfAPage holds that a full read requests a page again after a 408.
func TestRequestTimeoutOfAPage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var once atomic.Bool
		getter := &refusing{jobs: 100, refuse: func(query url.Values) error {
			if query.Get("skip") != "0" && once.CompareAndSwap(false, true) {
				return statusError(http.StatusRequestTimeout, reason.Other)
			}
			return nil
		}}
		reader := joblist.NewReader(syncjob.Lists()[0], getter, joblist.Options{PageSize: 30, Concurrency: 1, PageTimeout: 10 * time.Second})
		readWhole(t, reader)
	})
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
