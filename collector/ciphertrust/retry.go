package ciphertrust

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

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

// contextKey is a key of values in contexts for Get.
type contextKey int

const (
	failuresKey contextKey = iota
	withoutSlotKey
)

// WithFailures returns a context for which Get calls report with the error of each attempt that
// failed, also if another one follows.
func WithFailures(ctx context.Context, report func(error)) context.Context {
	return context.WithValue(ctx, failuresKey, report)
}

// WithoutSlot returns a context for which Get does not wait for a slot, for a caller that sends one request
// at a time and must not delay others.
func WithoutSlot(ctx context.Context) context.Context {
	return context.WithValue(ctx, withoutSlotKey, true)
}

// retry calls try until it succeeds or fails permanently, the retries are used up, or the next pause
// would outlast ctx. It returns the last error other than the end of ctx, which says less about the
// cause.
func (c *Client) retry(ctx context.Context, try func() error) (failure error) {
	report, ok := ctx.Value(failuresKey).(func(error))
	if !ok {
		report = func(error) {}
	}
	for tried, pause := 0, firstPause; ; tried, pause = tried+1, min(2*pause, longestPause) {
		err := try()
		if err == nil {
			return nil
		}
		if failure == nil || ctx.Err() == nil || reason.Of(err) != reason.Timeout {
			failure = err
		}
		if ctx.Err() == nil {
			report(err)
		}
		// Pages that fail at the same time must not be retried at the same time.
		wait := pause/2 + rand.N(pause) //nolint:gosec // Nobody gains from guessing it.
		if answer, ok := errors.AsType[*APIError](err); ok {
			wait += max(0, time.Until(answer.RetryAt))
		}
		if tried >= c.config.Retries || !isTemporary(ctx, err) || !Sleep(ctx, wait) {
			return failure
		}
	}
}

// Sleep waits for d. It returns false if ctx ends earlier, at once if it knows that by the deadline.
func Sleep(ctx context.Context, d time.Duration) bool {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= d {
		return false
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
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
// returns 0 if the header is missing or invalid. A time is the appliance's, like that in Date.
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
	now, err := http.ParseTime(header.Get("Date"))
	if err != nil {
		now = time.Now()
	}
	return min(max(0, at.Sub(now)), maxRetryAfter)
}
