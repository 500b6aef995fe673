package syncjob

import (
	"regexp"
	"slices"
	"strings"
)

// The kinds of scopes whose identifiers have parts.
const (
	KindKeyRing  = "key_ring"
	KindKeyVault = "key_vault"
	KindKMS      = "kms"
	KindVault    = "vault"
)

// Identifier has the parts of a scope's identifier, for the labels of cckm_sync_scope_info. Missing
// parts are empty.
type Identifier struct {
	Name         string
	Project      string
	Location     string
	Subscription string
}

// Identify splits the identifier of a scope of l into its parts. An identifier of an unexpected form
// becomes the name.
func (l *List) Identify(scope string) Identifier {
	id := Identifier{Name: scope}
	switch l.Kind {
	case KindKeyRing:
		// Google's form is projects/P/locations/L/keyRings/R. This is faster than a regexp.
		part := strings.Split(scope, "/")
		if len(part) == 6 && part[0] == "projects" && part[2] == "locations" && part[4] == "keyRings" && !slices.Contains(part, "") {
			return Identifier{Project: part[1], Location: part[3], Name: part[5]}
		}
	case KindKeyVault:
		// CipherTrust's form is VAULT::SUBSCRIPTION.
		if name, subscription, _ := strings.Cut(scope, "::"); name != "" && subscription != "" {
			return Identifier{Name: name, Subscription: subscription}
		}
	case KindKMS:
		if match := awsForm.FindStringSubmatch(scope); match != nil {
			id.Location = match[1]
		}
	case KindVault:
		if match := ociForm.FindStringSubmatch(scope); match != nil {
			id.Location = match[1]
		}
	}
	return id
}

var (
	// awsForm is CipherTrust's form ACCOUNT/REGION, in which detailed_status names scopes that the scope
	// field does not have. An account has twelve digits, and a region is like us-gov-west-1; other names
	// with a slash seldom end like this. The name keeps the account: there is no label for it, and without
	// it the scopes of two accounts would have the same name.
	awsForm = regexp.MustCompile(`^\d{12}/([a-z][a-z0-9]*(?:-[a-z0-9]+)+-\d+)$`)
	// ociForm is Oracle's form of a vault's OCID, ocid1.vault.REALM.REGION[.FUTURE USE].UNIQUE ID. The name
	// is the whole OCID, because that is what Oracle's console and commands use.
	ociForm = regexp.MustCompile(`(?s)^ocid1\.vault\.[a-z][a-z0-9]*(?:-[a-z0-9]+)*\.([a-z][a-z0-9]*(?:-[a-z0-9]+)*)\..+$`)
)
