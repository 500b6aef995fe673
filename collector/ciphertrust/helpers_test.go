package ciphertrust_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-kit/log"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"cckm_sync_exporter/collector/ciphertrust"
	"cckm_sync_exporter/collector/e2e/broken"
	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/simulator"
)

const (
	// password, like every other secret that a test makes up, contains the word that no text may show.
	password = "pass-SECRET-word"
	secret   = "SECRET"

	listPath   = "cckm/google/synchronization-jobs"
	tokensPath = "/api/v1/auth/tokens"
	// unroutable is the address of a client without sockets.
	unroutable = "https://appliance.invalid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// harness is a client with its appliance. When the test ends, no error that was noted and no log line may
// contain a secret that was sent or received.
type harness struct {
	t         *testing.T
	client    *ciphertrust.Client
	appliance *simulator.Appliance
	secret    string // What no text may show.
	// onLogin is called after each login, if it is not nil.
	onLogin func()

	mu    sync.Mutex
	texts bytes.Buffer
	// events are the requests and logins that the client has reported.
	events []string
}

func newHarness(t *testing.T, opts simulator.Options) *harness {
	t.Helper()
	if opts.Password == "" {
		opts.Password = password
	}
	return &harness{t: t, appliance: simulator.New(opts), secret: secret}
}

// inMemory returns a client that reaches the appliance without sockets, so that it can be used in a synctest
// bubble.
func inMemory(t *testing.T, opts simulator.Options, change func(*ciphertrust.Config)) *harness {
	t.Helper()
	h := newHarness(t, opts)
	h.connect(unroutable, change, inProcess(h.appliance))
	return h
}

// serving is inMemory with a handler instead of the appliance.
func serving(t *testing.T, handler http.HandlerFunc) *harness {
	t.Helper()
	h := newHarness(t, simulator.Options{})
	h.connect(unroutable, nil, inProcess(handler))
	return h
}

// overTLS returns a client that reaches the appliance over real TLS.
func overTLS(t *testing.T, change func(*ciphertrust.Config)) (*harness, *simulator.Server) {
	t.Helper()
	h := newHarness(t, simulator.Options{})
	server := startTLS(t, h.appliance, simulator.Certificate{})
	h.connect(server.URL, func(cfg *ciphertrust.Config) {
		cfg.TLS.CA = string(server.CAPEM)
		if change != nil {
			change(cfg)
		}
	}, nil)
	return h, server
}

// startTLS serves the appliance with a certificate until the test ends.
func startTLS(t *testing.T, appliance *simulator.Appliance, certificate simulator.Certificate) *simulator.Server {
	t.Helper()
	server, err := appliance.StartTLSWith(certificate)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	return server
}

// issuer returns a server only for the CA that it has.
func issuer(t *testing.T) *simulator.Server {
	t.Helper()
	return startTLS(t, simulator.New(simulator.Options{}), simulator.Certificate{})
}

// issue returns a client certificate and its key.
func issue(t *testing.T, by *simulator.Server, name string, until time.Time) (cert, key string) {
	t.Helper()
	certPEM, keyPEM, err := by.ClientCertificateUntil(name, until)
	if err != nil {
		t.Fatal(err)
	}
	return string(certPEM), string(keyPEM)
}

// certificateFiles writes a client certificate and its key.
func certificateFiles(t *testing.T, server *simulator.Server) (cert, key string) {
	t.Helper()
	cert, key = issue(t, server, "exporter", time.Now().Add(time.Hour))
	return write(t, "cert.pem", cert), write(t, "key.pem", key)
}

// connect makes a client that logs in by password. If there is no transport, it uses its own.
func (h *harness) connect(url string, change func(*ciphertrust.Config), transport http.RoundTripper) {
	h.t.Helper()
	cfg := ciphertrust.Config{
		URL:         url,
		Credentials: ciphertrust.Credentials{Username: simulator.DefaultUsername, Password: password},
		UserAgent:   "cckm_sync_exporter/test",
		OnRequest: func(endpoint string, code int, took time.Duration) {
			h.report(fmt.Sprintf("%s %d", endpoint, code))
			if took < 0 {
				h.report("a negative time")
			}
		},
		OnLogin: func(grant, result string) {
			h.report("login " + grant + " " + result)
			if h.onLogin != nil {
				h.onLogin()
			}
		},
		Logger: log.NewLogfmtLogger(log.NewSyncWriter(h)),
	}
	if change != nil {
		change(&cfg)
	}
	client, err := ciphertrust.New(cfg)
	if err != nil {
		h.t.Fatal(err)
	}
	if transport != nil {
		client.SetTransport(transport)
	}
	h.client = client
	h.t.Cleanup(func() {
		// The test's own context has ended by now.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(h.t.Context()), 5*time.Second)
		defer cancel()
		if err := client.Close(ctx); err != nil {
			h.note(err)
		}
		h.wantNoSecrets()
	})
}

func (h *harness) report(event string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.events = append(h.events, event)
}

// wantEvents fails unless the client has reported exactly these events since the last call.
func (h *harness) wantEvents(want ...string) {
	h.t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	if diff := cmp.Diff(want, h.events); diff != "" {
		h.t.Errorf("want (-) reported (+): %s", diff)
	}
	h.events = nil
}

// Write implements io.Writer for the log.
func (h *harness) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.texts.Write(p)
}

// note keeps the text of an error for the search for secrets.
func (h *harness) note(err error) {
	_, _ = fmt.Fprintf(h, "%v\n%+v\n%#v\n%s\n", err, err, err, reason.HintOf(err))
}

func (h *harness) wantNoSecrets() {
	h.t.Helper()
	secrets := append(h.appliance.Issued(), h.secret)
	for _, login := range h.appliance.Logins() {
		secrets = append(secrets, login.Request.Password)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range secrets {
		// A text that was shortened may show the beginning only.
		if s != "" && strings.Contains(h.texts.String(), s[:min(len(s), 24)]) {
			h.t.Errorf("the secret %q is in an error or a log line:\n%s", s, h.texts.String())
		}
	}
}

// get requests the first page of a list and discards it.
func (h *harness) get(ctx context.Context) error {
	err := h.client.Get(ctx, listPath, nil, discard)
	if err != nil {
		h.note(err)
	}
	return err
}

// getWithin is get with a deadline.
func (h *harness) getWithin(patience time.Duration) error {
	ctx, cancel := context.WithTimeout(h.t.Context(), patience)
	defer cancel()
	return h.get(ctx)
}

// mustGet is get, and fails the test after an error.
func (h *harness) mustGet() {
	h.t.Helper()
	if err := h.get(h.t.Context()); err != nil {
		h.t.Fatal(err)
	}
}

// wantReason fails unless get fails for the reason.
func (h *harness) wantReason(want reason.Reason) {
	h.t.Helper()
	_ = h.failure(want)
}

// failure is wantReason, and returns the error.
func (h *harness) failure(want reason.Reason) error {
	h.t.Helper()
	err := h.get(h.t.Context())
	wantReason(h.t, err, want)
	return err
}

// close closes the client, as a program that ends does.
func (h *harness) close() error {
	ctx, cancel := context.WithTimeout(h.t.Context(), 2*time.Second)
	defer cancel()
	err := h.client.Close(ctx)
	if err != nil {
		h.note(err)
	}
	return err
}

// count returns how many requests with a method and the beginning of a path have arrived.
func (h *harness) count(method, prefix string) int {
	n := 0
	for _, r := range h.appliance.Requests() {
		if r.Method == method && strings.HasPrefix(r.Path, prefix) {
			n++
		}
	}
	return n
}

func (h *harness) lists() int { return h.count(http.MethodGet, "/api/v1/cckm/") }

func (h *harness) logins() int { return h.count(http.MethodPost, tokensPath) }

// wantLogins fails unless exactly these numbers of logins were accepted.
func (h *harness) wantLogins(passwords, refreshes int) {
	h.t.Helper()
	p := h.appliance.LoginCount(simulator.GrantPassword, simulator.LoginAccepted)
	r := h.appliance.LoginCount(simulator.GrantRefreshToken, simulator.LoginAccepted)
	if p != passwords || r != refreshes {
		h.t.Errorf("%d logins by password and %d by refresh token, want %d and %d", p, r, passwords, refreshes)
	}
}

// wantRefreshTokens fails unless the appliance has as many refresh tokens.
func (h *harness) wantRefreshTokens(want int) {
	h.t.Helper()
	if got := len(h.appliance.RefreshTokens()); got != want {
		h.t.Errorf("%d refresh tokens on the appliance, want %d", got, want)
	}
}

func wantReason(t *testing.T, err error, want reason.Reason) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want reason %s", want)
	}
	if _, ok := errors.AsType[*reason.Error](err); !ok {
		t.Errorf("the error carries no reason: %v", err)
	}
	if got := reason.Of(err); got != want {
		t.Errorf("reason %s, want %s: %v", got, want, err)
	}
}

// wantText fails unless the text contains each part.
func wantText(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("got %q, want it to contain %q", text, part)
		}
	}
}

// wantTook fails unless exactly this time has passed by the clock of the bubble.
func wantTook(t *testing.T, begun time.Time, want time.Duration) {
	t.Helper()
	if took := time.Since(begun); took != want {
		t.Errorf("it took %s, want %s", took, want)
	}
}

// discard reads a body to its end and ignores its content.
func discard(r io.Reader) error {
	_, err := io.Copy(io.Discard, r)
	return err
}

// write writes a file into a directory of the test's own and returns its path.
func write(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	overwrite(t, path, content)
	return path
}

func overwrite(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
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

// isLogin reports whether a request is a login.
func isLogin(r *http.Request) bool {
	return r.Method == http.MethodPost && strings.HasPrefix(r.URL.Path, tokensPath)
}

func isList(r *http.Request) bool { return r.Method == http.MethodGet }

func isRevocation(r *http.Request) bool { return r.Method == http.MethodDelete }

// isRefresh reports whether a request is a login by refresh token.
func isRefresh(r *http.Request) bool {
	return isLogin(r) && strings.Contains(bodyOf(r), `"refresh_token":`)
}

// bodyOf reads a request's body and leaves it readable.
func bodyOf(r *http.Request) string {
	content, err := io.ReadAll(r.Body)
	if err != nil {
		return err.Error()
	}
	r.Body = io.NopCloser(bytes.NewReader(content))
	return string(content)
}

// on answers the requests that a test picks by the handler, and others by the appliance.
func (h *harness) on(picked func(*http.Request) bool, handler http.HandlerFunc) {
	h.appliance.Intercept(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if picked(r) {
			handler(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// onPages answers requests for pages by the handler.
func (h *harness) onPages(handler http.HandlerFunc) { h.on(isList, handler) }

// respond answers with a status and a body of JSON.
func respond(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body)) //nolint:gosec // It goes to no browser.
}

// failing answers with an error.
func failing(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { simulator.WriteError(w, status, "no") }
}

// roundTripper is a function as an http.RoundTripper.
type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// inProcess returns a transport that passes requests to a handler without sockets, so that waiting in it
// uses the clock of a synctest bubble. Like a real transport, it returns as soon as the request's context
// ends.
func inProcess(handler http.Handler) roundTripper {
	return func(req *http.Request) (*http.Response, error) {
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
			handler.ServeHTTP(recorder, r)
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
}

// raw responds with the given bytes and closes or resets the connection.
func raw(t *testing.T, answer string, reset bool) http.HandlerFunc {
	t.Helper()
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = conn.Close() }()
		_, _ = io.WriteString(conn, answer) // The test notices what cannot be sent.
		secure, ok := conn.(*tls.Conn)
		if !reset || !ok {
			return
		}
		if plain, ok := secure.NetConn().(*net.TCPConn); ok {
			_ = plain.SetLinger(0)
			_ = plain.Close()
		}
	}
}

// zipped returns a text compressed by gzip.
func zipped(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := io.WriteString(w, text)
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// listen passes each connection to a loopback address to the function, and closes it afterwards.
func listen(t *testing.T, serve func(net.Conn)) (address string) {
	t.Helper()
	address, end, err := broken.Accept(t.Context(), "127.0.0.1:0", serve)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(end)
	return address
}
