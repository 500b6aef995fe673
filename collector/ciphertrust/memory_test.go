package ciphertrust_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"
)

// memory is a transport that passes requests to a handler without sockets, so that waiting in it uses the
// clock of a synctest bubble.
type memory struct{ handler http.Handler }

// RoundTrip implements http.RoundTripper. Like a real transport, it returns as soon as the request's
// context ends.
func (m memory) RoundTrip(req *http.Request) (*http.Response, error) {
	r := req.Clone(req.Context())
	if r.Body == nil {
		r.Body = http.NoBody
	}
	answer := make(chan *http.Response, 1)
	go func() {
		defer close(answer)
		defer func() {
			// A handler that panics so drops the connection.
			if p := recover(); p != nil && p != http.ErrAbortHandler { //nolint:errorlint // It is compared as net/http does.
				panic(p)
			}
		}()
		recorder := httptest.NewRecorder()
		m.handler.ServeHTTP(recorder, r)
		answer <- recorder.Result()
	}()
	select {
	case resp, ok := <-answer:
		if !ok {
			return nil, errors.New("the connection was dropped")
		}
		resp.Request = req
		return resp, nil
	case <-req.Context().Done():
		return nil, context.Cause(req.Context())
	}
}

// advance moves the clock of a synctest bubble.
func advance(by time.Duration) {
	time.Sleep(by) //nolint:forbidigo // It moves the clock of the test, and takes no time.
}

// within returns a latency for requests that a test picks.
func within(d time.Duration, picked func(*http.Request) bool) func(*http.Request) time.Duration {
	return func(r *http.Request) time.Duration {
		if picked(r) {
			return d
		}
		return 0
	}
}

func isList(r *http.Request) bool { return r.Method == http.MethodGet }

func isRevocation(r *http.Request) bool { return r.Method == http.MethodDelete }

// bodyOf reads a request's body and leaves it readable.
func bodyOf(r *http.Request) string {
	content, err := io.ReadAll(r.Body)
	if err != nil {
		return err.Error()
	}
	r.Body = io.NopCloser(bytes.NewReader(content))
	return string(content)
}

// roundTripper is a function as an http.RoundTripper.
type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

func readCloser(text string) io.ReadCloser { return io.NopCloser(strings.NewReader(text)) }
