package joblist_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"cckm_sync_exporter/collector/ciphertrust"
	"cckm_sync_exporter/collector/joblist"
	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/syncjob"
)

// failing is a joblist.Getter whose requests all fail.
type failing struct {
	err   error
	calls int
}

// Get implements joblist.Getter.
func (f *failing) Get(context.Context, string, url.Values, func(io.Reader) error) error {
	f.calls++
	return f.err
}

// TestRejectedLimit checks which errors make a reader try smaller pages. A failed login and a Retry-After are not
// about the page.
func TestRejectedLimit(t *testing.T) {
	status := func(status int, r reason.Reason) error {
		return reason.New(r, &ciphertrust.APIError{Status: status}, "check the address")
	}
	// 1000, 500, 250, 125, 62, 31, 15 and 10, the API's default.
	const halved = 8
	for _, test := range []struct {
		name string
		err  error
		want int
	}{
		{"400", status(http.StatusBadRequest, reason.Other), halved},
		{"422", status(http.StatusUnprocessableEntity, reason.Other), halved},
		{"401", status(http.StatusUnauthorized, reason.Auth), 1},
		{"403", status(http.StatusForbidden, reason.Forbidden), 1},
		{"404", status(http.StatusNotFound, reason.NotFound), 1},
		{"407", status(http.StatusProxyAuthRequired, reason.Network), 1},
		{"408", status(http.StatusRequestTimeout, reason.Other), 1},
		{"429", status(http.StatusTooManyRequests, reason.Server), 1},
		{"409, held back by Retry-After", status(http.StatusConflict, reason.Server), 1},
		{"500", status(http.StatusInternalServerError, reason.Server), 1},
		{"a login's 404", &ciphertrust.LoginError{Err: status(http.StatusNotFound, reason.Other)}, 1},
		{"a login's 405", &ciphertrust.LoginError{Err: status(http.StatusMethodNotAllowed, reason.Other)}, 1},
		{"a login's 423", &ciphertrust.LoginError{Err: status(http.StatusLocked, reason.Auth)}, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			getter := &failing{err: test.err}
			reader := joblist.NewReader(syncjob.Lists()[0], getter, joblist.Options{PageSize: 1000, Concurrency: 1})
			err := reader.NewFullRead(false).Run(t.Context())
			if getter.calls != test.want || reason.Of(err) != reason.Of(test.err) {
				t.Errorf("%d requests and reason %s, want %d and %s", getter.calls, reason.Of(err), test.want, reason.Of(test.err))
			}
			if olderAppliance := strings.Contains(reason.HintOf(err), "an older appliance"); olderAppliance != (reason.Of(test.err) == reason.NotFound) {
				t.Errorf("the hint is %q", reason.HintOf(err))
			}
		})
	}
}

// TestForbiddenList checks that the error of a forbidden list names its permission, unless the client has a hint.
func TestForbiddenList(t *testing.T) {
	t.Parallel()
	const license = "license CCKM"
	for _, list := range syncjob.Lists() {
		for hint, want := range map[string]string{"": list.AccessHint(), license: license} {
			client := &failing{err: reason.New(reason.Forbidden, errors.New("403"), hint)}
			reader := joblist.NewReader(list, client, joblist.Options{})
			readErr := reader.NewFullRead(false).Run(t.Context())
			_, firstErr := reader.Total(t.Context())
			for _, err := range []error{readErr, firstErr} {
				if got := reason.HintOf(err); reason.Of(err) != reason.Forbidden || got != want {
					t.Errorf("%s: reason %s, hint %q, want %q", list.Name, reason.Of(err), got, want)
				}
			}
		}
	}
}
