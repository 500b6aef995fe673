package simulator

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// SetPlans gives the appliance what belongs to these lives: a registered container for each scope, and a
// schedule for each life whose list has schedules. The vault of one life is archived. There is also a vault
// that was never synchronized although a schedule covers it, one without a schedule, and a schedule that is
// disabled.
func (a *Appliance) SetPlans(lives []Life) {
	now := a.opts.Clock().UTC()
	const month = 30 * 24 * time.Hour
	created := now.Add(-month)
	schedules := []Record{}
	inventories := map[string][]Record{}
	known := map[string]bool{}
	register := func(kind Kind, scope string) Record {
		path := kind.InventoryPath()
		record := kind.Container(scope, created, now.Add(-time.Hour))
		if !known[path+scope] {
			known[path+scope] = true
			inventories[path] = append(inventories[path], record)
		}
		return record
	}
	for _, kind := range AllKinds() {
		if path := kind.InventoryPath(); inventories[path] == nil {
			inventories[path] = []Record{}
		}
	}
	for _, life := range lives {
		kind, ok := KindNamed(life.List)
		if !ok {
			continue
		}
		if life.Name == retired {
			register(kind, life.Scopes[0])["status"] = "archived"
			continue
		}
		containers := make([]string, 0, len(life.Scopes))
		for _, scope := range life.Scopes {
			if kind.Name == "aws-custom-key-stores" {
				kms, _ := KindNamed("aws-keys")
				register(kms, scope)
			}
			containers = append(containers, fmt.Sprint(register(kind, scope)["id"]))
		}
		if s, ok := kind.schedule(life, created, now); ok {
			s.Containers = containers
			schedules = append(schedules, s.Record())
		}
	}
	azure, _ := KindNamed(AzureCertificates)
	company := "acme"
	if i := slices.IndexFunc(lives, func(life Life) bool { return life.List == AzureCertificates }); i >= 0 {
		company, _, _ = strings.Cut(lives[i].Scopes[0], "-")
	}
	fresh := register(azure, company+"-fresh-vault"+production)
	delete(fresh, "synced_at")
	delete(register(azure, company+"-spare-vault"+production), "synced_at")
	for _, s := range []Schedule{
		{Name: "fresh-vault", RunAt: "0 * * * *", Field: "key_vaults", Containers: []string{fmt.Sprint(fresh["name"])}, Items: []string{"certificate"}},
		{Name: "all-vaults-paused", RunAt: "0 3 * * *", All: true, Items: []string{"all"}, Disabled: true},
	} {
		s.Cloud, s.CreatedAt, s.UpdatedAt = azure.Cloud, created, created
		schedules = append(schedules, s.Record())
	}
	a.SetRecords(JobConfigsPath, schedules, ListBehaviour{})
	for path, records := range inventories {
		a.SetRecords(path, records, ListBehaviour{})
	}
}

// schedule returns the schedule of a life, without its containers, and false if its list has no schedules.
func (k Kind) schedule(life Life, created, now time.Time) (Schedule, bool) {
	s := Schedule{Name: life.Name, CreatedAt: created, UpdatedAt: created, Cloud: k.Cloud, Field: k.ScopeField}
	switch k.Name {
	case "aws-custom-key-stores", "sfdc-certificates", "luna-synchronizations", "external-cm-keys":
		return s, false
	case AzureCertificates:
		s.Items = []string{"certificate"}
	case "azure-keys":
		s.Items = []string{"key"}
	case "azure-secrets":
		s.Items = []string{"secret"}
	case "oci-keys":
		s.Field = "oci_vaults"
	case "luna-keys":
		s.Cloud = "hsm-luna"
	}
	switch life.Fate {
	case Succeeds:
		s.RunAt = "0 */6 * * *"
	case NeverFinishesFirst:
		s.RunAt = "30 */6 * * *"
	default:
		s.RunAt = "0 2 * * *"
	}
	if life.repeats() {
		s.UpdatedAt = now // The jobs before the fleet's start follow no schedule.
	}
	return s, true
}
