package ciphertrust_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-kit/log"

	"cckm_sync_exporter/collector/ciphertrust"
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

// harness is a client with its appliance. When the test ends, no error that was noted and no log line may
// contain a secret that was sent or received.
type harness struct {
	t         *testing.T
	client    *ciphertrust.Client
	appliance *simulator.Appliance
	observed  *observer
	secret    string // What no text may show.

	mu     sync.Mutex
	texts  bytes.Buffer
	tokens map[string]bool
}

// configure returns the settings of a client that logs in by password.
func (h *harness) configure(url string, change func(*ciphertrust.Config)) ciphertrust.Config {
	cfg := ciphertrust.Config{
		URL:         url,
		Credentials: ciphertrust.Credentials{Username: simulator.DefaultUsername, Password: password},
		UserAgent:   "cckm_sync_exporter/test",
		OnRequest:   h.observed.request,
		OnLogin:     h.observed.login,
		Logger:      log.NewLogfmtLogger(log.NewSyncWriter(h)),
	}
	if change != nil {
		change(&cfg)
	}
	return cfg
}

func newHarness(t *testing.T, opts simulator.Options) *harness {
	t.Helper()
	if opts.Password == "" {
		opts.Password = password
	}
	return &harness{t: t, appliance: simulator.New(opts), observed: new(observer), secret: secret, tokens: make(map[string]bool)}
}

// inMemory returns a client that reaches the appliance without sockets, so that it can be used in a synctest
// bubble.
func inMemory(t *testing.T, opts simulator.Options, change func(*ciphertrust.Config)) *harness {
	t.Helper()
	h := newHarness(t, opts)
	h.connect(unroutable, change, memory{h.appliance})
	return h
}

// serving is inMemory with a handler instead of the appliance.
func serving(t *testing.T, handler http.HandlerFunc) *harness {
	t.Helper()
	h := newHarness(t, simulator.Options{})
	h.connect(unroutable, nil, memory{handler})
	return h
}

// overTLS returns a client that reaches the appliance over real TLS.
func overTLS(t *testing.T, opts simulator.Options, change func(*ciphertrust.Config)) (*harness, *simulator.Server) {
	t.Helper()
	h := newHarness(t, opts)
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

// connect makes the client. If there is no transport, it uses its own.
func (h *harness) connect(url string, change func(*ciphertrust.Config), transport http.RoundTripper) {
	h.t.Helper()
	client, err := ciphertrust.New(h.configure(url, change))
	if err != nil {
		h.t.Fatal(err)
	}
	client.WrapTransport(func(own http.RoundTripper) http.RoundTripper {
		if transport != nil {
			own = transport
		}
		return &spy{next: own, harness: h}
	})
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

// Write implements io.Writer for the log.
func (h *harness) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.texts.Write(p)
}

// note keeps the text of an error for the search for secrets.
func (h *harness) note(err error) {
	_, _ = fmt.Fprintf(h, "%v\n%+v\n%#v\n%s\n", err, err, err, reason.RemedyOf(err))
}

func (h *harness) wantNoSecrets() {
	h.t.Helper()
	secrets := make([]string, 0, 16)
	secrets = append(secrets, h.secret)
	for _, login := range h.appliance.Logins() {
		secrets = append(secrets, login.Request.Password, login.Request.RefreshToken)
	}
	for _, refresh := range h.appliance.RefreshTokens() {
		secrets = append(secrets, refresh.Token)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for token := range h.tokens {
		secrets = append(secrets, token)
	}
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

// count returns how many requests for lists, or for tokens, have arrived.
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
			t.Errorf("got %q, want it to hold %q", text, part)
		}
	}
}

// discard reads a body to its end and ignores its content.
func discard(r io.Reader) error {
	_, err := io.Copy(io.Discard, r)
	return err
}

// spy records the tokens that the client sends.
type spy struct {
	next    http.RoundTripper
	harness *harness
}

// RoundTrip implements http.RoundTripper.
func (s *spy) RoundTrip(req *http.Request) (*http.Response, error) {
	if _, token, ok := strings.Cut(req.Header.Get("Authorization"), " "); ok {
		s.harness.mu.Lock()
		s.harness.tokens[token] = true
		s.harness.mu.Unlock()
	}
	return s.next.RoundTrip(req)
}

// CloseIdleConnections is called by http.Client.
func (s *spy) CloseIdleConnections() {
	if closer, ok := s.next.(interface{ CloseIdleConnections() }); ok {
		closer.CloseIdleConnections()
	}
}

// observer records what a client reports to its observer.
type observer struct {
	mu     sync.Mutex
	events []string
	// onLogin is called for each login, if it is not nil.
	onLogin func()
}

func (o *observer) request(endpoint string, code int, took time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.events = append(o.events, fmt.Sprintf("%s %d", endpoint, code))
	if took < 0 {
		o.events = append(o.events, "a negative time")
	}
}

func (o *observer) login(grant, result string) {
	o.mu.Lock()
	o.events = append(o.events, "login "+grant+" "+result)
	call := o.onLogin
	o.mu.Unlock()
	if call != nil {
		call()
	}
}

// take returns the events since the last call.
func (o *observer) take() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	events := o.events
	o.events = nil
	return events
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

// isLogin reports whether a request is a login.
func isLogin(r *http.Request) bool {
	return r.Method == http.MethodPost && strings.HasPrefix(r.URL.Path, tokensPath)
}

// respond answers with a status and a body of JSON.
func respond(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body)) //nolint:gosec // It goes to no browser.
}
