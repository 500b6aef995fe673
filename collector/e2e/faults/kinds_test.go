package faults_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"cckm_sync_exporter/collector/reason"
)

// kindFaults are pages in which a field has a value of the wrong kind: every field with every kind. The rows
// of a field are a group.
func kindFaults() (groups [][]fault) {
	kinds := []struct{ name, value string }{
		{"null", `null`},
		{"true", `true`},
		{"a string", `"text"`},
		{"a number", `12345`},
		{"a negative number", `-1`},
		{"a fraction", `0.5`},
		{"an array", `[]`},
		{"an object", `{}`},
	}
	// The outcomes that differ from the reason decode.
	pageFields := map[string]map[string]outcome{
		"skip":      everywhere(whole),
		"limit":     everywhere(whole),
		"total":     {"a number": fails(reason.Inconsistent)},
		"resources": {"an array": fails(reason.Inconsistent)},
	}
	jobFields := map[string]map[string]outcome{
		"id":              {},
		"overall_status":  {"null": counted, "a string": counted},
		"abort":           {"null": counted, "true": counted},
		"createdAt":       everywhere(counted),
		"updatedAt":       everywhere(counted),
		"completed_at":    everywhere(counted),
		"detailed_status": everywhere(counted),
		"key_rings":       {"null": counted, "a string": counted, "an array": counted},
		"uri":             everywhere(whole),
		"cloud":           everywhere(whole),
	}
	add := func(what, field string, outcomes map[string]outcome, change func(page map[string]any, value json.RawMessage)) {
		var faults []fault
		for _, kind := range kinds {
			if field == "id" && kind.name == "a string" {
				continue // Ids are strings.
			}
			want := cmp.Or(outcomes[kind.name], outcomes[""], fails(reason.Decode))
			faults = append(faults, page(fmt.Sprintf("kind: %s of a %s is %s", field, what, kind.name), want,
				rewrite(func(page map[string]any) { change(page, json.RawMessage(kind.value)) })))
		}
		groups = append(groups, faults)
	}
	for _, field := range slices.Sorted(maps.Keys(pageFields)) {
		add("page", field, pageFields[field], func(page map[string]any, value json.RawMessage) { page[field] = value })
	}
	for _, field := range slices.Sorted(maps.Keys(jobFields)) {
		add("job", field, jobFields[field], func(page map[string]any, value json.RawMessage) {
			for _, job := range jobsOf(page) {
				job[field] = value
			}
		})
	}
	return groups
}

// everywhere is the same outcome for every kind.
func everywhere(o outcome) map[string]outcome { return map[string]outcome{"": o} }

// rewrite changes the appliance's response.
func rewrite(change func(page map[string]any)) interceptor {
	return rewriteText(func(text string) string {
		var page map[string]any
		decoder := json.NewDecoder(strings.NewReader(text))
		decoder.UseNumber()
		if err := decoder.Decode(&page); err != nil {
			return err.Error() // The row fails and logs it.
		}
		change(page)
		changed, err := json.Marshal(page)
		if err != nil {
			return err.Error()
		}
		return string(changed)
	})
}

// jobsOf returns the jobs of a page.
func jobsOf(page map[string]any) []map[string]any {
	resources, _ := page["resources"].([]any)
	jobs := make([]map[string]any, 0, len(resources))
	for _, resource := range resources {
		if job, ok := resource.(map[string]any); ok {
			jobs = append(jobs, job)
		}
	}
	return jobs
}
