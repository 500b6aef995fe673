package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"cckm_sync_exporter/collector/simulator"
	"cckm_sync_exporter/deploy/e2e/livetest"
)

// TestSecretsRotate replaces the password and the CA in the ways of Kubernetes, secret managers and
// deployment tools, while the process is confined. The new files are read at the next connection and
// login.
func TestSecretsRotate(t *testing.T) {
	for name, publish := range map[string]func(t *testing.T, dir string, n int, files map[string]string){
		"files that are replaced": func(t *testing.T, dir string, _ int, files map[string]string) {
			t.Helper()
			publishDir(t, dir, files)
		},
		"a directory that is made again": func(t *testing.T, dir string, _ int, files map[string]string) {
			t.Helper()
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
			publishDir(t, dir, files)
		},
		"a link to the directory": func(t *testing.T, dir string, n int, files map[string]string) {
			t.Helper()
			publishDir(t, fmt.Sprintf("%s.d/%d", dir, n), files)
			link(t, dir, fmt.Sprintf("%s.d/%d", dir, n))
		},
		"links to files below a link": func(t *testing.T, dir string, n int, files map[string]string) {
			t.Helper()
			publishDir(t, filepath.Join(dir, fmt.Sprintf("..%d", n)), files)
			for name := range files {
				link(t, filepath.Join(dir, name), filepath.Join("..data", name))
			}
			link(t, filepath.Join(dir, "..data"), fmt.Sprintf("..%d", n))
		},
	} {
		t.Run(name, func(t *testing.T) {
			r, other := newRig(t), newRig(t)
			dir := filepath.Join(r.dir, "secrets")
			files := map[string]string{"password": simulator.DefaultPassword + "\n", "ca.pem": string(other.server.CAPEM)}
			publish(t, dir, 1, files)
			p := start(t, []string{
				// The name has to be resolved.
				"CM_ADDRESS=" + strings.Replace(r.server.URL, "127.0.0.1", "localhost", 1), "CM_USERNAME=" + simulator.DefaultUsername,
				"CM_PASSWORD_FILE=" + filepath.Join(dir, "password"), "CCKM_SYNC_EXPORTER_CIPHERTRUST_CA_FILE=" + filepath.Join(dir, "ca.pem"),
			})
			p.await(t, "Landlock", 1)
			wantLines(t, p.metrics(t), `cckm_sync_scrape_error{cloud="google",item="key",reason="tls"} 1`)
			files["ca.pem"] = string(r.server.CAPEM)
			publish(t, dir, 2, files)
			livetest.Eventually(t, 30*time.Second, "the lists are read", func() bool {
				return strings.Contains(p.metrics(t), `cckm_sync_up{cloud="google",item="key"} 1`)
			})
			files["password"] = "another-password"
			r.SetPassword(files["password"])
			r.renewTokens()
			publish(t, dir, 3, files)
			p.wantUp(t, "/metrics")
			p.terminate(t)
			r.wantNoTokens(t)
		})
	}
}

func publishDir(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, content := range files {
		replace(t, filepath.Join(dir, name), []byte(content))
	}
}

// link replaces a symbolic link, and removes the directory that it led to.
func link(t *testing.T, path, target string) {
	t.Helper()
	before, _ := os.Readlink(path)
	if err := errors.Join(os.Symlink(target, path+".new"), os.Rename(path+".new", path)); err != nil {
		t.Fatal(err)
	}
	if before == "" || before == target {
		return
	}
	if !filepath.IsAbs(before) {
		before = filepath.Join(filepath.Dir(path), before)
	}
	if err := os.RemoveAll(before); err != nil {
		t.Fatal(err)
	}
}

// TestSystemCAs checks that the system's CAs are read at the start, and not again by a reload.
func TestSystemCAs(t *testing.T) {
	r, other := newRig(t), newRig(t)
	bundle := r.write(t, "bundle.pem", string(other.server.CAPEM))
	r.env = append(slices.DeleteFunc(r.env, func(v string) bool { return strings.Contains(v, "CA_FILE") }),
		"SSL_CERT_FILE="+bundle, "SSL_CERT_DIR="+r.dir+"/none")
	p := r.start(t)
	const failed = `cckm_sync_scrape_error{cloud="google",item="key",reason="tls"} 1`
	wantLines(t, p.metrics(t), failed)
	replace(t, bundle, r.server.CAPEM)
	if body := p.mustRequest(t, http.MethodPost, "/-/reload", http.StatusOK); !strings.Contains(body, "the system's CAs need a restart") {
		t.Errorf("the response to the reload is %q", body)
	}
	wantLines(t, p.metrics(t), failed)
	p.await(t, "the system's CAs are read at the start only", 1)
	r.start(t).wantUp(t, "/metrics")
}

// TestWebConfigRotation replaces the certificate and the user's password of the exporter's own server.
// Every path needs the password.
func TestWebConfigRotation(t *testing.T) {
	r := newRig(t)
	config := filepath.Join(r.dir, "web.yml")
	var p *process
	for _, password := range []string{"scrape", "another"} {
		cert, key, err := r.server.ClientCertificate("exporter")
		if err != nil {
			t.Fatal(err)
		}
		hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
		if err != nil {
			t.Fatal(err)
		}
		pair, err := tls.X509KeyPair(cert, key)
		if err != nil {
			t.Fatal(err)
		}
		// Between these two, certificate and key do not match.
		certFile, keyFile := r.write(t, "web.pem", string(cert)), r.write(t, "web.key", string(key))
		replace(t, config, fmt.Appendf(nil, "tls_server_config: {cert_file: %s, key_file: %s}\nbasic_auth_users: {prometheus: %q}\n", certFile, keyFile, hash))
		if p == nil {
			p = r.start(t, "--web.config.file="+config)
		}
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{
			InsecureSkipVerify: true, // The certificate is compared below.
			VerifyConnection: func(state tls.ConnectionState) error {
				if !state.PeerCertificates[0].Equal(pair.Leaf) {
					return fmt.Errorf("another certificate: %s", state.PeerCertificates[0].SerialNumber)
				}
				return nil
			},
		}}}
		for path, want := range map[string]int{
			"/": http.StatusOK, "/metrics": http.StatusOK, "/probe?target=none": http.StatusNotFound, "/sd": http.StatusOK,
			"/-/healthy": http.StatusOK, "/-/ready": http.StatusOK, "/-/reload": http.StatusMethodNotAllowed,
		} {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+p.address+path, http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			if status, _, err := do(client, req); err != nil || status != http.StatusUnauthorized {
				t.Errorf("%s without the password: %d, %v", path, status, err)
			}
			req.SetBasicAuth("prometheus", password)
			if status, _, err := do(client, req); err != nil || status != want {
				t.Errorf("%s: status %d, want %d, %v", path, status, want, err)
			}
		}
	}
}
