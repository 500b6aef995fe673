package main

import (
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"
)

// TestHealthy checks the exit code of healthy for each form of the exporter's own server, while it runs and
// after it has ended.
func TestHealthy(t *testing.T) {
	r := newRig(t)
	cert, key, err := r.server.ClientCertificate("exporter")
	if err != nil {
		t.Fatal(err)
	}
	r.write(t, "web.pem", string(cert))
	r.write(t, "web.key", string(key))
	hash, err := bcrypt.GenerateFromPassword([]byte("scrape"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	const files = "cert_file: web.pem, key_file: web.key"
	clients := files + ", client_ca_file: ca.pem, client_auth_type: RequireAndVerifyClientCert"
	for name, content := range map[string]string{
		"plain":                          "",
		"TLS":                            "tls_server_config: {" + files + "}\n",
		"a password":                     "basic_auth_users: {prometheus: " + string(hash) + "}\n",
		"a client certificate":           "tls_server_config: {" + clients + "}\n",
		"a client certificate, TLS 1.2":  "tls_server_config: {" + clients + ", max_version: TLS12}\n",
		"more requests than are allowed": "rate_limit: {burst: 1, interval: 1h}\n",
	} {
		t.Run(name, func(t *testing.T) {
			// The names in the file are relative to it.
			config := "--web.config.file=" + r.write(t, strings.ReplaceAll(name, " ", "-")+".yml", content)
			p := r.start(t, config)
			want := func(code int, why string, args ...string) {
				t.Helper()
				out, log, got := runCommand(t, nil, append([]string{"healthy", config}, args...)...)
				if got != code || out != "" || !strings.Contains(log, why) || strings.Count(log, "\n") != code {
					t.Errorf("healthy %q: code %d, want %d and %q:\n%s%s", args, got, code, why, out, log)
				}
			}
			want(0, "", "--web.listen-address="+p.address)
			_, port, _ := net.SplitHostPort(p.address)
			want(0, "", "--web.listen-address=:"+port, "--web.listen-address=:0")
			p.terminate(t)
			want(1, "error: the exporter on "+p.address+" does not respond: ", "--web.listen-address="+p.address)
		})
	}
}

// TestHealthyAddress checks that the variables of a container are enough, and what a wrong file causes.
func TestHealthyAddress(t *testing.T) {
	r := newRig(t)
	p := r.start(t)
	env := []string{"CCKM_SYNC_EXPORTER_WEB_LISTEN_ADDRESS=" + p.address}
	if _, log, code := runCommand(t, env, "healthy"); code != 0 {
		t.Errorf("code %d:\n%s", code, log)
	}
	const vsock = "--web.listen-address=vsock://:10458"
	if _, log, code := runCommand(t, nil, "healthy", vsock, "--web.listen-address="+p.address); code != 0 {
		t.Errorf("a vsock address and %s: code %d:\n%s", p.address, code, log)
	}
	if _, log, code := runCommand(t, nil, "healthy", vsock); code != 1 || !strings.Contains(log, "has no TCP address") {
		t.Errorf("a vsock address alone: code %d:\n%s", code, log)
	}
	config := filepath.Join(r.dir, "nowhere.yml")
	if _, log, code := runCommand(t, env, "healthy", "--web.config.file="+config); code != 1 || !strings.Contains(log, config+" cannot be used") {
		t.Errorf("code %d:\n%s", code, log)
	}
}

// TestHealthyOfOthers asks servers of which one does not respond and one fails.
func TestHealthyOfOthers(t *testing.T) {
	for want, handler := range map[string]http.HandlerFunc{
		"does not respond: context deadline exceeded": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"responds with 500 Internal Server Error":     func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
	} {
		server := httptest.NewServer(handler)
		if _, log, code := runCommand(t, nil, "healthy", "--web.listen-address="+server.Listener.Addr().String()); code != 1 || !strings.Contains(log, want) {
			t.Errorf("code %d, want %q:\n%s", code, want, log)
		}
		server.Close()
	}
}
