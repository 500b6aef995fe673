package ciphertrust_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-kit/log"

	"cckm_sync_exporter/collector/ciphertrust"
	"cckm_sync_exporter/collector/scrape"
	"cckm_sync_exporter/collector/simulator"
	"cckm_sync_exporter/collector/syncjob"
)

const (
	scrapeInterval = 15 * time.Second
	scrapeTimeout  = 10 * time.Second
	// manyTargets is how many targets of one appliance share a secret.
	manyTargets = 10
)

// cause is something that keeps logins from succeeding.
type cause struct {
	name string
	// targets is how many targets there are; 0 means one.
	targets int
	// domains gives each target a domain of its own.
	domains bool
	// lists is how many lists each target has; 0 means two.
	lists int
	// offsets are when in each interval each Prometheus server scrapes; nil means at
	// its begin. Targets follow each other by stagger.
	offsets []time.Duration
	stagger time.Duration
	// password is what the targets send; empty means the right one.
	password string
	// transport changes how target i reaches the appliance, if it is not nil.
	transport func(i int, next http.RoundTripper) http.RoundTripper
	// appliance changes how the appliance behaves, if it is not nil.
	appliance func(*simulator.Appliance)
	// rejected reports whether the login is rejected, so that the longer backoff
	// applies, which the targets share.
	rejected bool
	// bad returns whether target i suffers from the cause; nil means all.
	bad func(i int) bool
}

// TestNoLockout scrapes for an hour with each cause that keeps logins from
// succeeding. The password is sent no more often than the backoff allows, and
// targets that the cause does not concern are up from the second scrape on.
func TestNoLockout(t *testing.T) {
	var causes []cause
	pair := []time.Duration{0, 0}
	for _, status := range []int{400, 401, 404, 407, 408, 423, 429, 499, 500, 503} {
		rejected := status < 500 && status != 408 && status != 429
		causes = append(causes, cause{
			name: "status " + strconv.Itoa(status), lists: 1, rejected: rejected, appliance: answeringLogins(status),
		})
	}
	first := func(i int) bool { return i == 0 }
	last := func(i int) bool { return i == manyTargets-1 }
	wrongDomain := func(bad func(int) bool) func(int, http.RoundTripper) http.RoundTripper {
		return func(i int, next http.RoundTripper) http.RoundTripper {
			if !bad(i) {
				return next
			}
			return roundTripper(func(req *http.Request) (*http.Response, error) {
				if isLogin(req) {
					body := strings.ReplaceAll(bodyOf(req), fmt.Sprintf(`"domain":"domain-%d"`, i), `"domain":"unknown"`)
					req = req.Clone(req.Context())
					req.Body, req.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
				}
				return next.RoundTrip(req)
			})
		}
	}
	hangs := func(a *simulator.Appliance) { a.SetLatency(within(time.Hour, isLogin)) }
	proxy := func(int, http.RoundTripper) http.RoundTripper {
		return roundTripper(func(*http.Request) (*http.Response, error) { return nil, ciphertrust.ErrProxyAuth })
	}
	causes = append(causes,
		cause{name: "hanging login", appliance: hangs, offsets: pair},
		cause{name: "hanging login, ten targets", appliance: hangs, targets: manyTargets},
		cause{name: "dropped connections", offsets: pair, transport: func(int, http.RoundTripper) http.RoundTripper {
			return roundTripper(func(*http.Request) (*http.Response, error) { return nil, errors.New("connection reset by peer") })
		}},
		cause{name: "proxy's 407", transport: proxy, offsets: pair},
		cause{name: "wrong password", password: wrong, rejected: true},
		cause{name: "wrong password, two Prometheus servers", password: wrong, offsets: []time.Duration{0, 4 * time.Second}, rejected: true},
		cause{name: "wrong password, ten targets", password: wrong, targets: manyTargets, rejected: true},
		cause{name: "wrong password, ten targets and domains", password: wrong, targets: manyTargets, domains: true, rejected: true},
		cause{name: "wrong password, ten targets one after another", password: wrong, targets: manyTargets, domains: true, stagger: time.Second, offsets: pair, rejected: true},
		cause{name: "one wrong domain, the first", targets: manyTargets, domains: true, stagger: 10 * time.Millisecond, transport: wrongDomain(first), bad: first, rejected: true},
		cause{name: "one wrong domain, the last", targets: manyTargets, domains: true, stagger: 10 * time.Millisecond, transport: wrongDomain(last), bad: last, rejected: true},
		cause{name: "one target whose connections hang", targets: manyTargets, domains: true, bad: first, transport: func(i int, next http.RoundTripper) http.RoundTripper {
			if i > 0 {
				return next
			}
			return roundTripper(func(req *http.Request) (*http.Response, error) {
				<-req.Context().Done()
				return nil, context.Cause(req.Context())
			})
		}},
		cause{name: "none", targets: manyTargets, offsets: pair, bad: func(int) bool { return false }},
	)
	for i := range causes {
		c := &causes[i]
		t.Run(c.name, func(t *testing.T) { synctest.Test(t, c.try) })
	}
}

// answeringLogins answers every login with a status.
func answeringLogins(status int) func(*simulator.Appliance) {
	return func(a *simulator.Appliance) { (&harness{appliance: a}).on(isLogin, failing(status)) }
}

// sentPasswords remembers when each target sent its password.
type sentPasswords struct {
	mu  sync.Mutex
	all []time.Time
	of  [manyTargets][]time.Time
}

// try scrapes for an hour.
func (c *cause) try(t *testing.T) {
	domains := make([]string, manyTargets)
	for i := range domains {
		domains[i] = fmt.Sprintf("domain-%d", i)
	}
	appliance := simulator.New(simulator.Options{Password: password, Domains: domains})
	if c.appliance != nil {
		c.appliance(appliance)
	}
	guard, sent, logged := ciphertrust.NewLoginGuard(), &sentPasswords{}, &bytes.Buffer{}
	logger := log.NewLogfmtLogger(log.NewSyncWriter(logged))
	targets := make([]*scrape.Scraper, max(1, c.targets))
	clients := make([]*ciphertrust.Client, len(targets))
	for i := range targets {
		cfg := ciphertrust.Config{
			URL: unroutable, Guard: guard, Retries: ciphertrust.DefaultRetries, AttemptTimeout: scrapeTimeout / 2, Logger: logger,
			Credentials: ciphertrust.Credentials{Username: simulator.DefaultUsername, Password: password},
		}
		if c.password != "" {
			cfg.Credentials.Password = ciphertrust.Secret(c.password)
		}
		if c.domains {
			cfg.Credentials.Domain = domains[i]
		}
		client, err := ciphertrust.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		transport := http.RoundTripper(inProcess(appliance))
		if c.transport != nil {
			transport = c.transport(i, transport)
		}
		client.SetTransport(sent.watch(i, transport))
		sources := make([]scrape.Source, cmp.Or(c.lists, 2))
		for j, list := range syncjob.Lists()[:len(sources)] {
			sources[j] = scrape.Source{List: list, Reader: scrape.NewList(list, client, scrape.ListOptions{PageSize: 1000, Concurrency: 4, FullReadInterval: time.Hour})}
		}
		targets[i], clients[i] = scrape.New(sources, scrape.Options{Timeout: 30 * time.Second}), client
	}
	begun := time.Now()
	for time.Since(begun) < time.Hour {
		c.scrape(t, targets, time.Since(begun) == 0)
	}
	for i := range targets {
		targets[i].Close()
		_ = clients[i].Close(t.Context()) // A login that hangs is canceled.
	}
	c.judge(t, sent, logged.String())
}

// scrape scrapes all targets by every Prometheus server. A target that suffers from
// the cause is down, every other one is up, except perhaps in the first scrape.
func (c *cause) scrape(t *testing.T, targets []*scrape.Scraper, first bool) {
	t.Helper()
	begun := time.Now()
	offsets := c.offsets
	if offsets == nil {
		offsets = []time.Duration{0}
	}
	var wait sync.WaitGroup
	for _, offset := range offsets {
		for i, target := range targets {
			wait.Go(func() {
				advance(offset + time.Duration(i)*c.stagger)
				ctx, cancel := context.WithTimeout(t.Context(), scrapeTimeout)
				defer cancel()
				snapshot := target.Read(ctx)
				bad := c.bad == nil || c.bad(i)
				if up := snapshot.Complete(); up == bad && (up || !first) {
					t.Errorf("after %s: target %d is up: %t: %v", time.Since(begun), i, up, snapshot.Lists[0].Err)
				}
			})
		}
	}
	wait.Wait()
	advance(scrapeInterval - time.Since(begun))
}

// judge compares how often the password was sent with the backoffs.
func (c *cause) judge(t *testing.T, sent *sentPasswords, logged string) {
	t.Helper()
	first, longest, groups := time.Second, 30*time.Second, sent.of[:]
	wantLines := 0
	if c.rejected {
		first, longest, wantLines = 10*time.Second, 5*time.Minute, 1
	}
	if c.rejected && c.bad == nil {
		groups = [][]time.Time{sent.all}
	}
	for i, times := range groups {
		if c.bad != nil && !c.bad(i) {
			// A right target logs in once, and is refreshed from then on.
			if len(times) > 1 {
				t.Errorf("target %d, which is right, sent its password %d times", i, len(times))
			}
			continue
		}
		gap := first
		for j := 1; j < len(times); j++ {
			if pause := times[j].Sub(times[j-1]); pause < gap {
				t.Errorf("target %d sent the password %s after the last time, want %s or more", i, pause, gap)
			}
			gap = min(2*gap, longest)
		}
		if len(times) == 0 && i < max(1, c.targets) {
			t.Errorf("target %d never sent the password", i)
		}
	}
	if n := strings.Count(logged, "login was rejected"); n != wantLines {
		t.Errorf("%d log lines about a rejection, want %d:\n%s", n, wantLines, logged)
	}
}

// watch returns a transport that remembers when target i sends its password.
func (s *sentPasswords) watch(i int, next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(req *http.Request) (*http.Response, error) {
		if isLogin(req) {
			req = req.Clone(req.Context())
			body := bodyOf(req)
			if strings.Contains(body, `"grant_type":"password"`) {
				s.mu.Lock()
				s.all = append(s.all, time.Now())
				s.of[i] = append(s.of[i], time.Now())
				s.mu.Unlock()
			}
		}
		return next.RoundTrip(req)
	})
}
