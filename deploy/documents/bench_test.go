package documents_test

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cckm_sync_exporter/collector/simulator"
	"cckm_sync_exporter/deploy/e2e/livetest"
)

// bench is a copy of the repository next to a simulated appliance.
type bench struct {
	dir string
	// root replaces the root directory of the machine.
	root string
	env  []string
	// here replaces the documents' addresses and paths.
	here *strings.Replacer
	seen map[string]bool
}

func newBench(t *testing.T) *bench {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{dir: filepath.Join(dir, "clone"), root: filepath.Join(dir, "root"), seen: map[string]bool{}}
	for _, part := range []string{"cmd", "collector", "deploy/docs", "deploy/prometheus", "deploy/runbooks", "deploy/systemd"} {
		if err := os.CopyFS(filepath.Join(b.dir, part), os.DirFS(filepath.Join(top, part))); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"go.mod", "go.sum", "deploy/documents.go"} {
		b.write(t, name, read(t, name), 0o600)
	}
	for _, name := range []string{"usr/bin", "etc/default", "etc/systemd/system"} {
		if err := os.MkdirAll(filepath.Join(b.root, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	b.addPrograms(t)
	b.addAppliance(t)
	b.shell(t, "", "go build ./cmd/cckm_sync_exporter")
	return b
}

// addPrograms fills the only directory that commands are looked up in.
func (b *bench) addPrograms(t *testing.T) {
	t.Helper()
	if err := os.Mkdir(filepath.Join(b.dir, "bin"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"bash", "cat", "curl", "go", "install", "jq", "mv", "promtool", "sed", "sha256sum"} {
		if err := os.Symlink(livetest.Program(t, name), filepath.Join(b.dir, "bin", name)); err != nil {
			t.Fatal(err)
		}
	}
	// These need root, a cluster, a daemon or the internet. The tests of deploy's other
	// directories check what they are given.
	for _, name := range []string{
		"amtool", "apt", "cosign", "dnf", "docker", "gh", "helm", "kubectl", "openssl", "systemctl", "systemd-analyze",
	} {
		b.write(t, "bin/"+name, "#!/bin/sh\n", 0o700)
	}
}

// addAppliance starts an appliance with jobs in every list, schedules and inventories, and
// writes the files that the documents name.
func (b *bench) addAppliance(t *testing.T) {
	t.Helper()
	appliance := simulator.New(simulator.Options{Kinds: simulator.AllKinds()})
	if _, err := simulator.NewFleet(appliance, simulator.FleetOptions{Lives: simulator.AllLives()}); err != nil {
		t.Fatal(err)
	}
	appliance.SetPlans(simulator.AllLives())
	server := livetest.Serve(t, appliance)
	password := b.write(t, "password", simulator.DefaultPassword+"\n", 0o600)
	ca := b.write(t, "ca.pem", string(server.CAPEM), 0o600)
	b.here = strings.NewReplacer(
		"https://cm.example.com", server.URL, "https://cm-eu.example.com", server.URL, "https://cm-us.example.com", server.URL,
		"/run/secrets/cm-eu", password, "/run/secrets/cm-us", password, "/run/secrets/cm", password, " /etc/ssl/cm-ca.pem", " "+ca, "/etc/ssl/cm-ca.pem", ca,
		" /usr/", " "+b.root+"/usr/", " /etc/", " "+b.root+"/etc/", "--collector.NAME", "--collector.azure-keys", "=FILE", "=targets.yml",
	)
	var targets string
	for _, block := range parse(t, "deploy/docs/configuration.md").blocks {
		if strings.HasPrefix(block.text, "targets:\n") {
			targets = b.here.Replace(block.text)
		}
	}
	b.write(t, "targets.yml", targets, 0o600)
	sum := sha256.Sum256([]byte(targets))
	b.write(t, "sha256sums.txt", hex.EncodeToString(sum[:])+"  targets.yml\n"+strings.Repeat("0", 64)+"  not-downloaded\n", 0o600)
	b.env = []string{
		"CM_ADDRESS=" + server.URL, "CM_USERNAME=" + simulator.DefaultUsername, "CM_PASSWORD_FILE=" + password,
		"SSL_CERT_FILE=" + ca, // If a document names no CA, the appliance has a public one.
	}
}

func (b *bench) write(t *testing.T, name, content string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(b.dir, name)
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
	return path
}

// shell runs a script in a directory of the copy and returns its output.
func (b *bench) shell(t *testing.T, dir, script string) string {
	t.Helper()
	script = b.here.Replace(script)
	cmd := exec.CommandContext(t.Context(), filepath.Join(b.dir, "bin", "bash"), "-euo", "pipefail", "-c", script)
	cmd.Dir = filepath.Join(b.dir, dir)
	// Go's cache is of use if nothing depends on the directory.
	cmd.Env = []string{"PATH=" + b.dir + "/bin:" + b.dir, "GOWORK=off", "GOFLAGS=-trimpath", "CGO_ENABLED=0"}
	for _, name := range []string{"HOME", "GOPATH", "GOCACHE", "GOMODCACHE", "GOPROXY", "GOTOOLCHAIN"} {
		if value, ok := os.LookupEnv(name); ok {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	if !strings.Contains(script, "export CM_") {
		cmd.Env = append(cmd.Env, b.env...)
	}
	output, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s\nwrote\n%s", err, script, output)
	}
	return string(output)
}

// serve starts the exporter by a command and returns its address.
func (b *bench) serve(t *testing.T, command string) string {
	t.Helper()
	flags := strings.TrimPrefix(strings.TrimPrefix(b.here.Replace(command), "go run ./cmd/cckm_sync_exporter "), "./cckm_sync_exporter ")
	// Flags name files by their paths in the copy.
	flags = strings.ReplaceAll(flags, "=targets.yml", "="+b.dir+"/targets.yml")
	_, address := livetest.StartExporter(t, filepath.Join(b.dir, "cckm_sync_exporter"), b.env, strings.Fields(flags)...)
	return address
}

// get returns a page of the exporter. A scrape has two seconds.
func (b *bench) get(t *testing.T, address, path string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Prometheus-Scrape-Timeout-Seconds", "2.5")
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Minute}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("%s: status %d, %v\n%s", path, resp.StatusCode, err, body)
	}
	return string(body)
}
