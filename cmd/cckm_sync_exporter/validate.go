package main

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/alecthomas/kingpin/v2"

	"cckm_sync_exporter/collector/ciphertrust"
	"cckm_sync_exporter/collector/config"
	"cckm_sync_exporter/collector/syncjob"
	"cckm_sync_exporter/collector/web"
)

// envar returns the default environment variable of a flag.
func envar(flag string) string {
	replace := strings.NewReplacer(".", "_", "-", "_")
	return strings.ToUpper(programName + "_" + replace.Replace(flag))
}

// envarOf returns the environment variable of a flag, also before kingpin sets the default one.
func envarOf(flag *kingpin.FlagModel) string { return cmp.Or(flag.Envar, envar(flag.Name)) }

// validate returns an error for the first setting that is wrong or missing.
func (s *settings) validate() error {
	if problems := s.problems(); len(problems) > 0 {
		return problems[0]
	}
	return nil
}

// problems returns an error for each setting that is wrong or missing. It is one sentence with the flag and
// what to do.
func (s *settings) problems() (errs []error) {
	problems := s.reading.Problems()
	if s.several() {
		errs = s.flagsOfOne()
	} else {
		if s.autoReload {
			errs = append(errs, errors.New("--config.enable-auto-reload has nothing to reload without --config.file: give both or none"))
		}
		target := config.Target{URL: s.url, Credentials: s.credentials, TLS: s.tls, Reading: s.reading}
		problems = target.Problems()
	}
	for _, problem := range problems {
		errs = append(errs, s.problemError(problem))
	}
	if len(s.lists) == 0 && s.configFile == "" {
		errs = append(errs, fmt.Errorf("no list is enabled: enable one, for example with --collector.%s", syncjob.Lists()[0].Name))
	}
	return append(errs, s.webProblems()...)
}

// maxDemoTargets bounds the memory of the demo: each appliance has some hundred jobs.
const maxDemoTargets = 1000

// maxDemoJobs bounds --jobs: the simulator needs 32 bytes of memory for each job of a list.
const maxDemoJobs = 1_000_000

// flagsOfOne rejects flags of one appliance if there are several. Environment variables are ignored
// instead, because other programs use the same ones.
func (s *settings) flagsOfOne() (errs []error) {
	for _, flag := range s.applianceFlagsGiven {
		switch {
		case !flag.given:
		case s.demoTargets > 0:
			errs = append(errs, fmt.Errorf("--%s is for a real appliance, and the demo simulates its own: remove one of the two", flag.name))
		default:
			errs = append(errs, fmt.Errorf("--%s is for one appliance and --config.file names all of them: set it in the file, for the targets that need it",
				flag.name))
		}
	}
	return errs
}

// validateDemo validates the demo's own flags.
func (s *settings) validateDemo() error {
	switch {
	case s.configFile != "":
		return errors.New("the demo simulates its own appliances and does not read --config.file: for several, give --targets")
	case s.demoTargets < 0 || s.demoTargets > maxDemoTargets:
		return fmt.Errorf("--targets is %d: give 0 to %d", s.demoTargets, maxDemoTargets)
	case s.demoJobs < 0 || s.demoJobs > maxDemoJobs:
		return fmt.Errorf("--jobs is %d: give 0 to %d", s.demoJobs, maxDemoJobs)
	case s.demoLatency < 0:
		return fmt.Errorf("--latency is %s: give 0s or more", s.demoLatency)
	default:
		return nil
	}
}

// problemError returns the error for a problem. It names the flag or the environment variable of
// the problem's key.
func (s *settings) problemError(p config.Problem) error {
	flag := config.FlagOfKey(p.Key)
	switch {
	case p.Key == "password":
		return fmt.Errorf("%s %s", envPassword, p.Text)
	case p.Key == "password_file" && p.Missing:
		return fmt.Errorf("%s %s, or set %s", flag, p.Text, envPassword)
	case p.Missing:
		i := slices.IndexFunc(s.applianceFlagsGiven, func(f *givenFlag) bool { return "--"+f.name == flag })
		return fmt.Errorf("%s %s, or set %s", flag, p.Text, s.applianceFlagsGiven[i].envar)
	default:
		return fmt.Errorf("%s %s", flag, p.Text)
	}
}

func (s *settings) webProblems() (errs []error) {
	if _, err := parseExternalURL(s.externalURL); err != nil {
		errs = append(errs, err)
	}
	if !isPath(s.telemetryPath) || strings.HasPrefix(s.telemetryPath, "/-/") ||
		slices.Contains([]string{web.PathProbe, web.PathDiscovery}, s.telemetryPath) ||
		strings.HasPrefix(s.telemetryPath, web.PathDocuments) || strings.HasPrefix(s.telemetryPath, web.PathRunbooks) {
		errs = append(errs, fmt.Errorf("--web.telemetry-path is %q: give a path such as /metrics that no other page of the exporter has", s.telemetryPath))
	}
	if s.maxRequests < 0 {
		errs = append(errs, fmt.Errorf("--web.max-requests is %d: give 0 (no limit) or more", s.maxRequests))
	}
	return errs
}

// parseExternalURL returns the URL without a "/" at its end, or nil if the text is empty.
func parseExternalURL(text string) (*url.URL, error) {
	if text == "" {
		return nil, nil //nolint:nilnil // The URL of each request is used instead.
	}
	u, err := url.Parse(text)
	switch {
	// The text may have a password, so it is not repeated.
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || !ciphertrust.ValidPort(u) || u.User != nil || strings.ContainsAny(text, "?#"):
		return nil, errors.New("--web.external-url is not an absolute http or https URL with a valid port and without user, query and fragment: " +
			"give one such as https://monitoring.example.com/cckm")
	case path.Clean("/"+u.Path) != "/"+strings.Trim(u.Path, "/"):
		return nil, errors.New("--web.external-url has a path with empty elements or dots: give one such as https://monitoring.example.com/cckm")
	}
	return &url.URL{Scheme: u.Scheme, Host: u.Host, Path: strings.TrimRight(u.Path, "/")}, nil
}

// isPath reports whether an HTTP request for the text as a path is served under the same text: it
// is absolute and clean, and has nothing that a URL or a pattern of net/http gives a meaning.
func isPath(text string) bool {
	special := func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(`{}?#%\`, r) }
	return strings.HasPrefix(text, "/") && path.Clean(text) == text && !strings.ContainsFunc(text, special)
}
