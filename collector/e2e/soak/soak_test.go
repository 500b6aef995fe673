package soak

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"go.uber.org/goleak"
)

const (
	// scrapers is how many scrape at once.
	scrapers = 16
	// checkpoints is how often the soak pauses and is measured, a quarter of them in each quarter.
	checkpoints = 16
	// fewScrapes is how many scrapes there are where nobody asks for more.
	fewScrapes = 800

	// heapGrowth is by how much the heap's least size in a quarter may exceed that in an earlier one, for noise. A
	// leak of ten bytes for each scrape exceeds it in a soak of 100,000.
	heapGrowth = 384 << 10
	// residentGrowth is the same for resident memory, which the allocator gives back in pieces.
	residentGrowth = 8 << 20
)

// TestSoak scrapes the exporter very often, by several scrapers at once of which some give up, while
// one fault follows the other. Between, it lets the exporter become idle, and measures it.
//
// By hand, for as many scrapes as two scrapers every 15 seconds make in nine days:
//
//	CCKM_SOAK_SCRAPES=100000 go test -count=1 -timeout 3h -v -run TestSoak ./collector/e2e/soak
//
// On two busy cores that took 36 minutes, 13,188 reads (7,785 of them incremental) and 2,135 logins. At the sixteen points
// there were 3 goroutines, 10 descriptors and 1 refresh token each time, 1,278 to 1,315 KiB of heap (1,278 KiB at least in
// the second quarter, 1,299 KiB in the last), and 25,800 to 28,228 KiB resident memory (27,560 and 25,800 KiB).
func TestSoak(t *testing.T) {
	scrapes := fewScrapes
	if text := os.Getenv("CCKM_SOAK_SCRAPES"); text != "" {
		var err error
		if scrapes, err = strconv.Atoi(text); err != nil || scrapes < fewScrapes {
			t.Fatalf("CCKM_SOAK_SCRAPES is %q, want a number of at least %d", text, fewScrapes)
		}
	}
	seed := rand.Uint64() //nolint:gosec // A soak has to come again with its seed.
	t.Logf("%d scrapes, seed %d", scrapes, seed)
	s := &soak{t: t, rig: newRig(t, scrapes), answers: make(map[string]int)}
	s.weather = newWeather(t, s.rig, seed, int64(min(100, scrapes/80)))
	s.client = s.rig.scraper()

	s.rig.server.Stop()
	s.idle = goleak.IgnoreCurrent()
	s.rig.resume(t)

	var table []measures
	begun := time.Now()
	for n := range checkpoints {
		s.scrapeUntil(int64(scrapes * (n + 1) / checkpoints))
		table = append(table, s.checkpoint())
		t.Logf("after %s: %+v", time.Since(begun).Round(time.Second), table[n])
		if t.Failed() {
			break
		}
	}
	took := time.Since(begun)
	s.report(table, took)
	if !t.Failed() {
		s.judge(table)
		s.end()
	}
}

// soak is a soak under way.
type soak struct {
	t       *testing.T
	rig     *rig
	weather *weather
	client  *http.Client
	// idle leaves out the goroutines of an exporter that nobody scrapes.
	idle goleak.Option
	// stops is how often the appliance was stopped to measure, which may cut a login short as well.
	stops int

	mu sync.Mutex
	// answers counts the lists that scrapes were told of, by the reason of their failure, and "" for those that were read.
	answers map[string]int
	gaveUp  int
}

// scrapeUntil scrapes until so many scrapes were begun.
func (s *soak) scrapeUntil(last int64) {
	var wait sync.WaitGroup
	for range scrapers {
		wait.Go(func() {
			for !s.t.Failed() {
				number := s.rig.scrapes.Add(1)
				if number > last {
					s.rig.scrapes.Add(-1)
					return
				}
				s.weather.change(number)
				s.rig.fleet.Advance(s.rig.start.Add(time.Duration(number) * lifePerScrape))
				s.scrape()
			}
		})
	}
	wait.Wait()
}

// scrape scrapes as an impatient Prometheus does.
func (s *soak) scrape() {
	ctx := s.t.Context()
	after, givesUp := s.weather.givesUp()
	if givesUp {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, after)
		defer cancel()
	}
	answer, err := s.get(ctx, s.weather.patience())
	if err != nil {
		if !givesUp {
			s.t.Errorf("a scrape was not answered: %v", err)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.gaveUp++
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, reason := range answer {
		s.weather.felt(reason)
		s.answers[reason]++
	}
}

// answer is the reason for which each list was not read, and "" where it was.
type answer []string

func (a answer) failed() bool {
	return slices.ContainsFunc(a, func(reason string) bool { return reason != "" })
}

var (
	upLine     = regexp.MustCompile(`(?m)^cckm_sync_up\{(.*)\} ([01])$`)
	reasonLine = regexp.MustCompile(`(?m)^cckm_sync_scrape_error\{(.*),reason="(\w+)"\} 1$`)
	scopeLine  = regexp.MustCompile(`(?m)^cckm_sync_scope_job_age_seconds\{(cloud=".*",item=".*),`)
)

// get scrapes, and fails the test where the answer is none that is always to come.
func (s *soak) get(ctx context.Context, patience string) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.rig.exporter.URL+"/metrics", http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("making a request: %w", err)
	}
	req.Header.Set("X-Prometheus-Scrape-Timeout-Seconds", patience)
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("scraping: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("reading the answer: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		s.t.Errorf("status %d: %s", resp.StatusCode, body)
	}
	reasons := make(map[string]string)
	for _, line := range reasonLine.FindAllSubmatch(body, -1) {
		reasons[string(line[1])] += string(line[2])
	}
	withScopes := make(map[string]bool)
	for _, line := range scopeLine.FindAllSubmatch(body, -1) {
		list, _, _ := strings.Cut(string(line[1]), ",scope=")
		withScopes[list] = true
	}
	var got answer
	for _, line := range upLine.FindAllSubmatch(body, -1) {
		list, up := string(line[1]), string(line[2]) == "1"
		if reason := reasons[list]; (reason == "") != up || withScopes[list] != up {
			s.t.Errorf("list %s: up %t, reason %q, scopes %t", list, up, reason, withScopes[list])
		}
		got = append(got, reasons[list])
	}
	if len(got) != 2 {
		s.t.Errorf("%d lists, want 2:\n%s", len(got), body)
	}
	return got, nil
}

// checkpoint ends the fault, sees that all is well without it, lets everything come to rest, and measures.
func (s *soak) checkpoint() measures {
	s.weather.calm()
	eventually(s.t, "all lists are read when nothing is wrong", func() error {
		answer, err := s.get(s.t.Context(), "30")
		if err == nil && answer.failed() {
			err = fmt.Errorf("reasons %q", answer)
		}
		return err
	})
	s.rig.server.Stop()
	s.client.CloseIdleConnections()
	eventually(s.t, "what serves scrapes and reads has ended", func() error {
		return goleak.Find(s.idle) //nolint:wrapcheck // It says all.
	})
	m := measure()
	m.scrapes = s.rig.scrapes.Load()
	m.refreshTokens = int64(len(s.rig.appliance.RefreshTokens()))
	s.stops++
	if _, spoiled := s.weather.counts(); m.refreshTokens > int64(1+spoiled+s.stops) {
		s.t.Errorf("%d refresh tokens are on the appliance, although only %d logins and revocations went wrong", m.refreshTokens, spoiled+s.stops)
	}
	s.rig.resume(s.t)
	return m
}

// report prints what was measured.
func (s *soak) report(table []measures, took time.Duration) {
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(w, "scrapes\tgoroutines\tdescriptors\theap KiB\tresident KiB\trefresh tokens\t")
	for _, m := range table {
		_, _ = fmt.Fprintf(w, "%d\t%d\t%d\t%d\t%d\t%d\t\n", m.scrapes, m.goroutines, m.descriptors, m.heap>>10, m.resident>>10, m.refreshTokens)
	}
	if err := w.Flush(); err != nil {
		s.t.Error(err)
	}
	s.t.Logf("in %s:\n%s", took.Round(time.Second), text.String())
	struck, spoiled := s.weather.counts()
	s.t.Logf("faults: %v; of which with logins or revocations: %d", struck, spoiled)
	s.t.Logf("lists in answers, by reason: %v; scrapers that gave up: %d", s.answers, s.gaveUp)
	s.t.Logf("reads: %v, logins: %v, drifts: %v", s.rig.telemetryOf(s.t, "cckm_sync_exporter_list_reads_total", "kind"),
		s.rig.telemetryOf(s.t, "cckm_sync_exporter_logins_total", "grant"), s.rig.telemetryOf(s.t, "cckm_sync_exporter_history_drift_total", ""))
}

// judge compares the last quarter with the second one, and sees that the soak was one.
func (s *soak) judge(table []measures) {
	const quarter = checkpoints / 4
	long := s.rig.scrapes.Load() > 10*fewScrapes
	for name, column := range map[string]struct {
		of    func(measures) int64
		bound int64
	}{
		"goroutines":      {func(m measures) int64 { return m.goroutines }, 0},
		"descriptors":     {func(m measures) int64 { return m.descriptors }, 0},
		"heap":            {func(m measures) int64 { return m.heap }, heapGrowth},
		"resident memory": {func(m measures) int64 { return m.resident }, residentGrowth},
	} {
		// A short soak is over before the allocator, or the race detector, has all the memory that it works with.
		if name == "resident memory" && !long {
			continue
		}
		// What grows has a higher least as well; what is only noise has not.
		least := func(of []measures) int64 {
			m := slices.MinFunc(of, func(a, b measures) int { return int(column.of(a) - column.of(b)) })
			return column.of(m)
		}
		second, last := least(table[quarter:2*quarter]), least(table[3*quarter:])
		if last > second+column.bound {
			s.t.Errorf("%s grew from %d in the second quarter to %d in the last one", name, second, last)
		}
	}
	// A short soak on a busy machine is over before the last faults have their turn.
	struck, _ := s.weather.counts()
	if all := len(s.weather.faults); len(struck) < all/2 || (long && len(struck) < all) {
		s.t.Errorf("only %d of %d faults were felt", len(struck), all)
	}
	if s.gaveUp == 0 {
		s.t.Error("no scraper gave up")
	}
	if s.answers[""] == 0 || len(s.answers) < 5 {
		s.t.Errorf("the answers are too much alike: %v", slices.Sorted(maps.Keys(s.answers)))
	}
	// The lists are known most of the time, and several full reads of them run in the background.
	if reads := s.rig.telemetryOf(s.t, "cckm_sync_exporter_list_reads_total", "kind"); reads["full"] < checkpoints || reads["incremental"] < reads["full"] {
		s.t.Errorf("the reads by kind are %v", reads)
	}
}

// end closes the exporter after the refresh tokens that faults left behind have had their time. None is left then.
func (s *soak) end() {
	s.rig.leap.Store(int64(3 * time.Hour))
	if _, err := s.get(s.t.Context(), "30"); err != nil {
		s.t.Error(err)
	}
	if n := len(s.rig.appliance.RefreshTokens()); n != 1 {
		s.t.Errorf("%d refresh tokens while the exporter runs", n)
	}
	ctx, cancel := context.WithTimeout(s.t.Context(), 10*time.Second)
	defer cancel()
	if err := s.rig.close(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		s.t.Errorf("closing: %v", err)
	}
	if n := len(s.rig.appliance.RefreshTokens()); n != 0 {
		s.t.Errorf("%d refresh tokens are left", n)
	}
}
