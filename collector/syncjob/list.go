package syncjob

import (
	"strings"
)

// List describes one of the appliance's lists of synchronization jobs.
type List struct {
	// Name is the list's name in flags and logs.
	Name string
	// Cloud and Item are the labels of the list's metrics.
	Cloud, Item string
	// Path is the list's path below /api/v1/.
	Path string
	// ScopeFields are the names of the field that has a job's scopes. If the API is known to use two
	// names, both are read.
	ScopeFields []string
	// Kind is the kind of a scope, the label "kind" of cckm_sync_scope_info.
	Kind string
	// RegionPrefixed is true for Azure: detailed_status has a region and a "/" before the scope's
	// identifier, and names that differ only in case are the same scope. In other clouds, "/" is part
	// of the identifier.
	RegionPrefixed bool
	// Permissions are those that a user of the group "CCKM Users" needs on each container to see its
	// jobs. It is empty if the API's documentation names none.
	Permissions []string
	// Default is true if the list is enabled by default.
	Default bool
}

// Lists returns every list that the exporter can read. Everything about a list is in this table: to
// add one, add an entry.
func Lists() []List {
	return []List{
		{
			Name: "google-keys", Cloud: "google", Item: "key", Default: true,
			Path:        "cckm/google/synchronization-jobs",
			ScopeFields: []string{"key_rings"}, Kind: KindKeyRing,
			Permissions: []string{"view"},
		},
		{
			Name: "azure-certificates", Cloud: "azure", Item: "certificate", Default: true,
			Path:        "cckm/azure/certificates/synchronization-jobs",
			ScopeFields: []string{"key_vaults"}, Kind: KindKeyVault, RegionPrefixed: true,
			Permissions: []string{"certificateview"},
		},
		{
			Name: "azure-keys", Cloud: "azure", Item: "key",
			Path:        "cckm/azure/synchronization-jobs",
			ScopeFields: []string{"key_vaults"}, Kind: KindKeyVault, RegionPrefixed: true,
			Permissions: []string{"view"},
		},
		{
			Name: "azure-secrets", Cloud: "azure", Item: "secret",
			Path:        "cckm/azure/secrets/synchronization-jobs",
			ScopeFields: []string{"key_vaults"}, Kind: KindKeyVault, RegionPrefixed: true,
			Permissions: []string{"secretview"},
		},
		{
			Name: "aws-keys", Cloud: "aws", Item: "key",
			Path:        "cckm/aws/synchronization-jobs",
			ScopeFields: []string{"kms"}, Kind: KindKMS,
			Permissions: []string{"viewnative", "viewbyok", "viewhyokkey", "viewcloudhsmkey"},
		},
		{
			Name: "aws-custom-key-stores", Cloud: "aws", Item: "custom_key_store",
			Path:        "cckm/aws/custom-key-stores/synchronization-jobs",
			ScopeFields: []string{"kms"}, Kind: KindKMS,
			Permissions: []string{"viewkeystore"},
		},
		{
			Name: "oci-keys", Cloud: "oci", Item: "key",
			Path:        "cckm/oci/synchronization-jobs",
			ScopeFields: []string{"vaults"}, Kind: KindVault,
			Permissions: []string{"view"},
		},
		{
			Name: "sap-keys", Cloud: "sap", Item: "key",
			Path:        "cckm/sap/synchronization-jobs",
			ScopeFields: []string{"groups"}, Kind: "group",
			Permissions: []string{"view"},
		},
		{
			Name: "sfdc-keys", Cloud: "sfdc", Item: "key",
			Path:        "cckm/sfdc/keys/synchronization-jobs",
			ScopeFields: []string{"organizations", "organization_ids"}, Kind: "organization",
		},
		{
			Name: "sfdc-certificates", Cloud: "sfdc", Item: "certificate",
			Path:        "cckm/sfdc/certificates/synchronization-jobs",
			ScopeFields: []string{"organizations", "organization_ids"}, Kind: "organization",
		},
		{
			Name: "dsm-keys", Cloud: "dsm", Item: "key",
			Path:        "cckm/dsm/refresh",
			ScopeFields: []string{"domains"}, Kind: "domain",
		},
		{
			Name: "external-cm-keys", Cloud: "external-cm", Item: "key",
			Path:        "cckm/external-cm/refresh",
			ScopeFields: []string{"domains"}, Kind: "domain",
		},
		{
			Name: "luna-keys", Cloud: "luna", Item: "key",
			Path:        "cckm/hsm/luna/refresh",
			ScopeFields: []string{"partitions"}, Kind: "partition",
		},
		{
			Name: "luna-synchronizations", Cloud: "luna", Item: "synchronization",
			Path:        "cckm/hsm/luna/synchronize",
			ScopeFields: []string{"partitions"}, Kind: "partition",
		},
	}
}

// AccessHint returns the hint for a user who must not read the list.
func (l *List) AccessHint() string {
	container := strings.ReplaceAll(l.Kind, "_", " ")
	if l.Kind == KindKMS {
		container = "KMS"
	}
	const group = `add the user to the group "CCKM Users" and `
	switch last := len(l.Permissions) - 1; last {
	case -1:
		return group + "let it view each " + container + " (the name of that permission is not documented)"
	case 0:
		return group + "give it the permission " + l.Permissions[0] + " on each " + container
	default:
		return group + "give it the permissions " + strings.Join(l.Permissions[:last], ", ") + " and " + l.Permissions[last] + " on each " + container
	}
}

// ScopeKey returns the key of a scope: its name, for Azure in lower case.
func (l *List) ScopeKey(name string) string {
	if l.RegionPrefixed {
		return strings.ToLower(name)
	}
	return name
}

// scopeOf returns the scope that a key of detailed_status names. listed reports whether an identifier
// is in the job's scope field. If the whole key is, it has no region prefix.
func (l *List) scopeOf(key string, listed func(string) bool) string {
	if !l.RegionPrefixed || listed(key) {
		return key
	}
	if _, scope, found := strings.Cut(key, "/"); found {
		return scope
	}
	return key
}
