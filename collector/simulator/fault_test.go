package simulator_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cckm_sync_exporter/collector/simulator"
)

func TestIntercept(t *testing.T) {
	a := simulator.New(simulator.Options{})
	c := connect(t, a)
	a.Intercept(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method == http.MethodPost {
			simulator.WriteError(w, http.StatusServiceUnavailable, "")
			return
		}
		next.ServeHTTP(w, r)
	})
	if status, text := c.do(http.MethodPost, googlePath, "{}"); status != http.StatusServiceUnavailable || strings.Contains(string(text), "message") {
		t.Errorf("status %d: %s", status, text)
	}
	c.page(googlePath, 0, 10, "")

	a.Intercept(func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		hijacker, ok := w.(http.Hijacker)
		if !ok {
			t.Error("the connection cannot be taken over")
			return
		}
		conn, _, err := hijacker.Hijack()
		if err == nil {
			err = conn.Close()
		}
		if err != nil {
			t.Error(err)
		}
	})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, c.base+googlePath, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if resp, err := c.http.Do(req); err == nil {
		resp.Body.Close()
		t.Errorf("a dropped connection gave status %d", resp.StatusCode)
	}
	a.Intercept(nil)
	c.page(googlePath, 0, 10, "")
}

func TestLatencyEndsWithTheClient(t *testing.T) {
	a := simulator.New(simulator.Options{})
	c := connect(t, a)
	asked := make(chan struct{})
	gone := make(chan struct{})
	a.SetLatency(func(r *http.Request) time.Duration {
		context.AfterFunc(r.Context(), func() { close(gone) })
		close(asked)
		return time.Hour
	})
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+googlePath, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		<-asked
		cancel()
	}()
	if resp, err := c.http.Do(req); !errors.Is(err, context.Canceled) {
		if err == nil {
			resp.Body.Close()
		}
		t.Errorf("error %v", err)
	}
	<-gone
	a.SetLatency(func(*http.Request) time.Duration { return time.Microsecond })
	c.page(googlePath, 0, 10, "")
}

func TestRequestLog(t *testing.T) {
	now := newClock()
	a := simulator.New(simulator.Options{Clock: now.Now, RequestLog: 3})
	c := connect(t, a)
	c.page(googlePath, 0, 5, "")
	c.refused(http.MethodGet, googlePath+"/x", "", http.StatusNotFound, 16)
	want := []simulator.RequestRecord{
		{Method: "POST", Path: tokensPath, Time: now.Now(), Status: 200},
		{Method: "GET", Path: googlePath, RawQuery: "skip=0&limit=5&", Time: now.Now(), Status: 200},
		{Method: "GET", Path: googlePath + "/x", Time: now.Now(), Status: 404},
	}
	if diff := cmp.Diff(want, a.Requests()); diff != "" {
		t.Error(diff)
	}
	for range 20 {
		c.page(googlePath, 0, 5, "")
	}
	if n := len(a.Requests()); n < 3 || n > 6 {
		t.Errorf("%d requests are remembered, want 3 to 6", n)
	}
	a.ResetRequests()
	if n := len(a.Requests()); n != 0 {
		t.Errorf("%d requests after a reset", n)
	}
}

// TestStopAndResume holds that a stopped server answers nothing, also what it was asked before, and that it is
// at the same address afterwards, with what it knew.
func TestStopAndResume(t *testing.T) {
	a := simulator.New(simulator.Options{})
	server := start(t, a)
	c := newClient(t, server)
	c.login(`{"grant_type":"password","username":"prometheus","password":"demo-password"}`)
	asked := make(chan struct{})
	a.SetLatency(func(*http.Request) time.Duration {
		close(asked)
		return time.Hour
	})
	ask := func() error {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.base+googlePath, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := c.http.Do(req)
		if err != nil {
			return err
		}
		resp.Body.Close()
		return nil
	}
	answered := make(chan error)
	go func() { answered <- ask() }()
	<-asked
	server.Stop()
	if err := <-answered; err == nil {
		t.Error("a request that was under way got an answer")
	}
	a.SetLatency(nil)
	if err := ask(); !errors.Is(err, syscall.ECONNREFUSED) && runtime.GOOS == "linux" {
		t.Errorf("a stopped server: %v", err)
	}
	for attempt := 0; ; attempt++ {
		err := server.Resume()
		if err == nil {
			break
		}
		if attempt == 1000 {
			t.Fatal(err)
		}
	}
	c.page(googlePath, 0, 10, "")
}

// TestListsInFlight holds requests up until a known number is being answered.
func TestListsInFlight(t *testing.T) {
	a := simulator.New(simulator.Options{})
	c := connect(t, a)
	if err := a.List(simulator.GoogleKeys).SetHistory(500, simulator.HistoryShape{}); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		c.do(http.MethodGet, googlePath+"?limit=500", "")
	}
	if n := a.MaxListsInFlight(); n != 1 {
		t.Errorf("one after another: %d in flight", n)
	}
	const together = 4
	var arrived sync.WaitGroup
	arrived.Add(together)
	a.Intercept(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		arrived.Done()
		arrived.Wait()
		next.ServeHTTP(w, r)
	})
	var done sync.WaitGroup
	for range together {
		done.Go(func() { c.do(http.MethodGet, googlePath, "") })
	}
	done.Wait()
	if n := a.MaxListsInFlight(); n != together {
		t.Errorf("%d in flight, want %d", n, together)
	}
	a.ResetRequests()
	if n := a.MaxListsInFlight(); n != 0 {
		t.Errorf("%d in flight after a reset", n)
	}
}

func TestCompression(t *testing.T) {
	a := simulator.New(simulator.Options{})
	if err := a.List(simulator.GoogleKeys).SetHistory(300, simulator.HistoryShape{}); err != nil {
		t.Fatal(err)
	}
	c := connect(t, a)
	_, plain := c.do(http.MethodGet, googlePath+"?limit=300", "")
	for accepted, compressed := range map[string]bool{"gzip": true, "br, gzip;q=0.5": true, "identity": false, "gzip;q=0": false} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.base+googlePath+"?limit=300", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+c.token)
		req.Header.Set("Accept-Encoding", accepted) // The client leaves the answer as it is.
		resp, err := c.http.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		var from io.Reader = resp.Body
		if (resp.Header.Get("Content-Encoding") == "gzip") != compressed {
			t.Errorf("%q: Content-Encoding %q", accepted, resp.Header.Get("Content-Encoding"))
		}
		if compressed {
			if from, err = gzip.NewReader(resp.Body); err != nil {
				t.Fatal(err)
			}
		}
		text, err := io.ReadAll(from)
		if err != nil || !bytes.Equal(text, plain) {
			t.Errorf("%q: %d bytes of %d, %v", accepted, len(text), len(plain), err)
		}
		resp.Body.Close()
	}
}

func TestCertificatesThatClientsRefuse(t *testing.T) {
	for name, test := range map[string]struct {
		certificate simulator.Certificate
		refused     func(error) bool
	}{
		"wrong name": {simulator.Certificate{Names: []string{"elsewhere.example"}}, func(err error) bool {
			_, ok := errors.AsType[x509.HostnameError](err)
			return ok
		}},
		"expired": {simulator.Certificate{NotAfter: time.Now().Add(-time.Minute)}, func(err error) bool {
			invalid, ok := errors.AsType[x509.CertificateInvalidError](err)
			return ok && invalid.Reason == x509.Expired
		}},
	} {
		s, err := simulator.New(simulator.Options{}).StartTLSWith(test.certificate)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		c := newClient(t, s)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, c.base+tokensPath, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := c.http.Do(req)
		if err == nil {
			resp.Body.Close()
		}
		if !test.refused(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestCloseDropsConnections is about connections in every state: idle, being answered, and one that
// never completed its handshake. That no goroutine is left is for TestMain to see.
func TestCloseDropsConnections(t *testing.T) {
	a := simulator.New(simulator.Options{})
	s, err := a.StartTLS()
	if err != nil {
		t.Fatal(err)
	}
	c := newClient(t, s)
	c.login(passwordLogin)
	silent, err := new(net.Dialer).DialContext(t.Context(), "tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })

	asked := make(chan struct{})
	a.SetLatency(func(*http.Request) time.Duration {
		close(asked)
		return time.Hour
	})
	failed := make(chan error)
	go func() {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.base+googlePath, http.NoBody)
		if err == nil {
			var resp *http.Response
			if resp, err = c.http.Do(req); err == nil {
				resp.Body.Close()
			}
		}
		failed <- err
	}()
	<-asked
	s.Close()
	if err := <-failed; err == nil {
		t.Error("a request outlived the server")
	}
}

func TestServerSpeaksHTTP1(t *testing.T) {
	s := start(t, simulator.New(simulator.Options{}))
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(s.CAPEM)
	dialer := tls.Dialer{Config: &tls.Config{RootCAs: pool, NextProtos: []string{"h2", "http/1.1"}}}
	conn, err := dialer.DialContext(t.Context(), "tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	for range 2 { // The connection is kept alive between requests.
		if _, err := io.WriteString(conn, "GET "+googlePath+" HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.Proto != "HTTP/1.1" || resp.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s %d", resp.Proto, resp.StatusCode)
		}
	}
}
