// Package kubernetes_test installs the chart and the plain manifests into a real API
// server, and runs their pods.
package kubernetes_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/bcrypt"

	"cckm_sync_exporter/collector/simulator"
	"cckm_sync_exporter/deploy/e2e/livetest"
	"cckm_sync_exporter/deploy/e2e/platforms/testimage"
)

const (
	chart   = "../../../helm/cckm-sync-exporter"
	release = "rel"
)

// users are the appliance that the pods reach, and the users' objects that give access to it.
type users struct {
	server  *simulator.Server
	secrets map[string]map[string][]byte
	hosts   []string
	ports   map[int]string
}

func newUsers(t *testing.T) *users {
	t.Helper()
	appliance := simulator.New(simulator.Options{
		Kinds: simulator.AllKinds(), Domains: []string{"payments"}, ClientID: "2f1f0d3e-6ee8-4d25-ac06-70c7a1bd6ff0",
	})
	appliance.SetFixture("cckm/google/synchronization-jobs", simulator.GoogleKeysExample())
	appliance.SetFixture("cckm/azure/certificates/synchronization-jobs", simulator.AzureCertificatesExample())
	hosts := []string{"cm.example.com", "cm-eu.example.com", "cm-us.example.com", "proxy.example.com"}
	server, err := appliance.StartTLSWith(simulator.Certificate{Names: append(hosts, "cm.internal", "cm-eu.internal")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	plain := httptest.NewServer(appliance)
	t.Cleanup(plain.Close)
	address := server.Addr().String()
	certificate, key, err := server.ClientCertificate(simulator.DefaultUsername)
	if err != nil {
		t.Fatal(err)
	}
	hash, err := bcrypt.GenerateFromPassword([]byte("of the web"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	const tlsConfig = "tls_server_config: {cert_file: web.crt, key_file: web.key}\n"
	const target = `targets:
  - {name: cm, url: "https://cm.example.com", username: prometheus, password_file: /etc/cckm-sync-exporter/secrets/cm-eu/password}
`
	password := []byte(simulator.DefaultPassword + "\n")
	return &users{
		server: server, hosts: hosts,
		ports: map[int]string{443: address, 8443: address, 80: plain.Listener.Addr().String()},
		secrets: map[string]map[string][]byte{
			"cckm-login":   {"password": password, "pw": password},
			"cm-ca":        {"bundle.pem": server.CAPEM},
			"cckm-client":  {"client.crt": certificate, "client.key": key},
			"cckm-targets": {"cckm.yml": []byte(target)},
			"cm-eu":        {"password": password},
			"cm-us":        {"tls.crt": certificate, "tls.key": key},
			"vault-made":   {"password": []byte(simulator.DefaultPassword)},
			"cckm-web": {
				"web.yml": []byte(tlsConfig), "config.yml": fmt.Appendf([]byte(tlsConfig), "basic_auth_users: {prometheus: %q}\n", hash),
				"web.crt": certificate, "web.key": key,
			},
		},
	}
}

// create creates the users' objects in a namespace.
func (u *users) create(n *namespace) {
	n.t.Helper()
	list := make([]object, 0, len(u.secrets)+2)
	list = append(list,
		object{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": object{"name": "shared"}},
		object{"apiVersion": "v1", "kind": "ConfigMap", "metadata": object{"name": "cm-ca"}, "data": object{"ca.crt": string(u.server.CAPEM)}})
	for name, data := range u.secrets {
		list = append(list, object{"apiVersion": "v1", "kind": "Secret", "metadata": object{"name": name}, "data": data})
	}
	content, err := json.Marshal(object{"apiVersion": "v1", "kind": "List", "items": list})
	if err != nil {
		n.t.Fatal(err)
	}
	n.must("kubectl", "create", "--filename="+livetest.WriteFile(n.t, "objects.json", content))
}

// buildImage builds the image, and adds the appliance's CA to its public CAs.
func buildImage(t *testing.T, storage *testimage.Storage, ca []byte) (name string) {
	t.Helper()
	root, err := filepath.Abs("../../../..")
	if err != nil {
		t.Fatal(err)
	}
	storage.Build(root, "exporter:built")
	container := storage.Run("buildah", "from", "--pull-never", "exporter:built")
	path := filepath.Join(storage.Run("buildah", "mount", container), "etc", "ssl", "certs", "ca-certificates.crt")
	file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.Write(ca); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	storage.Run("buildah", "umount", container)
	storage.Run("buildah", "commit", "--rm", container, "exporter:test")
	return "localhost/exporter:test"
}

// TestKubernetes needs root, for podman and the networks of pods.
func TestKubernetes(t *testing.T) {
	livetest.Root(t)
	c := startCluster(t)
	u := newUsers(t)
	storage := testimage.New(t)
	k := c.startKubelet(t, storage, buildImage(t, storage, u.server.CAPEM), u.hosts, u.ports)
	t.Run("version", func(t *testing.T) { c.checkVersion(t) })

	admin := c.namespace(t, "admin")
	admin.must("kubectl", "apply", "--server-side", "--filename="+livetest.OperatorCRDs(t))
	admin.must("kubectl", "wait", "--for=condition=Established", "--timeout=60s", "crd", "--all")
	admin.must("kubectl", "create", "priorityclass", "monitoring", "--value=1000")
	// The other namespaces that the files of values name.
	c.namespace(t, "monitoring")
	c.namespace(t, "grafana")
	u.create(c.namespace(t, "elsewhere"))

	files, err := filepath.Glob(filepath.Join(chart, "ci", "*-values.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%q, %v", files, err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), "-values.yaml")
		t.Run("chart/"+name, func(t *testing.T) {
			n := c.namespace(t, "chart-"+name)
			u.create(n)
			n.testChart(file, name != "fleet")
		})
	}
	t.Run("manifests", func(t *testing.T) { c.namespace(t, "cckm").testManifests(u, k) })
}

// checkVersion checks that the chart's documentation names the tested version.
func (c *cluster) checkVersion(t *testing.T) {
	t.Helper()
	var version struct {
		Major string `json:"major"`
		Minor string `json:"minor"`
		Git   string `json:"gitVersion"`
	}
	if err := c.request(http.MethodGet, "/version", nil, &version); err != nil {
		t.Fatal(err)
	}
	t.Logf("Kubernetes %s", version.Git)
	if want := "Kubernetes " + version.Major + "." + version.Minor; !strings.Contains(livetest.ReadFile(t, chart, "README.md"), want) {
		t.Errorf("the chart's README does not name %s", want)
	}
}

// testChart installs, tests, upgrades, rolls back and uninstalls the chart. Helm waits
// each time until the pods are ready. The appliances of a file of values may be out of reach.
func (n *namespace) testChart(values string, reachable bool) {
	n.t.Helper()
	defer n.checkEvents()
	before := n.inventory()
	manifest := func() string { return n.must("helm", "get", "manifest", release) }
	const wait = "--timeout=2m"

	n.must("helm", "install", release, chart, "--values="+values, "--wait", wait)
	installed := manifest()
	n.compare(installed)
	n.testCheck(reachable)

	n.must("helm", "upgrade", release, chart, "--values="+values, "--wait", wait,
		"--set=podAnnotations.changed=yes,service.port=9999,networkPolicy.enabled=true")
	upgraded := manifest()
	if upgraded == installed {
		n.t.Error("the upgrade changed nothing")
	}
	n.compare(upgraded)

	n.must("helm", "rollback", release, "1", "--wait", wait)
	if diff := gocmp.Diff(installed, manifest()); diff != "" {
		n.t.Errorf("the rollback (-installed +rolled back):\n%s", diff)
	}
	n.compare(installed)

	n.must("helm", "uninstall", release, "--wait", wait)
	n.awaitInventory(before)
}

// testCheck runs the `helm test` of the chart's notes, which prints what the exporter's
// check found. Helm finds no log in another namespace than the release's. Only a pod whose
// check fails stays.
func (n *namespace) testCheck(reachable bool) {
	n.t.Helper()
	before := n.inventory()
	command := regexp.MustCompile(`\n *helm (test .*)\n`).FindStringSubmatch(n.must("helm", "get", "notes", release))
	output, err := n.run("helm", append(strings.Fields(command[1]), "--timeout=2m")...)
	if (err == nil) != reachable {
		n.t.Errorf("helm test: %v", err)
	}
	if !reachable {
		output = err.Error()
		n.must("kubectl", "delete", "pod", release+"-cckm-sync-exporter-check")
	}
	if strings.Contains(command[1], "--logs") && !regexp.MustCompile(`\d+ targets?: .*\d+ failures?`).MatchString(output) {
		n.t.Errorf("helm test does not print the log: %s", output)
	}
	n.awaitInventory(before)
}

// testManifests applies the plain manifests as their README does, and then in the other
// ways in which users and their tools apply them.
func (n *namespace) testManifests(u *users, k *kubelet) {
	n.t.Helper()
	defer n.checkEvents()
	const dir = "../../../kubernetes"
	files := make([]string, 0, 3)
	var manifest strings.Builder
	for _, name := range []string{"exporter.yaml", "servicemonitor.yaml", "prometheusrule.yaml"} {
		files = append(files, "--filename="+filepath.Join(dir, name))
		manifest.WriteString(livetest.ReadFile(n.t, dir, name))
	}
	n.must("kubectl", "create", "secret", "generic", "cckm-sync-exporter", "--from-file="+livetest.WriteFile(n.t, "password", u.secrets["cckm-login"]["password"]))
	n.must("kubectl", "create", "configmap", "cckm-sync-exporter-ca", "--from-file="+livetest.WriteFile(n.t, "ca.crt", u.server.CAPEM))
	n.must("kubectl", "create", "configmap", "cckm-sync-boards", "--from-file=../../../grafana/dashboards")
	before := n.inventory()
	for i, options := range [][]string{{}, {"--server-side"}, {"--server-side", "--field-manager=gitops"}, {}} {
		args := append([]string{"apply", "--validate=strict"}, options...)
		n.must("kubectl", append(args, files...)...)
		n.must("kubectl", "rollout", "status", "deployment/cckm-sync-exporter", "--timeout=2m")
		n.compare(manifest.String())
		n.must("kubectl", append([]string{"diff"}, files...)...)
		if revision := n.must("kubectl", "get", "deployment", "cckm-sync-exporter", `--output=jsonpath={.metadata.annotations.deployment\.kubernetes\.io/revision}`); revision != "1" {
			n.t.Errorf("apply %q, the %d. time, replaced the pods", options, i+1)
		}
	}
	for _, list := range []string{`cloud="google",item="key"`, `cloud="azure",item="certificate"`} {
		if metrics := k.metrics(n.name); !strings.Contains(metrics, "\ncckm_sync_up{"+list+"} 1\n") {
			n.t.Errorf("the pod does not read %s:\n%s", list, metrics)
		}
	}
	n.must("kubectl", append([]string{"delete", "--timeout=1m"}, files...)...)
	n.awaitInventory(before)
}
