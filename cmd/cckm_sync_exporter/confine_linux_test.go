package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"cckm_sync_exporter/collector/cmsim"
)

// gateway is an address that stays while the servers behind it change.
type gateway struct {
	listener net.Listener

	mu     sync.Mutex
	target string
	open   []net.Conn
}

func startGateway(t *testing.T, target string) *gateway {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &gateway{listener: listener, target: target}
	t.Cleanup(func() {
		_ = listener.Close()
		g.turn("")
	})
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go g.forward(t.Context(), conn)
		}
	}()
	return g
}

func (g *gateway) forward(ctx context.Context, conn net.Conn) {
	defer func() { _ = conn.Close() }()
	g.mu.Lock()
	target := g.target
	g.mu.Unlock()
	server, err := new(net.Dialer).DialContext(ctx, "tcp", target)
	if err != nil {
		return
	}
	defer func() { _ = server.Close() }()
	g.mu.Lock()
	g.open = append(g.open, conn, server)
	g.mu.Unlock()
	go func() { _, _ = io.Copy(server, conn) }()
	_, _ = io.Copy(conn, server)
}

// turn leads to another server, and closes every connection to the last one.
func (g *gateway) turn(target string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.target = target
	for _, conn := range g.open {
		_ = conn.Close()
	}
	g.open = nil
}

// url names the gateway, so that its address has to be looked up.
func (g *gateway) url() string {
	_, port, _ := net.SplitHostPort(g.listener.Addr().String())
	return "https://localhost:" + port
}

// wantConfined skips the test where the kernel has no Landlock.
func wantConfined(t *testing.T, p *process) {
	t.Helper()
	// It is confined right after it says that it listens.
	p.await(t, "Landlock")
	if strings.Contains(p.log(), "this system has no Landlock") {
		t.Skip("the kernel has no Landlock")
	}
	if !strings.Contains(p.log(), `msg="the process is confined by Landlock"`) {
		t.Fatalf("the process is not confined:\n%s", p.log())
	}
}

// replace puts a new file in the place of another one.
func replace(tb testing.TB, path string, content []byte) {
	tb.Helper()
	dir, name := filepath.Split(path)
	if err := os.Rename(write(tb, dir, name+".new", content), path); err != nil {
		tb.Fatal(err)
	}
}

// renewTokens makes the next scrape log in anew by its password or certificate.
func renewTokens(appliance *cmsim.Appliance) {
	appliance.RevokeAllTokens()
	appliance.RevokeRefreshTokens()
}

// TestConfinedRotation has every file replaced by another one while the process
// is confined, and the appliance's name looked up.
func TestConfinedRotation(t *testing.T) {
	dir := t.TempDir()
	appliance, server, _ := startAppliance(t, dir)
	gate := startGateway(t, server.Addr().String())
	// Each in a directory of its own, so that one does not allow the other.
	ca, password := filepath.Join(dir, "ca.pem"), write(t, t.TempDir(), "password", []byte(cmsim.DefaultPassword+"\n"))
	p := start(t, []string{
		"CM_ADDRESS=" + gate.url(), "CM_USERNAME=" + cmsim.DefaultUsername, "CM_PASSWORD_FILE=" + password,
		"CCKM_SYNC_EXPORTER_CIPHERTRUST_CA_FILE=" + ca,
	})
	wantConfined(t, p)
	wantUp(t, p, "at first")

	appliance.SetPassword("another-password")
	renewTokens(appliance)
	replace(t, password, []byte("another-password\n"))
	wantUp(t, p, "with another password")

	next, err := appliance.StartTLS()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(next.Close)
	replace(t, ca, next.CAPEM)
	gate.turn(next.Addr().String())
	wantUp(t, p, "with another CA")

	for _, name := range []string{"process_open_fds", "process_start_time_seconds", "process_resident_memory_bytes", "process_max_fds"} {
		if !strings.Contains(p.metrics(t), "\n"+name+" ") {
			t.Errorf("%s is missing", name)
		}
	}
	if took := p.terminate(t); took > shutdownLimit {
		t.Errorf("it ended %s after SIGTERM", took)
	}
	if n := len(appliance.RefreshTokens()); n != 0 {
		t.Errorf("%d refresh tokens are left on the appliance", n)
	}
}

// TestConfinedSecretVolume rotates a client certificate with its key and CA as
// Kubernetes does: all at once, by turning a symbolic link around.
func TestConfinedSecretVolume(t *testing.T) {
	dir := t.TempDir()
	appliance, server, _ := startAppliance(t, dir)
	gate := startGateway(t, server.Addr().String())
	volume := filepath.Join(dir, "volume")
	publish := func(version string, server *cmsim.Server) {
		cert, key, err := server.ClientCertificate("client-1")
		if err != nil {
			t.Fatal(err)
		}
		data := filepath.Join(volume, version)
		if err := os.MkdirAll(data, 0o755); err != nil {
			t.Fatal(err)
		}
		for name, content := range map[string][]byte{"ca.pem": server.CAPEM, "client.pem": cert, "client.key": key} {
			write(t, data, name, content)
		}
		link := filepath.Join(volume, "..data")
		before, _ := os.Readlink(link)
		if err := os.Symlink(version, link+"_tmp"); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(link+"_tmp", link); err != nil {
			t.Fatal(err)
		}
		if before != "" {
			if err := os.RemoveAll(filepath.Join(volume, before)); err != nil {
				t.Fatal(err)
			}
		}
	}
	publish("..2026_1", server)
	for _, name := range []string{"ca.pem", "client.pem", "client.key"} {
		if err := os.Symlink(filepath.Join("..data", name), filepath.Join(volume, name)); err != nil {
			t.Fatal(err)
		}
	}
	p := start(t, []string{"CM_ADDRESS=" + gate.url()}, "--ciphertrust.client-id=client-1",
		"--ciphertrust.ca-file="+filepath.Join(volume, "ca.pem"),
		"--ciphertrust.cert-file="+filepath.Join(volume, "client.pem"), "--ciphertrust.key-file="+filepath.Join(volume, "client.key"))
	wantConfined(t, p)
	wantUp(t, p, "at first")

	next, err := appliance.StartTLS()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(next.Close)
	publish("..2026_2", next)
	gate.turn(next.Addr().String())
	renewTokens(appliance)
	wantUp(t, p, "with another certificate")
}

// TestConfinedWebConfig replaces what the exporter's own server reads anew: its
// certificate and its users.
func TestConfinedWebConfig(t *testing.T) {
	dir, certificates, keys := t.TempDir(), t.TempDir(), t.TempDir()
	_, server, env := startAppliance(t, dir)
	config := filepath.Join(dir, "web.yml")
	publish := func(password string) *x509.Certificate {
		cert, key, err := server.ClientCertificate("exporter")
		if err != nil {
			t.Fatal(err)
		}
		hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
		if err != nil {
			t.Fatal(err)
		}
		// Between the two renames certificate and key do not fit together.
		replace(t, filepath.Join(certificates, "web.pem"), cert)
		replace(t, filepath.Join(keys, "web.key"), key)
		replace(t, config, fmt.Appendf(nil, "tls_server_config: {cert_file: %s, key_file: %s}\nbasic_auth_users: {prometheus: %q}\n",
			filepath.Join(certificates, "web.pem"), filepath.Join(keys, "web.key"), hash))
		parsed, err := x509.ParseCertificate(firstCertificate(t, cert))
		if err != nil {
			t.Fatal(err)
		}
		return parsed
	}
	want := func(p *process, certificate *x509.Certificate, password string) {
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{
			InsecureSkipVerify: true, // The certificate is compared below.
			VerifyConnection: func(state tls.ConnectionState) error {
				if !state.PeerCertificates[0].Equal(certificate) {
					return fmt.Errorf("another certificate: %s", state.PeerCertificates[0].SerialNumber)
				}
				return nil
			},
		}}}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+p.address+"/metrics", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		do(t, client, req, http.StatusUnauthorized)
		req.SetBasicAuth("prometheus", password)
		wantLines(t, do(t, client, req, http.StatusOK), `cckm_sync_up{cloud="google",item="key"} 1`)
	}
	first := publish("scrape")
	p := start(t, env, "--web.config.file="+config)
	wantConfined(t, p)
	want(p, first, "scrape")
	want(p, publish("another"), "another")
}

// TestConfinedFiles holds, from outside, that the process can read no other file:
// a link to one in the place of its password is refused. Without Landlock it
// is followed.
func TestConfinedFiles(t *testing.T) {
	for _, test := range []struct {
		flag string
		up   int
	}{{"--process.landlock", 0}, {"--no-process.landlock", 1}} {
		t.Run(test.flag, func(t *testing.T) {
			dir, elsewhere := t.TempDir(), t.TempDir()
			appliance, _, env := startAppliance(t, dir)
			password := write(t, dir, "password", []byte(cmsim.DefaultPassword))
			p := start(t, append(env, "CM_PASSWORD_FILE="+password), test.flag)
			if test.up == 0 {
				wantConfined(t, p)
			}
			wantUp(t, p, "at first")
			if test.up == 1 && strings.Contains(p.log(), "Landlock") {
				t.Errorf("it is confined:\n%s", p.log())
			}

			renewTokens(appliance)
			if err := os.Symlink(write(t, elsewhere, "file", []byte(cmsim.DefaultPassword)), password+".new"); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(password+".new", password); err != nil {
				t.Fatal(err)
			}
			wantLines(t, p.metrics(t), fmt.Sprintf(`cckm_sync_up{cloud="google",item="key"} %d`, test.up))
			if test.up == 0 {
				p.await(t, "permission denied")
			}
		})
	}
}
