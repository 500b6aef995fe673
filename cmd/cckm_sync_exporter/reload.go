package main

import (
	"context"
	"errors"
	"os"
	"sync"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"

	"cckm_sync_exporter/collector/targets"
)

// reloader loads the configuration file anew.
type reloader struct {
	settings *settings
	exporter *exporter
	logger   log.Logger

	// mu keeps reloads apart that are asked for at once.
	mu sync.Mutex
}

// reload loads the configuration file anew, and says in a sentence what was done.
// After an error everything is as it was.
func (r *reloader) reload() (done string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.settings.configFile == "" {
		done = "there is nothing to reload without --config.file: passwords, certificates and CAs from files are read again by themselves; " +
			"flags and the system's CAs need a restart"
		level.Debug(r.logger).Log("during", "reload", "msg", done)
		return done, nil
	}
	err = r.load()
	if errors.Is(err, targets.ErrClosed) {
		return "", err
	}
	r.exporter.reloads.Note(err)
	if err != nil {
		level.Error(r.logger).Log("during", "reload", "file", r.settings.configFile, "err", err,
			"hint", "mend what it says and reload again; check says the same of the file",
			"msg", "the configuration was not loaded, the one before goes on")
		return "", err
	}
	done = "the configuration was loaded"
	level.Info(r.logger).Log("during", "reload", "file", r.settings.configFile, "targets", len(r.exporter.targets.All()),
		"msg", done)
	return done, nil
}

func (r *reloader) load() error {
	configs, err := r.settings.targets()
	if err != nil {
		return err
	}
	added, err := r.exporter.targets.Load(configs)
	for _, t := range added {
		t.WarnOfExposure()
	}
	return err
}

// follow reloads at each signal until ctx ends.
func (r *reloader) follow(ctx context.Context, hangUps <-chan os.Signal) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangUps:
			// The log has been told of an error.
			_, _ = r.reload() //nolint:contextcheck // A reload is not given up halfway.
		}
	}
}
