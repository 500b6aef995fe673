package sandbox_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"cckm_sync_exporter/collector/sandbox"
)

// confinedBy holds the rules of a test's own binary that runs as a confined
// process: what it tries out must not confine the tests.
const confinedBy = "CCKM_TEST_CONFINED_BY"

func TestMain(m *testing.M) {
	if rules := os.Getenv(confinedBy); rules != "" {
		beConfined(rules)
		return
	}
	m.Run()
}

// beConfined enforces rules and then tries what standard input says, a line
// each, on a thread that was there before.
func beConfined(encoded string) {
	var rules jsonRules
	if err := json.Unmarshal([]byte(encoded), &rules); err != nil {
		say(err)
		return
	}
	enforced, answers := make(chan struct{}), make(chan string)
	go func() {
		runtime.LockOSThread()
		<-enforced
		lines := bufio.NewScanner(os.Stdin)
		for lines.Scan() {
			answers <- outcome(try(lines.Text()))
		}
		close(answers)
	}()
	got, err := sandbox.Enforce(sandbox.Rules(rules))
	if err != nil {
		say(err)
		return
	}
	text, err := json.Marshal(jsonEnforced(got))
	if err != nil {
		say(err)
		return
	}
	say(string(text))
	close(enforced)
	for answer := range answers {
		say(answer)
	}
}

// say answers the test. Where it cannot, the test notices.
func say(answer any) { _, _ = fmt.Fprintln(os.Stdout, answer) }

// jsonRules and jsonEnforced are how the test and the confined process tell each
// other of those types.
type (
	jsonRules struct {
		Files []string `json:"files"`
		Ports []uint16 `json:"ports"`
	}
	jsonEnforced struct {
		ABI   int      `json:"abi"`
		Files bool     `json:"files"`
		TCP   bool     `json:"tcp"`
		Paths []string `json:"paths"`
		Ports []uint16 `json:"ports"`
		Fixed []string `json:"fixed"`
	}
)

func outcome(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, syscall.EACCES) || errors.Is(err, syscall.EPERM):
		return "refused"
	default:
		return err.Error()
	}
}

// try does what a line says.
func try(line string) error {
	what, object, _ := strings.Cut(line, " ")
	switch what {
	case "read":
		_, err := os.ReadFile(object)
		return err
	case "list":
		_, err := os.ReadDir(object)
		return err
	case "write":
		return os.WriteFile(object, []byte("x"), 0o600)
	case "remove":
		return os.Remove(object)
	case "execute":
		return exec.CommandContext(context.Background(), object).Run()
	case "connect":
		conn, err := new(net.Dialer).DialContext(context.Background(), "tcp", object)
		if err == nil {
			err = conn.Close()
		}
		return err
	case "bind":
		var config net.ListenConfig
		// Multipath TCP is beyond Landlock's reach.
		config.SetMultipathTCP(false)
		listener, err := config.Listen(context.Background(), "tcp", object)
		if err == nil {
			err = listener.Close()
		}
		return err
	case "resolve":
		_, err := (&net.Resolver{PreferGo: true}).LookupHost(context.Background(), object)
		return err
	default:
		return errors.New("cannot do " + line)
	}
}

// confined is a process under rules.
type confined struct {
	enforced jsonEnforced
	orders   io.Writer
	answers  *bufio.Scanner
}

// confine starts a process under rules. The test is skipped where the kernel
// has no Landlock of the version that it needs.
func confine(t *testing.T, abi int, rules sandbox.Rules) *confined {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := json.Marshal(jsonRules(rules))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path) //nolint:noctx // It ends when its input does.
	cmd.Env = append(os.Environ(), confinedBy+"="+string(encoded))
	orders, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	answers, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := &confined{orders: orders, answers: bufio.NewScanner(answers)}
	t.Cleanup(func() {
		_ = orders.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("the confined process: %v", err)
		}
	})
	first := c.answer(t)
	if err := json.Unmarshal([]byte(first), &c.enforced); err != nil {
		t.Fatalf("%q: %v", first, err)
	}
	if c.enforced.ABI < abi {
		t.Skipf("the kernel has version %d of Landlock, the test needs %d", c.enforced.ABI, abi)
	}
	return c
}

func (c *confined) answer(t *testing.T) string {
	t.Helper()
	if !c.answers.Scan() {
		t.Fatalf("the confined process has ended: %v", c.answers.Err())
	}
	return c.answers.Text()
}

// want has the process try something and compares how it went.
func (c *confined) want(t *testing.T, outcome, order string) {
	t.Helper()
	if _, err := fmt.Fprintln(c.orders, order); err != nil {
		t.Fatal(err)
	}
	if got := c.answer(t); got != outcome {
		t.Errorf("%s: %s, want %s", order, got, outcome)
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

func symlink(t *testing.T, target, path string) {
	t.Helper()
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
}

// TestFiles holds that the files which were named can be read, also after they
// were replaced, and that nothing else can be read, written or executed.
func TestFiles(t *testing.T) {
	dir := t.TempDir()
	password, other := filepath.Join(dir, "own", "password"), filepath.Join(dir, "other", "file")
	write(t, password, "1")
	write(t, other, "1")
	c := confine(t, 1, sandbox.Rules{Files: []string{password}})
	if !c.enforced.Files || len(c.enforced.Paths) == 0 {
		t.Errorf("it says %+v", c.enforced)
	}

	c.want(t, "ok", "read "+password)
	write(t, password+".new", "2")
	rename(t, password+".new", password)
	c.want(t, "ok", "read "+password)
	c.want(t, "ok", "resolve localhost")
	for _, file := range []string{"/proc/self/stat", "/proc/self/limits", "/proc/stat"} {
		c.want(t, "ok", "read "+file)
	}
	c.want(t, "ok", "list /proc/self/fd")

	for _, order := range []string{
		"read " + other, "read /etc/passwd", "read /proc/1/environ", "list /", "list " + filepath.Dir(password),
		"write " + password, "write " + other, "write " + filepath.Join(dir, "own", "new"), "write /tmp/new", "remove " + password,
		"execute /bin/true", "execute /proc/self/exe",
	} {
		c.want(t, "refused", order)
	}
}

// TestLinks holds that files which are replaced by turning a symbolic link
// around can be read, as those of a Kubernetes Secret, and those whose directory
// is another one than the link's.
func TestLinks(t *testing.T) {
	dir := t.TempDir()
	secret := filepath.Join(dir, "secret")
	write(t, filepath.Join(secret, "..2026_1", "password"), "1")
	symlink(t, "..2026_1", filepath.Join(secret, "..data"))
	symlink(t, filepath.Join("..data", "password"), filepath.Join(secret, "password"))
	target := filepath.Join(dir, "certificates", "ca.pem")
	write(t, target, "1")
	link := filepath.Join(dir, "links", "ca.pem")
	write(t, filepath.Join(dir, "links", "beside"), "1")
	symlink(t, target, link)
	c := confine(t, 1, sandbox.Rules{Files: []string{filepath.Join(secret, "password"), link}})

	c.want(t, "ok", "read "+filepath.Join(secret, "password"))
	write(t, filepath.Join(secret, "..2026_2", "password"), "2")
	symlink(t, "..2026_2", filepath.Join(secret, "..data_tmp"))
	rename(t, filepath.Join(secret, "..data_tmp"), filepath.Join(secret, "..data"))
	if err := os.RemoveAll(filepath.Join(secret, "..2026_1")); err != nil {
		t.Fatal(err)
	}
	c.want(t, "ok", "read "+filepath.Join(secret, "password"))

	c.want(t, "ok", "read "+link)
	write(t, target+".new", "2")
	rename(t, target+".new", target)
	c.want(t, "ok", "read "+link)
	write(t, link+".new", "3")
	rename(t, link+".new", link)
	c.want(t, "ok", "read "+link)
}

// TestPorts holds that the ports which were named can be connected to, and
// that no other can, nor any be bound.
func TestPorts(t *testing.T) {
	named, other := listen(t), listen(t)
	_, port, _ := net.SplitHostPort(named)
	var number uint16
	if _, err := fmt.Sscan(port, &number); err != nil {
		t.Fatal(err)
	}
	c := confine(t, 4, sandbox.Rules{Ports: []uint16{number, number}})
	if want := fmt.Sprint([]uint16{53, number}); !c.enforced.TCP || fmt.Sprint(c.enforced.Ports) != want {
		t.Errorf("it says %+v, want ports %s", c.enforced, want)
	}
	c.want(t, "ok", "connect "+named)
	c.want(t, "refused", "connect "+other)
	c.want(t, "refused", "bind 127.0.0.1:0")
}

func listen(t *testing.T) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return listener.Addr().String()
}

// TestFixed holds that the files of the resolver are told whose directory is
// /etc, which is not allowed as a whole.
func TestFixed(t *testing.T) {
	c := confine(t, 1, sandbox.Rules{})
	for _, path := range c.enforced.Fixed {
		if filepath.Dir(path) != "/etc" {
			t.Errorf("%s is allowed by itself", path)
		}
		c.want(t, "ok", "read "+path)
	}
	hosts, err := filepath.EvalSymlinks("/etc/hosts")
	if err != nil {
		t.Skip("there is no /etc/hosts")
	}
	if told := strings.Contains(fmt.Sprint(c.enforced.Fixed), hosts); told != (filepath.Dir(hosts) == "/etc") {
		t.Errorf("fixed are %v, and hosts is %s", c.enforced.Fixed, hosts)
	}
}
