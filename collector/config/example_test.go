package config_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"cckm_sync_exporter/collector/config"
)

// TestExample loads the example that users start from, with its files put
// elsewhere.
func TestExample(t *testing.T) {
	content, err := os.ReadFile(filepath.Join("..", "..", "deploy", "config", "cckm_sync_exporter.yml"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	fill(t, dir)
	text := string(content)
	for there, here := range map[string]string{
		"/run/secrets/cm-eu":                 "password",
		"/etc/ssl/cm-ca.pem":                 "ca.pem",
		"/etc/cckm_sync_exporter/client.pem": "cert.pem",
		"/etc/cckm_sync_exporter/client.key": "key.pem",
	} {
		if !strings.Contains(text, there) {
			t.Errorf("the example names no %s", there)
		}
		text = strings.ReplaceAll(text, there, filepath.Join(dir, here))
	}
	targets := load(t, filepath.Join(dir, "config.yml"), text)
	if len(targets) != 3 {
		t.Fatalf("%d targets", len(targets))
	}
	root, child, far := targets[0], targets[1], targets[2]
	if root.Name != "prod-eu" || root.Credentials.Domain != "root" || !reflect.DeepEqual(root.Lists, defaults().Lists) {
		t.Errorf("the first target is %s of %+v with %d lists", root.Name, root.Credentials, len(root.Lists))
	}
	if child.URL != root.URL || child.TLS != root.TLS || !reflect.DeepEqual(child.Labels, root.Labels) ||
		child.Credentials.PasswordFile != root.Credentials.PasswordFile || child.Credentials.Domain != "payments" ||
		len(child.Lists) != 3 || child.ForgetScopesAfter != 90*24*time.Hour {
		t.Errorf("the child domain is %+v with %+v", child.Credentials, child.TLS)
	}
	want := config.Reading{
		PageSize: 500, Concurrency: 2, Timeout: 55 * time.Second,
		TimeoutOffset: defaults().TimeoutOffset, FullReadInterval: 30 * time.Minute, FullReadTimeout: 5 * time.Minute,
	}
	if far.Credentials.ClientID == "" || far.Credentials.Username != "" || far.Reading != want {
		t.Errorf("the appliance far away is %+v with %+v", far.Credentials, far.Reading)
	}
}
