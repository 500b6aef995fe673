package main

import (
	"os"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"

	"cckm_sync_exporter/collector/config"
)

// targets returns the targets of the configuration file, or the one of the flags, which has no name.
func (s *settings) targets() ([]config.Target, error) {
	targets, err := s.configured()
	if s.oneRead {
		for i := range targets {
			targets[i].FullReadInterval = 0
		}
	}
	return targets, err
}

func (s *settings) configured() ([]config.Target, error) {
	switch {
	case s.simulated != nil:
		return s.simulated, nil
	case s.configFile != "":
		return config.Load(s.configFile, config.Target{Lists: s.lists, Reading: s.reading})
	default:
		return []config.Target{{
			URL: s.url, Credentials: s.credentials, TLS: s.tls, Lists: s.lists, Reading: s.reading,
		}}, nil
	}
}

// several reports whether the targets have names and are probed individually.
func (s *settings) several() bool { return s.configFile != "" || s.demoTargets > 0 }

// warnIgnoredEnv logs which variables of the environment are ignored because the configuration file
// names all appliances. They are no error, because Thales' own programs use the same variables.
func (s *settings) warnIgnoredEnv(logger log.Logger) {
	if s.configFile == "" {
		return
	}
	names := []string{envPassword}
	for _, name := range newerNames() {
		names = append(names, newerPrefix+name)
	}
	for _, flag := range s.applianceFlagsGiven {
		names = append(names, flag.envar)
	}
	for _, name := range names {
		if os.Getenv(name) != "" {
			level.Info(logger).Log("during", "start", "variable", name, "file", s.configFile,
				"msg", "the variable is ignored, because the file names all appliances")
		}
	}
}
