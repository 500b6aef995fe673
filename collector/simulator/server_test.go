package simulator_test

import (
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cckm_sync_exporter/collector/simulator"
)

// dial starts a server, and returns it with a client that trusts it.
func dial(t *testing.T, a *simulator.Appliance) (*simulator.Server, *http.Client, *tls.Config) {
	t.Helper()
	s, err := a.StartTLS()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	config := &tls.Config{RootCAs: x509.NewCertPool()}
	config.RootCAs.AppendCertsFromPEM(s.CAPEM)
	transport := &http.Transport{TLSClientConfig: config}
	t.Cleanup(transport.CloseIdleConnections)
	return s, &http.Client{Transport: transport}, config
}

// post sends a login and returns the response's status.
func post(ctx context.Context, t *testing.T, s *simulator.Server, client *http.Client, body string) (int, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL+tokensPath, strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}

func TestClientCertificateLogin(t *testing.T) {
	a := simulator.New(simulator.Options{ClientID: "exporter"})
	s, client, config := dial(t, a)
	certPEM, keyPEM, err := s.ClientCertificate("exporter-user")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		t.Fatal(err)
	}
	config.Certificates = []tls.Certificate{pair}
	for id, want := range map[string]int{"other": http.StatusUnauthorized, "exporter": http.StatusOK} {
		if got, err := post(t.Context(), t, s, client, `{"grant_type":"client_credential","client_id":"`+id+`"}`); got != want || err != nil {
			t.Errorf("%s: status %d, want %d: %v", id, got, want, err)
		}
	}
	if n := len(a.RefreshTokens()); n != 0 {
		t.Errorf("%d refresh tokens after a login by certificate", n)
	}
}

// TestStopAndResume checks that a stopped server cancels requests in flight and refuses new ones, and
// that it is at the same address afterwards.
func TestStopAndResume(t *testing.T) {
	a := simulator.New(simulator.Options{})
	s, client, _ := dial(t, a)
	arrived := make(chan struct{})
	a.SetLatency(func(*http.Request) time.Duration {
		close(arrived)
		return time.Hour
	})
	failed := make(chan error)
	go func() {
		_, err := post(t.Context(), t, s, client, passwordLogin)
		failed <- err
	}()
	<-arrived
	s.Stop()
	if err := <-failed; err == nil {
		t.Error("a request in flight got a response")
	}
	a.SetLatency(nil)
	if _, err := post(t.Context(), t, s, client, passwordLogin); !errors.Is(err, syscall.ECONNREFUSED) && runtime.GOOS == "linux" {
		t.Errorf("a stopped server: %v", err)
	}
	for attempt := 0; ; attempt++ {
		err := s.Resume()
		if err == nil {
			break
		}
		if attempt == 1000 {
			t.Fatal(err)
		}
	}
	if status, err := post(t.Context(), t, s, client, passwordLogin); status != http.StatusOK {
		t.Errorf("after the restart: status %d, %v", status, err)
	}
}

func TestLatencyEndsWithTheClient(t *testing.T) {
	a := simulator.New(simulator.Options{})
	s, client, _ := dial(t, a)
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan struct{})
	a.SetLatency(func(r *http.Request) time.Duration {
		context.AfterFunc(r.Context(), func() { close(gone) })
		cancel()
		return time.Hour
	})
	// A server notices that a client has gone once it has read the request's body.
	if _, err := post(ctx, t, s, client, ""); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	<-gone
}

func TestRequestLog(t *testing.T) {
	now := newClock()
	a := simulator.New(simulator.Options{Clock: now.Now})
	c := connect(t, a)
	c.page(googlePath, 0, 5, "")
	c.refused(http.MethodGet, googlePath+"/x", "", http.StatusNotFound, 16)
	want := []simulator.RequestRecord{
		{Method: "POST", Path: tokensPath, Time: now.Now(), Status: 200},
		{Method: "GET", Path: googlePath, RawQuery: "skip=0&limit=5", Time: now.Now(), Status: 200},
		{Method: "GET", Path: googlePath + "/x", Time: now.Now(), Status: 404},
	}
	if diff := cmp.Diff(want, a.Requests()); diff != "" {
		t.Error(diff)
	}
	a.ResetRequests()
	if n := len(a.Requests()); n != 0 {
		t.Errorf("%d requests after a reset", n)
	}
}

func TestCompression(t *testing.T) {
	a := simulator.New(simulator.Options{})
	a.List(simulator.GoogleKeys).SetHistory(300, simulator.HistoryShape{})
	c := connect(t, a)
	var plain string
	for _, test := range []struct {
		accepted   string
		compressed bool
	}{{"identity", false}, {"gzip", true}, {"br, gzip", true}} {
		req := c.request(http.MethodGet, googlePath+"?limit=300", "")
		req.Header.Set("Accept-Encoding", test.accepted)
		w := httptest.NewRecorder()
		a.ServeHTTP(w, req)
		var body io.Reader = w.Body
		if compressed := w.Header().Get("Content-Encoding") == "gzip"; compressed != test.compressed {
			t.Fatalf("%q: compressed %t", test.accepted, compressed)
		}
		if test.compressed {
			var err error
			if body, err = gzip.NewReader(w.Body); err != nil {
				t.Fatal(err)
			}
		}
		text, err := io.ReadAll(body)
		if plain == "" {
			plain = string(text)
		}
		if err != nil || string(text) != plain || len(text) < 100_000 {
			t.Errorf("%q: %d bytes, want %d: %v", test.accepted, len(text), len(plain), err)
		}
	}
}
