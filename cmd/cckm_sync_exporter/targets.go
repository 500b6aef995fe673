package main

import (
	"cckm_sync_exporter/collector/config"
)

// targets returns what is to be read: the targets of the configuration file, or
// the one of the flags, which has no name.
func (s *settings) targets() ([]config.Target, error) {
	switch {
	case s.simulated != nil:
		return s.simulated, nil
	case s.configFile != "":
		return config.Load(s.configFile, config.Defaults{Lists: s.lists, Reading: s.reading})
	default:
		return []config.Target{{
			URL: s.url, Credentials: s.credentials, TLS: s.tls, Lists: s.lists, Reading: s.reading,
		}}, nil
	}
}

// several says whether the targets have names, so that they are probed one by
// one.
func (s *settings) several() bool { return s.configFile != "" || s.demoTargets > 0 }
