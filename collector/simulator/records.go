package simulator

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// JobConfigsPath is the path of the schedules below /api/v1/.
const JobConfigsPath = "scheduler/job-configs"

// Record is a record of a path other than the lists of jobs: a schedule, or a registered container.
type Record map[string]any

// records are what a path returns.
type records struct {
	all       []Record
	behaviour ListBehaviour
}

// SetRecords sets the records of a path below /api/v1/ in every domain, such as JobConfigsPath or
// "cckm/azure/vaults". They are paged in their order, a limit of -1 returns all, and every other
// parameter of the query filters by the field of that name. Without records, a path returns an empty
// page; RemoveRecords makes it one that the appliance does not have. The caller must not change the
// records afterwards.
func (a *Appliance) SetRecords(path string, all []Record, behaviour ListBehaviour) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.records[path] = &records{all: all, behaviour: behaviour}
}

// RemoveRecords makes a path return 404.
func (a *Appliance) RemoveRecords(path string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.records, path)
}

// serveRecords responds with a page of records.
func (a *Appliance) serveRecords(w http.ResponseWriter, r *http.Request, of *records) {
	query := r.URL.Query()
	skip, fault := parseCount(query, "skip", 0)
	limit := math.MaxInt
	if query.Get("limit") != "-1" && fault == nil {
		limit, fault = parseCount(query, "limit", defaultLimit)
	}
	if refused := of.behaviour.RefuseLimitAbove; fault == nil && refused > 0 && limit > refused {
		fault = &apiError{http.StatusUnprocessableEntity, "limit: must be no greater than " + strconv.Itoa(refused)}
	}
	if fault != nil {
		refuse(w, fault)
		return
	}
	if of.behaviour.MaxLimit > 0 {
		limit = min(limit, of.behaviour.MaxLimit)
	}
	matching := slices.DeleteFunc(slices.Clone(of.all), func(record Record) bool { return !record.matches(query) })
	page := matching[min(skip, len(matching)):]
	page = page[:min(limit, len(page))]
	shown := limit
	if limit == math.MaxInt {
		shown = -1
	}
	body, err := json.Marshal(map[string]any{"skip": skip, "limit": shown, "total": len(matching), "resources": page})
	if err != nil {
		refuse(w, &apiError{http.StatusInternalServerError, "a record cannot be encoded: " + err.Error()})
		return
	}
	out, end := a.openBody(w, r)
	_, _ = out.Write(body) // end flushes; a client that has gone misses nothing.
	end()
}

// matches reports whether a record has one of the values of each filter in a query.
func (r Record) matches(query url.Values) bool {
	for name, values := range query {
		if name != "skip" && name != "limit" && name != "sort" && !slices.Contains(values, fmt.Sprint(r[name])) {
			return false
		}
	}
	return true
}

// Schedule is a schedule of synchronizations, a record of JobConfigsPath.
type Schedule struct {
	ID, Name string
	// RunAt is a cron expression in UTC.
	RunAt    string
	Disabled bool
	// CreatedAt, UpdatedAt, StartDate and EndDate are Go's zero time in the record if they are zero.
	CreatedAt, UpdatedAt, StartDate, EndDate time.Time
	// Cloud is the value of cloud_name, such as "gcp".
	Cloud string
	// Items are the values of sync_items, which is absent if there are none.
	Items []string
	// All sets synchronize_all. Else, the schedule covers Containers, which are ids or names in the field
	// Field, such as "key_rings".
	All        bool
	Field      string
	Containers []string
}

// Record returns the schedule's record.
func (s *Schedule) Record() Record {
	params := map[string]any{"cloud_name": s.Cloud, "synchronize_all": s.All}
	if s.Field != "" {
		params[s.Field] = s.Containers
	}
	if s.Items != nil {
		params["sync_items"] = s.Items
	}
	id := s.ID
	if id == "" {
		id = uuidFrom(hashText(6, s.Name), hashText(7, s.Name)).String()
	}
	return Record{
		"id": id, "uri": "kylo:kylo:scheduler:job-configs:" + id, "account": "kylo:kylo:admin:accounts:kylo",
		"name": s.Name, "operation": "cckm_synchronization", "run_at": s.RunAt, "run_on": "any", "disabled": s.Disabled,
		"createdAt": s.CreatedAt, "updatedAt": s.UpdatedAt, "start_date": s.StartDate, "end_date": s.EndDate,
		"job_config_params": params,
	}
}

// InventoryPath returns the path of the containers of a list, such as "cckm/azure/vaults".
func (k Kind) InventoryPath() string {
	switch k.ScopeField {
	case "key_rings":
		return "cckm/google/key-rings"
	case "key_vaults":
		return "cckm/azure/vaults"
	case "kms":
		if k.Name == "aws-custom-key-stores" {
			return "cckm/aws/custom-key-stores"
		}
		return "cckm/aws/kms"
	case "vaults":
		return "cckm/oci/vaults"
	case "groups":
		return "cckm/sap/groups"
	case "organizations":
		return "cckm/sfdc/organizations"
	case "partitions":
		return "cckm/hsm/luna/partitions"
	default:
		return "cckm/" + k.Cloud + "/domains"
	}
}

// Container returns the record of a registered container, by the name that jobs have for it.
func (k Kind) Container(scope string, createdAt, syncedAt time.Time) Record {
	id := uuidFrom(hashText(8, k.InventoryPath()+scope), hashText(9, scope)).String()
	r := Record{"id": id, "name": scope, "createdAt": createdAt, "updatedAt": createdAt}
	account, region, _ := strings.Cut(k.DetailKey(scope), "/")
	switch k.InventoryPath() {
	case "cckm/azure/vaults":
		name, subscription, _ := strings.Cut(scope, "::")
		r["azure_name"], r["location"], r["subscription_id"], r["cloud_name"], r["type"] = name, account, subscription, "AzureCloud", "vault"
		r["synced_at"] = syncedAt
	case "cckm/aws/kms":
		r["account_id"], r["regions"], r["status"], r["cloud_name"], r["auto_added"] = account, []string{region}, "active", "aws", false
		r["synced_at"] = syncedAt
	case "cckm/aws/custom-key-stores":
		r["name"], r["kms"], r["region"], r["gone"] = scope+"-store", scope, region, false
		r["aws_param"] = map[string]any{"connection_state": "CONNECTED"}
	case "cckm/oci/vaults":
		delete(r, "name")
		r["vault_id"], r["display_name"], r["lifecycle_state"], r["vault_type"] = scope, "acme "+scope[strings.LastIndex(scope, ".")+1:], "ACTIVE", "DEFAULT"
		r["refreshed_at"] = syncedAt
	case "cckm/sap/groups":
		delete(r, "name")
		r["group_id"], r["Name"] = id, scope
	case "cckm/google/key-rings":
	default:
		// Jobs name these by their id.
		r["id"], r["name"] = scope, "acme "+scope
	}
	return r
}
