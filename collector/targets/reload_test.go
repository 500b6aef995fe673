package targets_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cckm_sync_exporter/collector/ciphertrust"
	"cckm_sync_exporter/collector/config"
	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/scrape"
	"cckm_sync_exporter/collector/simulator"
	"cckm_sync_exporter/collector/syncjob"
	"cckm_sync_exporter/collector/targets"
)

// TestReloadKeepsUnchanged holds that a target which does not change keeps its
// token and its history, be its labels or its place others.
func TestReloadKeepsUnchanged(t *testing.T) {
	a := startAppliance(t)
	one, two := a.target("one"), a.target("two")
	two.Credentials.Domain = domain
	s := newSet(t, one, two)
	s.mustRead(t, "one")
	s.mustRead(t, "two")
	s.wantReads(t, "one", 1, 0)
	// What is equal need not be the same.
	relabelled := one
	relabelled.Labels = map[string]string{"region": "us", "stage": "test"}
	relabelled.Lists = slices.Clone(one.Lists)
	relabelled.Source = "targets.yml:9"
	unlabelled := two
	unlabelled.Labels = nil
	for i, configs := range [][]config.Target{{one, two}, {two, one}, {unlabelled, relabelled}} {
		if added := s.load(t, configs...); added != "" {
			t.Fatalf("load %d: %s is new", i, added)
		}
		for j, now := range s.All() {
			if now.Config.Name != configs[j].Name || len(now.Config.Labels) != len(configs[j].Labels) {
				t.Errorf("load %d: target %d is %+v with the labels %v", i, j, now.Config, now.Config.Labels)
			}
			if got, want := now.Hint("--ciphertrust.url"), "url ("+configs[j].Source+")"; got != want {
				t.Errorf("load %d: the hint is %q, want %q", i, got, want)
			}
		}
		s.mustRead(t, "one")
		s.mustRead(t, "two")
		s.wantReads(t, "one", 1, i+1)
		s.wantReads(t, "two", 1, i+1)
	}
	if n := a.logins(); n != 2 {
		t.Errorf("%d logins of two targets", n)
	}
	if n := a.revocations(); n != 0 {
		t.Errorf("%d refresh tokens were revoked", n)
	}
	s.close(t)
	if n := a.tokens(); n != 0 {
		t.Errorf("%d refresh tokens are left", n)
	}
}

// TestReloadOfChanged holds that whatever else changes makes a new target, and
// that nothing is left of the old one.
func TestReloadOfChanged(t *testing.T) {
	a := startAppliance(t)
	otherPassword, otherCA := filepath.Join(t.TempDir(), "password"), filepath.Join(t.TempDir(), "ca.pem")
	write(t, otherPassword, []byte(simulator.DefaultPassword))
	write(t, otherCA, a.server.CAPEM)
	for name, change := range map[string]func(*config.Target){
		"url":           func(c *config.Target) { c.URL = strings.Replace(c.URL, "127.0.0.1", "localhost", 1) },
		"password file": func(c *config.Target) { c.Credentials.PasswordFile = otherPassword },
		"password": func(c *config.Target) {
			c.Credentials.PasswordFile, c.Credentials.Password = "", simulator.DefaultPassword
		},
		"domain":              func(c *config.Target) { c.Credentials.Domain = domain },
		"CA":                  func(c *config.Target) { c.TLS.CAFile = otherCA },
		"CA inline":           func(c *config.Target) { c.TLS.CAFile, c.TLS.CA = "", string(a.server.CAPEM) },
		"lists":               func(c *config.Target) { c.Lists = syncjob.Lists()[:2] },
		"page size":           func(c *config.Target) { c.PageSize++ },
		"concurrency":         func(c *config.Target) { c.Concurrency++ },
		"timeout":             func(c *config.Target) { c.Timeout++ },
		"timeout offset":      func(c *config.Target) { c.TimeoutOffset++ },
		"min interval":        func(c *config.Target) { c.MinInterval++ },
		"full read interval":  func(c *config.Target) { c.FullReadInterval++ },
		"forget scopes after": func(c *config.Target) { c.ForgetScopesAfter += 1000 * time.Hour },
	} {
		t.Run(name, func(t *testing.T) {
			a.ResetRequests()
			before := a.target("one")
			s := newSet(t, before)
			s.mustRead(t, "one")
			after := before
			change(&after)
			if added := s.load(t, after); added != "one" {
				t.Fatalf("new are %q", added)
			}
			// The counters are those of the new one.
			s.wantReads(t, "one", 0, 0)
			eventually(t, "the old target's refresh token is revoked", func() bool { return a.revocations() == 1 && a.tokens() == 0 })
			s.mustRead(t, "one")
			if full, incremental := s.reads(t, "one"); full != len(after.Lists) || incremental != 0 {
				t.Errorf("the new target was read %d times whole and %d times in part", full, incremental)
			}
			if n := a.logins(); n != 2 {
				t.Errorf("%d logins", n)
			}
		})
	}
}

// TestPasswordsDiffer holds that two passwords are told apart although neither can
// be printed.
func TestPasswordsDiffer(t *testing.T) {
	a := startAppliance(t)
	cfg := a.target("one")
	cfg.Credentials.PasswordFile, cfg.Credentials.Password = "", "wrong"
	s := newSet(t, cfg)
	if err := s.read(t, "one").Lists[0].Err; err == nil {
		t.Fatal("the wrong password is right")
	}
	cfg.Credentials.Password = ciphertrust.Secret(simulator.DefaultPassword)
	if added := s.load(t, cfg); added != "one" {
		t.Fatal("a target with another password is the same one")
	}
	s.mustRead(t, "one")
}

// TestReloadKeepsTheBackoff proves that targets with one wrong password send it once,
// however often they are probed and the configuration is loaded again, until it
// changes; and that each target has the metric of when it is sent again.
func TestReloadKeepsTheBackoff(t *testing.T) {
	a := startAppliance(t)
	write(t, a.password, []byte("wrong"))
	configs := make([]config.Target, 0, 10)
	for i := range cap(configs) {
		configs = append(configs, a.target(fmt.Sprintf("target-%d", i)))
	}
	s := newSet(t, configs...)
	for range 3 {
		var wait sync.WaitGroup
		for i := range configs {
			wait.Go(func() {
				if err := s.read(t, configs[i].Name).Lists[0].Err; reason.Of(err) != reason.Auth {
					t.Errorf("%s: %v", configs[i].Name, err)
				}
			})
		}
		wait.Wait()
		if n := a.logins(); n != 1 {
			t.Errorf("%d logins of targets that share a wrong password", n)
		}
		for i := range configs {
			configs[i].Timeout++
		}
		retries := s.gauges(t, "cckm_sync_exporter_login_retry_timestamp_seconds")
		if len(retries) != len(configs) || retries["target-0"] != retries["target-9"] || retries["target-0"] < float64(time.Now().Unix()) {
			t.Errorf("the logins are retried at %v", retries)
		}
		s.load(t, configs...)
	}
	write(t, a.password, []byte(simulator.DefaultPassword))
	for i := range configs {
		s.mustRead(t, configs[i].Name)
	}
	if retries := s.gauges(t, "cckm_sync_exporter_login_retry_timestamp_seconds"); len(retries) > 0 {
		t.Errorf("after a success, logins are retried at %v", retries)
	}
}

// TestProbeInFlight holds that a probe which has begun is answered as if nothing
// had happened to its target, which is closed only then, while the new target of
// the same name is there at once.
func TestProbeInFlight(t *testing.T) {
	for name, removed := range map[string]bool{"removed": true, "changed": false} {
		t.Run(name, func(t *testing.T) {
			a := startAppliance(t)
			cfg := a.target("one")
			s := newSet(t, cfg)
			asked, release := a.hold()
			defer release()
			got := make(chan *scrape.Snapshot, 1)
			go func() { got <- s.read(t, "one") }()
			<-asked
			var now []config.Target
			if !removed {
				cfg.Timeout++
				now = append(now, cfg)
			}
			s.load(t, now...)
			if _, _, ok := s.Use("one"); ok == removed {
				t.Errorf("the name can be used: %t", ok)
			}
			// A second load does not close it either.
			s.load(t, now...)
			if n := a.revocations(); n != 0 || a.tokens() != 1 {
				t.Errorf("%d refresh tokens were revoked while a probe is in flight", n)
			}
			release()
			if snapshot := <-got; !snapshot.Complete() {
				t.Errorf("the probe in flight: %v", snapshot.Lists[0].Err)
			}
			eventually(t, "the refresh token is revoked", func() bool { return a.revocations() == 1 && a.tokens() == 0 })
		})
	}
}

// TestLoadThatFails holds that a target which cannot be changes nothing, and that
// each is told of.
func TestLoadThatFails(t *testing.T) {
	a := startAppliance(t)
	one, removed := a.target("one"), a.target("removed")
	s := newSet(t, one, removed)
	s.mustRead(t, "one")
	s.mustRead(t, "removed")
	garbage := filepath.Join(t.TempDir(), "garbage.pem")
	write(t, garbage, []byte("garbage"))
	bad, worse, changed := a.target("bad"), a.target("worse"), one
	bad.TLS.CAFile, worse.TLS.CAFile, changed.Timeout = garbage, garbage, time.Second
	added, err := s.Load([]config.Target{changed, a.target("new"), bad, worse})
	if err == nil || added != nil {
		t.Fatalf("it was loaded: %v", added)
	}
	for _, want := range []string{"target bad: ", "target worse: ", "garbage.pem", "tls_config"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %q: %v", want, err)
		}
	}
	if all := s.All(); len(all) != 2 || all[0].Config.Timeout != one.Timeout {
		t.Errorf("the targets are %v", all)
	}
	s.mustRead(t, "one")
	s.mustRead(t, "removed")
	s.wantReads(t, "one", 1, 1)
	s.wantReads(t, "removed", 1, 1)
	if _, _, ok := s.Use("new"); ok {
		t.Error("a target of the bad configuration is there")
	}
	if a.logins() != 2 || a.revocations() != 0 {
		t.Errorf("%d logins and %d revocations", a.logins(), a.revocations())
	}
}

// TestNameComesBack holds that a name which was removed is a new target when it
// comes back, while the old one still is in use.
func TestNameComesBack(t *testing.T) {
	a := startAppliance(t)
	cfg := a.target("one")
	s := newSet(t, cfg)
	s.mustRead(t, "one")
	old, done, _ := s.Use("one")
	defer done()
	s.load(t)
	if added := s.load(t, cfg); added != "one" {
		t.Fatalf("new are %q", added)
	}
	s.mustRead(t, "one")
	s.wantReads(t, "one", 1, 0)
	if a.logins() != 2 || a.tokens() != 2 {
		t.Errorf("%d logins, %d refresh tokens of two targets", a.logins(), a.tokens())
	}
	if !old.Read(t.Context()).Complete() {
		t.Error("the old target is closed although it is used")
	}
	done()
	done() // Twice is as good as once.
	eventually(t, "the old refresh token is revoked", func() bool { return a.tokens() == 1 })
	s.mustRead(t, "one")
	s.wantReads(t, "one", 1, 1)
}

// TestSameAppliance holds that two targets of one appliance have nothing in common
// but that: not the token, not the domain, not the history.
func TestSameAppliance(t *testing.T) {
	a := startAppliance(t)
	if err := a.ListIn(domain, simulator.GoogleKeys).SetHistory(170, simulator.HistoryShape{}); err != nil {
		t.Fatal(err)
	}
	root, child, again := a.target("root"), a.target("child"), a.target("again")
	child.Credentials.Domain = domain
	s := newSet(t, root, child, again)
	for name, want := range map[string]int{"root": 300, "child": 170, "again": 300} {
		jobs := 0
		for _, n := range s.read(t, name).Lists[0].Summary.Jobs {
			jobs += n
		}
		if jobs != want {
			t.Errorf("target %s has %d jobs, want %d", name, jobs, want)
		}
	}
	if a.logins() != 3 || a.tokens() != 3 {
		t.Errorf("%d logins, %d refresh tokens of three targets", a.logins(), a.tokens())
	}
	s.load(t, root, child)
	eventually(t, "one refresh token is revoked", func() bool { return a.tokens() == 2 })
	s.mustRead(t, "root")
	s.mustRead(t, "child")
	s.wantReads(t, "root", 1, 1)
	s.wantReads(t, "child", 1, 1)
}

// TestFilesAreReadAnew holds that a CA and a password which are replaced are found
// by a target that goes on.
func TestFilesAreReadAnew(t *testing.T) {
	a := startAppliance(t)
	cfg := a.target("one")
	s := newSet(t, cfg)
	s.mustRead(t, "one")
	// The appliance comes back at its address with the certificate of another CA.
	a.server.Close()
	second, err := a.StartTLS()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(second.Close)
	moved := cfg
	moved.URL = second.URL
	s.load(t, moved)
	if err := s.read(t, "one").Lists[0].Err; err == nil {
		t.Fatal("the certificate of another CA was good")
	}
	write(t, a.ca, second.CAPEM)
	if added := s.load(t, moved); added != "" {
		t.Errorf("a rotated CA makes %s a new target", added)
	}
	eventually(t, "the backoff after the login that failed has passed", func() bool { return s.read(t, "one").Complete() })
	a.SetPassword("another")
	a.RevokeAllTokens()
	a.RevokeRefreshTokens()
	write(t, a.password, []byte("another\n"))
	if added := s.load(t, moved); added != "" {
		t.Errorf("a rotated password makes %s a new target", added)
	}
	s.mustRead(t, "one")
	s.wantReads(t, "one", 1, 1)
}

// TestLoadsAndProbes has probes go on while the configuration is loaded all the
// time. None of them fails.
func TestLoadsAndProbes(t *testing.T) {
	a := startAppliance(t)
	const loads = 60
	steady, changing := a.target("steady"), a.target("changing")
	s := newSet(t, steady, changing)
	stop := make(chan struct{})
	var wait sync.WaitGroup
	for _, name := range []string{"steady", "steady", "changing", "changing"} {
		wait.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					s.mustRead(t, name)
				}
			}
		})
	}
	for i := range loads {
		changing.Timeout = time.Minute + time.Duration(i)
		configs := []config.Target{steady, changing}
		if i%2 == 0 {
			slices.Reverse(configs)
		}
		var loading sync.WaitGroup
		for range 2 {
			loading.Go(func() { s.load(t, configs...) })
		}
		loading.Wait()
		if _, err := s.Gather(); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	wait.Wait()
	if full, _ := s.reads(t, "steady"); full != 1 {
		t.Errorf("the target that did not change was read %d times whole", full)
	}
	eventually(t, "only the refresh tokens in use are left", func() bool { return a.tokens() <= 2 })
	s.close(t)
	if n := a.tokens(); n != 0 {
		t.Errorf("%d refresh tokens are left", n)
	}
}

// TestNoTargets holds what a set is before its first load and after its end.
func TestNoTargets(t *testing.T) {
	s := newSet(t)
	if _, _, ok := s.Use(""); ok || len(s.All()) != 0 {
		t.Error("there is a target")
	}
	s.close(t)
	if _, err := s.Load(nil); !errors.Is(err, targets.ErrClosed) {
		t.Errorf("a load after the end: %v", err)
	}
	s.close(t)
}
