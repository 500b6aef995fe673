package main

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
	toolkit "github.com/prometheus/exporter-toolkit/web"
	"go.yaml.in/yaml/v4"

	"cckm_sync_exporter/collector/ciphertrust"
	"cckm_sync_exporter/collector/config"
	"cckm_sync_exporter/collector/sandbox"
)

// lookForReplaced is how often the files are looked at that the sandbox cannot
// follow.
const lookForReplaced = time.Minute

// confinement takes from the process, once all listeners are bound, every right
// that serving the configured targets does not need.
type confinement struct {
	logger log.Logger
	once   sync.Once

	// mu keeps the confinement and a change of the targets apart: what is taken is
	// what the targets at that time do not need.
	mu sync.Mutex
	// enforced is what holds, or nil before.
	enforced *sandbox.Enforced
}

// baseContext returns what http.Server calls for each listener before it accepts
// from it. By then all listeners are bound, so that the first call can take the
// right to bind, and every other one that serving does not need.
func (c *confinement) baseContext(ctx context.Context, rules func() sandbox.Rules) func(net.Listener) context.Context {
	return func(net.Listener) context.Context {
		c.once.Do(func() { c.enforce(ctx, rules) })
		return context.WithoutCancel(ctx)
	}
}

// admit calls change where the process was left with what the rules need. What
// was taken from it cannot be given back.
func (c *confinement) admit(rules sandbox.Rules, change func() error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.enforced != nil {
		if err := c.enforced.Admits(rules); err != nil {
			return fmt.Errorf("the process is confined by Landlock since it started, and %w; %s", err, remedyConfined)
		}
	}
	return change()
}

// remedyConfined is what to do about what a confined process cannot have.
const remedyConfined = "restart the exporter with the new configuration, or start it with --no-process.landlock"

// explain adds to an error of loading a file what may be its cause: the process
// is not let where the user is.
func (c *confinement) explain(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.enforced == nil || !strings.Contains(err.Error(), fs.ErrPermission.Error()) {
		return err
	}
	return fmt.Errorf("%w\nthe process is confined by Landlock since it started, and may read no file in a directory that it did not need then; %s",
		err, remedyConfined)
}

// enforce takes from the process what it does not need, and says what that is.
func (c *confinement) enforce(ctx context.Context, rules func() sandbox.Rules) {
	c.mu.Lock()
	defer c.mu.Unlock()
	enforced, err := sandbox.Enforce(rules())
	switch {
	case err != nil:
		level.Warn(c.logger).Log("during", "start", "err", err,
			"hint", "report it with the kernel's version, or turn it off with --no-process.landlock",
			"msg", "the process is not confined by Landlock")
		return
	case !enforced.Files:
		level.Info(c.logger).Log("during", "start", "msg", "the process is not confined, because this system has no Landlock")
		return
	}
	c.enforced = &enforced
	tcp := "not restricted, the kernel is too old for that"
	if enforced.TCP {
		tcp = fmt.Sprintf("connect to ports %v only, bind none", enforced.Ports)
	}
	level.Info(c.logger).Log("during", "start", "landlock", enforced.ABI, "files", "read the exporter's own, write and execute none",
		"tcp", tcp, "msg", "the process is confined by Landlock")
	level.Debug(c.logger).Log("during", "start", "readable", fmt.Sprint(enforced.Paths), "msg", "what Landlock leaves readable")
	go watchReplaced(ctx, sandbox.NewWatch(enforced.Fixed), time.NewTicker(lookForReplaced), c.logger)
}

// watchReplaced tells when a file was replaced that the sandbox allows by
// itself, which it cannot read from then on.
func watchReplaced(ctx context.Context, watch *sandbox.Watch, tick *time.Ticker, logger log.Logger) {
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, path := range watch.Replaced() {
			level.Warn(logger).Log("during", "run", "file", path,
				"hint", "restart the exporter, or turn Landlock off with --no-process.landlock",
				"msg", "the file was replaced, and Landlock does not let the process read the new one; names may not be resolved any more")
		}
	}
}

// sandboxRules returns what the settings and the targets make necessary.
func (s *settings) sandboxRules(targets []config.Target) sandbox.Rules {
	rules := targetRules(targets)
	rules.Files = append(rules.Files, s.webFiles()...)
	if s.configFile != "" {
		rules.Files = append(rules.Files, s.configFile)
	}
	return rules
}

// targetRules returns what the targets make necessary.
func targetRules(targets []config.Target) sandbox.Rules {
	var rules sandbox.Rules
	files := map[string]bool{"": true}
	ports := map[uint16]bool{}
	for i := range targets {
		t := &targets[i]
		for _, file := range []string{t.Credentials.PasswordFile, t.TLS.CAFile, t.TLS.CertFile, t.TLS.KeyFile} {
			if !files[file] {
				files[file] = true
				rules.Files = append(rules.Files, file)
			}
		}
		if port, ok := portOfTarget(t); ok && !ports[port] {
			ports[port] = true
			rules.Ports = append(rules.Ports, port)
		}
	}
	return rules
}

// portOfTarget returns the port that is connected to for a target, be it that of a
// proxy.
func portOfTarget(t *config.Target) (uint16, bool) {
	address, err := ciphertrust.ParseURL(t.URL)
	if err != nil {
		return 0, false
	}
	if proxy, err := http.ProxyFromEnvironment(&http.Request{URL: address}); err == nil && proxy != nil {
		address = proxy
	}
	return portNumber(address)
}

// portNumber returns the port of an address, be it only by its scheme.
func portNumber(u *url.URL) (uint16, bool) {
	byScheme := map[string]string{"http": "80", "https": "443", "socks5": "1080", "socks5h": "1080"}
	port, err := strconv.ParseUint(cmp.Or(u.Port(), byScheme[u.Scheme]), 10, 16)
	return uint16(port), err == nil
}

// webFiles returns --web.config.file and the files that it names. What is wrong
// with it is told by exporter-toolkit, which reads it as well.
func (s *settings) webFiles() []string {
	path := *s.web.WebConfigFile
	if path == "" {
		return nil
	}
	files := []string{path}
	content, err := os.ReadFile(path) //nolint:gosec // The operator names the file.
	if err != nil {
		return files
	}
	var config struct {
		TLS struct {
			Cert     string `yaml:"cert_file"`
			Key      string `yaml:"key_file"`
			ClientCA string `yaml:"client_ca_file"`
		} `yaml:"tls_server_config"`
	}
	if err := yaml.Unmarshal(content, &config); err != nil {
		return files
	}
	tls := toolkit.TLSConfig{TLSCertPath: config.TLS.Cert, TLSKeyPath: config.TLS.Key, ClientCAs: config.TLS.ClientCA}
	tls.SetDirectory(filepath.Dir(path))
	for _, file := range []string{tls.TLSCertPath, tls.TLSKeyPath, tls.ClientCAs} {
		if file != "" {
			files = append(files, file)
		}
	}
	return files
}
