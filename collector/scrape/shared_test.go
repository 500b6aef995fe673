package scrape_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/scrape"
	"cckm_sync_exporter/collector/syncjob"
)

// scraper scrapes every 15 seconds.
type scraper struct {
	// at is the time of its scrape in each round, and patience its timeout.
	at, patience time.Duration
}

// scraped is what a scraper gets in a round.
type scraped struct {
	// read is the number of the read within a cycle of rounds, counted from 1; 0 means a timeout.
	read int
	took time.Duration
}

// TestHighlyAvailablePair has two scrapers, and a third whose timeout is too short, scrape for hours.
// Scrapes that overlap share a read, the third one gets a timeout and does not affect the others, and a
// read ends when no scrape waits for it.
func TestHighlyAvailablePair(t *testing.T) {
	const (
		s        = time.Second
		takes    = 5 * s
		interval = 15 * s
		hours    = 3 * time.Hour
	)
	for _, test := range []struct {
		name        string
		minInterval time.Duration
		scrapers    []scraper
		// want is what each scraper gets in each round of a cycle.
		want [][]scraped
		// reads is how many reads start in a cycle, including canceled ones.
		reads int
	}{
		{
			name: "at once", reads: 1,
			scrapers: []scraper{{0, 10 * s}, {0, 10 * s}, {0, 2 * s}},
			want:     [][]scraped{{{1, takes}, {1, takes}, {0, 2 * s}}},
		},
		{
			name: "the second joins", reads: 1,
			scrapers: []scraper{{0, 10 * s}, {3 * s, 10 * s}, {1 * s, 2 * s}},
			want:     [][]scraped{{{1, takes}, {1, 2 * s}, {0, 2 * s}}},
		},
		{
			name: "the third begins the read", reads: 1,
			scrapers: []scraper{{1 * s, 10 * s}, {1 * s, 10 * s}, {0, 2 * s}},
			want:     [][]scraped{{{1, 4 * s}, {1, 4 * s}, {0, 2 * s}}},
		},
		{
			name: "the third leaves when the second arrives", reads: 1,
			scrapers: []scraper{{0, 10 * s}, {2 * s, 10 * s}, {0, 2 * s}},
			want:     [][]scraped{{{1, takes}, {1, 3 * s}, {0, 2 * s}}},
		},
		{
			name: "one after the other", reads: 2,
			scrapers: []scraper{{0, 10 * s}, {7 * s, 10 * s}, {8 * s, 2 * s}},
			want:     [][]scraped{{{1, takes}, {2, takes}, {0, 2 * s}}},
		},
		{
			name: "the third alone", reads: 3,
			scrapers: []scraper{{0, 10 * s}, {5500 * time.Millisecond, 6 * s}, {11 * s, 2 * s}},
			want:     [][]scraped{{{1, takes}, {2, takes}, {0, 2 * s}}},
		},
		{
			name: "the third alone, and the pair right after it", reads: 2,
			scrapers: []scraper{{2100 * time.Millisecond, 10 * s}, {2100 * time.Millisecond, 10 * s}, {0, 2 * s}},
			want:     [][]scraped{{{2, takes}, {2, takes}, {0, 2 * s}}},
		},
		{
			name: "no scraper waits long enough", reads: 1,
			scrapers: []scraper{{0, 3 * s}, {1 * s, 3 * s}, {0, 2 * s}},
			want:     [][]scraped{{{0, 3 * s}, {0, 3 * s}, {0, 2 * s}}},
		},
		{
			// The second round is within 12 seconds of the end of the first one's read.
			name: "at once, with an interval", minInterval: 12 * s, reads: 1,
			scrapers: []scraper{{0, 10 * s}, {0, 10 * s}, {0, 2 * s}},
			want:     [][]scraped{{{1, takes}, {1, takes}, {0, 2 * s}}, {{1, 0}, {1, 0}, {1, 0}}},
		},
		{
			// The third starts a read at second 19 and leaves, which cancels it. The second one starts
			// another at 22, which is returned to all until 39.
			name: "one after the other, with an interval", minInterval: 12 * s, reads: 3,
			scrapers: []scraper{{0, 10 * s}, {7 * s, 10 * s}, {4 * s, s / 2}},
			want:     [][]scraped{{{1, takes}, {1, 0}, {0, s / 2}}, {{1, 0}, {3, takes}, {0, s / 2}}, {{3, 0}, {3, 0}, {3, 0}}},
		},
		{
			// The read that the third cancels is returned to no other scrape.
			name: "the third alone, with an interval", minInterval: 5 * s, reads: 2,
			scrapers: []scraper{{0, 10 * s}, {1 * s, 10 * s}, {12 * s, 2 * s}},
			want:     [][]scraped{{{1, takes}, {1, 4 * s}, {0, 2 * s}}},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				reader, active := counted(takes)
				c := scrape.New(sourceOf(reader), scrape.Options{Timeout: 30 * s, MinInterval: test.minInterval})
				defer c.Close()
				for round := range int(hours / interval) {
					begun, cycle, inCycle := time.Now(), round/len(test.want), round%len(test.want)
					var wait sync.WaitGroup
					for i, scraper := range test.scrapers {
						wait.Go(func() {
							advance(scraper.at)
							read, took := scrapeOnce(t, c, scraper.patience)
							who := fmt.Sprintf("round %d, scraper %d", round, i)
							want := test.want[inCycle][i]
							wantScraped(t, who, read, took, want, cycle*test.reads)
						})
					}
					wait.Wait()
					synctest.Wait()
					if n := active.Load(); n != 0 {
						t.Fatalf("round %d: %d reads continue although no scrape waits", round, n)
					}
					advance(interval - time.Since(begun))
				}
				cycles := int(hours/interval) / len(test.want)
				if got := reader.reads.Load(); got != int64(cycles*test.reads) {
					t.Errorf("%d reads in %d cycles, want %d in each", got, cycles, test.reads)
				}
			})
		})
	}
}

// counted returns a reader whose reads take a while, and the number of reads in progress.
func counted(takes time.Duration) (reader *fakeReader, active *atomic.Int64) {
	active = new(atomic.Int64)
	inner := slow(takes)
	return &fakeReader{read: func(ctx context.Context, number int64) (*syncjob.Summary, error) {
		active.Add(1)
		defer active.Add(-1)
		return inner.read(ctx, number)
	}}, active
}

// wantScraped compares what a scraper got. Earlier cycles had the reads up to the number before.
func wantScraped(t *testing.T, who string, read scrape.ListRead, took time.Duration, want scraped, before int) {
	t.Helper()
	if took != want.took {
		t.Errorf("%s got its read after %s, want %s", who, took, want.took)
	}
	switch {
	case want.read == 0 && (read.Err == nil || reason.Of(read.Err) != reason.Timeout || read.Summary != nil):
		t.Errorf("%s got %+v, want a timeout", who, read)
	case want.read > 0 && read.Err != nil:
		t.Errorf("%s: %v", who, read.Err)
	case want.read > 0 && read.Summary.Jobs[0] != before+want.read:
		t.Errorf("%s got read %d, want %d", who, read.Summary.Jobs[0], before+want.read)
	}
}
