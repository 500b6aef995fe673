package helm_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// selects says whether a selector's labels are all among others.
func selects(selector, labels object) bool {
	if len(selector) == 0 {
		return false
	}
	for label, value := range selector {
		if labels[label] != value {
			return false
		}
	}
	return true
}

// TestSelectors holds that in every release the objects find each other: the
// service, the policies and the budget the exporter's pod and not the one of
// `helm test`, and the monitor the service.
func TestSelectors(t *testing.T) {
	for name, values := range examples(t) {
		objects, _ := template(t, "--values", values)
		deployment, service := objects.only(t, "Deployment"), objects.only(t, "Service")
		pod := deployment.child("spec").child("template").child("metadata").child("labels")
		tester := objects.only(t, "Pod").child("metadata").child("labels")
		selectors := map[string]object{
			"Deployment": deployment.child("spec").child("selector").child("matchLabels"),
			"Service":    service.child("spec").child("selector"),
		}
		for _, o := range objects {
			switch kind := o.text("kind"); kind {
			case "NetworkPolicy":
				selectors[kind] = o.child("spec").child("podSelector").child("matchLabels")
			case "PodDisruptionBudget":
				selectors[kind] = o.child("spec").child("selector").child("matchLabels")
			case "ServiceMonitor":
				if !selects(o.child("spec").child("selector").child("matchLabels"), service.child("metadata").child("labels")) {
					t.Errorf("%s: the ServiceMonitor does not select the service", name)
				}
				if place := o.text("metadata", "namespace"); place != "" && !slices.Equal(o.texts("spec", "namespaceSelector", "matchNames"), []string{namespace}) {
					t.Errorf("%s: the ServiceMonitor in %s does not look into the release's namespace", name, place)
				}
			case "Secret":
				t.Errorf("%s: the chart makes a Secret", name)
			}
		}
		for kind, selector := range selectors {
			if !selects(selector, pod) || selects(selector, tester) {
				t.Errorf("%s: the %s selects other pods than the exporter's: %v", name, kind, selector)
			}
		}
		// Named ports, so that a number stands in one place.
		if port := service.list("spec", "ports")[0].text("targetPort"); port != objects.container(t).list("ports")[0].text("name") {
			t.Errorf("%s: the service leads to the port %q", name, port)
		}
	}
}

// TestHardening holds what a pod may not do unless the values say so.
func TestHardening(t *testing.T) {
	objects, _ := template(t, "--values", examples(t)["minimal"])
	pod := objects.only(t, "Deployment").child("spec").child("template").child("spec")
	for _, o := range []struct {
		of   object
		path []string
		want any
	}{
		{pod, []string{"automountServiceAccountToken"}, false},
		{pod, []string{"enableServiceLinks"}, false},
		{pod, []string{"terminationGracePeriodSeconds"}, 10},
		{pod, []string{"securityContext", "runAsNonRoot"}, true},
		{pod, []string{"securityContext", "runAsUser"}, 65534},
		{pod, []string{"securityContext", "fsGroup"}, 65534},
		{pod, []string{"securityContext", "seccompProfile", "type"}, "RuntimeDefault"},
		{objects.container(t), []string{"securityContext", "allowPrivilegeEscalation"}, false},
		{objects.container(t), []string{"securityContext", "readOnlyRootFilesystem"}, true},
		{objects.container(t), []string{"securityContext", "capabilities", "drop"}, []any{"ALL"}},
	} {
		if diff := cmp.Diff(o.want, o.of.at(o.path...)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", o.path, diff)
		}
	}
	kinds := map[string]int{}
	for _, o := range objects {
		kinds[o.text("kind")]++
	}
	if want := []string{"Deployment", "Pod", "Service", "ServiceAccount"}; !slices.Equal(want, slices.Sorted(maps.Keys(kinds))) {
		t.Errorf("what nobody asked for: %v", kinds)
	}
}

// TestRollout holds that new targets make a new pod and other values do not, and
// that Recreate goes without the settings of the default strategy, with which
// Kubernetes refuses it.
func TestRollout(t *testing.T) {
	fleet := examples(t)["fleet"]
	podOf := func(set string) object {
		objects, _ := template(t, "--values", fleet, "--set-json", set)
		return objects.only(t, "Deployment").child("spec").child("template")
	}
	before := podOf(`service.port=10458`)
	if diff := cmp.Diff(before, podOf(`service.port=80`)); diff != "" {
		t.Errorf("another port of the service makes a new pod:\n%s", diff)
	}
	if cmp.Equal(before, podOf(`config.targets=[{"name":"a","url":"https://cm.example.com","client_id":"b","tls_config":{}}]`)) {
		t.Error("other targets make no new pod")
	}
	objects, _ := template(t, "--values", fleet, "--set", "strategy.type=Recreate")
	if diff := cmp.Diff(map[string]any{"type": "Recreate"}, objects.only(t, "Deployment").at("spec", "strategy")); diff != "" {
		t.Errorf("the strategy (-want +got):\n%s", diff)
	}
}

// TestPorts holds that a network policy allows the ports of the appliances'
// addresses, whether they name one or not.
func TestPorts(t *testing.T) {
	for _, test := range []struct {
		values string
		want   []any
	}{{"fleet", []any{443, 8443}}, {"network", []any{3128}}, {"certificate", []any{8443}}} {
		objects, _ := template(t, "--values", examples(t)[test.values], "--set", "networkPolicy.enabled=true")
		ports := objects.only(t, "NetworkPolicy").list("spec", "egress")[1].list("ports")
		got := make([]any, 0, len(ports))
		for _, port := range ports {
			got = append(got, port["port"])
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s: ports (-want +got):\n%s", test.values, diff)
		}
	}
}
