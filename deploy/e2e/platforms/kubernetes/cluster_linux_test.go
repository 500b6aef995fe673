package kubernetes_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cckm_sync_exporter/deploy/e2e/livetest"
)

// token is the administrator's.
const token = "administrator"

// cluster is an API server with its database and its controllers, on loopback. It has
// no scheduler; kubelet is its only node.
type cluster struct {
	t      *testing.T
	url    string
	ca     string
	home   string
	client *http.Client
	events map[string]bool // those that were reported
}

func startCluster(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{t: t, home: t.TempDir(), events: map[string]bool{}}
	database := "http://" + livetest.FreeAddress(t)
	peers := "http://" + livetest.FreeAddress(t)
	livetest.Start(t, nil, livetest.Program(t, "etcd"), "--data-dir="+filepath.Join(c.home, "etcd"), "--unsafe-no-fsync",
		"--listen-client-urls="+database, "--advertise-client-urls="+database,
		"--listen-peer-urls="+peers, "--initial-advertise-peer-urls="+peers, "--initial-cluster=default="+peers)

	address := livetest.FreeAddress(t)
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	accounts := livetest.WriteFile(t, "accounts.pem", newKey(t))
	certificates := filepath.Join(c.home, "certificates")
	c.url, c.ca = "https://"+address, filepath.Join(certificates, "apiserver.crt")
	livetest.Start(t, nil, livetest.Program(t, "kube-apiserver"), "--etcd-servers="+database, "--endpoint-reconciler-type=none",
		"--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", "--secure-port="+port, "--cert-dir="+certificates,
		"--service-cluster-ip-range=10.96.0.0/16", "--authorization-mode=RBAC",
		"--token-auth-file="+livetest.WriteFile(t, "tokens.csv", []byte(token+",administrator,administrator,system:masters\n")),
		"--service-account-key-file="+accounts, "--service-account-signing-key-file="+accounts, "--service-account-issuer=https://kubernetes.default.svc")
	var pool *x509.CertPool
	livetest.Eventually(t, time.Minute, "the API server has its certificate", func() bool {
		certificate, err := os.ReadFile(c.ca)
		pool = x509.NewCertPool()
		return err == nil && pool.AppendCertsFromPEM(certificate)
	})
	c.client = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}, Timeout: time.Minute}
	t.Cleanup(c.client.CloseIdleConnections)
	livetest.Eventually(t, 2*time.Minute, "the API server is ready", func() bool { return c.request(http.MethodGet, "/readyz", nil, nil) == nil })

	_, port, err = net.SplitHostPort(livetest.FreeAddress(t))
	if err != nil {
		t.Fatal(err)
	}
	config := c.config("default")
	// Nobody renews the lease of the node.
	livetest.Start(t, nil, livetest.Program(t, "kube-controller-manager"), "--controllers=*,-node-lifecycle-controller", "--leader-elect=false",
		"--kubeconfig="+config, "--authentication-kubeconfig="+config, "--authorization-kubeconfig="+config,
		"--bind-address=127.0.0.1", "--secure-port="+port, "--service-account-private-key-file="+accounts, "--root-ca-file="+c.ca)
	return c
}

// newKey returns a private key in PEM.
func newKey(t *testing.T) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})
}

// config writes a configuration of clients whose default namespace is the given one.
func (c *cluster) config(namespace string) (path string) {
	return livetest.WriteFile(c.t, "kubeconfig", fmt.Appendf(nil, `apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: %q, certificate-authority: %q}}]
users: [{name: u, user: {token: %q}}]
contexts: [{name: x, context: {cluster: c, user: u, namespace: %q}}]
current-context: x
`, c.url, c.ca, token, namespace))
}

// request sends a request, with a body unless it is nil, to the API server and decodes its response.
func (c *cluster) request(method, path string, body, result any) error {
	var content []byte
	var err error
	if body != nil {
		if content, err = json.Marshal(body); err != nil {
			return err
		}
	}
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.url+path, bytes.NewReader(content))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	if method == http.MethodPatch {
		req.Header.Set("Content-Type", "application/merge-patch+json")
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if content, err = io.ReadAll(resp.Body); err != nil {
		return err
	}
	if resp.StatusCode >= http.StatusMultipleChoices {
		return fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, content)
	}
	if result == nil {
		return nil
	}
	return json.Unmarshal(content, result)
}

// namespace is a namespace, and what its users' programs need to reach it.
type namespace struct {
	*cluster

	t    *testing.T
	name string
	env  []string
}

// namespace creates a namespace that enforces the strictest of Kubernetes' Pod Security
// Standards, and waits until the cluster has put its own objects into it.
func (c *cluster) namespace(t *testing.T, name string) *namespace {
	t.Helper()
	n := &namespace{cluster: c, t: t, name: name, env: []string{"PATH=" + os.Getenv("PATH"), "HOME=" + c.home, "KUBECONFIG=" + c.config(name)}}
	n.must("kubectl", "create", "namespace", name)
	const standard = "pod-security.kubernetes.io/"
	n.must("kubectl", "label", "namespace", name, standard+"enforce=restricted", standard+"warn=restricted", standard+"audit=restricted")
	livetest.Eventually(t, time.Minute, "the namespace has its own objects", func() bool {
		_, err := n.run("kubectl", "get", "serviceaccount/default", "configmap/kube-root-ca.crt")
		return err == nil
	})
	return n
}

// run runs kubectl or helm, and returns what it wrote. A warning is an error.
func (n *namespace) run(program string, args ...string) (output string, err error) {
	cmd := exec.CommandContext(n.t.Context(), program, args...)
	cmd.Env = n.env
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	if err == nil && strings.Contains(strings.ToLower(stderr.String()), "warn") {
		err = errors.New("it warns")
	}
	if err != nil {
		err = fmt.Errorf("%s %q: %w\n%s%s", program, args, err, stdout.String(), stderr.String())
	}
	return stdout.String() + stderr.String(), err
}

// must is run for a command whose failure ends the test.
func (n *namespace) must(program string, args ...string) (output string) {
	n.t.Helper()
	output, err := n.run(program, args...)
	if err != nil {
		n.t.Fatal(err)
	}
	return output
}
