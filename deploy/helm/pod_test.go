package helm_test

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"maps"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"cckm_sync_exporter/deploy/e2e/livetest"
)

// pod is the command line, environment and files of a rendered pod, on this machine.
type pod struct {
	program string
	// dir replaces the chart's mounts.
	dir       string
	args, env []string
}

// newPod writes the volumes of the rendered pod: the chart's ConfigMaps unchanged, and
// invented content of the user's objects, some of it as given. Like the kubelet, it
// selects items.
func newPod(t *testing.T, objects rendered, program string, given map[string]string) *pod {
	t.Helper()
	p := &pod{program: program, dir: t.TempDir()}
	certificate, key := newCertificate(t)
	const webConfig = "tls_server_config: {cert_file: web.crt, key_file: web.key}\n"
	users := map[string]any{
		"password": "geheim\n", "ca.crt": certificate, "tls.crt": certificate, "tls.key": key,
		"web.yml": webConfig, "config.yml": webConfig, "web.crt": certificate, "web.key": key,
	}
	charts := map[string]object{}
	for _, o := range objects.of("ConfigMap") {
		charts[o.text("metadata", "name")] = o.child("data")
	}
	volumes := map[string]object{}
	for _, volume := range objects.only(t, "Deployment").list("spec", "template", "spec", "volumes") {
		volumes[volume.text("name")] = volume
	}
	container := objects.container(t)
	for _, mount := range container.list("volumeMounts") {
		path, inside := strings.CutPrefix(mount.text("mountPath"), mounts)
		if !inside {
			continue
		}
		if readOnly, _ := mount["readOnly"].(bool); !readOnly {
			t.Errorf("%s is not mounted read-only", mount.text("mountPath"))
		}
		volume := volumes[mount.text("name")]
		source := volume.child("configMap")
		content := maps.Clone(users)
		if data, found := charts[source.text("name")]; found {
			content = data
		}
		if source == nil {
			source = volume.child("secret")
			if source["defaultMode"] != 0o440 {
				t.Errorf("the Secret of %s is mounted with mode %v", mount.text("mountPath"), source["defaultMode"])
			}
		}
		for name, text := range given {
			content[name] = text
		}
		if items := source.list("items"); len(items) > 0 {
			selected := map[string]any{}
			for _, item := range items {
				selected[item.text("path")] = content[item.text("path")]
			}
			content = selected
		}
		p.write(t, path, content)
	}
	for _, arg := range container.texts("args") {
		p.args = append(p.args, p.local(arg))
	}
	for _, variable := range container.list("env") {
		value := variable.text("value")
		if variable.text("valueFrom", "resourceFieldRef", "resource") == "limits.memory" {
			value = "134217728"
		} else if variable.at("valueFrom") != nil {
			value = "geheim"
		}
		p.env = append(p.env, variable.text("name")+"="+p.local(value))
	}
	return p
}

// newCertificate returns httptest's self-signed certificate and its key in PEM.
func newCertificate(t *testing.T) (certificate, key string) {
	t.Helper()
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	pair := server.TLS.Certificates[0]
	encoded, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	encode := func(kind string, content []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content}))
	}
	return encode("CERTIFICATE", pair.Certificate[0]), encode("PRIVATE KEY", encoded)
}

// local replaces the pod's paths by those of this machine, and appliances by an address
// on which nothing listens.
func (p *pod) local(text string) string {
	hosts := regexp.MustCompile(`://[a-z-]+\.example\.com(:\d+)?`)
	return hosts.ReplaceAllString(strings.ReplaceAll(text, mounts, p.dir), "://127.0.0.1:9")
}

// write writes the files of a volume.
func (p *pod) write(t *testing.T, path string, files map[string]any) {
	t.Helper()
	dir := filepath.Join(p.dir, path)
	if err := os.MkdirAll(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(p.local(fmt.Sprint(text))), 0o440); err != nil {
			t.Fatal(err)
		}
	}
}

// check runs the pod's command as check --offline.
func (p *pod) check(t *testing.T) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), p.program, append([]string{"check", "--offline"}, p.args...)...)
	cmd.Env = p.env
	output, err := cmd.CombinedOutput()
	return string(output), err
}

// serve starts the exporter as the pod does and returns its address.
func (p *pod) serve(t *testing.T) string {
	t.Helper()
	address := livetest.FreeAddress(t)
	livetest.Start(t, p.env, p.program, append(p.args, "--web.listen-address="+address)...)
	return address
}
