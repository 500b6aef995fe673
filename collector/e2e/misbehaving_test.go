package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/scrape"
	"cckm_sync_exporter/collector/syncjob"
)

// misbehaving is a list whose pages make no whole; it implements joblist.Getter. Its first page is
// like any other.
type misbehaving struct {
	// later says what a page behind the first holds and which total it tells.
	later func(skip, limit int) (total int, ids []string)
	first int
	clamp int
	// behaves is true while the list is like any other.
	behaves bool
	// most is after how many pages the list gives up, so that a reader without an end fails its test.
	most int

	mu    sync.Mutex
	pages int
}

// Get implements joblist.Getter.
func (m *misbehaving) Get(_ context.Context, _ string, query url.Values, read func(io.Reader) error) error {
	skip, limit, err := position(query)
	if err != nil {
		return err
	}
	limit = min(limit, m.clamp)
	total, ids := m.first, span(0, min(limit, m.first))
	m.mu.Lock()
	m.pages++
	tooMany := m.pages > m.most
	if m.behaves {
		ids = span(skip, min(skip+limit, m.first))
	} else if skip > 0 {
		total, ids = m.later(skip, limit)
	}
	m.mu.Unlock()
	if tooMany {
		return reason.New(reason.Other, errors.New("too many pages"), "")
	}
	resources := make([]json.RawMessage, 0, len(ids))
	for i, id := range ids {
		created := time.Unix(int64(1_600_000_000-skip-i), 0).UTC().Format(time.RFC3339)
		resources = append(resources, json.RawMessage(`{"id":`+quote(id)+`,"createdAt":`+quote(created)+`,"overall_status":"completed"}`))
	}
	return read(strings.NewReader(pageBody(skip, limit, total, resources)))
}

// span returns the ids of the records at some positions.
func span(from, until int) []string {
	var ids []string
	for at := from; at < until; at++ {
		ids = append(ids, fmt.Sprintf("job-%d", at))
	}
	return ids
}

// TestBoundedWork holds that a list which never ends, does not heed skip or lies about its length is
// an error, after no more pages than four readings of a list can take that doubles, and grows by a
// thousand, while it is read.
func TestBoundedWork(t *testing.T) {
	t.Parallel()
	for name, behave := range map[string]func(rng *rand.Rand, first int) func(skip, limit int) (int, []string){
		"endless": func(rng *rand.Rand, _ int) func(skip, limit int) (int, []string) {
			more := 1 + rng.IntN(20)
			return func(skip, limit int) (int, []string) { return skip + limit + more, span(skip, skip+limit) }
		},
		"endless, one record a page": func(*rand.Rand, int) func(skip, limit int) (int, []string) {
			return func(skip, _ int) (int, []string) { return skip + 2, span(skip, skip+1) }
		},
		"a total that always grows": func(_ *rand.Rand, total int) func(skip, limit int) (int, []string) {
			return func(skip, limit int) (int, []string) {
				total += limit
				return total, span(skip, skip+limit)
			}
		},
		"a total that falls": func(_ *rand.Rand, total int) func(skip, limit int) (int, []string) {
			return func(skip, limit int) (int, []string) {
				total = max(0, total-limit)
				return total, span(skip, max(skip+limit, total+1))
			}
		},
		// Never to the end of the page: a list with deleted jobs would look the same.
		"a total that jumps": func(rng *rand.Rand, _ int) func(skip, limit int) (int, []string) {
			return func(skip, _ int) (int, []string) {
				return pick(rng, rng.IntN(skip+1), skip+2+rng.IntN(100)), span(skip, skip+1)
			}
		},
		"a total that is too high": func(_ *rand.Rand, total int) func(skip, limit int) (int, []string) {
			return func(skip, limit int) (int, []string) { return total, span(skip, min(skip+limit, total-1)) }
		},
		"skip is ignored": func(_ *rand.Rand, total int) func(skip, limit int) (int, []string) {
			return func(_, limit int) (int, []string) { return total, span(0, min(limit, total)) }
		},
		"skip is one too high": func(_ *rand.Rand, total int) func(skip, limit int) (int, []string) {
			return func(skip, limit int) (int, []string) { return total, span(skip+1, min(skip+1+limit, total)) }
		},
		"one page for ever": func(_ *rand.Rand, total int) func(skip, limit int) (int, []string) {
			return func(_, limit int) (int, []string) { return total, span(limit, 2*limit) }
		},
		"empty pages": func(_ *rand.Rand, total int) func(skip, limit int) (int, []string) {
			return func(int, int) (int, []string) { return total, nil }
		},
		"empty pages that tell no total": func(*rand.Rand, int) func(skip, limit int) (int, []string) {
			return func(int, int) (int, []string) { return 0, nil }
		},
		"another list each time": func(rng *rand.Rand, total int) func(skip, limit int) (int, []string) {
			return func(skip, limit int) (int, []string) {
				from := 1000 + rng.IntN(1<<40)
				return total, span(from, from+min(limit, total-skip))
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			forEachCase(t, 60, func(t *testing.T, rng *rand.Rand) {
				t.Helper()
				clamp := 1 + rng.IntN(30)
				first := clamp + 3 + rng.IntN(200)
				if strings.Contains(name, "one record") {
					clamp = 1
				}
				options := scrape.ListOptions{
					PageSize: 2 + rng.IntN(40), Concurrency: 1 + rng.IntN(4), FullReadInterval: pick(rng, 0, time.Hour),
				}
				bound := 4 * (2*first + 1000 + 2*options.Concurrency)
				list := &misbehaving{later: behave(rng, first), first: first, clamp: clamp, most: 2 * bound}
				reader := scrape.NewList(syncjob.Lists()[0], list, options)
				defer reader.Close()
				if options.FullReadInterval > 0 {
					list.behaves = true
					if _, _, err := reader.Read(t.Context()); err != nil {
						t.Fatal(err)
					}
					list.behaves, list.pages = false, 0
					bound += 2 * (1000 + 100)
				}
				_, pages, err := reader.Read(t.Context())
				if list.pages > bound || pages != list.pages {
					t.Errorf("%d pages, of which the reader tells %d, for a first total of %d", list.pages, pages, first)
				}
				if err == nil && options.FullReadInterval > 0 {
					// Both ends of the list are as they were before.
					return
				}
				if err == nil {
					t.Fatalf("no error, with %+v, pages of %d and a first total of %d", options, clamp, first)
				}
				if got := reason.Of(err); got != reason.Inconsistent {
					t.Errorf("reason %s, want %s: %v", got, reason.Inconsistent, err)
				}
			})
		})
	}
}

// TestFirstPageThatCannotBe holds that a first page which says that the list cannot be read ends the
// read, without one page more of it.
func TestFirstPageThatCannotBe(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		page string
		want reason.Reason
		most int
	}{
		"more records than anybody has": {`{"total":1000000000000,"resources":[{"id":"1"},{"id":"2"}]}`, reason.Inconsistent, 4},
		"empty before its end":          {`{"total":5,"resources":[]}`, reason.Inconsistent, 4},
		"fewer than came":               {`{"total":1,"resources":[{"id":"1"},{"id":"2"}]}`, reason.Inconsistent, 33},
		"null before its end":           {`{"total":5,"resources":null}`, reason.Decode, 1},
		"negative":                      {`{"total":-1,"resources":[]}`, reason.Decode, 1},
		"no JSON":                       {`<html>`, reason.Decode, 1},
		"an array":                      {`[]`, reason.Decode, 1},
		"nothing":                       {``, reason.Decode, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			asked := 0
			get := getterFunc(func(read func(io.Reader) error) error {
				asked++
				return read(strings.NewReader(test.page))
			})
			_, pages, err := newList(t, syncjob.Lists()[0], get, scrape.ListOptions{PageSize: 10, Concurrency: 4}).Read(t.Context())
			if err == nil || reason.Of(err) != test.want {
				t.Errorf("got %v, want reason %s", err, test.want)
			}
			if asked > test.most || pages != asked {
				t.Errorf("%d pages, of which the reader tells %d, want no more than %d", asked, pages, test.most)
			}
		})
	}
}

// getterFunc answers every request for a page alike.
type getterFunc func(read func(io.Reader) error) error

// Get implements joblist.Getter.
func (f getterFunc) Get(_ context.Context, _ string, _ url.Values, read func(io.Reader) error) error {
	return f(read)
}
