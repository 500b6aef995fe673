package simulator_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"cckm_sync_exporter/collector/simulator"
)

// recordPage is a page of schedules or containers.
type recordPage struct {
	Skip, Limit, Total int
	Resources          []struct {
		ID, Name, Operation, Status string
		RunAt                       string         `json:"run_at"`
		Params                      map[string]any `json:"job_config_params"`
	}
}

func TestRecords(t *testing.T) {
	a := simulator.New(simulator.Options{})
	c := connect(t, a)
	path := "/api/v1/" + simulator.JobConfigsPath
	ask[any](c, http.MethodGet, path, "", http.StatusNotFound)
	configs := make([]simulator.Record, 13)
	configs[0] = simulator.Record{"id": "other", "operation": "key_rotation"}
	for i := range configs[1:] {
		s := simulator.Schedule{Name: fmt.Sprint("s", i), RunAt: "0 2 * * *", Cloud: "gcp", All: true}
		configs[i+1] = s.Record()
	}
	a.SetRecords(simulator.JobConfigsPath, configs, simulator.ListBehaviour{})
	for query, want := range map[string]string{
		"":                           "0 10 13 10",
		"?limit=-1":                  "0 -1 13 13",
		"?skip=11&limit=5":           "11 5 13 2",
		"?skip=99&limit=5":           "99 5 13 0",
		"?name=s3&name=s4&limit=100": "0 100 2 2",
		"?operation=cckm_synchronization&limit=-1": "0 -1 12 12",
	} {
		page := ask[recordPage](c, http.MethodGet, path+query, "", http.StatusOK)
		if got := fmt.Sprint(page.Skip, page.Limit, page.Total, len(page.Resources)); got != want {
			t.Errorf("%s: got skip, limit, total and records %s, want %s", query, got, want)
		}
	}
	a.SetRecords(simulator.JobConfigsPath, configs, simulator.ListBehaviour{MaxLimit: 4, RefuseLimitAbove: 1000})
	ask[any](c, http.MethodGet, path+"?limit=-1", "", http.StatusUnprocessableEntity)
	if page := ask[recordPage](c, http.MethodGet, path+"?limit=9", "", http.StatusOK); len(page.Resources) != 4 {
		t.Errorf("got %d records, want the largest page of 4", len(page.Resources))
	}
	a.RemoveRecords(simulator.JobConfigsPath)
	ask[any](c, http.MethodGet, path, "", http.StatusNotFound)
}

// TestPlans checks that the demo's schedules name containers that are registered.
func TestPlans(t *testing.T) {
	a := simulator.New(simulator.Options{Kinds: simulator.AllKinds()})
	a.SetPlans(simulator.AllLives())
	c := connect(t, a)
	registered := map[string]bool{}
	for _, kind := range simulator.AllKinds() {
		page := ask[recordPage](c, http.MethodGet, "/api/v1/"+kind.InventoryPath()+"?limit=1000", "", http.StatusOK)
		if page.Total == 0 {
			t.Errorf("%s has no containers", kind.InventoryPath())
		}
		for _, record := range page.Resources {
			registered[record.ID] = true
			registered[record.Name] = true
		}
	}
	page := ask[recordPage](c, http.MethodGet, "/api/v1/"+simulator.JobConfigsPath+"?limit=-1", "", http.StatusOK)
	clouds := map[string]bool{}
	for _, s := range page.Resources {
		clouds[fmt.Sprint(s.Params["cloud_name"])] = true
		for field, value := range s.Params {
			containers, _ := value.([]any)
			if field == "sync_items" {
				continue
			}
			for _, container := range containers {
				if !registered[fmt.Sprint(container)] {
					t.Errorf("schedule %s covers %v, which is not registered", s.Name, container)
				}
			}
		}
		if len(strings.Fields(s.RunAt)) != 5 {
			t.Errorf("schedule %s runs at %q", s.Name, s.RunAt)
		}
	}
	if len(clouds) != 8 {
		t.Errorf("the schedules are of the clouds %v, want 8", clouds)
	}
}
