// Package inventory says which key rings, vaults and other containers are registered in CCKM, from the
// records of the appliance's inventories. It is pure: package sources reads the records.
package inventory

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"cckm_sync_exporter/collector/recordjson"
	"cckm_sync_exporter/collector/syncjob"
)

// Record has the fields of the records of all inventories. Each has some of them.
type Record struct {
	ID           recordjson.Text `json:"id"`
	Name         recordjson.Text `json:"name"`
	CapitalName  recordjson.Text `json:"Name"`
	DisplayName  recordjson.Text `json:"display_name"`
	Location     recordjson.Text `json:"location"`
	Type         recordjson.Text `json:"type"`
	AccountID    recordjson.Text `json:"account_id"`
	Region       recordjson.Text `json:"region"`
	KMS          recordjson.Text `json:"kms"`
	VaultID      recordjson.Text `json:"vault_id"`
	VaultType    recordjson.Text `json:"vault_type"`
	GroupID      recordjson.Text `json:"group_id"`
	Organization recordjson.Text `json:"organization_id"`
	CMDomain     recordjson.Text `json:"cm_domain"`

	Regions recordjson.Texts `json:"regions"`

	Status         recordjson.Text `json:"status"`
	LifecycleState recordjson.Text `json:"lifecycle_state"`
	Gone           recordjson.Flag `json:"gone"`
	Deleted        recordjson.Flag `json:"deleted"`
	Archived       recordjson.Flag `json:"archived"`

	CreatedAt   recordjson.Time `json:"createdAt"`
	SyncedAt    recordjson.Time `json:"synced_at"`
	RefreshedAt recordjson.Time `json:"refreshed_at"`

	DSM recordjson.Optional[struct {
		Name recordjson.Text `json:"name"`
	}] `json:"dsm_params"`
}

// Strings returns how many strings the record's arrays have.
func (r *Record) Strings() int { return len(r.Regions) }

// The paths of AWS, the only cloud with two.
const (
	pathKMS    = "cckm/aws/kms"
	pathStores = "cckm/aws/custom-key-stores"
)

// listStores is the list whose containers are those of pathStores.
const listStores = "aws-custom-key-stores"

// source is an inventory.
type source struct {
	cloud, path string
	// keys returns by which identifiers a job may name a container. The first one labels a container that
	// no job names.
	keys func(r *Record) []recordjson.Text
	// display returns the names for people, the best first.
	display func(r *Record) []recordjson.Text
}

// sources returns the table of inventories: which field of a record a job's scope is.
func sources() []source {
	type texts = []recordjson.Text
	id := func(r *Record) texts { return texts{r.ID} }
	name := func(r *Record) texts { return texts{r.Name} }
	return []source{
		{"google", "cckm/google/key-rings", name, name},
		{"azure", "cckm/azure/vaults", name, name},
		{"aws", pathKMS, name, name},
		{"aws", pathStores, func(r *Record) texts { return texts{r.KMS} }, name},
		{
			"oci", "cckm/oci/vaults",
			func(r *Record) texts { return texts{r.ID, r.VaultID} }, func(r *Record) texts { return texts{r.DisplayName, r.Name} },
		},
		{
			"sap", "cckm/sap/groups",
			func(r *Record) texts { return texts{r.ID, r.GroupID, r.CapitalName} }, func(r *Record) texts { return texts{r.CapitalName, r.Name} },
		},
		{"sfdc", "cckm/sfdc/organizations", id, func(r *Record) texts { return texts{r.Name, r.Organization} }},
		{"dsm", "cckm/dsm/domains", id, func(r *Record) texts { return texts{r.DSM.Value.Name, r.Name} }},
		{"external-cm", "cckm/external-cm/domains", id, func(r *Record) texts { return texts{r.CMDomain, r.Name} }},
		{"luna", "cckm/hsm/luna/partitions", id, func(r *Record) texts { return texts{r.Name, r.DisplayName} }},
	}
}

// Paths returns the paths below /api/v1/ of the inventory that lists of one cloud need. Custom key stores
// are needed only for their own list.
func Paths(cloud string, lists []syncjob.List) (paths []string) {
	stores := slices.ContainsFunc(lists, func(list syncjob.List) bool { return list.Name == listStores })
	for _, s := range sources() {
		if s.cloud == cloud && (s.path != pathStores || stores) {
			paths = append(paths, s.path)
		}
	}
	return paths
}

// Container is a registered key ring, vault, KMS and so on, or one that was.
type Container struct {
	// Keys are the identifiers by which a job may name it, and Parts those of its regions, as
	// detailed_status names them. Aliases are its id and its names for people, unless they are keys.
	Keys, Parts, Aliases []string
	// Display is its name for people, or empty.
	Display string
	// Registered is false if the record says that it is archived, gone, deleted, pending or external.
	Registered bool
	// KeysOnly is true for a managed HSM, which has no certificates and secrets.
	KeysOnly bool
	// CreatedAt is when it was registered, and RefreshedAt when it was refreshed last. Zero is unknown.
	CreatedAt, RefreshedAt time.Time
}

// RegisteredIn reports whether the container counts as registered for a list.
func (c *Container) RegisteredIn(list *syncjob.List) bool {
	return c.Registered && (!c.KeysOnly || list.Item == "key")
}

// Inventory has the containers of one cloud.
type Inventory struct {
	containers, stores []Container
	// kms are the records of pathKMS, by name and id.
	kms map[string]*Record
}

// Containers returns the containers of a list of the inventory's cloud. They must not be changed.
func (i *Inventory) Containers(list *syncjob.List) []Container {
	if list.Name == listStores {
		return i.stores
	}
	return i.containers
}

const (
	// maxBytes bounds the names of an inventory's containers together.
	maxBytes = 8 << 20
	// stringBytes is the size of a string without its bytes.
	stringBytes = 16
)

// Builder makes an Inventory from records.
type Builder struct {
	inventory Inventory
	clean     func(string) string
	// seen are the records that were added, and bytes the length of their names.
	seen  map[string]bool
	bytes int
}

// NewBuilder returns an empty Builder. It calls clean for names that people read, which must return them
// without secrets and printable.
func NewBuilder(clean func(string) string) *Builder {
	return &Builder{inventory: Inventory{kms: map[string]*Record{}}, clean: clean, seen: map[string]bool{}}
}

// Add adds a record of a path, in the order of Paths, and reports whether it is the first one of its id and
// name. It returns an error if the record does not identify anything, or is too long.
func (b *Builder) Add(path string, r *Record) (added bool, err error) {
	c := b.container(path, r)
	if len(c.Keys) == 0 {
		return false, fmt.Errorf("a record of %s has nothing by which a job could name it", path)
	}
	for _, name := range slices.Concat(c.Keys, c.Parts, c.Aliases) {
		if len(name) > 2*recordjson.MaxNameBytes {
			return false, fmt.Errorf("a record of %s has a name of %d bytes", path, len(name))
		}
		b.bytes += len(name) + stringBytes
	}
	if b.bytes > maxBytes {
		return false, fmt.Errorf("the names in %s take more than %d MiB", path, maxBytes>>20)
	}
	if path == pathStores {
		b.inventory.stores = append(b.inventory.stores, c)
	} else {
		b.inventory.containers = append(b.inventory.containers, c)
	}
	identity := strings.Join([]string{path, string(r.ID), c.Keys[0]}, "\x00")
	added = !b.seen[identity]
	b.seen[identity] = true
	return added, nil
}

// container returns the container of a record.
func (b *Builder) container(path string, r *Record) Container {
	all := sources()
	s := &all[slices.IndexFunc(all, func(s source) bool { return s.path == path })]
	c := Container{
		Keys: present(s.keys(r)...), CreatedAt: r.CreatedAt.Time, RefreshedAt: r.SyncedAt.Time,
		Registered: !isInactive(r), KeysOnly: s.cloud == "azure" && strings.Contains(strings.ToLower(string(r.Type)), "hsm"),
	}
	if c.RefreshedAt.IsZero() {
		c.RefreshedAt = r.RefreshedAt.Time
	}
	display := present(s.display(r)...)
	if len(display) > 0 {
		c.Display = b.clean(display[0])
	}
	c.Aliases = slices.DeleteFunc(append(present(r.ID), display...), func(name string) bool { return slices.Contains(c.Keys, name) })
	switch path {
	case "cckm/azure/vaults":
		if r.Location != "" {
			c.Aliases = append(c.Aliases, string(r.Location+"/"+r.Name))
		}
	case pathKMS:
		for _, region := range r.Regions {
			c.Parts = append(c.Parts, string(r.AccountID)+"/"+region)
		}
		b.inventory.kms[string(r.Name)], b.inventory.kms[string(r.ID)] = r, r
	case pathStores:
		// No schedule covers custom key stores.
		c.Aliases = nil
		if kms := b.inventory.kms[string(r.KMS)]; kms != nil {
			c.Keys, c.Parts = present(kms.Name), []string{string(kms.AccountID + "/" + r.Region)}
			c.Registered = c.Registered && !isInactive(kms)
		}
	}
	return c
}

// Inventory returns the inventory of the records. The builder must not be used afterwards.
func (b *Builder) Inventory() *Inventory {
	b.inventory.kms = nil
	return &b.inventory
}

// isInactive reports whether a record says that its container is not synchronized any more, or cannot be.
func isInactive(r *Record) bool {
	if bool(r.Gone || r.Deleted || r.Archived) || strings.Contains(strings.ToLower(string(r.VaultType)), "external") {
		return true
	}
	for _, state := range []recordjson.Text{r.Status, r.LifecycleState} {
		for _, word := range []string{"archiv", "gone", "delet", "pending"} {
			if strings.Contains(strings.ToLower(string(state)), word) {
				return true
			}
		}
	}
	return false
}

// present returns the texts that are not empty.
func present(texts ...recordjson.Text) (all []string) {
	for _, text := range texts {
		if text != "" {
			all = append(all, string(text))
		}
	}
	return all
}
