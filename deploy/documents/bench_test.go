package documents_test

import (
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

// bench is a copy of what a reader of the documents has in front of them, beside a
// simulated appliance in place of theirs.
type bench struct {
	dir string
	// root is where the paths of a machine are, such as /etc.
	root string
	// program is the built exporter.
	program string
	env     []string
	here    *strings.Replacer
	client  *http.Client
	// ran are the commands that have run, by their text.
	ran map[string]bool
}

func newBench(t *testing.T) *bench {
	t.Helper()
	livetest.Program(t, "bash")
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{dir: filepath.Join(dir, "clone"), root: filepath.Join(dir, "root"), ran: map[string]bool{}}
	for _, part := range []string{"cmd", "collector", "deploy/prometheus", "deploy/systemd"} {
		if err := os.CopyFS(filepath.Join(b.dir, part), os.DirFS(filepath.Join(top, part))); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"go.mod", "go.sum"} {
		b.write(t, name, read(t, name))
	}
	for _, name := range []string{"usr/bin", "etc/default", "etc/systemd/system"} {
		if err := os.MkdirAll(filepath.Join(b.root, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	b.client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Minute}
	b.lead(t, startAppliance(t))
	return b
}

// startAppliance starts an appliance with some life in every list.
func startAppliance(t *testing.T) *simulator.Server {
	t.Helper()
	appliance := simulator.New(simulator.Options{Kinds: simulator.AllKinds()})
	if _, err := simulator.NewFleet(appliance, simulator.FleetOptions{Lives: simulator.AllLives()}); err != nil {
		t.Fatal(err)
	}
	server, err := appliance.StartTLS()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	return server
}

// lead puts what is on this machine in place of what the documents write, and lays
// out the file of targets that configuration.md has.
func (b *bench) lead(t *testing.T, server *simulator.Server) {
	t.Helper()
	password := b.write(t, "password", simulator.DefaultPassword+"\n")
	ca := b.write(t, "ca.pem", string(server.CAPEM))
	targets := filepath.Join(b.dir, "targets.yml")
	b.here = strings.NewReplacer(
		"https://cm.example.com", server.URL, "https://cm-eu.example.com", server.URL, "https://cm-us.example.com", server.URL,
		"/run/secrets/cm-eu", password, "/run/secrets/cm-us", password, "/run/secrets/cm", password,
		"/etc/ssl/certs/cm-ca.pem", ca, " /etc/ssl/cm-ca.pem", " "+ca, "/etc/ssl/cm-ca.pem", ca,
		// The paths of a machine; those of secrets and CAs are named above.
		" /usr/", " "+b.root+"/usr/", " /etc/", " "+b.root+"/etc/",
		"=targets.yml", "="+targets, "=FILE", "="+targets, "--collector.NAME", "--collector.azure-keys",
		"--targets=N", "--targets=3",
	)
	example := ""
	for _, f := range parse("configuration.md", read(t, "deploy/docs/configuration.md")).fences {
		if strings.HasPrefix(f.text, "targets:\n") {
			example = f.text
		}
	}
	b.write(t, "targets.yml", b.here.Replace(example))
	b.env = []string{
		"CM_ADDRESS=" + server.URL, "CM_USERNAME=" + simulator.DefaultUsername, "CM_PASSWORD_FILE=" + password,
		// Where a document gives no CA, the reader's appliance has a public one.
		"SSL_CERT_FILE=" + ca,
	}
	// The README's own words build it.
	b.shell(t, "", "go build ./cmd/cckm_sync_exporter")
	b.program = filepath.Join(b.dir, "cckm_sync_exporter")
}

func (b *bench) write(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(b.dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil { //nolint:gosec // Names of the test's own.
		t.Fatal(err)
	}
	return path
}

// shell runs commands of a document, each of which has to succeed, in a directory
// of the clone, and returns what they wrote.
func (b *bench) shell(t *testing.T, dir string, commands ...string) string {
	t.Helper()
	script := b.here.Replace(strings.Join(commands, "\n"))
	cmd := exec.CommandContext(t.Context(), livetest.Program(t, "bash"), "-euo", "pipefail", "-c", script)
	cmd.Dir = filepath.Join(b.dir, dir)
	// What does not depend on where the clone is can be taken from Go's cache.
	cmd.Env = []string{"PATH=" + b.dir + ":" + os.Getenv("PATH"), "GOWORK=off", "GOFLAGS=-trimpath", "CGO_ENABLED=0"}
	for _, name := range []string{"HOME", "GOPATH", "GOCACHE", "GOMODCACHE", "GOPROXY", "GOTOOLCHAIN"} {
		if value, ok := os.LookupEnv(name); ok {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	// A reader who wrote their settings down exports none.
	if !strings.Contains(script, "export CM_") {
		cmd.Env = append(cmd.Env, b.env...)
	}
	output, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s\nwrote\n%s", err, script, output)
	}
	for _, command := range commands {
		b.ran[command] = true
	}
	return string(output)
}

// serve starts the exporter by a command of a document and returns its address.
func (b *bench) serve(t *testing.T, command string) string {
	t.Helper()
	b.ran[command] = true
	// go run would leave the program behind when it is told to end, and builds the
	// same. In a sentence the program goes without saying.
	flags := b.here.Replace(command)
	for _, program := range []string{"go run ./cmd/cckm_sync_exporter ", "./cckm_sync_exporter "} {
		flags = strings.TrimPrefix(flags, program)
	}
	_, address := livetest.StartExporter(t, b.program, b.env, strings.Fields(flags)...)
	return address
}

// get returns what a page of the exporter has.
func (b *bench) get(t *testing.T, url string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := b.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("%s: status %d, %v\n%s", url, resp.StatusCode, err, body)
	}
	return string(body)
}
