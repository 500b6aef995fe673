package kubernetes_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v4"

	"cckm_sync_exporter/deploy/e2e/livetest"
)

// object is an object of Kubernetes, decoded from JSON.
type object map[string]any

// parse returns the objects of a YAML file, with the types of JSON.
func parse(t *testing.T, text string) (objects []object) {
	t.Helper()
	var documents []map[string]any
	if err := yaml.Load([]byte(text), &documents, yaml.WithAllDocuments()); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	documents = slices.DeleteFunc(documents, func(document map[string]any) bool { return len(document) == 0 })
	encoded, err := json.Marshal(documents)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(encoded, &objects); err != nil {
		t.Fatal(err)
	}
	return objects
}

// compare checks that the server has stored the objects as they were sent, so that
// another field manager can take them over without a conflict.
func (n *namespace) compare(manifest string) {
	n.t.Helper()
	sent := parse(n.t, manifest)
	var stored struct {
		Items []object `json:"items"`
	}
	file := "--filename=" + livetest.WriteFile(n.t, "manifest.yaml", []byte(manifest))
	if _, err := n.run("kubectl", "apply", "--server-side", "--field-manager=another", "--validate=strict", "--dry-run=server", file); err != nil {
		n.t.Error(err)
	}
	output := n.must("kubectl", "get", "--output=json", file)
	if err := json.Unmarshal([]byte(output), &stored); err != nil {
		n.t.Fatal(err)
	}
	if len(sent) == 0 || len(stored.Items) != len(sent) {
		n.t.Fatalf("%d objects were sent, %d are stored", len(sent), len(stored.Items))
	}
	for i, o := range sent {
		for _, difference := range differences("", map[string]any(o), map[string]any(stored.Items[i])) {
			n.t.Errorf("%v%s", o["kind"], difference)
		}
	}
}

// differences lists the fields of a sent value that are stored differently. Fields that
// were not sent have defaults, and an empty field may be dropped.
func differences(path string, sent, stored any) (list []string) {
	switch sent := sent.(type) {
	case map[string]any:
		object, _ := stored.(map[string]any)
		for _, key := range slices.Sorted(maps.Keys(sent)) {
			list = append(list, differences(path+"."+key, sent[key], object[key])...)
		}
		return list
	case []any:
		if items, _ := stored.([]any); len(items) == len(sent) {
			for i, item := range sent {
				list = append(list, differences(fmt.Sprintf("%s[%d]", path, i), item, items[i])...)
			}
			return list
		}
	}
	if !reflect.DeepEqual(sent, stored) {
		return []string{fmt.Sprintf("%s: %v was sent, %v is stored", path, sent, stored)}
	}
	return nil
}

// TestDifferences checks the comparison on which the others rely.
func TestDifferences(t *testing.T) {
	const sent = `{spec: {replicas: 1, divisor: 1m, empty: {}, ports: [{port: 80}], args: [a, b], gone: x}}`
	const stored = `{spec: {replicas: 1, divisor: "0", ports: [{port: 80, protocol: TCP}], args: [a], added: y}}`
	got := differences("", map[string]any(parse(t, sent)[0]), map[string]any(parse(t, stored)[0]))
	want := []string{
		".spec.args: [a b] was sent, [a] is stored",
		".spec.divisor: 1m was sent, 0 is stored",
		".spec.gone: x was sent, <nil> is stored",
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// inventory lists all objects of the cluster, except those that expire and deprecated kinds.
func (n *namespace) inventory() (objects []string) {
	n.t.Helper()
	kinds := strings.Fields(n.must("kubectl", "api-resources", "--verbs=list", "--output=name"))
	kinds = slices.DeleteFunc(kinds, func(kind string) bool {
		kind, _, _ = strings.Cut(kind, ".")
		return slices.Contains([]string{"events", "leases", "componentstatuses", "endpoints"}, kind)
	})
	const names = `{range .items[*]}{.kind} {.metadata.namespace} {.metadata.name}{"\n"}{end}`
	output := n.must("kubectl", "get", strings.Join(kinds, ","), "--all-namespaces", "--output=jsonpath="+names)
	objects = strings.Split(strings.TrimSpace(output), "\n")
	slices.Sort(objects)
	return objects
}

// awaitInventory waits until the cluster has only the objects that it had before.
func (n *namespace) awaitInventory(before []string) {
	n.t.Helper()
	var diff string
	if !livetest.WaitFor(time.Minute, func() bool {
		diff = gocmp.Diff(before, n.inventory())
		return diff == ""
	}) {
		n.t.Errorf("other objects than before (-before +after):\n%s", diff)
	}
}

// checkEvents checks that nothing has failed since it was last called, such as the
// creation of a ReplicaSet's pods.
func (n *namespace) checkEvents() {
	n.t.Helper()
	var events struct {
		Items []struct {
			Reason         string `json:"reason"`
			Message        string `json:"message"`
			InvolvedObject struct {
				Kind      string `json:"kind"`
				Namespace string `json:"namespace"`
				Name      string `json:"name"`
			} `json:"involvedObject"`
		} `json:"items"`
	}
	if err := n.request(http.MethodGet, "/api/v1/events", nil, &events); err != nil {
		n.t.Fatal(err)
	}
	for _, event := range events.Items {
		text := fmt.Sprintf("%v: %s: %s", event.InvolvedObject, event.Reason, event.Message)
		if strings.HasPrefix(event.Reason, "Failed") && !n.events[text] {
			n.events[text] = true
			n.t.Error(text)
		}
	}
}
