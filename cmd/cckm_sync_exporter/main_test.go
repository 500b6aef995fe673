package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"cckm_sync_exporter/collector/simulator"
	"cckm_sync_exporter/deploy/e2e/livetest"
)

// actAsProgram makes the test's own binary run as the exporter, so that tests have a real process with
// signals and an exit code.
const actAsProgram = "CCKM_TEST_ACT_AS_PROGRAM"

// shutdownLimit is the longest time from a signal to the end.
const shutdownLimit = 5 * time.Second

func TestMain(m *testing.M) {
	if os.Getenv(actAsProgram) != "" {
		main()
	}
	testscript.Main(m, map[string]func(){programName: main})
}

// rig is a simulated appliance with both example lists.
type rig struct {
	*simulator.Appliance

	server *simulator.Server
	// dir has the file ca.pem.
	dir string
	// env has the environment of an exporter of the appliance.
	env []string
}

func newRig(tb testing.TB) *rig {
	tb.Helper()
	r := &rig{Appliance: simulator.New(simulator.Options{ClientID: "client-1"}), dir: tb.TempDir()}
	r.SetFixture("cckm/google/synchronization-jobs", simulator.GoogleKeysExample())
	r.SetFixture("cckm/azure/certificates/synchronization-jobs", simulator.AzureCertificatesExample())
	var err error
	if r.server, err = r.StartTLS(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(r.server.Close)
	r.env = []string{
		"CM_ADDRESS=" + r.server.URL,
		"CM_USERNAME=" + simulator.DefaultUsername,
		"CM_PASSWORD=" + simulator.DefaultPassword,
		"CCKM_SYNC_EXPORTER_CIPHERTRUST_CA_FILE=" + r.write(tb, "ca.pem", string(r.server.CAPEM)),
	}
	return r
}

// write writes a file, atomically, and returns its path.
func (r *rig) write(tb testing.TB, name, content string) string {
	tb.Helper()
	path := filepath.Join(r.dir, name)
	replace(tb, path, []byte(content))
	return path
}

// passwordFile makes the exporter read the password from a file.
func (r *rig) passwordFile(tb testing.TB) (path string) {
	tb.Helper()
	path = r.write(tb, "password", simulator.DefaultPassword)
	r.env = append(slices.DeleteFunc(r.env, func(v string) bool { return strings.HasPrefix(v, "CM_PASSWORD=") }), "CM_PASSWORD_FILE="+path)
	return path
}

// renewTokens makes the next scrape log in again by its password or certificate.
func (r *rig) renewTokens() {
	r.RevokeAllTokens()
	r.RevokeRefreshTokens()
}

// start runs the exporter, and waits until it listens.
func (r *rig) start(tb testing.TB, args ...string) *process {
	tb.Helper()
	return start(tb, r.env, args...)
}

// wantNoTokens fails if a refresh token is left.
func (r *rig) wantNoTokens(tb testing.TB) {
	tb.Helper()
	if n := len(r.RefreshTokens()); n != 0 {
		tb.Errorf("%d refresh tokens are left on the appliance", n)
	}
}

// process is a running exporter.
type process struct {
	cmd *exec.Cmd
	// address is where it listens, such as "127.0.0.1:40123".
	address string
	// listening receives the address.
	listening chan string
	// done is closed when its output has ended.
	done chan struct{}

	mu     sync.Mutex
	stderr bytes.Buffer
}

func start(tb testing.TB, env []string, args ...string) *process {
	tb.Helper()
	return launch(tb, command(tb, append(args, "--web.listen-address=127.0.0.1:0")...), env).awaitListening(tb)
}

// command returns a command that runs the test's own binary as the exporter.
func command(tb testing.TB, args ...string) *exec.Cmd {
	tb.Helper()
	path, err := os.Executable()
	if err != nil {
		tb.Fatal(err)
	}
	return exec.Command(path, args...) //nolint:noctx // The test ends it.
}

// shell returns a command of a shell, which has the exporter's path as $0.
func shell(tb testing.TB, script string) *exec.Cmd {
	tb.Helper()
	return exec.Command("sh", "-c", script, command(tb).Path) //nolint:noctx // The test ends it.
}

// runCommand runs a command of the exporter to its end, and returns what it printed.
func runCommand(tb testing.TB, env []string, args ...string) (stdout, stderr string, code int) {
	tb.Helper()
	var out, log strings.Builder
	cmd := command(tb, args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = environment(env), &out, &log
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		tb.Fatal(err)
	}
	return out.String(), log.String(), cmd.ProcessState.ExitCode()
}

func environment(env []string) []string {
	return append([]string{actAsProgram + "=1", "GORACE=atexit_sleep_ms=0", "PATH=" + os.Getenv("PATH")}, env...)
}

// launch runs the exporter, and does not wait. If the command has no standard error yet, it is the log.
func launch(tb testing.TB, cmd *exec.Cmd, env []string) *process {
	tb.Helper()
	p := &process{cmd: cmd, done: make(chan struct{}), listening: make(chan string, 1)}
	cmd.Env = environment(env)
	stderr := io.Reader(strings.NewReader(""))
	if cmd.Stderr == nil {
		pipe, err := cmd.StderrPipe()
		if err != nil {
			tb.Fatal(err)
		}
		stderr = pipe
	}
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = cmd.Process.Kill() })
	go p.watch(stderr)
	return p
}

// watch stores the log, and finds the address in it.
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

func (p *process) awaitListening(tb testing.TB) *process {
	tb.Helper()
	select {
	case p.address = <-p.listening:
	case <-p.done:
		tb.Fatalf("the exporter ended before it listened: %s", p.log())
	case <-time.After(30 * time.Second):
		tb.Fatalf("the exporter does not listen after 30s: %s", p.log())
	}
	return p
}

func (p *process) log() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stderr.String()
}

// await waits until the log has a text at least this many times.
func (p *process) await(tb testing.TB, text string, times int) {
	tb.Helper()
	if !livetest.WaitFor(30*time.Second, func() bool { return strings.Count(p.log(), text) >= times }) {
		tb.Fatalf("%q is not logged %d times:\n%s", text, times, p.log())
	}
}

// request sends a request, and returns the body of the response.
func (p *process) request(ctx context.Context, method, path string) (status int, body string, err error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+p.address+path, http.NoBody)
	if err != nil {
		return 0, "", err
	}
	return do(&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, req)
}

func do(client *http.Client, req *http.Request) (status int, body string, err error) {
	resp, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), err
}

// mustRequest fails unless the response has the status.
func (p *process) mustRequest(tb testing.TB, method, path string, want int) string {
	tb.Helper()
	status, body, err := p.request(tb.Context(), method, path)
	if err != nil || status != want {
		tb.Fatalf("%s %s: %v, status %d, want %d:\n%s\nlog:\n%s", method, path, err, status, want, body, p.log())
	}
	return body
}

func (p *process) metrics(tb testing.TB) string {
	tb.Helper()
	return p.mustRequest(tb, http.MethodGet, "/metrics", http.StatusOK)
}

// wantUp fails unless a scrape of a path reads both lists.
func (p *process) wantUp(tb testing.TB, path string) {
	tb.Helper()
	if metrics := p.mustRequest(tb, http.MethodGet, path, http.StatusOK); !strings.Contains(metrics, `cckm_sync_up{cloud="google",item="key"} 1`+"\n") ||
		!strings.Contains(metrics, `cckm_sync_up{cloud="azure",item="certificate"} 1`+"\n") {
		tb.Errorf("%s: a list is not read; log:\n%s", path, p.log())
	}
}

// signal sends a signal to the process.
func (p *process) signal(tb testing.TB, s os.Signal) {
	tb.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		tb.Fatal(err)
	}
}

// terminate sends SIGTERM, and waits for the end.
func (p *process) terminate(tb testing.TB) {
	tb.Helper()
	begun := time.Now()
	p.signal(tb, syscall.SIGTERM)
	p.wantEnd(tb, begun, 0)
}

// wantEnd waits until the process has ended: in time, and with the exit code, which is 1 if it was
// aborted.
func (p *process) wantEnd(tb testing.TB, signaled time.Time, code int) {
	tb.Helper()
	<-p.done
	err := p.cmd.Wait()
	if took := time.Since(signaled); took > shutdownLimit {
		tb.Errorf("it ended %s after the signal", took)
	}
	if got := p.cmd.ProcessState.ExitCode(); got != code {
		tb.Errorf("it ended with %v, want the code %d; log:\n%s", err, code, p.log())
	}
	if aborted := strings.Contains(p.log(), "the process was aborted"); aborted != (code == 1) && p.log() != "" {
		tb.Errorf("the log has that the process was aborted: %t\n%s", aborted, p.log())
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

// replace replaces a file atomically.
func replace(tb testing.TB, path string, content []byte) {
	tb.Helper()
	err := os.WriteFile(path+".new", content, 0o600)
	if err = errors.Join(err, os.Rename(path+".new", path)); err != nil {
		tb.Fatal(err)
	}
}

// targetsFile is a configuration file of targets of one simulated appliance.
type targetsFile struct {
	*rig

	path, password string
}

func newTargetsFile(tb testing.TB) *targetsFile {
	tb.Helper()
	f := &targetsFile{rig: newRig(tb)}
	f.password = f.write(tb, "password", simulator.DefaultPassword)
	f.path = filepath.Join(f.dir, "targets.yml")
	f.env = nil
	return f
}

// entry returns a target of the file.
func (f *targetsFile) entry(name, more string) string {
	return fmt.Sprintf("- {name: %s, url: %q, username: %s, password_file: %q, tls_config: {ca_file: %q}%s}\n",
		name, f.server.URL, simulator.DefaultUsername, f.password, filepath.Join(f.dir, "ca.pem"), more)
}

// set replaces the file.
func (f *targetsFile) set(tb testing.TB, entries ...string) {
	tb.Helper()
	replace(tb, f.path, []byte("targets:\n"+strings.Join(entries, "")))
}

// serve starts the exporter with the file.
func (f *targetsFile) serve(tb testing.TB) *process {
	tb.Helper()
	return f.start(tb, "--config.file="+f.path)
}
