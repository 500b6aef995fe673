package ciphertrust

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"

	"cckm_sync_exporter/collector/reason"
)

// DefaultRetries is how often a page is requested again by default. With the pauses
// below that takes about 1.5 seconds in all, of the ten that Prometheus gives a scrape
// by default.
const DefaultRetries = 4

// The pauses before a page is requested again.
const (
	firstPause   = 100 * time.Millisecond
	longestPause = 2 * time.Second
)

// retry calls try until it succeeds, fails permanently, the retries are used up, or
// ctx ends. It returns the last error that has a cause of its own: why the appliance
// could not be read matters more than the end of the deadline.
func (c *Client) retry(ctx context.Context, try func() error) error {
	pauses := &pauses{ExponentialBackOff: backoff.NewExponentialBackOff()}
	pauses.InitialInterval, pauses.MaxInterval, pauses.Multiplier = firstPause, longestPause, 2
	options := []backoff.RetryOption{
		backoff.WithBackOff(pauses),
		backoff.WithMaxTries(1 + uint(c.retries)),
		backoff.WithMaxElapsedTime(0),
	}
	if deadline, ok := ctx.Deadline(); ok {
		// A pause that ends after the deadline is useless. 0 would mean no bound.
		options = append(options, backoff.WithMaxElapsedTime(max(1, time.Until(deadline))))
	}
	var failure error
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		err := try()
		// An attempt that the deadline ended says less than the ones before it.
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

// pauses grow from attempt to attempt, with a random part, so that pages that fail
// together are not requested again together.
type pauses struct {
	*backoff.ExponentialBackOff

	// told is the Retry-After of the last response.
	told time.Duration
}

// NextBackOff implements backoff.BackOff.
func (p *pauses) NextBackOff() time.Duration {
	return p.told + p.ExponentialBackOff.NextBackOff()
}

// toldPause returns the Retry-After of a failed request.
func toldPause(err error) time.Duration {
	if failure, ok := errors.AsType[*APIError](err); ok {
		return failure.RetryAfter
	}
	return 0
}

// mayPass reports whether a failure may be gone when the page is requested again
// within the same scrape. What the appliance has refused, and a response that
// makes no sense, will be the same. A login is tried once a scrape, and so is a
// proxy that wants other credentials: both may lock somebody out.
func mayPass(ctx context.Context, err error) bool {
	if _, ok := errors.AsType[*LoginError](err); ok || ctx.Err() != nil || errors.Is(err, errProxyAuth) {
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
		// ctx has time left, so that the timeout is that of one attempt.
		return true
	default:
		return false
	}
}

// maxRetryAfter bounds for how long an appliance may ask to be left alone.
const maxRetryAfter = time.Hour

// retryAfter parses the header Retry-After, in seconds or as a time (RFC 9110,
// section 10.2.3). It returns 0 if there is none that makes sense.
func retryAfter(header http.Header) time.Duration {
	text := header.Get("Retry-After")
	// ParseUint stops where a number is out of range.
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
