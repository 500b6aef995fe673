package simulator

import (
	"fmt"
	"slices"
)

// Names of the two lists that an [Appliance] has by default.
const (
	GoogleKeys        = "google-keys"
	AzureCertificates = "azure-certificates"
)

// DetailStyle is the form of the keys of a job's detailed_status.
type DetailStyle int

// Styles of detailed_status.
const (
	// DetailScope is the scope itself, as Google has it.
	DetailScope DetailStyle = iota
	// DetailRegionScope is "<region>/<vault>::<subscription>", as Azure has it.
	DetailRegionScope
	// DetailAccountRegion is "<account>/<region>", as AWS has it.
	DetailAccountRegion
)

// Kind describes one list of synchronization jobs: its path, and what its jobs look like.
type Kind struct {
	// Name is the list's short name, such as "google-keys".
	Name string
	// Path is the list's path below /api/v1/, without a slash at either end.
	Path string
	// ScopeField is the field with a job's scopes, such as "key_rings".
	ScopeField string
	// StartField is the field with the scopes in the body that starts a job, if it differs. A job may
	// have it too.
	StartField string
	// Cloud is the value of a job's field "cloud".
	Cloud string
	// SyncItem is the value of a job's field "sync_item", which is absent if it is empty.
	SyncItem string
	// Noun is the texts' word for a scope, such as "key ring".
	Noun string
	// Detail is the form of the keys of detailed_status.
	Detail DetailStyle
	// InProgress is the overall_status of a job that runs; the default is StatusInProgress. A list with
	// another one has no detailed_status until a job ends, like every public example of it.
	InProgress string
}

// AllKinds returns the lists that the appliance's documentation and its clients know of.
// The scope fields of Salesforce certificates and of Luna are inferred from their neighbours,
// and the field "cloud" is public for Google, Azure and AWS only.
func AllKinds() []Kind {
	return []Kind{
		{Name: GoogleKeys, Path: "cckm/google/synchronization-jobs", ScopeField: "key_rings", Cloud: "gcp", Noun: "key ring"},
		{Name: AzureCertificates, Path: "cckm/azure/certificates/synchronization-jobs", ScopeField: "key_vaults", Cloud: "AzureCloud", SyncItem: "azure-certificate", Noun: "vault", Detail: DetailRegionScope},
		{Name: "azure-keys", Path: "cckm/azure/synchronization-jobs", ScopeField: "key_vaults", Cloud: "AzureCloud", Noun: "vault", Detail: DetailRegionScope},
		{Name: "azure-secrets", Path: "cckm/azure/secrets/synchronization-jobs", ScopeField: "key_vaults", Cloud: "AzureCloud", Noun: "vault", Detail: DetailRegionScope},
		{Name: "aws-keys", Path: "cckm/aws/synchronization-jobs", ScopeField: "kms", Cloud: "aws", Noun: "region", Detail: DetailAccountRegion},
		{Name: "aws-custom-key-stores", Path: "cckm/aws/custom-key-stores/synchronization-jobs", ScopeField: "kms", Cloud: "aws", Noun: "region", Detail: DetailAccountRegion},
		{Name: "oci-keys", Path: "cckm/oci/synchronization-jobs", ScopeField: "vaults", Cloud: "oci", Noun: "vault"},
		{Name: "sap-keys", Path: "cckm/sap/synchronization-jobs", ScopeField: "groups", Cloud: "sap", Noun: "group"},
		{Name: "sfdc-keys", Path: "cckm/sfdc/keys/synchronization-jobs", ScopeField: "organizations", StartField: "organization_ids", Cloud: "sfdc", Noun: "organization"},
		{Name: "sfdc-certificates", Path: "cckm/sfdc/certificates/synchronization-jobs", ScopeField: "organizations", StartField: "organization_ids", Cloud: "sfdc", Noun: "organization"},
		{Name: "dsm-keys", Path: "cckm/dsm/refresh", ScopeField: "domains", Cloud: "dsm", Noun: "domain"},
		{Name: "external-cm-keys", Path: "cckm/external-cm/refresh", ScopeField: "domains", Cloud: "external-cm", Noun: "domain", InProgress: "in progress"},
		{Name: "luna-keys", Path: "cckm/hsm/luna/refresh", ScopeField: "partitions", Cloud: "luna", Noun: "partition"},
		{Name: "luna-synchronizations", Path: "cckm/hsm/luna/synchronize", ScopeField: "partitions", Cloud: "luna", Noun: "partition"},
	}
}

// KindNamed returns the kind of [AllKinds] with that name, and whether there is one.
func KindNamed(name string) (Kind, bool) {
	kinds := AllKinds()
	i := slices.IndexFunc(kinds, func(kind Kind) bool { return kind.Name == name })
	if i < 0 {
		return Kind{}, false
	}
	return kinds[i], true
}

// DetailKey returns the key of a scope in detailed_status. It depends on nothing but the scope, so all
// jobs agree.
func (k Kind) DetailKey(scope string) string {
	azure := [...]string{"northcentralus", "westeurope", "germanywestcentral", "eastus2", "uksouth", "australiaeast"}
	aws := [...]string{"eu-central-1", "us-east-1", "us-west-2", "ap-southeast-2"}
	switch k.Detail {
	case DetailRegionScope:
		return azure[below(hashText(2, scope), len(azure))] + "/" + scope
	case DetailAccountRegion:
		return fmt.Sprintf("%012d/%s", hashText(1, scope)%1_000_000_000_000, aws[below(hashText(3, scope), len(aws))])
	default:
		return scope
	}
}

// successText is the text of a scope that was synchronized.
func (k Kind) successText() string { return k.Noun + " synchronized successfully" }

// failureText is the text of a scope that failed. No failed example is public; elsewhere, CipherTrust
// Manager puts words of its own before the cloud's error.
func (k Kind) failureText() string {
	const prefix = "[NCERRBadRequest: Bad HTTP request]: Error "
	switch k.Cloud {
	case "AzureCloud":
		return prefix + "Listing Azure " + k.Noun + " : AADSTS7000222: The provided client secret keys for app " +
			"'9d1c3f0a-6b52-4e8e-8a43-2f0d6c2b9e11' are expired."
	case "aws":
		return prefix + "Listing AWS Keys : TooManyRequests"
	case "gcp":
		return prefix + "Listing Google Keys : Permission 'cloudkms.cryptoKeys.list' denied on resource"
	default:
		return prefix + "Synchronizing " + k.Noun + " : context deadline exceeded"
	}
}

// oddText is a text that means neither success nor failure.
func (k Kind) oddText() string { return k.Noun + " skipped: pending deletion" }

// inProgress is the overall_status of a job that runs.
func (k Kind) inProgress() string {
	if k.InProgress != "" {
		return k.InProgress
	}
	return StatusInProgress
}

// runs reports whether a job has not ended.
func (k Kind) runs(j *Job) bool { return j.OverallStatus == k.inProgress() }
