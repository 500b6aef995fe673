package targets

import (
	"context"
	"errors"
	"reflect"
	"sync"
	"time"

	"github.com/go-kit/log/level"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"cckm_sync_exporter/collector/ciphertrust"
	"cckm_sync_exporter/collector/config"
)

// removalTimeout bounds the revocation of the refresh token of a target that was removed from the
// configuration.
const removalTimeout = 30 * time.Second

// ErrClosed is the error of a load after Close.
var ErrClosed = errors.New("the exporter is shutting down")

// Set holds the targets of the configuration. It is safe for concurrent use.
type Set struct {
	options Options
	// guard is shared by all targets, also those of a later load.
	guard *ciphertrust.LoginGuard

	// loading serializes loads. Close does not wait for it, because a load reads files.
	loading sync.Mutex
	// mu guards what follows. targets are in the order of the configuration, and replaced instead of
	// changed.
	mu      sync.RWMutex
	targets []*Target
	closed  bool
	// removals are those of targets that are still in use, or being revoked.
	removals sync.WaitGroup
	// reads ends the reads of every target, and life the revocation of removed targets, if they would
	// delay the exporter's end.
	reads, life         context.Context //nolint:containedctx // Removals outlive the load that requests them.
	stopReads, stopLife context.CancelFunc
}

// NewSet returns an empty Set.
func NewSet(options Options) *Set {
	s := &Set{options: options, guard: ciphertrust.NewLoginGuard()}
	s.reads, s.stopReads = context.WithCancel(context.Background())
	s.life, s.stopLife = context.WithCancel(context.Background())
	return s
}

// Load replaces the targets of the set. A target that it had before is kept, with its token and the
// cache of its lists; its labels may be new. One that is not configured any more, or is configured
// differently, is closed when it is not used any more. Load returns the targets that were not there
// before. After an error, which names each invalid target, the set is unchanged; after Close, the error
// is ErrClosed.
func (s *Set) Load(configs []config.Target) (added []*Target, err error) {
	s.loading.Lock()
	defer s.loading.Unlock()
	before := make(map[string]*Target)
	for _, t := range s.All() {
		before[t.Config.Name] = t
	}
	targets := make([]*Target, 0, len(configs))
	var errs []error
	for i := range configs {
		cfg := configs[i]
		if old := before[cfg.Name]; old != nil && unchanged(old.Config, cfg) {
			old.source.Store(&cfg.Source)
			targets = append(targets, &Target{Config: cfg, running: old.running})
			delete(before, cfg.Name)
			continue
		}
		t, err := newTarget(cfg, s.options, s.guard)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		added = append(added, t)
		targets = append(targets, t)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		errs = []error{ErrClosed}
	}
	if len(errs) > 0 {
		// The new targets have connected to nothing, so there is nothing to close.
		return nil, errors.Join(errs...)
	}
	for _, t := range added {
		t.stopGivingUp = context.AfterFunc(s.reads, t.scraper.Cancel)
	}
	s.targets = targets
	for _, gone := range before {
		s.remove(gone.running)
	}
	return added, nil
}

// unchanged reports whether a running target is kept for its new configuration. Its labels are
// only for discovery, and its place in the file only for hints.
func unchanged(old, now config.Target) bool {
	old.Labels, old.Source = now.Labels, now.Source
	return reflect.DeepEqual(old, now)
}

// remove closes a target once nobody uses it, or when GiveUp is called. The caller holds the lock.
func (s *Set) remove(r *running) {
	s.removals.Go(func() {
		await(s.reads, r.users.Wait)
		ctx, cancel := context.WithTimeout(s.life, removalTimeout)
		defer cancel()
		r.close(ctx, "reload")
		level.Debug(r.logger).Log("during", "reload", "msg", "the target was removed")
	})
}

// endGrace is how long await waits for what ends because its context has ended.
const endGrace = 100 * time.Millisecond

// await calls wait, and returns when that has returned, or soon after ctx has ended.
func await(ctx context.Context, wait func()) {
	returned := make(chan struct{})
	go func() {
		defer close(returned)
		wait()
	}()
	select {
	case <-returned:
		return
	case <-ctx.Done():
	}
	select {
	case <-returned:
	case <-time.After(endGrace):
	}
}

// All returns the targets in the order of the configuration.
func (s *Set) All() []*Target {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.targets
}

// Use returns a target by its name. The target is not closed until done is called, even if it is not
// configured any more. After Close, it may be closed already: its reads fail.
func (s *Set) Use(name string) (t *Target, done func(), ok bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, t := range s.targets {
		if t.Config.Name == name {
			if s.closed {
				return t, func() {}, true
			}
			t.users.Add(1)
			return t, sync.OnceFunc(t.users.Done), true
		}
	}
	return nil, nil, false
}

// Gather implements prometheus.Gatherer: the exporter's own metrics about each
// target.
func (s *Set) Gather() ([]*dto.MetricFamily, error) {
	targets := s.All()
	all := make(prometheus.Gatherers, 0, len(targets))
	for _, t := range targets {
		all = append(all, t.telemetry)
	}
	return all.Gather()
}

// GiveUp ends every read that is in progress, and every later one.
func (s *Set) GiveUp() { s.stopReads() }

// Close ends reads in the background and revokes the refresh token of every target, including those that
// are being removed. If a target is used, Close waits until it is not used any more, or until GiveUp is
// called. Close returns soon after ctx has ended.
func (s *Set) Close(ctx context.Context) {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	for _, t := range s.All() {
		s.removals.Go(func() {
			await(s.reads, t.users.Wait) //nolint:contextcheck // GiveUp ends it.
			t.close(ctx, "shutdown")
		})
	}
	end := func() { s.GiveUp(); s.stopLife() }
	stop := context.AfterFunc(ctx, end)
	defer stop()
	await(ctx, s.removals.Wait)
	end()
}
