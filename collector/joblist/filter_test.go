package joblist_test

import (
	"bytes"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-kit/log"

	"cckm_sync_exporter/collector/ciphertrust"
	"cckm_sync_exporter/collector/joblist"
	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/syncjob"
)

func statusError(status int, r reason.Reason) error {
	return reason.New(r, &ciphertrust.APIError{Status: status}, "")
}

// TestRefusedFilter checks that a list is read without the filter by overall_status if the appliance refuses it, with
// any HTTP status.
func TestRefusedFilter(t *testing.T) {
	for status, r := range map[int]reason.Reason{
		http.StatusBadRequest: reason.Other, http.StatusForbidden: reason.Forbidden, http.StatusNotFound: reason.NotFound,
		http.StatusInternalServerError: reason.Server, http.StatusNotImplemented: reason.Server,
	} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			refused := statusError(status, r)
			getter := &served{jobs: completed(), refuse: func(query url.Values) error {
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

// TestFilterFailsOnce checks that an incremental read succeeds after a single failure of the filter, and that the
// failure of every request is not taken for a failed proof.
func TestFilterFailsOnce(t *testing.T) {
	var once atomic.Bool
	getter := &served{jobs: completed()}
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

// TestRequestTimeoutOfAPage checks that a full read requests a page again after a 408.
func TestRequestTimeoutOfAPage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var once atomic.Bool
		getter := &served{jobs: completed(), refuse: func(query url.Values) error {
			if query.Get("skip") != "0" && once.CompareAndSwap(false, true) {
				return statusError(http.StatusRequestTimeout, reason.Other)
			}
			return nil
		}}
		reader := joblist.NewReader(syncjob.Lists()[0], getter, joblist.Options{PageSize: 30, Concurrency: 1, PageTimeout: 10 * time.Second})
		readWhole(t, reader)
	})
}

// TestFilterIsTriedAgain checks that a refused filter is tried again after each full read, and that the refusal is
// logged once.
func TestFilterIsTriedAgain(t *testing.T) {
	getter := &served{jobs: completed()}
	refuse := func(query url.Values) error {
		if query.Has("overall_status") {
			return statusError(http.StatusBadRequest, reason.Other)
		}
		return nil
	}
	var logged bytes.Buffer
	reader := newReader(getter, log.NewLogfmtLogger(&logged))
	readWhole(t, reader)
	getter.refuse = refuse
	if _, _, err := reader.Update(t.Context()); !errors.Is(err, joblist.ErrUnproven) {
		t.Fatalf("the first incremental read: %v, want ErrUnproven", err)
	}
	for range 3 {
		readWhole(t, reader)
		getter.filtered.Store(0)
		if _, _, err := reader.Update(t.Context()); err != nil || getter.filtered.Load() != 0 {
			t.Errorf("%v after %d requests with a filter, want none", err, getter.filtered.Load())
		}
	}
	if n := strings.Count(logged.String(), "does not filter"); n != 1 {
		t.Errorf("the refusal is logged %d times, want once:\n%s", n, &logged)
	}
	getter.refuse = nil
	readWhole(t, reader)
	getter.filtered.Store(0)
	if _, _, err := reader.Update(t.Context()); err != nil || getter.filtered.Load() == 0 {
		t.Errorf("%v after %d requests with a filter, want some", err, getter.filtered.Load())
	}
}
