package config

import (
	"fmt"
	"time"

	"cckm_sync_exporter/collector/ciphertrust"
	"cckm_sync_exporter/collector/joblist"
)

// Problem is a setting that has a value which cannot be.
type Problem struct {
	// Key is the setting's key in the file; FlagOfKey returns its flag.
	Key string
	// Text says what the value is, and what may be given.
	Text string
}

// Problems returns what is wrong with the settings, from flags or from a file. The
// texts name flags. It does not check whether the login is complete and its files
// can be read.
func (t *Target) Problems() []Problem {
	var all []Problem
	if address, err := ciphertrust.ParseURL(t.URL); err != nil {
		all = append(all, Problem{Key: "url", Text: fmt.Sprintf("is wrong: %v; give an address such as https://cm.example.com", err)})
	} else if err := ciphertrust.CheckScheme(address, t.TLS.InsecureSkipVerify); err != nil {
		all = append(all, Problem{Key: "url", Text: fmt.Sprintf("is refused: %v", err)})
	}
	return append(all, t.Reading.Problems()...)
}

// Problems returns what is wrong with the settings, in the order of the fields.
func (r Reading) Problems() []Problem {
	var all []Problem
	addf := func(key, format string, args ...any) {
		all = append(all, Problem{Key: key, Text: fmt.Sprintf(format, args...)})
	}
	if r.PageSize < joblist.MinPageSize {
		addf("page_size", "is %d: give at least %d, because neighbouring pages overlap by one job", r.PageSize, joblist.MinPageSize)
	}
	if r.Concurrency < 1 || r.Concurrency > ciphertrust.MaxConcurrency {
		addf("concurrency", "is %d: give 1 to %d", r.Concurrency, ciphertrust.MaxConcurrency)
	}
	if r.Timeout <= 0 {
		addf("timeout", "is %s: give more than 0s", r.Timeout)
	}
	if r.FullReadTimeout <= 0 {
		addf("full_read_timeout", "is %s: give more than 0s", r.FullReadTimeout)
	}
	for _, setting := range []struct {
		key   string
		value time.Duration
	}{
		{"timeout_offset", r.TimeoutOffset},
		{"min_interval", r.MinInterval},
		{"full_read_interval", r.FullReadInterval},
		{"forget_scopes_after", r.ForgetScopesAfter},
	} {
		if setting.value < 0 {
			addf(setting.key, "is %s: give 0s or more", setting.value)
		}
	}
	return all
}
