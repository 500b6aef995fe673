package helm_test

import (
	"strings"
	"testing"
)

// TestRefusals checks that the schema or a template refuses values that cannot work,
// and gives the reason.
func TestRefusals(t *testing.T) {
	files := examples(t)
	const url, user, secret = "ciphertrust.url=https://cm.example.com", "ciphertrust.username=prometheus", "ciphertrust.existingSecret=cckm"
	target := `config.targets=[{"name":"a","url":"https://cm.example.com","username":"u","password_file":"/etc/cckm-sync-exporter/secrets/x/password"}]`
	for name, test := range map[string]struct {
		// values is the name of a file of values, or empty.
		values string
		// set and json are given by --set and --set-json.
		set, json []string
		want      []string
	}{
		"nothing":                {want: []string{"No appliance is named"}},
		"name with a dot":        {values: "minimal", set: []string{`fullnameOverride=cckm\.sync`}, want: []string{"/fullnameOverride"}},
		"nobody":                 {set: []string{url, secret}, want: []string{"There is no user"}},
		"no secret":              {set: []string{url, user}, want: []string{"There is no password", "ciphertrust.existingSecret"}},
		"client and user":        {values: "certificate", set: []string{user}, want: []string{"logs in by the certificate"}},
		"client without":         {set: []string{url, "ciphertrust.clientCertificate.clientId=id"}, want: []string{"needs a certificate"}},
		"two CAs":                {values: "certificate", set: []string{"ciphertrust.caConfigMap.name=x"}, want: []string{"The CA is named twice"}},
		"targets twice":          {values: "fleet", set: []string{"config.existingSecret=x"}, want: []string{"targets are given twice"}},
		"not mounted":            {json: []string{target}, want: []string{"password_file of the target a is in the Secret x", "mountSecrets"}},
		"CA not mounted":         {values: "fleet", json: []string{`mountConfigMaps=[]`}, want: []string{"ca_file of the target prod-eu is in the ConfigMap cm-ca"}},
		"password in the values": {values: "minimal", json: []string{`extraEnv=[{"name":"CM_PASSWORD","value":"geheim"}]`}, want: []string{"values must not contain secrets"}},
		"password as a key":      {values: "minimal", set: []string{"ciphertrust.password=geheim"}, want: []string{"additional properties 'password' not allowed"}},
		"password of a target":   {values: "fleet", json: []string{`config.targets=[{"name":"a","url":"https://cm","password":"geheim"}]`}, want: []string{"'password' not allowed"}},
		"password of a proxy":    {values: "fleet", json: []string{`config.targets=[{"name":"a","url":"https://cm","proxy_url":"http://u:geheim@proxy:3128"}]`}, want: []string{"/config/targets/0/proxy_url"}},
		"password in the URL":    {set: []string{"ciphertrust.url=https://me:geheim@cm.example.com", user, secret}, want: []string{"/ciphertrust/url"}},
		"TLS of nothing":         {values: "minimal", set: []string{"web.tls=true"}, want: []string{"web.existingSecret"}},
		"scraped twice":          {values: "discovery", set: []string{"serviceMonitor.enabled=true"}, want: []string{"twice"}},
		"unknown targets":        {values: "discovery", set: []string{"scrapeConfig.enabled=false", "serviceMonitor.enabled=true"}, want: []string{"enable scrapeConfig instead"}},
		"discovery of one":       {values: "minimal", set: []string{"scrapeConfig.enabled=true"}, want: []string{"enable serviceMonitor"}},
		"unknown ports":          {values: "discovery", json: []string{`networkPolicy.ports=[]`}, want: []string{"networkPolicy.ports"}},
		"slip below":             {values: "minimal", set: []string{"image.tagg=v1"}, want: []string{"'tagg' not allowed"}},
		"slip in a target":       {values: "fleet", json: []string{`config.targets=[{"name":"a","url":"https://cm","usrname":"u"}]`}, want: []string{"'usrname' not allowed"}},
		"target without a name":  {json: []string{`config.targets=[{"url":"https://cm"}]`}, want: []string{"missing property 'name'"}},
		"list that is not":       {values: "minimal", json: []string{`collectors=["google-key"]`}, want: []string{"/collectors/0"}},
		"job without the name":   {values: "minimal", set: []string{"serviceMonitor.job=exporter"}, want: []string{"/serviceMonitor/job"}},
		"too short a grace":      {values: "minimal", set: []string{"terminationGracePeriodSeconds=5"}, want: []string{"/terminationGracePeriodSeconds"}},
		"threshold of nothing":   {values: "monitoring", json: []string{`prometheusRule.thresholds=[{"record":"cckm_sync:overdue_after:seconds","expr":"86400"}]`}, want: []string{"/prometheusRule/thresholds/0/expr"}},
		"nowhere to enter":       {values: "minimal", set: []string{"ingress.enabled=true"}, want: []string{"ingress.hosts"}},
		"no registry":            {values: "minimal", set: []string{"image.registry=", "image.repository=cckm_sync_exporter"}, want: []string{"image has no registry", "image.registry"}},
		"flag in two words":      {values: "minimal", json: []string{`extraArgs=["--log.level","debug"]`}, want: []string{"/extraArgs/1"}},
	} {
		t.Run(name, func(t *testing.T) {
			args := []string{"template", chart}
			if test.values != "" {
				args = append(args, "--values", files[test.values])
			}
			for _, set := range test.set {
				args = append(args, "--set", set)
			}
			for _, set := range test.json {
				args = append(args, "--set-json", set)
			}
			output, err := helm(t, args...)
			if err == nil {
				t.Fatalf("the values are accepted:\n%s", output)
			}
			for _, want := range test.want {
				if !strings.Contains(strings.Join(strings.Fields(err.Error()), " "), want) {
					t.Errorf("the error has no %q: %v", want, err)
				}
			}
		})
	}
}

// TestOneOrSeveral checks that settings of one appliance are refused, rather than
// ignored, together with several.
func TestOneOrSeveral(t *testing.T) {
	tried := 0
	for _, s := range settings(t) {
		name, ofOne := strings.CutPrefix(s.path, "ciphertrust.")
		if !ofOne || strings.HasSuffix(strings.ToLower(name), "key") {
			continue
		}
		tried++
		value := "https://cm.example.com"
		switch {
		case s.preset == "false":
			value = "true"
		case name != "url":
			value = "x"
		}
		_, err := helm(t, "template", chart, "--values", examples(t)["fleet"], "--set", s.path+"="+value)
		if err == nil || !strings.Contains(err.Error(), s.path+" is for one appliance, and config for several") {
			t.Errorf("%s: %v", s.path, err)
		}
	}
	if tried < 10 {
		t.Errorf("only %d values were tried", tried)
	}
}
