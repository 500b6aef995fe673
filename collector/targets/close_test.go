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

// TestCloseDuringRemovals closes the set while a removed target, a changed one and an unchanged one are
// still read: the reads are given up, and no refresh token is left.
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
	// A user that never calls done must not delay the end either.
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
	s.GiveUp()
	select {
	case <-closed:
	case <-time.After(time.Minute):
		t.Fatal("it waits for a user that never calls done")
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

// TestGiveUp checks that later reads, also of later targets, are given up as well.
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

// TestCloseInTime closes 200 targets, of which some do not answer: the refresh tokens of all others are
// revoked, and Close returns when its context ends.
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

// TestRemovalEndsWithClose checks that Close ends the revocation of a removed target that does not answer.
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

// TestThousandReloads checks that reloads leave no goroutine, descriptor or refresh token behind.
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
		t.Errorf("the target that did not change was read %d times completely", full)
	}
}

// openDescriptors counts them, or returns 0 if the system does not list them.
func openDescriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(entries)
}
