package ciphertrust_test

import (
	"context"
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"strings"
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
		h.connect("https://repeating.example.invalid", func(cfg *ciphertrust.Config) { cfg.TLS.CAFile = ca }, nil)
		wantText(t, h.failure(reason.Network).Error(), "no tunnel for <secret>")
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
		if r.Host == "repeating.example.invalid:443" {
			respondRaw(w, "HTTP/1.1 502 no tunnel for "+proxyPassword+"\r\n\r\n")
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
	cmd.Env = []string{throughProxy + "=" + write(t, "ca.pem", string(server.CAPEM)), "HTTPS_PROXY=" + strings.Replace(proxy.URL, "://", "://user:"+proxyPassword+"@", 1)}
	if output, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, output)
	}
	if n := asked.Load(); n != 4 {
		t.Errorf("the proxy was asked for %d connections, want one for each address", n)
	}
	if n := appliance.LoginCount(simulator.GrantPassword, simulator.LoginAccepted); n != 1 {
		t.Errorf("%d logins", n)
	}
}

// proxyPassword is the password of a proxy.
const proxyPassword = "proxy-SECRET-password"

// respondRaw sends a response that net/http would not, and ends the connection.
func respondRaw(w http.ResponseWriter, response string) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	_, _ = io.WriteString(conn, response)
	_ = conn.Close()
}

// TestProxyOfTarget checks through which proxy a client connects, and that nobody sees its password.
func TestProxyOfTarget(t *testing.T) {
	h := newHarness(t, simulator.Options{})
	server := startTLS(t, h.appliance, simulator.Certificate{Names: []string{"cm.example.invalid"}})
	var asked atomic.Int64
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		switch auth := r.Header.Get("Proxy-Authorization"); auth {
		case "Basic " + base64.StdEncoding.EncodeToString([]byte("user:"+proxyPassword)):
			tunnel(r.Context(), t, w, server.Addr().String())
		case "":
			w.WriteHeader(http.StatusProxyAuthRequired)
		default:
			respondRaw(w, "HTTP/1.1 502 no tunnel for other "+proxyPassword+"\r\n\r\n")
		}
	}))
	defer proxy.Close()
	address := strings.TrimPrefix(proxy.URL, "http://")
	connect := func(url string, proxy ciphertrust.Proxy) {
		asked.Store(0)
		h.connect(url, func(cfg *ciphertrust.Config) {
			cfg.TLS.CA, cfg.TLS.ServerName, cfg.Proxy = string(server.CAPEM), "cm.example.invalid", proxy
		}, nil)
	}
	through := ciphertrust.Proxy{URL: ciphertrust.Secret("http://user:" + proxyPassword + "@" + address)}
	for _, url := range []string{"https://cm.example.invalid", server.URL} {
		connect(url, through)
		h.mustGet()
		if asked.Load() == 0 {
			t.Errorf("%s was not reached through the proxy", url)
		}
	}
	through.NoProxy = "127.0.0.0/8, cm.example.com"
	connect(server.URL, through)
	h.mustGet()
	connect(server.URL, ciphertrust.Proxy{NoProxy: "127.0.0.1"})
	h.mustGet()
	if n := asked.Load(); n != 0 {
		t.Errorf("the proxy was asked for %d connections that it was not for", n)
	}
	connect("https://cm.example.invalid", ciphertrust.Proxy{URL: ciphertrust.Secret(proxy.URL)})
	err := h.failure(reason.Network)
	wantText(t, err.Error(), "the proxy requires authentication (407)")
	connect("https://cm.example.invalid", ciphertrust.Proxy{URL: ciphertrust.Secret("http://user:other%20" + proxyPassword + "@" + address)})
	err = h.failure(reason.Network)
	wantText(t, err.Error(), "no tunnel for <secret>")
}

// TestProxyCheck checks which URLs are those of a proxy.
func TestProxyCheck(t *testing.T) {
	appliance := &url.URL{Scheme: "https", Host: "cm.example.com"}
	for _, good := range []string{
		"", "http://proxy:3128", "https://proxy.example.com", "socks5://u:p@10.0.0.1:1080", "http://[::1]:3128/", "http://u:%40@proxy",
	} {
		if err := (ciphertrust.Proxy{URL: ciphertrust.Secret(good)}).Check(appliance, false); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{
		"proxy", "proxy:3128", "//proxy:3128", "ftp://proxy", "http://", "http://:3128", "http://proxy:", "http://proxy:0", "http://proxy:65536",
		"http://u:SECRET@pro xy", "http://u:SECRET/@proxy", "http://u:SECRET#@proxy", "http://u:SECRET?@proxy", "http://proxy/path", "%zz",
	} {
		if err := (ciphertrust.Proxy{URL: ciphertrust.Secret(bad)}).Check(appliance, false); err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", bad, err)
		}
	}
	appliance = &url.URL{Scheme: "http", Host: "localhost"}
	for proxy, accepted := range map[ciphertrust.Secret]bool{"http://127.0.0.1:3128": true, "http://proxy:3128": false} {
		if err := (ciphertrust.Proxy{URL: proxy}).Check(appliance, false); (err == nil) != accepted {
			t.Errorf("an appliance without TLS through %s: %v", string(proxy), err)
		}
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
