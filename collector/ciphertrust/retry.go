package ciphertrust

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"cckm_sync_exporter/collector/reason"
)

// DefaultRetries is how often a page is asked for again, where Config has no
// reason for another number: with the pauses below about 1.5 seconds in all, of
// the ten that Prometheus gives a scrape by default.
const DefaultRetries = 4

// The pauses before a page is asked for again.
const (
	firstPause   = 100 * time.Millisecond
	longestPause = 2 * time.Second
)

// retry calls try until it succeeds, or fails for good, or the retries are used
// up, or ctx ends, and returns the last error that has a cause of its own: why
// the appliance could not be read matters more than that the time was up
// meanwhile.
func (c *Client) retry(ctx context.Context, try func() error) error {
	pauses := &pauses{ExponentialBackOff: backoff.NewExponentialBackOff()}
	pauses.InitialInterval, pauses.MaxInterval, pauses.Multiplier = firstPause, longestPause, 2
	options := []backoff.RetryOption{
		backoff.WithBackOff(pauses),
		backoff.WithMaxTries(1 + uint(c.retries)),
		backoff.WithMaxElapsedTime(0),
	}
	if deadline, ok := ctx.Deadline(); ok {
		// A pause that ends after the deadline would be for nothing. 0 would
		// mean no bound.
		options = append(options, backoff.WithMaxElapsedTime(max(1, time.Until(deadline))))
	}
	var failure error
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		err := try()
		// What the deadline cut short says less than the tries before it.
		if failure == nil || ctx.Err() == nil || reason.Of(err) != reason.Timeout {
			failure = err
		}
		pauses.told = toldPause(failure)
		if failure != nil && !mayPass(ctx, failure) {
			return struct{}{}, backoff.Permanent(failure)
		}
		return struct{}{}, failure
	}, options...)
	if err != nil {
		return failure
	}
	return nil
}

// pauses grow from try to try, with a random part, so that the pages that fail
// together do not come again together.
type pauses struct {
	*backoff.ExponentialBackOff

	// told is for how long the appliance has asked to be left alone.
	told time.Duration
}

// NextBackOff implements backoff.BackOff.
func (p *pauses) NextBackOff() time.Duration {
	return p.told + p.ExponentialBackOff.NextBackOff()
}

// toldPause returns the Retry-After of a failed answer.
func toldPause(err error) time.Duration {
	if failure, ok := errors.AsType[*APIError](err); ok {
		return failure.RetryAfter
	}
	return 0
}

// mayPass says whether a failure may be gone when the page is asked for again
// within the same scrape. What the appliance has refused, and an answer that
// makes no sense, will be the same.
func mayPass(ctx context.Context, err error) bool {
	if ctx.Err() != nil {
		return false
	}
	if failure, ok := errors.AsType[*APIError](err); ok {
		switch failure.Status {
		case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
			return true
		default:
			return false
		}
	}
	switch reason.Of(err) {
	case reason.Network, reason.Timeout:
		// ctx has time left, so that the timeout is that of one try.
		return true
	default:
		return false
	}
}

// maxRetryAfter bounds what an appliance may ask for, so that the sum with a
// pause of ours stays a time. No scrape waits as long.
const maxRetryAfter = 24 * time.Hour

// retryAfter reads the header Retry-After, in seconds or as a time (RFC 9110,
// section 10.2.3). It is 0 where there is none that makes sense.
func retryAfter(header http.Header) time.Duration {
	text := header.Get("Retry-After")
	// ParseUint looks no further than to where a number is out of range.
	if digits := strings.Trim(text, "0123456789") == ""; digits && text != "" {
		seconds, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return maxRetryAfter
		}
		return time.Duration(min(seconds, uint64(maxRetryAfter/time.Second))) * time.Second
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	return min(max(0, time.Until(at)), maxRetryAfter)
}

// patience is how long one try may take. A connection that has died without a
// word would else hold a page until the scrape's deadline; one that is merely
// slow must not be cut off. So nothing is cut off before it takes many times as
// long as the slowest page of late, and none at all before there was one.
type patience struct {
	mu sync.Mutex
	// slowest is how long the slowest page of late took; 0 before the first.
	slowest time.Duration
}

const (
	// leastPatience leaves a scrape of ten seconds more time for the second try
	// than the first had.
	leastPatience = 4 * time.Second
	// patienceFactor is how many times as long as the slowest page of late a page
	// may take.
	patienceFactor = 10
)

// of returns how long a try may take, and false where there is no bound.
func (p *patience) of() (time.Duration, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return max(leastPatience, patienceFactor*p.slowest), p.slowest > 0
}

// note remembers how long a page took. The slowest one is forgotten by and by.
func (p *patience) note(took time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.slowest = max(1, took, p.slowest-p.slowest/20)
}

// impatientError ends a try that takes much longer than pages did of late.
type impatientError struct{ after time.Duration }

// Error implements error.
func (e impatientError) Error() string {
	return fmt.Sprintf("the page was not there after %s, many times what pages took of late", e.after)
}

// Unwrap makes it a timeout wherever it comes up, also where the scrape's own
// deadline passes just then.
func (impatientError) Unwrap() error { return context.DeadlineExceeded }
