package e2e_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"

	"cckm_sync_exporter/collector/scrape"
	"cckm_sync_exporter/collector/syncjob"
)

// TestRatesOfChangingReads measures full reads of lists of 40 pages that change while they are
// paged: how many fail, and how many more pages they request than those of a list that does not
// change. With -v it logs both.
func TestRatesOfChangingReads(t *testing.T) {
	t.Parallel()
	const pages = 40
	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "order\tpage size\tchanges per 10 pages\tof kind\treads\tfailed\textra pages")
	for _, order := range []order{newestFirst, oldestFirst, unordered} {
		for _, size := range []int{10, 100} {
			reads := max(4, 400/share()/size)
			quiet := readChanging(t, order, size, pages, reads, 0, "")
			for _, changes := range []int{0, 1, 3} {
				for _, kind := range []string{"inserts", "deletes", "both"} {
					if changes == 0 && kind != "inserts" {
						continue
					}
					got := readChanging(t, order, size, pages, reads, changes, kind)
					_, _ = fmt.Fprintf(w, "%s\t%d\t%d\t%s\t%d\t%d\t%+.1f %%\n", order, size, changes, kind, reads, got.failed,
						100*(float64(got.pages)/float64(quiet.pages)-1))
					if got.failed > 0 && (kind == "inserts" || got.failed > reads/10) {
						t.Errorf("%s, page size %d, %d %s per 10 pages: %d of %d reads failed: %v", order, size, changes, kind, got.failed, reads, got.err)
					}
					if got.pages > 2*quiet.pages {
						t.Errorf("%s, page size %d, %d %s per 10 pages: %d pages, and %d of a quiet list", order, size, changes, kind, got.pages, quiet.pages)
					}
				}
			}
		}
	}
	_ = w.Flush()
	t.Logf("full reads of lists of %d pages:\n%s", pages, table.String())
}

// rates are the outcome of several reads.
type rates struct {
	failed, pages int
	// err is the last error.
	err error
}

// readChanging reads lists completely that change before so many of ten pages.
func readChanging(t *testing.T, order order, size, pages, reads, changes int, kind string) (outcome rates) {
	t.Helper()
	var base pagedList
	base.order, base.rng = order, rand.New(rand.NewPCG(0, 0)) //nolint:gosec // A test that repeats.
	made := pages*(size-1) + 1
	for number := range made {
		base.records = append(base.records, finishedJob(number, "completed"))
	}
	switch order {
	case newestFirst:
		slices.Reverse(base.records)
	case unordered:
		base.rng.Shuffle(made, func(i, j int) { base.records[i], base.records[j] = base.records[j], base.records[i] })
	case oldestFirst:
	}
	for n := range reads {
		rng := rand.New(rand.NewPCG(uint64(n), uint64(size))) //nolint:gosec // A test that repeats.
		served := &pagedList{rng: rng, order: order, records: slices.Clone(base.records)}
		insert := func() {
			made++
			served.insert(finishedJob(made, "completed"))
		}
		served.between = func() {
			if rng.IntN(10) >= changes {
				return
			}
			if kind == "inserts" || (kind == "both" && rng.IntN(2) == 0) {
				insert()
			} else {
				served.remove()
			}
		}
		list := scrape.NewList(syncjob.Lists()[0], served, scrape.ListOptions{PageSize: size, Concurrency: 4})
		served.begin()
		_, requested, err := list.Read(t.Context())
		list.Close()
		outcome.pages += requested
		if err != nil {
			outcome.failed++
			outcome.err = err
		}
	}
	return outcome
}
