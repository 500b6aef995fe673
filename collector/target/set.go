package target

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/go-kit/log/level"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"cckm_sync_exporter/collector/config"
)

// removalTimeout bounds the revocation of the refresh token of a target that the
// configuration has no more.
const removalTimeout = 30 * time.Second

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
	// removals are those of targets that are still in use.
	removals sync.WaitGroup
	// reads ends the reads of removed targets, and life their removal, where they
	// would hold up the exporter's end.
	reads, life          context.Context //nolint:containedctx // Removals outlive what asks for them.
	stopReads, stopLives context.CancelFunc
}

// NewSet returns an empty Set.
func NewSet(options Options) *Set {
	s := &Set{options: options}
	s.reads, s.stopReads = context.WithCancel(context.Background())
	s.life, s.stopLives = context.WithCancel(context.Background())
	return s
}

// Load makes the set what the configuration says. A target that it had before is
// kept as it is, with its token and what is known of its lists, although its
// labels may be others now. One that is not configured any more, or differs, is
// closed once nobody uses it. After an error the set is what it was. Load returns
// the targets that were not there before.
func (s *Set) Load(configs []config.Target) (added []*Target, err error) {
	s.loading.Lock()
	defer s.loading.Unlock()
	if s.closed {
		return nil, errors.New("the exporter is shutting down")
	}
	before := s.All()
	targets := make([]*Target, 0, len(configs))
	for _, cfg := range configs {
		if kept := unchanged(before, cfg); kept != nil {
			targets = append(targets, &Target{Config: cfg, running: kept})
			continue
		}
		t, err := New(cfg, s.options)
		if err != nil {
			for _, t := range added {
				t.close(s.life) // It has no token yet.
			}
			return nil, err
		}
		added = append(added, t)
		targets = append(targets, t)
	}
	s.mu.Lock()
	s.targets = targets
	s.mu.Unlock()
	for _, t := range before {
		if !slices.ContainsFunc(targets, func(now *Target) bool { return now.running == t.running }) {
			s.remove(t)
		}
	}
	return added, nil
}

// unchanged returns what runs for a target that the configuration had before, or
// nil.
func unchanged(before []*Target, cfg config.Target) *running {
	for _, t := range before {
		old := t.Config
		old.Labels = cfg.Labels
		if reflect.DeepEqual(old, cfg) {
			return t.running
		}
	}
	return nil
}

// remove closes a target once nobody uses it.
func (s *Set) remove(t *Target) {
	s.removals.Go(func() {
		unbind := context.AfterFunc(s.reads, t.collector.GiveUp)
		defer unbind()
		t.users.Wait()
		ctx, cancel := context.WithTimeout(s.life, removalTimeout)
		defer cancel()
		t.close(ctx)
		level.Debug(t.logger).Log("during", "reload", "msg", "the target was removed")
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
func (s *Set) GiveUp() {
	s.stopReads()
	for _, t := range s.All() {
		t.collector.GiveUp()
	}
}

// Close ends reads and revokes the refresh token of every target, at the latest
// when ctx ends.
func (s *Set) Close(ctx context.Context) {
	s.loading.Lock()
	defer s.loading.Unlock()
	s.closed = true
	s.GiveUp()
	unbind := context.AfterFunc(ctx, s.stopLives)
	defer unbind()
	for _, t := range s.All() {
		s.removals.Go(func() { t.close(ctx) })
	}
	s.removals.Wait()
	s.stopLives()
}
