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

// removalTimeout bounds the revocation of the refresh token of a target that the
// configuration has no more.
const removalTimeout = 30 * time.Second

// ErrClosed is the error of a load after Close.
var ErrClosed = errors.New("the exporter is shutting down")

// Set holds the targets of the configuration. It is safe for concurrent use.
type Set struct {
	options Options

	// loading keeps loads apart, and guards closed.
	loading sync.Mutex
	closed  bool
	// mu guards targets, which are in the order of the configuration and never
	// changed, only replaced.
	mu      sync.RWMutex
	targets []*Target
	// removals are those of targets that are still in use, or being revoked.
	removals sync.WaitGroup
	// reads ends the reads of every target, and life the revocation of what is
	// removed, where they would hold up the exporter's end.
	reads, life         context.Context //nolint:containedctx // Removals outlive what asks for them.
	stopReads, stopLife context.CancelFunc
}

// NewSet returns an empty Set. Its targets share what is known about rejected
// logins, also with those of a later load.
func NewSet(options Options) *Set {
	options.Guard = ciphertrust.NewLoginGuard()
	s := &Set{options: options}
	s.reads, s.stopReads = context.WithCancel(context.Background())
	s.life, s.stopLife = context.WithCancel(context.Background())
	return s
}

// Load makes the set what the configuration says. A target that it had before is
// kept as it is, with its token and what is known of its lists, although its
// labels may be others now. One that is not configured any more, or differs, is
// closed once nobody uses it. After an error, which tells of every target that
// cannot be, the set is what it was; after Close it is ErrClosed. Load returns the
// targets that were not there before.
func (s *Set) Load(configs []config.Target) (added []*Target, err error) {
	s.loading.Lock()
	defer s.loading.Unlock()
	if s.closed {
		return nil, ErrClosed
	}
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
		t, err := New(cfg, s.options)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		added = append(added, t)
		targets = append(targets, t)
	}
	if len(errs) > 0 {
		// Those that were made have connected to nothing, so that there is nothing
		// to close.
		return nil, errors.Join(errs...)
	}
	for _, t := range added {
		t.stopGivingUp = context.AfterFunc(s.reads, t.scraper.Cancel)
	}
	s.mu.Lock()
	s.targets = targets
	s.mu.Unlock()
	for _, gone := range before {
		s.remove(gone.running)
	}
	return added, nil
}

// unchanged says whether what runs for a target goes on for its new
// configuration. Labels are not its own: they are for those who list it. Nor is its
// place in the file.
func unchanged(old, now config.Target) bool {
	old.Labels, old.Source = now.Labels, now.Source
	return reflect.DeepEqual(old, now)
}

// remove closes a target once nobody uses it. When reads are given up nobody gets
// anything from it any more, so that it is closed although it is used.
func (s *Set) remove(r *running) {
	idle := make(chan struct{})
	go func() {
		r.users.Wait()
		close(idle)
	}()
	s.removals.Go(func() {
		select {
		case <-idle:
		case <-s.reads.Done():
		}
		ctx, cancel := context.WithTimeout(s.life, removalTimeout)
		defer cancel()
		r.close(ctx, "reload")
		level.Debug(r.logger).Log("during", "reload", "msg", "the target was removed")
	})
}

// All returns the targets in the order of the configuration.
func (s *Set) All() []*Target {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.targets
}

// Use returns a target by its name. Until done is called it is not closed, even
// where it is no longer configured.
func (s *Set) Use(name string) (t *Target, done func(), ok bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, t := range s.targets {
		if t.Config.Name == name {
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

// GiveUp ends every read that is under way and every one to come.
func (s *Set) GiveUp() { s.stopReads() }

// Close ends reads and revokes the refresh token of every target, those included
// that are being removed, at the latest when ctx ends.
func (s *Set) Close(ctx context.Context) {
	s.loading.Lock()
	defer s.loading.Unlock()
	s.closed = true
	s.GiveUp()
	stop := context.AfterFunc(ctx, s.stopLife)
	defer stop()
	for _, t := range s.All() {
		s.removals.Go(func() { t.close(ctx, "shutdown") })
	}
	s.removals.Wait()
	s.stopLife()
}
