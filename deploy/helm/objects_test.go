package helm_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
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
				if o.text("metadata", "namespace") != "" && !slices.Equal(o.texts("spec", "namespaceSelector", "matchNames"), []string{namespace}) {
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
	for values, want := range map[string][]any{"fleet": {443, 8443}, "network": {3128}, "certificate": {8443}} {
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
