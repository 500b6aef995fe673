package ciphertrust_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"testing"

	"cckm_sync_exporter/collector/ciphertrust"
	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/simulator"
)

// throughProxy names the file with the CA for the process that this test
// starts: the environment's proxy is read once in a process, and is never used
// for a loopback address.
const throughProxy = "CCKM_TEST_THROUGH_PROXY"

func TestProxyFromEnvironment(t *testing.T) {
	if ca := os.Getenv(throughProxy); ca != "" {
		h := newHarness(t, simulator.Options{})
		h.connect("https://cm.example.invalid", func(cfg *ciphertrust.Config) { cfg.TLS.CAFile = ca }, nil)
		h.mustGet()
		h.connect("https://other.example.invalid", func(cfg *ciphertrust.Config) { cfg.TLS.CAFile = ca }, nil)
		h.wantReason(reason.Network)
		h.connect("https://refused.example.invalid", func(cfg *ciphertrust.Config) { cfg.TLS.CAFile, cfg.Retries = ca, 4 }, nil)
		err := h.failure(reason.Network)
		wantText(t, err.Error(), "the proxy requires authentication (407)")
		wantText(t, reason.HintOf(err), "HTTPS_PROXY", "NO_PROXY")
		return
	}
	appliance := simulator.New(simulator.Options{Password: password})
	server := startTLS(t, appliance, simulator.Certificate{Names: []string{"cm.example.invalid"}})
	var asked atomic.Int64
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if r.Host == "refused.example.invalid:443" {
			w.WriteHeader(http.StatusProxyAuthRequired)
			return
		}
		if r.Method != http.MethodConnect || r.Host != "cm.example.invalid:443" {
			http.Error(w, "only to the appliance", http.StatusForbidden)
			return
		}
		tunnel(r.Context(), t, w, server.Addr().String())
	}))
	defer proxy.Close()

	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), executable, "-test.run=^TestProxyFromEnvironment$")
	cmd.Env = []string{throughProxy + "=" + write(t, "ca.pem", string(server.CAPEM)), "HTTPS_PROXY=" + proxy.URL}
	if output, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, output)
	}
	if n := asked.Load(); n != 3 {
		t.Errorf("the proxy was asked for %d connections, want one for each address", n)
	}
	if n := appliance.LoginCount(simulator.GrantPassword, simulator.LoginAccepted); n != 1 {
		t.Errorf("%d logins", n)
	}
}

// tunnel connects the client of a proxy to an address.
func tunnel(ctx context.Context, t *testing.T, w http.ResponseWriter, address string) {
	t.Helper()
	to, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		t.Error(err)
		return
	}
	defer func() { _ = to.Close() }()
	from, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		t.Error(err)
		return
	}
	defer func() { _ = from.Close() }()
	_, _ = io.WriteString(from, "HTTP/1.1 200 Connected\r\n\r\n")
	var wait sync.WaitGroup
	wait.Go(func() {
		_, _ = io.Copy(to, from)
		_ = to.Close()
	})
	_, _ = io.Copy(from, to)
	_ = from.Close()
	wait.Wait()
}
