package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"cckm_sync_exporter/collector/ciphertrust"
	"cckm_sync_exporter/collector/joblist"
)

// Bounds of the settings.
const (
	maxConcurrency = 64
)

// envar returns the environment variable of a flag that has no other.
func envar(flag string) string {
	replace := strings.NewReplacer(".", "_", "-", "_")
	return strings.ToUpper(programName + "_" + replace.Replace(flag))
}

// validate finds the first setting that is wrong or missing. Its errors are one
// sentence that names the flag and what to do.
func (s *settings) validate() error {
	for _, check := range []func() error{s.validateAppliance, s.validateCredentials, s.validateReading, s.validateWeb} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (s *settings) validateAppliance() error {
	if s.url == "" {
		return errors.New("--ciphertrust.url is missing: give the appliance's address, " +
			"for example --ciphertrust.url=https://cm.example.com, or set CM_ADDRESS")
	}
	if _, err := ciphertrust.ParseURL(s.url); err != nil {
		return fmt.Errorf("--ciphertrust.url is wrong: %w; give an address such as https://cm.example.com", err)
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
			return fmt.Errorf("%s cannot be read: %w; give a file that exists and that this user may read", file.flag, err)
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
	if err := s.credentials.Check(); err != nil {
		return fmt.Errorf("--ciphertrust.password-file cannot be used: %w; give a file that holds the password and that this user may read", err)
	}
	return nil
}

func (s *settings) validateReading() error {
	switch {
	case len(s.lists) == 0:
		return errors.New("no list is enabled: turn one on, for example with --collector.google-keys")
	case s.pageSize < joblist.MinPageSize:
		return fmt.Errorf("--collector.page-size is %d: give at least %d, because neighbouring pages overlap by one job",
			s.pageSize, joblist.MinPageSize)
	case s.concurrency < 1 || s.concurrency > maxConcurrency:
		return fmt.Errorf("--collector.concurrency is %d: give 1 to %d", s.concurrency, maxConcurrency)
	case s.timeout <= 0:
		return fmt.Errorf("--collector.timeout is %s: give more than 0s", s.timeout)
	case s.timeoutOffset < 0:
		return fmt.Errorf("--collector.timeout-offset is %s: give 0s or more", s.timeoutOffset)
	case s.minInterval < 0:
		return fmt.Errorf("--collector.min-interval is %s: give 0s or more", s.minInterval)
	case s.fullReadInterval < 0:
		return fmt.Errorf("--collector.full-read-interval is %s: give 0s or more", s.fullReadInterval)
	case s.forgetScopesAfter < 0:
		return fmt.Errorf("--collector.forget-scopes-after is %s: give 0s or more", s.forgetScopesAfter)
	default:
		return nil
	}
}

func (s *settings) validateWeb() error {
	switch {
	case !strings.HasPrefix(s.telemetryPath, "/") || strings.HasPrefix(s.telemetryPath, "/-/") ||
		strings.ContainsAny(s.telemetryPath, "{} "):
		return fmt.Errorf("--web.telemetry-path is %q: give a path such as /metrics", s.telemetryPath)
	case s.maxRequests < 0:
		return fmt.Errorf("--web.max-requests is %d: give 0 (no limit) or more", s.maxRequests)
	default:
		return nil
	}
}
