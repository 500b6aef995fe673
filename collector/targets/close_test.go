package targets_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"cckm_sync_exporter/collector/ciphertrust"
	"cckm_sync_exporter/collector/config"
	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/scrape"
	"cckm_sync_exporter/collector/targets"
)

// TestCloseDuringRemovals has a target that was removed, and one that was changed,
// still be read when the exporter ends: the reads are given up, and no refresh
// token is left.
func TestCloseDuringRemovals(t *testing.T) {
	a := startAppliance(t)
	removed, changed, steady := a.target("removed"), a.target("changed"), a.target("steady")
	s := newSet(t, removed, changed, steady)
	asked, release := a.hold()
	defer release()
	names := []string{"removed", "changed", "steady"}
	got := make(chan *scrape.Snapshot, len(names))
	for _, name := range names {
		go func() { got <- s.read(t, name) }()
		<-asked
	}
	// Somebody who does not let go must not hold it up either.
	_, done, _ := s.Use("removed")
	defer done()
	changed.Timeout++
	s.load(t, changed, steady)
	if n := a.tokens(); n != len(names) {
		t.Fatalf("%d refresh tokens of %d targets", n, len(names))
	}
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		s.close(t)
	}()
	select {
	case <-closed:
	case <-time.After(time.Minute):
		t.Fatal("it waits for somebody who does not let go")
	}
	for range names {
		if snapshot := <-got; snapshot.Complete() || reason.Of(snapshot.Lists[0].Err) != reason.Timeout {
			t.Errorf("a read that was given up: %v", snapshot.Lists[0].Err)
		}
	}
	if n := a.tokens(); n != 0 {
		t.Errorf("%d refresh tokens are left", n)
	}
}

// TestGiveUp holds that reads of targets which come after it are given up as well.
func TestGiveUp(t *testing.T) {
	a := startAppliance(t)
	s := newSet(t, a.target("one"))
	_, release := a.hold()
	defer release()
	s.GiveUp()
	s.load(t, a.target("one"), a.target("two"))
	for _, name := range []string{"one", "two"} {
		if snapshot := s.read(t, name); reason.Of(snapshot.Lists[0].Err) != reason.Timeout {
			t.Errorf("target %s: %v", name, snapshot.Lists[0].Err)
		}
	}
}

// TestCloseInTime has 200 targets end, of which some do not answer: the refresh
// tokens of all others are revoked, and the end comes when its context says.
func TestCloseInTime(t *testing.T) {
	const targets, hung = 200, 10
	good, bad := startAppliance(t), startAppliance(t)
	configs := make([]config.Target, 0, targets)
	for i := range targets {
		a := good
		if i%(targets/hung) == 0 {
			a = bad
		}
		configs = append(configs, a.target(fmt.Sprintf("target-%d", i)))
	}
	s := newSet(t, configs...)
	for i := range configs {
		one, done, _ := s.Use(configs[i].Name)
		if err := one.Client().Login(t.Context()); err != nil {
			t.Fatal(err)
		}
		done()
	}
	if good.tokens() != targets-hung || bad.tokens() != hung {
		t.Fatalf("%d and %d refresh tokens", good.tokens(), bad.tokens())
	}
	revoking := make(chan struct{}, targets)
	bad.Intercept(func(_ http.ResponseWriter, r *http.Request, _ http.Handler) {
		revoking <- struct{}{}
		<-r.Context().Done()
	})
	ctx, cancel := context.WithCancel(t.Context())
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		s.Close(ctx)
	}()
	eventually(t, "all that answer are revoked", func() bool { return good.tokens() == 0 })
	for range hung {
		<-revoking
	}
	select {
	case <-closed:
		t.Error("the end did not wait for those that hang")
	default:
	}
	cancel()
	select {
	case <-closed:
	case <-time.After(time.Minute):
		t.Fatal("it does not end with its context")
	}
}

// TestRemovalEndsWithClose has a target that was removed not answer: its
// revocation ends with the exporter.
func TestRemovalEndsWithClose(t *testing.T) {
	a := startAppliance(t)
	s := newSet(t, a.target("one"))
	s.mustRead(t, "one")
	revoking := make(chan struct{}, 1)
	a.Intercept(func(_ http.ResponseWriter, r *http.Request, _ http.Handler) {
		revoking <- struct{}{}
		<-r.Context().Done()
	})
	s.load(t)
	<-revoking
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s.Close(ctx)
}

// TestCloseDuringLoad closes a set while a load waits for a file, as on a dead mount: the targets that
// run are closed, and the load has no effect.
func TestCloseDuringLoad(t *testing.T) {
	a := startAppliance(t)
	s := newSet(t, a.target("one"))
	s.mustRead(t, "one")
	stuck := a.target("two")
	stuck.TLS = ciphertrust.TLSConfig{CAFile: filepath.Join(t.TempDir(), "ca.pem")}
	if err := syscall.Mkfifo(stuck.TLS.CAFile, 0o600); err != nil {
		t.Fatal(err)
	}
	loaded := make(chan error, 1)
	go func() {
		_, err := s.Load([]config.Target{stuck})
		loaded <- err
	}()
	// This returns when the load has opened the file.
	ca, err := os.OpenFile(stuck.TLS.CAFile, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		s.Close(t.Context())
	}()
	select {
	case <-closed:
	case <-time.After(time.Minute):
		t.Fatal("it waits for the load")
	}
	if n := a.tokens(); n != 0 {
		t.Errorf("%d refresh tokens are left", n)
	}
	// The load reads the file again.
	removed := os.Remove(stuck.TLS.CAFile)
	written := os.WriteFile(stuck.TLS.CAFile, a.server.CAPEM, 0o600)
	_, answered := ca.Write(a.server.CAPEM)
	if err := errors.Join(removed, written, answered, ca.Close()); err != nil {
		t.Fatal(err)
	}
	if err := <-loaded; !errors.Is(err, targets.ErrClosed) {
		t.Errorf("the load ends with %v", err)
	}
}

// TestThousandReloads holds that reloads leave nothing behind: no goroutine, no
// descriptor, no refresh token.
func TestThousandReloads(t *testing.T) {
	const reloads = 1000
	a := startAppliance(t)
	steady, changing := a.target("steady"), a.target("changing")
	s := newSet(t, steady, changing)
	settle := func() (goroutines, descriptors int) {
		s.mustRead(t, "steady")
		eventually(t, "only the refresh tokens in use are left", func() bool { return a.tokens() <= 2 })
		goroutines, descriptors = runtime.NumGoroutine(), openDescriptors(t)
		return goroutines, descriptors
	}
	s.mustRead(t, "changing")
	goroutinesBefore, descriptorsBefore := settle()
	// How many connections a target has at a time differs by a few.
	const few = reloads / 20
	for i := range reloads {
		changing.Timeout = time.Minute + time.Duration(i)
		s.load(t, steady, changing)
		if i%10 == 0 {
			s.mustRead(t, "changing")
		}
	}
	s.mustRead(t, "changing")
	eventually(t, "goroutines and descriptors are no more than at first", func() bool {
		goroutines, descriptors := settle()
		return goroutines < goroutinesBefore+few && descriptors < descriptorsBefore+few
	})
	s.wantReads(t, "changing", 1, 0)
	if full, _ := s.reads(t, "steady"); full != 1 {
		t.Errorf("the target that did not change was read %d times whole", full)
	}
}

// openDescriptors counts them, or returns 0 where the system does not tell.
func openDescriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(entries)
}
