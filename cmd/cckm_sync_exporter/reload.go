package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"os"
	"reflect"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/go-kit/log"
	"github.com/go-kit/log/level"

	"cckm_sync_exporter/collector/config"
	"cckm_sync_exporter/collector/doctor"
	"cckm_sync_exporter/collector/targets"
)

// reloader loads the configuration file again.
type reloader struct {
	settings *settings
	exporter *exporter
	logger   log.Logger

	// mu serializes reloads, and guards failure, which is the error of the last one; empty if it
	// succeeded.
	mu      sync.Mutex
	failure string
}

// reload loads the configuration file again, and returns a sentence about what was done. After an error,
// the previous configuration remains in use. The result is the service's status in systemd.
func (r *reloader) reload() (done string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch done, err = r.reloadLocked(); {
	case errors.Is(err, targets.ErrClosed):
	case err != nil:
		notify(r.logger, r.status("the configuration was not loaded: "+err.Error()))
	default:
		notify(r.logger, r.status(done))
	}
	return done, err
}

// status returns the status of the service in systemd: what runs, and the result of the last reload.
func (r *reloader) status(result string) string {
	text := doctor.Count(len(r.exporter.targets.All()), "target")
	if result != "" {
		text += "; " + result
	}
	return status(text)
}

func (r *reloader) reloadLocked() (done string, err error) {
	if r.settings.configFile == "" {
		done = "there is nothing to reload without --config.file: passwords, certificates and CAs from files are read again by themselves; " +
			"flags and the system's CAs need a restart"
		level.Debug(r.logger).Log("during", "reload", "msg", done)
		return done, nil
	}
	changed, err := r.load()
	if errors.Is(err, targets.ErrClosed) {
		return "", err
	}
	r.exporter.reloads.Loaded(err)
	logger := log.With(r.logger, "during", "reload", "file", r.settings.configFile)
	before := r.failure
	r.failure = ""
	if err != nil {
		r.failure = err.Error()
	}
	switch {
	case err != nil && r.failure == before:
		level.Debug(logger).Log("err", err, "msg", "the configuration was not loaded, for the same reason as before")
		return "", err
	case err != nil:
		level.Error(logger).Log("err", err, "hint", "correct the file and reload again; check --offline validates it",
			"msg", "the configuration was not loaded, the previous one remains in use")
		return "", err
	case changed || before != "":
		done = "the configuration was loaded"
		level.Info(logger).Log("targets", len(r.exporter.targets.All()), "msg", done)
	default:
		done = "the configuration has not changed"
		level.Debug(logger).Log("msg", done)
	}
	return done, nil
}

// load reports whether the configuration is another one.
func (r *reloader) load() (changed bool, err error) {
	configs, err := r.settings.targets()
	if err != nil {
		return false, err
	}
	before := r.exporter.targets.All()
	added, err := r.exporter.targets.Load(configs)
	for _, t := range added {
		t.WarnOfExposure()
	}
	old := make([]config.Target, 0, len(before))
	for _, t := range before {
		old = append(old, t.Config)
	}
	return !reflect.DeepEqual(old, configs), err
}

// autoReloadInterval is how often the configuration file is compared with the one that is loaded.
const autoReloadInterval = 30 * time.Second

// watch reloads when the content of the file differs from what loaded is the checksum of, until ctx ends.
// The content must be the same at two checks, because a file that is being written may be valid, and lack
// targets. It tries again as long as the reload fails, because the file may name files that do not exist yet.
func (r *reloader) watch(ctx context.Context, loaded [sha256.Size]byte) {
	seen := loaded
	tick := time.NewTicker(autoReloadInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		sum, err := config.Checksum(r.settings.configFile)
		settled := sum == seen
		seen = sum
		if !settled || err == nil && sum == loaded && !r.failed() {
			continue
		}
		if _, err := r.reload(); err == nil { //nolint:contextcheck // A reload is not canceled halfway.
			loaded = sum
		}
	}
}

// failed reports whether the last reload failed.
func (r *reloader) failed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failure != ""
}

// follow reloads at each signal, also during a shutdown, until the process ends. With Type=notify-reload,
// systemctl reload waits for the end of the reload.
func (r *reloader) follow(hangUps <-chan os.Signal) {
	for range hangUps {
		notify(r.logger, daemon.SdNotifyReloading, daemon.SdNotifyMonotonicUsec())
		// The error is logged.
		_, _ = r.reload()
		notify(r.logger, daemon.SdNotifyReady)
	}
}
