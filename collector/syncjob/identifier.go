package syncjob

import (
	"strings"
)

// The kinds of scope whose identifiers have parts.
const (
	KindKeyRing  = "key_ring"
	KindKeyVault = "key_vault"
	KindKMS      = "kms"
	KindVault    = "vault"
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
	var id Identifier
	switch l.Kind {
	case KindKeyRing:
		id = identifyKeyRing(scope)
	case KindKeyVault:
		id = identifyKeyVault(scope)
	case KindKMS:
		id.Location = awsRegionIn(scope)
	case KindVault:
		id.Location = ociRegionIn(scope)
	}
	if id.Name == "" {
		id.Name = scope
	}
	return id
}

// identifyKeyRing takes an identifier of Google's form apart:
// projects/P/locations/L/keyRings/R.
func identifyKeyRing(scope string) Identifier {
	part := strings.Split(scope, "/")
	if len(part) == 6 && part[0] == "projects" && part[2] == "locations" && part[4] == "keyRings" &&
		part[1] != "" && part[3] != "" && part[5] != "" {
		return Identifier{Project: part[1], Location: part[3], Name: part[5]}
	}
	return Identifier{}
}

// identifyKeyVault takes an identifier of CipherTrust's form apart:
// VAULT::SUBSCRIPTION.
func identifyKeyVault(scope string) Identifier {
	if name, subscription, found := strings.Cut(scope, "::"); found && name != "" && subscription != "" {
		return Identifier{Name: name, Subscription: subscription}
	}
	return Identifier{}
}

// awsRegionIn returns the region of a scope that detailed_status alone names, in
// CipherTrust's form ACCOUNT/REGION. The name stays whole: no label is for an
// account, and without it the regions of two accounts would be one.
func awsRegionIn(scope string) string {
	if account, region, found := strings.Cut(scope, "/"); found && isAWSAccount(account) && isAWSRegion(region) {
		return region
	}
	return ""
}

// ociRegionIn returns the region of a vault's OCID, which has Oracle's form
// ocid1.vault.REALM.REGION[.FUTURE USE].UNIQUE ID. The name stays whole: Oracle's
// console and commands know an OCID only so.
func ociRegionIn(scope string) string {
	part := strings.SplitN(scope, ".", 5)
	if len(part) == 5 && part[0] == "ocid1" && part[1] == "vault" && isRegion(part[2]) && isRegion(part[3]) && part[4] != "" {
		return part[3]
	}
	return ""
}

// isAWSAccount says whether text has the form of an account: twelve digits.
func isAWSAccount(text string) bool {
	return len(text) == 12 && isNumber(text)
}

// isAWSRegion says whether text has the form of a region: words and a number,
// such as us-gov-west-1. What a name holds behind a slash seldom has it.
func isAWSRegion(text string) bool {
	words := strings.Split(text, "-")
	return isRegion(text) && len(words) >= 3 && isNumber(words[len(words)-1])
}

// isRegion says whether text is made as the names of realms and regions are:
// words of lower-case letters and digits with hyphens between them, a letter first.
func isRegion(text string) bool {
	if text == "" || isDigit(rune(text[0])) {
		return false
	}
	other := func(r rune) bool { return !isDigit(r) && (r < 'a' || r > 'z') }
	for word := range strings.SplitSeq(text, "-") {
		if word == "" || strings.ContainsFunc(word, other) {
			return false
		}
	}
	return true
}

// isNumber says whether text is made of digits alone.
func isNumber(text string) bool {
	return text != "" && !strings.ContainsFunc(text, func(r rune) bool { return !isDigit(r) })
}

func isDigit(r rune) bool { return '0' <= r && r <= '9' }
