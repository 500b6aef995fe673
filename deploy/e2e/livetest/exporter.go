package livetest

import (
	"crypto/tls"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"
)

// BuildExporter builds the exporter and returns its path.
func BuildExporter(t *testing.T) string {
	t.Helper()
	executable := filepath.Join(t.TempDir(), "cckm_sync_exporter")
	//nolint:gosec // The test's directory.
	cmd := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", executable, "cckm_sync_exporter/cmd/cckm_sync_exporter")
	if output, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("cannot build the exporter: %v\n%s", err, output)
	}
	return executable
}

// StartExporter starts the exporter with a command and its flags, waits until it
// listens, and returns its address.
func StartExporter(t *testing.T, executable string, env []string, args ...string) (p *Process, address string) {
	t.Helper()
	p = Start(t, env, executable, append(args, "--web.listen-address=127.0.0.1:0")...)
	listening := regexp.MustCompile(`msg="Listening on" address=(\S+)\n`)
	Eventually(t, time.Minute, "the exporter listens", func() bool {
		found := listening.FindStringSubmatch(p.Log())
		if found != nil {
			address = found[1]
		}
		return found != nil
	})
	return p, address
}

// Get requests a page. ok is false if there was no complete response, for example
// because the server does not listen yet.
func Get(t *testing.T, url string) (status int, body string, ok bool) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{
		//nolint:gosec // It only requests pages of this machine.
		Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}},
		Timeout:   time.Minute,
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, "", false
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), err == nil
}
