package helm_test

import (
	"crypto/x509"
	"encoding/pem"
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

// pod is what a rendered pod would find, on this machine.
type pod struct {
	// program is the exporter.
	program string
	// dir is where the chart's mounts are.
	dir string
	// args are the container's, with the paths of dir.
	args []string
	env  []string
}

// newPod writes the volumes of the rendered pod to its mounts: ConfigMaps of the chart
// as they are, and invented content for the objects of users. Like the kubelet, it
// applies items and modes.
func newPod(t *testing.T, objects rendered, program string, theirs map[string]string) *pod {
	t.Helper()
	p := &pod{program: program, dir: t.TempDir()}
	certificate, key := newCertificate(t)
	spec := objects.only(t, "Deployment").child("spec").child("template").child("spec")
	volumes := map[string]object{}
	for _, volume := range spec.list("volumes") {
		volumes[volume.text("name")] = volume
	}
	container := objects.container(t)
	for _, mount := range container.list("volumeMounts") {
		path, inside := strings.CutPrefix(mount.text("mountPath"), mounts)
		if !inside {
			continue
		}
		if readOnly, _ := mount.at("readOnly").(bool); !readOnly {
			t.Errorf("%s is not mounted read-only", mount.text("mountPath"))
		}
		volume, found := volumes[mount.text("name")]
		if !found {
			t.Errorf("there is no volume for %s", mount.text("mountPath"))
			continue
		}
		const webConfig = "tls_server_config: {cert_file: web.crt, key_file: web.key}\n"
		content := map[string]string{
			"password": "geheim\n", "ca.crt": string(certificate), "tls.crt": string(certificate), "tls.key": string(key),
			"web.yml": webConfig, "config.yml": webConfig, "web.crt": string(certificate), "web.key": string(key),
		}
		name, kind := volume.text("configMap", "name"), "configMap"
		if name == "" {
			name, kind = volume.text("secret", "secretName"), "secret"
			if mode, _ := volume.at("secret", "defaultMode").(int); mode != 0o440 {
				t.Errorf("the Secret %s is mounted with mode %o", name, mode)
			}
		}
		for _, o := range objects.of("ConfigMap") {
			if kind == "configMap" && o.text("metadata", "name") == name {
				content = map[string]string{}
				data, _ := o.at("data").(map[string]any)
				for file := range data {
					content[file] = o.text("data", file)
				}
			}
		}
		maps.Copy(content, theirs)
		mounted := map[string]string{}
		for _, item := range volume.list(kind, "items") {
			mounted[item.text("path")] = content[item.text("path")]
		}
		if len(mounted) == 0 {
			mounted = content
		}
		p.put(t, path, mounted)
	}
	for _, arg := range container.texts("args") {
		p.args = append(p.args, p.here(arg))
	}
	for _, variable := range container.list("env") {
		value := variable.text("value")
		if variable.text("valueFrom", "resourceFieldRef", "resource") == "limits.memory" {
			value = "134217728"
		} else if variable.at("valueFrom") != nil {
			value = "geheim"
		}
		p.env = append(p.env, variable.text("name")+"="+p.here(value))
	}
	return p
}

// newCertificate returns httptest's self-signed certificate and its key in PEM.
func newCertificate(t *testing.T) (certificate, key []byte) {
	t.Helper()
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	pair := server.TLS.Certificates[0]
	encoded, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded})
}

// here gives a text of the pod the paths of this machine, and appliances that
// nobody is: the tests ask nobody else.
func (p *pod) here(text string) string {
	hosts := regexp.MustCompile(`://[a-z-]+\.example\.com(:\d+)?`)
	return hosts.ReplaceAllString(strings.ReplaceAll(text, mounts, p.dir), "://127.0.0.1:9")
}

// put writes the files of a volume.
func (p *pod) put(t *testing.T, path string, files map[string]string) {
	t.Helper()
	dir := filepath.Join(p.dir, path)
	if err := os.MkdirAll(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(p.here(text)), 0o440); err != nil {
			t.Fatal(err)
		}
	}
}

// check runs the doctor with what the pod has, without connecting.
func (p *pod) check(t *testing.T) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), p.program, append([]string{"check", "--offline"}, p.args...)...)
	cmd.Env = p.env
	output, err := cmd.CombinedOutput()
	return string(output), err
}

// serve starts the exporter as the pod does, and returns its address.
func (p *pod) serve(t *testing.T) string {
	t.Helper()
	address := livetest.FreeAddress(t)
	livetest.Start(t, p.env, p.program, append(p.args, "--web.listen-address="+address)...)
	return address
}
