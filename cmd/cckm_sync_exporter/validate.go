package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kingpin/v2"

	"cckm_sync_exporter/collector/config"
	"cckm_sync_exporter/collector/simulator"
	"cckm_sync_exporter/collector/syncjob"
	"cckm_sync_exporter/collector/web"
)

// envar returns the environment variable of a flag that has no other.
func envar(flag string) string {
	replace := strings.NewReplacer(".", "_", "-", "_")
	return strings.ToUpper(programName + "_" + replace.Replace(flag))
}

// envarOf returns the environment variable of a flag, also before kingpin has
// given it the one that follows from its name.
func envarOf(flag *kingpin.FlagModel) string { return cmp.Or(flag.Envar, envar(flag.Name)) }

// validate finds the first setting that is wrong or missing. Its errors are one
// sentence that names the flag and what to do.
func (s *settings) validate() error {
	checks := []func() error{s.validateAppliance, s.validateCredentials, s.validateReading, s.validateWeb}
	if s.several() {
		checks = []func() error{s.validateReading, s.validateSeveral, s.validateWeb}
	}
	for _, check := range checks {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

// maxDemoTargets bounds what the demo simulates: each appliance has some hundreds
// of jobs of its own.
const maxDemoTargets = 1000

// validateSeveral sees to it that nothing is given for one appliance where there
// are several: it would be ignored. Variables of the environment are, because they
// are those of other programs as well.
func (s *settings) validateSeveral() error {
	for _, flag := range s.applianceFlagsGiven {
		switch {
		case !flag.given:
		case s.demoTargets > 0:
			return fmt.Errorf("--%s is for an appliance of your own, and the demo simulates its own: leave one of the two out", flag.name)
		default:
			return fmt.Errorf("--%s is for one appliance and --config.file names all of them: say it in the file, for the targets that it is meant for",
				flag.name)
		}
	}
	return nil
}

// validateDemo checks that what the demo simulates is within bounds.
func (s *settings) validateDemo() error {
	switch {
	case s.configFile != "":
		return errors.New("the demo simulates appliances of its own, and takes no --config.file: for several, give --targets")
	case s.demoTargets < 0 || s.demoTargets > maxDemoTargets:
		return fmt.Errorf("--targets is %d: give 0 to %d", s.demoTargets, maxDemoTargets)
	case s.demoJobs < 0 || s.demoJobs > simulator.MaxHistory:
		return fmt.Errorf("--jobs is %d: give 0 to %d", s.demoJobs, simulator.MaxHistory)
	case s.demoLatency < 0:
		return fmt.Errorf("--latency is %s: give 0s or more", s.demoLatency)
	default:
		return nil
	}
}

func (s *settings) validateAppliance() error {
	if s.url == "" {
		return errors.New("--ciphertrust.url is missing: give the appliance's address, " +
			"for example --ciphertrust.url=https://cm.example.com, or set CM_ADDRESS")
	}
	target := config.Target{URL: s.url, TLS: s.tls, Reading: s.reading}
	if problems := target.Problems(); len(problems) > 0 {
		return problemError(problems[0])
	}
	if (s.tls.CertFile == "") != (s.tls.KeyFile == "") {
		return errors.New("--ciphertrust.cert-file and --ciphertrust.key-file go together: give both or none")
	}
	for _, file := range []struct{ flag, path string }{
		{"--ciphertrust.ca-file", s.tls.CAFile},
		{"--ciphertrust.cert-file", s.tls.CertFile},
		{"--ciphertrust.key-file", s.tls.KeyFile},
	} {
		if file.path == "" {
			continue
		}
		if _, err := os.ReadFile(file.path); err != nil {
			return fmt.Errorf("%s cannot be read: %w; give a file that exists and that this user may read", file.flag, withoutPath(err))
		}
	}
	return nil
}

func (s *settings) validateCredentials() error {
	switch {
	case s.credentials.ClientID != "" && s.tls.CertFile == "" && s.tls.Cert == "":
		return errors.New("--ciphertrust.client-id needs a certificate: give --ciphertrust.cert-file and --ciphertrust.key-file")
	case s.credentials.ClientID != "":
		return nil
	case s.credentials.Username == "":
		return errors.New("--ciphertrust.username is missing: give the name of the user that reads, or set CM_USERNAME, " +
			"or log in by certificate with --ciphertrust.client-id")
	case s.credentials.PasswordFile == "" && s.credentials.Password == "":
		return errors.New("--ciphertrust.password-file is missing: give a file with the user's password, or set CM_PASSWORD")
	}
	if err := s.credentials.Check(); err != nil && s.credentials.PasswordFile == "" {
		return fmt.Errorf("CM_PASSWORD cannot be used: %w; set it to the password, or give --ciphertrust.password-file", err)
	} else if err != nil {
		return fmt.Errorf("--ciphertrust.password-file cannot be used: %w; give a file that holds the password and that this user may read", withoutPath(err))
	}
	return nil
}

// withoutPath leaves the path out of the error of a file that cannot be opened: it
// may be the secret that belongs into the file.
func withoutPath(err error) error {
	if failure, ok := errors.AsType[*os.PathError](err); ok {
		return failure.Err
	}
	return err
}

func (s *settings) validateReading() error {
	if len(s.lists) == 0 && s.configFile == "" {
		return fmt.Errorf("no list is enabled: turn one on, for example with --collector.%s", syncjob.Lists()[0].Name)
	}
	if problems := s.reading.Problems(); len(problems) > 0 {
		return problemError(problems[0])
	}
	return nil
}

// problemError returns the error for a problem, with the flag that belongs to its key.
func problemError(p config.Problem) error {
	return fmt.Errorf("%s %s", config.FlagOfKey(p.Key), p.Text)
}

func (s *settings) validateWeb() error {
	switch {
	case !strings.HasPrefix(s.telemetryPath, "/") || strings.HasPrefix(s.telemetryPath, "/-/") ||
		strings.ContainsAny(s.telemetryPath, "{} ") || slices.Contains([]string{web.PathProbe, web.PathDiscovery}, s.telemetryPath):
		return fmt.Errorf("--web.telemetry-path is %q: give a path such as /metrics", s.telemetryPath)
	case s.maxRequests < 0:
		return fmt.Errorf("--web.max-requests is %d: give 0 (no limit) or more", s.maxRequests)
	default:
		return nil
	}
}
