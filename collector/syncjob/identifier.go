package syncjob

import (
	"strings"
)

// The kinds of scope whose identifiers have parts.
const (
	KindKeyRing  = "key_ring"
	KindKeyVault = "key_vault"
)

// Identifier holds the parts of a scope's identifier, for the labels of
// cckm_sync_scope_info. Parts that the identifier has not are empty.
type Identifier struct {
	Name         string
	Project      string
	Location     string
	Subscription string
}

// Identify takes the identifier of a scope of l apart. An identifier of an
// unexpected form is a name as a whole.
func (l *List) Identify(scope string) Identifier {
	switch l.Kind {
	case KindKeyRing:
		// The form is Google's: projects/P/locations/L/keyRings/R.
		part := strings.Split(scope, "/")
		if len(part) == 6 && part[0] == "projects" && part[2] == "locations" && part[4] == "keyRings" &&
			part[1] != "" && part[3] != "" && part[5] != "" {
			return Identifier{Project: part[1], Location: part[3], Name: part[5]}
		}
	case KindKeyVault:
		// The form is CipherTrust's: VAULT::SUBSCRIPTION.
		if name, subscription, found := strings.Cut(scope, "::"); found && name != "" && subscription != "" {
			return Identifier{Name: name, Subscription: subscription}
		}
	}
	return Identifier{Name: scope}
}
