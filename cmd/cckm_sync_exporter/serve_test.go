package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"cckm_sync_exporter/collector/simulator"
)

// shutdownLimit is what the contract allows from the signal to the end.
const shutdownLimit = 5 * time.Second

func TestServe(t *testing.T) {
	appliance, _, env := startAppliance(t, t.TempDir())
	p := start(t, env)
	wantLines(t, p.metrics(t),
		`cckm_sync_up{cloud="google",item="key"} 1`,
		`cckm_sync_up{cloud="azure",item="certificate"} 1`,
		`cckm_sync_scope_last_completion_timestamp_seconds{cloud="azure",item="certificate",scope="cckm-vault::260ecbe7-777b-4d3c-84ea-887620498863"} 1.652780461958222e+09`,
		`cckm_sync_exporter_logins_total{grant="password",result="success"} 1`,
	)
	for _, name := range []string{"go_goroutines", "process_open_fds", "promhttp_metric_handler_requests_total", "cckm_sync_exporter_build_info"} {
		if !strings.Contains(p.metrics(t), "\n"+name) {
			t.Errorf("%s is missing", name)
		}
	}
	if n := len(appliance.RefreshTokens()); n != 1 {
		t.Errorf("%d refresh tokens while the exporter runs", n)
	}
	if took := p.terminate(t); took > shutdownLimit {
		t.Errorf("it ended %s after SIGTERM", took)
	}
	if n := len(appliance.RefreshTokens()); n != 0 {
		t.Errorf("%d refresh tokens are left on the appliance", n)
	}
	if log := p.log(); strings.Contains(log, simulator.DefaultPassword) || strings.Contains(log, "eyJ") {
		t.Errorf("the log holds a secret:\n%s", log)
	}
}

// TestServeWithoutProcessMetrics holds what --web.disable-exporter-metrics
// leaves out, and what it leaves.
func TestServeWithoutProcessMetrics(t *testing.T) {
	_, _, env := startAppliance(t, t.TempDir())
	metrics := start(t, env, "--web.disable-exporter-metrics").metrics(t)
	for _, prefix := range []string{"go_", "process_", "promhttp_"} {
		if strings.Contains(metrics, "\n"+prefix) {
			t.Errorf("there are metrics that begin with %s", prefix)
		}
	}
	if !strings.Contains(metrics, "cckm_sync_exporter_api_requests_total") {
		t.Error("the metrics about the API are missing")
	}
}

// TestScrapeTimeout holds that Prometheus' own timeout bounds a scrape.
func TestScrapeTimeout(t *testing.T) {
	appliance, _, env := startAppliance(t, t.TempDir())
	appliance.SetLatency(func(r *http.Request) time.Duration {
		if strings.Contains(r.URL.Path, "azure") {
			return time.Hour
		}
		return 0
	})
	p := start(t, env)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+p.address+"/metrics", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Prometheus-Scrape-Timeout-Seconds", "1.5")
	begun := time.Now()
	body := do(t, &http.Client{Transport: &http.Transport{}}, req, http.StatusOK)
	if took := time.Since(begun); took < time.Second || took > 1500*time.Millisecond {
		t.Errorf("a scrape with a timeout of 1.5s took %s", took)
	}
	wantLines(t, body, `cckm_sync_up{cloud="google",item="key"} 1`, `cckm_sync_up{cloud="azure",item="certificate"} 0`,
		`cckm_sync_scrape_error{cloud="azure",item="certificate",reason="timeout"} 1`)
}

// TestWebConfigFile holds exporter-toolkit's TLS and basic authentication.
func TestWebConfigFile(t *testing.T) {
	dir := t.TempDir()
	_, server, env := startAppliance(t, dir)
	// Any certificate will do for the exporter's own side.
	cert, key, err := server.ClientCertificate("exporter")
	if err != nil {
		t.Fatal(err)
	}
	password, err := bcrypt.GenerateFromPassword([]byte("scrape"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	config := fmt.Sprintf("tls_server_config: {cert_file: %s, key_file: %s}\n", write(t, dir, "web.pem", cert), write(t, dir, "web.key", key)) +
		fmt.Sprintf("basic_auth_users: {prometheus: %q}\n", password)
	p := start(t, env, "--web.config.file="+write(t, dir, "web.yml", []byte(config)))

	block, err := x509.ParseCertificate(firstCertificate(t, cert))
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{
		InsecureSkipVerify: true, // The certificate is compared below.
		VerifyConnection: func(state tls.ConnectionState) error {
			if !state.PeerCertificates[0].Equal(block) {
				return fmt.Errorf("another certificate: %s", state.PeerCertificates[0].Subject)
			}
			return nil
		},
	}}}
	defer client.CloseIdleConnections()
	for _, ask := range []struct {
		method, path string
		status       int
	}{
		{http.MethodGet, "/", http.StatusOK},
		{http.MethodGet, "/metrics", http.StatusOK},
		{http.MethodGet, "/probe?target=none", http.StatusNotFound},
		{http.MethodGet, "/sd", http.StatusOK},
		{http.MethodGet, "/-/healthy", http.StatusOK},
		{http.MethodGet, "/-/ready", http.StatusOK},
		{http.MethodPost, "/-/reload", http.StatusOK},
	} {
		req, err := http.NewRequestWithContext(t.Context(), ask.method, "https://"+p.address+ask.path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		do(t, client, req, http.StatusUnauthorized)
		req.SetBasicAuth("prometheus", "scrape")
		do(t, client, req, ask.status)
	}
}

// TestSocketActivation has the listener come from outside, as from systemd.
func TestSocketActivation(t *testing.T) {
	_, _, env := startAppliance(t, t.TempDir())
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	tcp, ok := listener.(*net.TCPListener)
	if !ok {
		t.Fatalf("the listener is a %T", listener)
	}
	file, err := tcp.File()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	// The process that listens has to be named by its id.
	cmd := exec.Command("sh", "-c", `LISTEN_FDS=1 LISTEN_PID=$$ exec "$0" --web.systemd-socket`, executable(t)) //nolint:noctx // The test ends it.
	cmd.ExtraFiles = []*os.File{file}
	p := startCommand(t, cmd, env)
	if p.address != listener.Addr().String() {
		t.Errorf("it listens on %s, want %s", p.address, listener.Addr())
	}
	wantLines(t, p.metrics(t), `cckm_sync_up{cloud="google",item="key"} 1`)
}

// TestRejectedPassword holds that a rejected password is told once in the log
// and tried once, however often Prometheus scrapes, and that a new password in
// the file is taken without a restart.
func TestRejectedPassword(t *testing.T) {
	dir := t.TempDir()
	appliance, _, env := startAppliance(t, dir)
	file := write(t, dir, "password", []byte("wrong\n"))
	p := start(t, append(env, "CM_PASSWORD_FILE="+file))
	for range 5 {
		wantLines(t, p.metrics(t), `cckm_sync_up{cloud="google",item="key"} 0`,
			`cckm_sync_scrape_error{cloud="google",item="key",reason="auth"} 1`,
			`cckm_sync_exporter_logins_total{grant="password",result="rejected"} 1`)
	}
	if n := len(appliance.Logins()); n != 1 {
		t.Errorf("%d logins with a wrong password", n)
	}
	if n := strings.Count(p.log(), "reason=auth"); n != 2 {
		t.Errorf("%d lines about the two lists in 5 scrapes:\n%s", n, p.log())
	}
	write(t, dir, "password", []byte(simulator.DefaultPassword+"\n"))
	wantLines(t, p.metrics(t), `cckm_sync_up{cloud="google",item="key"} 1`)
	if strings.Contains(p.log(), "wrong") {
		t.Errorf("the log holds the password:\n%s", p.log())
	}
}

// TestDemo holds that the demo needs no flag and has metrics of both lists.
func TestDemo(t *testing.T) {
	p := startDemo(t)
	metrics := p.metrics(t)
	wantLines(t, metrics, `cckm_sync_up{cloud="google",item="key"} 1`, `cckm_sync_up{cloud="azure",item="certificate"} 1`)
	for _, status := range []string{"in_progress", "completed", "failed", "aborted"} {
		if strings.Contains(metrics, fmt.Sprintf("cckm_sync_jobs{cloud=\"azure\",item=\"certificate\",status=%q} 0\n", status)) {
			t.Errorf("the demo has no job that is %s", status)
		}
	}
	if took := p.terminate(t); took > shutdownLimit {
		t.Errorf("it ended %s after SIGTERM", took)
	}
}

// TestAddressInUse holds that a server that cannot listen ends at once.
func TestAddressInUse(t *testing.T) {
	_, _, env := startAppliance(t, t.TempDir())
	p := start(t, env)
	cmd := exec.CommandContext(t.Context(), executable(t), "--web.listen-address="+p.address)
	cmd.Env = slices.Concat(env, []string{actAsProgram + "=1"})
	output, err := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() != 1 || !strings.Contains(string(output), "--web.listen-address") {
		t.Errorf("%v:\n%s", err, output)
	}
	if err := p.cmd.Process.Signal(syscall.Signal(0)); err != nil {
		t.Errorf("the first one has ended: %v", err)
	}
}
