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

// misbehaving is a list with a normal first page whose later pages do not fit. It implements
// joblist.Getter.
type misbehaving struct {
	// later returns the total and the ids of a page after the first.
	later func(skip, limit int) (total int, ids []string)
	first int
	clamp int
	// behaves is true while the list is a normal one.
	behaves bool
	// most is the number of pages after which all requests fail, so that a read that never ends fails its test.
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

// TestBoundedWork reads lists that never end, ignore skip or report a wrong total. Each is an error, after
// at most four times the pages of a list that doubles and grows by a thousand records during the read.
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
		// Never to the end of the page, as the total of a list with deleted jobs does.
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
		"the same page forever": func(_ *rand.Rand, total int) func(skip, limit int) (int, []string) {
			return func(_, limit int) (int, []string) { return total, span(limit, 2*limit) }
		},
		"empty pages": func(_ *rand.Rand, total int) func(skip, limit int) (int, []string) {
			return func(int, int) (int, []string) { return total, nil }
		},
		"empty pages with a total of 0": func(*rand.Rand, int) func(skip, limit int) (int, []string) {
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
					t.Errorf("%d pages, and the reader reports %d, for a first total of %d", list.pages, pages, first)
				}
				if err == nil && options.FullReadInterval > 0 {
					// Neither end of the list has changed.
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
