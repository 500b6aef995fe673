package targets_test

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cckm_sync_exporter/collector/config"
	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/scrape"
	"cckm_sync_exporter/collector/simulator"
	"cckm_sync_exporter/collector/syncjob"
	"cckm_sync_exporter/collector/targets"
)

// TestReloadKeepsUnchanged checks that a target keeps its token and cache if only its labels, its place in
// the file or nothing changes.
func TestReloadKeepsUnchanged(t *testing.T) {
	a := startAppliance(t)
	one, two := a.target("one"), a.target("two")
	two.Credentials.Domain = domain
	s := newSet(t, one, two)
	s.mustRead(t, "one")
	s.mustRead(t, "two")
	s.wantReads(t, "one", 1, 0)
	// Equal values may have different addresses.
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

// TestReloadOfChanged checks that any other change makes a new target, and that nothing is left of the old
// one.
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
				t.Errorf("the new target was read %d times completely and %d times incrementally", full, incremental)
			}
			if n := a.logins(); n != 2 {
				t.Errorf("%d logins", n)
			}
		})
	}
}

// TestReloadKeepsTheBackoff checks that targets with one wrong password send it once, however often they
// are probed and the configuration is loaded again, until it changes.
func TestReloadKeepsTheBackoff(t *testing.T) {
	a := startAppliance(t)
	write(t, a.password, []byte("wrong"))
	configs := []config.Target{a.target("one"), a.target("two"), a.target("three")}
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
		s.load(t, configs...)
	}
	write(t, a.password, []byte(simulator.DefaultPassword))
	for i := range configs {
		s.mustRead(t, configs[i].Name)
	}
}

// TestProbeInFlight checks that a target is closed only after the probes that have begun, and that a new
// target of the same name is available at once.
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
			_, done, ok := s.Use("one")
			if ok == removed {
				t.Errorf("the name can be used: %t", ok)
			}
			if ok {
				done()
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

// TestLoadThatFails checks that an invalid target leaves the set unchanged, and that the error names each.
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

// TestLoadsAndProbes probes while the configuration is loaded all the time. No probe fails.
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
		t.Errorf("the target that did not change was read %d times completely", full)
	}
	eventually(t, "only the refresh tokens in use are left", func() bool { return a.tokens() <= 2 })
	s.close(t)
	if n := a.tokens(); n != 0 {
		t.Errorf("%d refresh tokens are left", n)
	}
}

// TestNoTargets uses a set without targets, and after its end.
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
