package helm_test

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cckm_sync_exporter/deploy/e2e/livetest"
)

// selects reports whether a selector, which must not be empty, matches labels.
func selects(selector, labels object) bool {
	matched := object{}
	for label := range selector {
		matched[label] = labels[label]
	}
	return len(selector) > 0 && cmp.Equal(selector, matched)
}

// TestSelectors checks that the objects of every release find each other: the service,
// the policies and the budget select the exporter's pod and not that of `helm test`,
// and the monitor selects the service.
func TestSelectors(t *testing.T) {
	for name, values := range examples(t) {
		objects, _ := template(t, "--values", values)
		service := objects.only(t, "Service")
		pod := objects.only(t, "Deployment").child("spec", "template", "metadata", "labels")
		tester := objects.only(t, "Pod").child("metadata", "labels")
		for _, o := range objects {
			kind := o.text("kind")
			selector := o.child("spec", "selector", "matchLabels")
			switch kind {
			case "Service":
				selector = o.child("spec", "selector")
			case "NetworkPolicy":
				selector = o.child("spec", "podSelector", "matchLabels")
			case "Deployment", "PodDisruptionBudget":
			case "ServiceMonitor":
				if !selects(selector, service.child("metadata", "labels")) {
					t.Errorf("%s: the ServiceMonitor does not select the service", name)
				}
				if at := o.text("metadata", "namespace"); at != service.text("metadata", "namespace") && !slices.Equal(o.texts("spec", "namespaceSelector", "matchNames"), []string{namespace}) {
					t.Errorf("%s: the ServiceMonitor does not select the release's namespace", name)
				}
				continue
			default:
				continue
			}
			if !selects(selector, pod) || selects(selector, tester) {
				t.Errorf("%s: the %s does not select the exporter's pods alone: %v", name, kind, selector)
			}
		}
		if port := service.list("spec", "ports")[0].text("targetPort"); port != objects.container(t).list("ports")[0].text("name") {
			t.Errorf("%s: the service leads to the port %q", name, port)
		}
	}
}

// TestMinimal checks that nothing is rendered that was not requested. The default
// settings of the pod are in deploy/kubernetes.
func TestMinimal(t *testing.T) {
	objects, _ := template(t, "--values", examples(t)["minimal"])
	kinds := map[string]bool{}
	for _, o := range objects {
		kinds[o.text("kind")] = true
	}
	if got := slices.Sorted(maps.Keys(kinds)); !slices.Equal(got, []string{"Deployment", "Pod", "Service", "ServiceAccount"}) {
		t.Errorf("kinds: %q", got)
	}
}

// TestNamesAreTexts checks that YAML reads no name as a number, a boolean or null.
func TestNamesAreTexts(t *testing.T) {
	for _, name := range []string{"no", "on", "y", "null", "1234", "0123", "1e3"} {
		one := fmt.Sprintf(`
ciphertrust: {url: https://cm, username: u, existingSecret: %[1]q, caConfigMap: {name: %[1]q}, clientCertificate: {existingSecret: %[1]q}}
serviceMonitor: {enabled: true, namespace: a%[1]s, instance: %[1]q, additionalLabels: {a: %[1]q}}
networkPolicy: {enabled: true}
`, name)
		several := fmt.Sprintf(`
config: {existingConfigMap: %[1]q}
scrapeConfig: {enabled: true, additionalLabels: {a: %[1]q}}
`, name)
		both := fmt.Sprintf(`
image: {registry: registry.example.com}
mountSecrets: [%[1]q]
mountConfigMaps: [%[1]q]
web: {existingSecret: %[1]q}
serviceAccount: {name: %[1]q}
priorityClassName: %[1]q
namespaceOverride: %[1]q
ingress: {enabled: true, className: %[1]q, hosts: [{host: %[1]q}]}
podDisruptionBudget: {enabled: true}
`, name)
		if name[0] > '9' {
			both += fmt.Sprintf("nameOverride: %[1]q\nfullnameOverride: %[1]q\n", name)
		}
		for _, values := range []string{one + both, several + both} {
			file := livetest.WriteFile(t, "values.yaml", []byte(values))
			text, err := helm(t, "template", name, chart, "--namespace", name, "--values", file)
			if err != nil {
				t.Fatal(err)
			}
			bare := regexp.MustCompile(`(?m)^.*(: |- |[\[{,] ?)` + name + `(: .*|[\]},].*| *)$`)
			if found := bare.FindString(text); found != "" {
				t.Errorf("%s is not a text: %s", name, found)
			}
			if !strings.Contains(text, strconv.Quote(name)) {
				t.Errorf("%s is nowhere", name)
			}
		}
	}
}

// TestCommonKeys checks the keys that other charts of exporters have, too.
func TestCommonKeys(t *testing.T) {
	objects, _ := template(t, "--values", examples(t)["everything"])
	deployment := objects.only(t, "Deployment")
	for _, o := range objects {
		labels := []object{o.child("metadata", "labels")}
		if pod := o.child("spec", "template", "metadata", "labels"); pod != nil {
			labels = append(labels, pod)
		}
		if name := o.text("metadata", "name"); name == "verbatim" || strings.HasSuffix(name, "-templated") {
			continue
		}
		for _, labels := range labels {
			if labels.text("cost-center") != "0123" {
				t.Errorf("%s: the labels are %v", o.text("kind"), labels)
			}
		}
		if o.text("metadata", "namespace") != "elsewhere" {
			t.Errorf("%s is in the namespace %q", o.text("kind"), o.text("metadata", "namespace"))
		}
	}
	if got := deployment.text("metadata", "annotations", "example.com/owner"); got != "keys" {
		t.Errorf("the Deployment has the annotation %q", got)
	}
	if got := deployment.at("spec", "revisionHistoryLimit"); got != 0 {
		t.Errorf("revisionHistoryLimit is %v", got)
	}
	if containers := deployment.list("spec", "template", "spec", "containers"); len(containers) != 2 || containers[1].text("name") != "sidecar" {
		t.Errorf("the containers are %v", containers)
	}
	for _, spec := range []object{deployment.child("spec", "template", "spec"), objects.only(t, "Pod").child("spec")} {
		if len(spec.list("initContainers")) != 1 || len(spec.list("hostAliases")) != 1 || len(spec.list("dnsConfig", "options")) != 1 {
			t.Errorf("the pod is %v", spec)
		}
	}
	rules := objects.only(t, "Ingress").list("spec", "rules")
	if len(rules) != 2 || rules[1].list("http", "paths")[0].text("path") != "/" {
		t.Errorf("the Ingress has the rules %v", rules)
	}
	_, err := helm(t, "template", release, chart, "--values", examples(t)["minimal"], "--set", `commonLabels.app\.kubernetes\.io/name=x`)
	if err == nil {
		t.Error("commonLabels replaces a label that selectors have")
	}
}

// TestRollout checks that new targets make a new pod and other values do not, and
// that Recreate has no settings of the default strategy, which Kubernetes refuses.
func TestRollout(t *testing.T) {
	deployment := func(set string) object {
		objects, _ := template(t, "--values", examples(t)["fleet"], "--set-json", set)
		return objects.only(t, "Deployment").child("spec")
	}
	before := deployment(`service.port=10458`).child("template")
	if diff := cmp.Diff(before, deployment(`service.port=80`).child("template")); diff != "" {
		t.Errorf("another port of the service makes a new pod:\n%s", diff)
	}
	if cmp.Equal(before, deployment(`config.targets=[{"name":"a","url":"https://cm.example.com","client_id":"b","tls_config":{}}]`).child("template")) {
		t.Error("other targets make no new pod")
	}
	if diff := cmp.Diff(object{"type": "Recreate"}, deployment(`strategy.type="Recreate"`).child("strategy")); diff != "" {
		t.Errorf("the strategy (-want +got):\n%s", diff)
	}
}

// TestPorts checks that a network policy allows the ports of the appliances' addresses.
func TestPorts(t *testing.T) {
	for values, want := range map[string][]any{"fleet": {443, 1080, 8443}, "network": {3128}, "certificate": {8443}} {
		objects, _ := template(t, "--values", examples(t)[values], "--set", "networkPolicy.enabled=true")
		got := make([]any, 0, len(want))
		for _, port := range objects.only(t, "NetworkPolicy").list("spec", "egress")[1].list("ports") {
			got = append(got, port["port"])
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: ports %v, want %v", values, got, want)
		}
	}
}
