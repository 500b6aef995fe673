package main

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"cckm_sync_exporter/collector/joblist"
	"cckm_sync_exporter/collector/scrape"
	"cckm_sync_exporter/collector/syncjob"
)

// screen is a terminal: \r goes back to the start of the line, and text replaces text.
type screen struct {
	mu     sync.Mutex
	lines  []string
	column int
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lines == nil {
		s.lines = []string{""}
	}
	for _, r := range string(p) {
		last := &s.lines[len(s.lines)-1]
		switch r {
		case '\r':
			s.column = 0
		case '\n':
			s.lines, s.column = append(s.lines, ""), 0
		default:
			line := []rune(*last)
			if s.column < len(line) {
				line[s.column] = r
			} else {
				line = append(line, r)
			}
			*last = string(line)
			s.column++
		}
	}
	return len(p), nil
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	lines := make([]string, 0, len(s.lines))
	for _, line := range s.lines {
		lines = append(lines, strings.TrimRight(line, " "))
	}
	return strings.Join(lines, "\n")
}

// advance moves the clock of a test in a bubble.
func advance(by time.Duration) {
	time.Sleep(by) //nolint:forbidigo // It moves the clock of the test, and takes no time.
	synctest.Wait()
}

func TestProgressIsRewritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shown := &screen{}
		line := &statusLine{out: shown}
		texts := []string{"google-keys: 100 of about 200 pages", "google-keys: 7", strings.Repeat("x", 500)}
		n := 0
		stop := follow(line, func() string { n++; return texts[n-1] })

		advance(progressInterval - time.Nanosecond)
		expect := func(when, want string) {
			t.Helper()
			if got := shown.String(); got != want {
				t.Errorf("%s: the terminal shows %q, want %q", when, got, want)
			}
		}
		expect("a short read", "")
		advance(time.Nanosecond)
		expect("after an interval", texts[0])
		if _, err := fmt.Fprintln(line, "level=info msg=logged"); err != nil {
			t.Error(err)
		}
		expect("after a log line", "level=info msg=logged\n"+texts[0])
		advance(progressInterval)
		expect("after two intervals", "level=info msg=logged\n"+texts[1])
		advance(progressInterval)
		expect("a line too long for a terminal", "level=info msg=logged\n"+strings.Repeat("x", maxStatusLine-len("…"))+"…")
		stop()
		expect("at the end", "level=info msg=logged\n")
	})
}

func TestProgressOf(t *testing.T) {
	reading := func(pages, of int) *scrape.FullReadProgress {
		return &scrape.FullReadProgress{Progress: joblist.Progress{Pages: pages, PagesExpected: of}}
	}
	got := progressOf("prod", []scrape.Latest{
		{List: syncjob.List{Name: "google-keys"}, FullRead: reading(42, 100)},
		{List: syncjob.List{Name: "azure-keys"}},
		{List: syncjob.List{Name: "azure-certificates"}, FullRead: reading(0, 0)},
	})
	want := "prod google-keys: 42 of about 100 pages, prod azure-certificates: no page has arrived"
	if text := strings.Join(got, ", "); text != want {
		t.Errorf("progress %q, want %q", text, want)
	}
	if got := progressOf("", []scrape.Latest{{List: syncjob.List{Name: "google-keys"}, FullRead: reading(1, 2)}}); len(got) != 1 || got[0] != "google-keys: 1 of about 2 pages" {
		t.Errorf("progress of a target without a name: %q", got)
	}
}

// TestWithoutStatusLine holds that what is no terminal gets what is written, and nothing else.
func TestWithoutStatusLine(t *testing.T) {
	var out bytes.Buffer
	if _, err := (&statusLine{out: &out}).Write([]byte("a line\n")); err != nil || out.String() != "a line\n" {
		t.Errorf("%v, written: %q", err, out.String())
	}
}
