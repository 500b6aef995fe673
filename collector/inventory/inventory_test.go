package inventory_test

import (
	"strings"
	"testing"

	"cckm_sync_exporter/collector/inventory"
	"cckm_sync_exporter/collector/recordjson"
	"cckm_sync_exporter/collector/syncjob"
)

// TestPaths checks that every cloud has an inventory. Without one, all of its scopes would count as removed.
func TestPaths(t *testing.T) {
	for _, list := range syncjob.Lists() {
		if len(inventory.Paths(list.Cloud, []syncjob.List{list})) == 0 {
			t.Errorf("%s has no inventory", list.Name)
		}
	}
}

// TestBounds checks that what an appliance can make the exporter keep is bounded.
func TestBounds(t *testing.T) {
	b := inventory.NewBuilder(func(text string) string { return text })
	if _, err := b.Add("cckm/google/key-rings", &inventory.Record{Name: recordjson.Text(strings.Repeat("x", 4096))}); err == nil {
		t.Error("a very long name is accepted")
	}
	name := strings.Repeat("x", recordjson.MaxNameBytes)
	var err error
	records := 0
	for ; err == nil && records < 20_000; records++ {
		_, err = b.Add("cckm/google/key-rings", &inventory.Record{Name: recordjson.Text(name)})
	}
	if err == nil || records < 2_000 {
		t.Errorf("%d records with long names: %v", records, err)
	}
}
