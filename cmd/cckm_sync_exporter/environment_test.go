package main

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// TestEnvironment checks the settings of one appliance from variables, their newer names and flags.
func TestEnvironment(t *testing.T) {
	const pem = "-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----"
	type values struct{ url, username, password, domain, authDomain, caFile, ca string }
	for _, test := range []struct {
		name string
		env  []string
		args []string
		want values
	}{
		{
			name: "white space around values",
			env: []string{
				"CM_ADDRESS= https://cm\n", "CM_USERNAME=prom\n", "CM_PASSWORD= pa55 \n", "CM_DOMAIN=root\r\n", "CM_AUTH_DOMAIN=\t/acme ",
				"CCKM_SYNC_EXPORTER_CIPHERTRUST_CA_FILE=/ca.pem\n", "CCKM_SYNC_EXPORTER_COLLECTOR_PAGE_SIZE= 10\n",
			},
			want: values{"https://cm", "prom", " pa55 \n", "root", "/acme", "/ca.pem", ""},
		},
		{
			name: "only white space",
			env:  []string{"CM_USERNAME= \n", "CCKM_SYNC_EXPORTER_COLLECTOR_TIMEOUT=\n", "CIPHERTRUST_USERNAME=newer", "CIPHERTRUST_DOMAIN= "},
			want: values{username: "newer"},
		},
		{
			name: "newer names",
			env: []string{
				"CIPHERTRUST_ADDRESS=https://newer\n", "CIPHERTRUST_USERNAME= newer", "CIPHERTRUST_PASSWORD= pa55\n", "CIPHERTRUST_DOMAIN=d\n",
				"CIPHERTRUST_AUTH_DOMAIN=a ", "CIPHERTRUST_CA_CERT=/newer.pem\n",
			},
			want: values{"https://newer", "newer", " pa55\n", "d", "a", "/newer.pem", ""},
		},
		{name: "tenant", env: []string{"CIPHERTRUST_TENANT=acme\n", "CIPHERTRUST_AUTH_DOMAIN=a"}, want: values{authDomain: "/acme"}},
		{name: "tenant's path", env: []string{"CIPHERTRUST_TENANT=/acme/eng"}, want: values{authDomain: "/acme/eng"}},
		{name: "CA itself", env: []string{"CIPHERTRUST_CA_CERT=\n" + pem + "\n"}, want: values{ca: pem}},
		{
			name: "flag and CA itself", env: []string{"CIPHERTRUST_CA_CERT=" + pem}, args: []string{"--ciphertrust.ca-file=/flag.pem"},
			want: values{caFile: "/flag.pem"},
		},
		{
			name: "both names",
			env: []string{
				"CM_ADDRESS=https://cm", "CM_USERNAME=prom", "CM_PASSWORD=pa55", "CM_DOMAIN=root", "CM_AUTH_DOMAIN=auth", "CCKM_SYNC_EXPORTER_CIPHERTRUST_CA_FILE=/ca.pem",
				"CIPHERTRUST_ADDRESS=n", "CIPHERTRUST_USERNAME=n", "CIPHERTRUST_PASSWORD=n", "CIPHERTRUST_DOMAIN=n",
				"CIPHERTRUST_AUTH_DOMAIN=n", "CIPHERTRUST_TENANT=n", "CIPHERTRUST_CA_CERT=n",
			},
			want: values{"https://cm", "prom", "pa55", "root", "auth", "/ca.pem", ""},
		},
		{
			name: "flags", env: []string{"CM_DOMAIN=env", "CIPHERTRUST_ADDRESS=n", "CIPHERTRUST_TENANT=n"},
			args: []string{"--ciphertrust.url=https://flag", "--ciphertrust.auth-domain=flag", "--ciphertrust.domain=flag"},
			want: values{url: "https://flag", authDomain: "flag", domain: "flag"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, variable := range test.env {
				name, value, _ := strings.Cut(variable, "=")
				t.Setenv(name, value)
			}
			_, s, err := parse(slices.Clone(test.args))
			if err != nil {
				t.Fatal(err)
			}
			got := values{
				s.url, s.credentials.Username, string(s.credentials.Password), s.credentials.Domain, s.credentials.AuthDomain, s.tls.CAFile, s.tls.CA,
			}
			if got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

// TestVariables checks that each flag has a variable, also those of commands, and that white space around its
// value is ignored.
func TestVariables(t *testing.T) {
	app, _ := newApp()
	// Parsing gives the flags their environment variables.
	if _, err := app.ParseContext(nil); err != nil {
		t.Fatal(err)
	}
	for _, flag := range allFlags(app) {
		if (flag.Envar == "") != slices.Contains([]string{"help", "version"}, flag.Name) {
			t.Errorf("--%s has the variable %q", flag.Name, flag.Envar)
		}
	}
	for name, value := range map[string]string{"OFFLINE": "true", "OUTPUT": "file", "TARGETS": "3", "JOBS": "4", "LATENCY": "5s"} {
		t.Setenv("CCKM_SYNC_EXPORTER_"+name, " "+value+"\n")
	}
	for command, want := range map[string]settings{
		commandServe: {}, commandCheck: {offline: true}, commandOnce: {output: "file"},
		commandDemo: {demoTargets: 3, demoJobs: 4, demoLatency: 5 * time.Second},
	} {
		_, s, err := parse([]string{command})
		if err != nil {
			t.Fatal(err)
		}
		if s.offline != want.offline || s.output != want.output || s.demoTargets != want.demoTargets || s.demoJobs != want.demoJobs || s.demoLatency != want.demoLatency {
			t.Errorf("%s: the variables are not those of its flags only", command)
		}
	}
}

// TestIgnoredEnvironment checks that the log names the variables that a configuration file replaces.
func TestIgnoredEnvironment(t *testing.T) {
	t.Setenv("CIPHERTRUST_ADDRESS", "https://newer")
	t.Setenv("CM_USERNAME", "prom")
	_, s, err := parse([]string{"--config.file=targets.yml"})
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	s.warnIgnoredEnv(newLogs(&text, "info", "logfmt").kit)
	for _, want := range []string{"variable=CIPHERTRUST_ADDRESS ", "variable=CM_USERNAME "} {
		if strings.Count(text.String(), want) != 1 {
			t.Errorf("%q is not logged once:\n%s", want, &text)
		}
	}
	if n := strings.Count(text.String(), "\n"); n != 2 {
		t.Errorf("%d lines:\n%s", n, &text)
	}
}
