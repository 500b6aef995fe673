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
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"cckm_sync_exporter/collector/simulator"
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
	p.await(t, "Landlock")
	if strings.Contains(p.log(), "this system has no Landlock") {
		t.Skip("the kernel has no Landlock")
	}
	if !strings.Contains(p.log(), `msg="the process is confined by Landlock: `) {
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
func renewTokens(appliance *simulator.Appliance) {
	appliance.RevokeAllTokens()
	appliance.RevokeRefreshTokens()
}

// TestConfinedRotation has every file replaced by another one while the process
// is confined, and the appliance's name is looked up.
func TestConfinedRotation(t *testing.T) {
	dir := t.TempDir()
	appliance, server, _ := startAppliance(t, dir)
	gate := startGateway(t, server.Addr().String())
	ca, password := filepath.Join(dir, "ca.pem"), write(t, t.TempDir(), "password", []byte(simulator.DefaultPassword+"\n"))
	p := start(t, []string{
		"CM_ADDRESS=" + gate.url(), "CM_USERNAME=" + simulator.DefaultUsername, "CM_PASSWORD_FILE=" + password,
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

// TestSecretVolume rotates a client certificate with its key and CA as
// Kubernetes does: all at once, by turning a symbolic link around.
func TestSecretVolume(t *testing.T) {
	dir := t.TempDir()
	appliance, server, _ := startAppliance(t, dir)
	gate := startGateway(t, server.Addr().String())
	volume := filepath.Join(dir, "volume")
	publish := func(version string, server *simulator.Server) {
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

// TestSystemCAs holds what the documents say of the system's own CAs: they are
// read at the start, and not again by a reload.
func TestSystemCAs(t *testing.T) {
	dir := t.TempDir()
	_, server, env := startAppliance(t, dir)
	_, other, _ := startAppliance(t, t.TempDir())
	bundle := write(t, dir, "bundle.pem", other.CAPEM)
	env = slices.DeleteFunc(env, func(v string) bool { return strings.Contains(v, "CA_FILE") })
	env = append(env, "SSL_CERT_FILE="+bundle, "SSL_CERT_DIR="+dir+"/none")
	p := start(t, env)
	const failed = `cckm_sync_scrape_error{cloud="google",item="key",reason="tls"} 1`
	wantLines(t, p.metrics(t), failed)
	replace(t, bundle, server.CAPEM)
	if answer := p.request(t, http.MethodPost, "/-/reload", http.StatusOK); !strings.Contains(answer, "the system's CAs need a restart") {
		t.Errorf("the reload answers %q", answer)
	}
	wantLines(t, p.metrics(t), failed)
	p.await(t, "the system's CAs are read at the start only")
	p.terminate(t)
	wantUp(t, start(t, env), "after a restart")
}

// TestWebConfigRotation replaces what the exporter's own server reads anew: its
// certificate and its users.
func TestWebConfigRotation(t *testing.T) {
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
	want(p, first, "scrape")
	want(p, publish("another"), "another")
}

// TestSecretsMove has secrets replaced in the ways that secret managers and
// deployment tools use: by turning a link to their directory, or by making the
// directory again. The new files are read at the next login.
func TestSecretsMove(t *testing.T) {
	for _, test := range []struct {
		name string
		// file is the password file, below a directory of the test.
		file string
		// publish makes it hold a password, the n-th time.
		publish func(t *testing.T, dir string, n int, password []byte)
	}{
		{"a link to a numbered directory", "secrets/password", func(t *testing.T, dir string, n int, password []byte) {
			t.Helper()
			turn(t, filepath.Join(dir, "secrets"), fmt.Sprintf("secrets.d/%d", n), "password", password)
		}},
		{"a link within the path", "current/etc/password", func(t *testing.T, dir string, n int, password []byte) {
			t.Helper()
			turn(t, filepath.Join(dir, "current"), fmt.Sprintf("releases/%d", n), "etc/password", password)
		}},
		{"a directory that is made again", "secrets/password", func(t *testing.T, dir string, _ int, password []byte) {
			t.Helper()
			secrets := filepath.Join(dir, "secrets")
			if err := os.RemoveAll(secrets); err != nil {
				t.Fatal(err)
			}
			if err := os.Mkdir(secrets, 0o700); err != nil {
				t.Fatal(err)
			}
			write(t, secrets, "password", password)
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			appliance, _, env := startAppliance(t, dir)
			test.publish(t, dir, 1, []byte(simulator.DefaultPassword))
			p := start(t, append(env, "CM_PASSWORD_FILE="+filepath.Join(dir, filepath.FromSlash(test.file))))
			wantUp(t, p, "at first")
			appliance.SetPassword("another-password")
			renewTokens(appliance)
			test.publish(t, dir, 2, []byte("another-password"))
			wantUp(t, p, "with another password")
		})
	}
}

// turn writes a file below a new directory, leads a link to that directory, and
// removes the one that the link led to before.
func turn(t *testing.T, link, target, file string, content []byte) {
	t.Helper()
	path := filepath.Join(filepath.Dir(link), target, file)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Dir(path), filepath.Base(path), content)
	before, _ := os.Readlink(link)
	if err := os.Symlink(target, link+".new"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(link+".new", link); err != nil {
		t.Fatal(err)
	}
	if before != "" {
		if err := os.RemoveAll(filepath.Join(filepath.Dir(link), before)); err != nil {
			t.Fatal(err)
		}
	}
}
