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

// DefaultRetries is the default of Config.Retries. The pauses below then take about 1.5 seconds in
// total. Prometheus' default scrape_timeout is 10 seconds.
const DefaultRetries = 4

// The first and the longest pause before a retry.
const (
	firstPause   = 100 * time.Millisecond
	longestPause = 2 * time.Second
)

type failuresKey struct{}

// WithFailures returns a context for which Get calls report with the error of each attempt that
// failed, also if another one follows.
func WithFailures(ctx context.Context, report func(error)) context.Context {
	return context.WithValue(ctx, failuresKey{}, report)
}

// retry calls try until it succeeds or fails permanently, the retries are used up, or ctx ends. It
// returns the last error other than the end of ctx, which says less about the cause.
func (c *Client) retry(ctx context.Context, try func() error) error {
	pauses := &pauses{ExponentialBackOff: backoff.NewExponentialBackOff()}
	pauses.InitialInterval, pauses.MaxInterval, pauses.Multiplier = firstPause, longestPause, 2
	options := []backoff.RetryOption{
		backoff.WithBackOff(pauses),
		backoff.WithMaxTries(1 + uint(c.retries)),
		backoff.WithMaxElapsedTime(0),
	}
	if deadline, ok := ctx.Deadline(); ok {
		// Do not start a pause that ends after the deadline. 0 would mean no bound.
		options = append(options, backoff.WithMaxElapsedTime(max(1, time.Until(deadline))))
	}
	var failure error
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		err := try()
		// Keep the earlier error if this attempt failed because ctx has ended.
		if failure == nil || ctx.Err() == nil || reason.Of(err) != reason.Timeout {
			failure = err
		}
		if report, ok := ctx.Value(failuresKey{}).(func(error)); ok && err != nil && ctx.Err() == nil {
			report(err)
		}
		pauses.retryAfter = retryAfterOf(failure)
		if failure != nil && !isTemporary(ctx, failure) {
			return struct{}{}, backoff.Permanent(failure)
		}
		return struct{}{}, failure
	}, options...)
	if err != nil {
		return failure
	}
	return nil
}

// pauses is an exponential backoff with a random part, so that pages that fail at the same time are
// not retried at the same time.
type pauses struct {
	*backoff.ExponentialBackOff

	// retryAfter is the Retry-After of the last response. It is added to the pause.
	retryAfter time.Duration
}

// NextBackOff implements backoff.BackOff.
func (p *pauses) NextBackOff() time.Duration {
	return p.retryAfter + p.ExponentialBackOff.NextBackOff()
}

// retryAfterOf returns the Retry-After of a failed request, or 0.
func retryAfterOf(err error) time.Duration {
	if failure, ok := errors.AsType[*APIError](err); ok {
		return failure.RetryAfter
	}
	return 0
}

// isTemporary reports whether a retry within the same scrape may succeed. If the appliance has refused
// the request, or its response was invalid, a retry has the same result. Logins, and a proxy that
// wants other credentials, are tried once a scrape, because retries may lock a user out.
func isTemporary(ctx context.Context, err error) bool {
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
		// ctx has not ended, so the timeout is that of one attempt.
		return true
	default:
		return false
	}
}

// maxRetryAfter bounds Retry-After.
const maxRetryAfter = time.Hour

// retryAfter parses the header Retry-After, in seconds or as a time (RFC 9110, section 10.2.3). It
// returns 0 if the header is missing or invalid.
func retryAfter(header http.Header) time.Duration {
	text := header.Get("Retry-After")
	// For digits, ParseUint only fails if the number is too large.
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
