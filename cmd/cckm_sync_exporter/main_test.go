package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"cckm_sync_exporter/collector/simulator"
	"cckm_sync_exporter/deploy/e2e/livetest"
)

// actAsProgram makes the test's own binary run as the exporter, so that tests
// see a real process with signals and an exit code.
const actAsProgram = "CCKM_TEST_ACT_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(actAsProgram) != "" {
		main()
	}
	testscript.Main(m, map[string]func(){programName: main})
}

// process is a running exporter.
type process struct {
	cmd *exec.Cmd
	// address is where it listens, such as "127.0.0.1:40123".
	address string
	// listening gets the address.
	listening chan string
	// done is closed when its output has ended.
	done chan struct{}

	mu     sync.Mutex
	stderr bytes.Buffer
}

// start runs the exporter and waits until it listens.
func start(tb testing.TB, env []string, args ...string) *process {
	tb.Helper()
	return startCommand(tb, exec.Command(executable(tb), append(args, "--web.listen-address=127.0.0.1:0")...), env) //nolint:noctx // The test ends it.
}

// executable returns the test's own binary, which runs as the exporter where
// actAsProgram is set.
func executable(tb testing.TB) string {
	tb.Helper()
	path, err := os.Executable()
	if err != nil {
		tb.Fatal(err)
	}
	return path
}

func startCommand(tb testing.TB, cmd *exec.Cmd, env []string) *process {
	tb.Helper()
	p := launch(tb, cmd, env)
	select {
	case p.address = <-p.listening:
	case <-p.done:
		tb.Fatalf("the exporter ended before it listened: %s", p.log())
	case <-time.After(30 * time.Second):
		tb.Fatalf("the exporter does not listen after 30s: %s", p.log())
	}
	return p
}

// launch runs the exporter without waiting for anything.
func launch(tb testing.TB, cmd *exec.Cmd, env []string) *process {
	tb.Helper()
	p := &process{cmd: cmd, done: make(chan struct{}), listening: make(chan string, 1)}
	p.cmd.Env = append([]string{actAsProgram + "=1", "GORACE=atexit_sleep_ms=0", "PATH=" + os.Getenv("PATH")}, env...)
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = p.cmd.Process.Kill() })
	go p.watch(stderr)
	return p
}

// watch keeps what the process logs and finds where it listens.
func (p *process) watch(stderr io.Reader) {
	defer close(p.done)
	address := regexp.MustCompile(`msg="Listening on" address=(\S+)`)
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		p.mu.Lock()
		p.stderr.WriteString(lines.Text() + "\n")
		p.mu.Unlock()
		if found := address.FindStringSubmatch(lines.Text()); found != nil {
			select {
			case p.listening <- found[1]:
			default:
			}
		}
	}
}

func (p *process) log() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stderr.String()
}

// await waits until the log holds a text.
func (p *process) await(tb testing.TB, text string) {
	tb.Helper()
	p.awaitCount(tb, text, 1)
}

// awaitCount waits until the log holds a text so many times.
func (p *process) awaitCount(tb testing.TB, text string, times int) {
	tb.Helper()
	if !livetest.WaitFor(30*time.Second, func() bool { return strings.Count(p.log(), text) >= times }) {
		tb.Fatalf("%q is not logged %d times:\n%s", text, times, p.log())
	}
}

// wait waits until the process has ended.
func (p *process) wait() error {
	<-p.done
	return p.cmd.Wait()
}

// metrics scrapes the process.
func (p *process) metrics(tb testing.TB) string {
	tb.Helper()
	body, err := p.scrape(tb.Context())
	if err != nil {
		tb.Fatalf("%v; log:\n%s", err, p.log())
	}
	return body
}

func (p *process) scrape(ctx context.Context) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.address+"/metrics", http.NoBody)
	if err != nil {
		return "", err
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = errors.New(resp.Status)
	}
	return string(body), err
}

// terminate sends SIGTERM and returns how long the process took to end. Its
// exit code must be 0.
func (p *process) terminate(tb testing.TB) time.Duration {
	tb.Helper()
	begun := time.Now()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		tb.Fatal(err)
	}
	if err := p.wait(); err != nil {
		tb.Errorf("after SIGTERM: %v; log:\n%s", err, p.log())
	}
	return time.Since(begun)
}

// startAppliance starts a simulated appliance with both example lists, and
// returns it with the environment that leads the exporter to it.
func startAppliance(tb testing.TB, dir string) (appliance *simulator.Appliance, server *simulator.Server, env []string) {
	tb.Helper()
	appliance = simulator.New(simulator.Options{ClientID: "client-1"})
	appliance.SetFixture("cckm/google/synchronization-jobs", simulator.GoogleKeysExample())
	appliance.SetFixture("cckm/azure/certificates/synchronization-jobs", simulator.AzureCertificatesExample())
	server, err := appliance.StartTLS()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(server.Close)
	ca := filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(ca, server.CAPEM, 0o600); err != nil {
		tb.Fatal(err)
	}
	return appliance, server, []string{
		"CM_ADDRESS=" + server.URL,
		"CM_USERNAME=" + simulator.DefaultUsername,
		"CM_PASSWORD=" + simulator.DefaultPassword,
		"CCKM_SYNC_EXPORTER_CIPHERTRUST_CA_FILE=" + ca,
	}
}

// wantLines fails unless every wanted line is in the text.
func wantLines(tb testing.TB, text string, want ...string) {
	tb.Helper()
	for _, line := range want {
		if !strings.Contains(text, line+"\n") {
			tb.Errorf("%q is missing in:\n%s", line, text)
		}
	}
}

// wantUp fails unless a scrape reads both lists.
func wantUp(t *testing.T, p *process, when string) {
	t.Helper()
	metrics := p.metrics(t)
	for _, list := range []string{`cloud="google",item="key"`, `cloud="azure",item="certificate"`} {
		if !strings.Contains(metrics, "cckm_sync_up{"+list+"} 1\n") {
			t.Errorf("%s the list %s is not read; log:\n%s", when, list, p.log())
		}
	}
}

// write writes a file below dir and returns its path.
func write(tb testing.TB, dir, name string, content []byte) string {
	tb.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		tb.Fatal(err)
	}
	return path
}

// do sends a request and returns the body of the answer, which must have the
// wanted status.
func do(tb testing.TB, client *http.Client, req *http.Request, status int) string {
	tb.Helper()
	resp, err := client.Do(req)
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		tb.Fatal(err)
	}
	if resp.StatusCode != status {
		tb.Fatalf("status %d, want %d: %s", resp.StatusCode, status, body)
	}
	return string(body)
}

// firstCertificate returns the DER form of the first certificate in a PEM text.
func firstCertificate(t *testing.T, text []byte) []byte {
	t.Helper()
	block, _ := pem.Decode(text)
	if block == nil {
		t.Fatal("no PEM block")
	}
	return block.Bytes
}
