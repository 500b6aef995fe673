package syncjob

import (
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

// identifyKeyRing splits an identifier of Google's form, projects/P/locations/L/keyRings/R.
func identifyKeyRing(scope string) Identifier {
	part := strings.Split(scope, "/")
	if len(part) == 6 && part[0] == "projects" && part[2] == "locations" && part[4] == "keyRings" &&
		part[1] != "" && part[3] != "" && part[5] != "" {
		return Identifier{Project: part[1], Location: part[3], Name: part[5]}
	}
	return Identifier{}
}

// identifyKeyVault splits an identifier of CipherTrust's form, VAULT::SUBSCRIPTION.
func identifyKeyVault(scope string) Identifier {
	if name, subscription, found := strings.Cut(scope, "::"); found && name != "" && subscription != "" {
		return Identifier{Name: name, Subscription: subscription}
	}
	return Identifier{}
}

// awsRegionIn returns the region of a scope in CipherTrust's form ACCOUNT/REGION, in which
// detailed_status names scopes that the scope field does not have. The name keeps the account:
// there is no label for it, and without it the scopes of two accounts would have the same name.
func awsRegionIn(scope string) string {
	if account, region, found := strings.Cut(scope, "/"); found && isAWSAccount(account) && isAWSRegion(region) {
		return region
	}
	return ""
}

// ociRegionIn returns the region of a vault's OCID, which has Oracle's form
// ocid1.vault.REALM.REGION[.FUTURE USE].UNIQUE ID. The name is the whole OCID, because that is what
// Oracle's console and commands use.
func ociRegionIn(scope string) string {
	part := strings.SplitN(scope, ".", 5)
	if len(part) == 5 && part[0] == "ocid1" && part[1] == "vault" && isRegion(part[2]) && isRegion(part[3]) && part[4] != "" {
		return part[3]
	}
	return ""
}

// isAWSAccount reports whether text has the form of an account: twelve digits.
func isAWSAccount(text string) bool {
	return len(text) == 12 && isNumber(text)
}

// isAWSRegion reports whether text has the form of a region: words and a number, such as
// us-gov-west-1. Other names with a slash seldom end like this.
func isAWSRegion(text string) bool {
	words := strings.Split(text, "-")
	return isRegion(text) && len(words) >= 3 && isNumber(words[len(words)-1])
}

// isRegion reports whether text has the form of a realm or region: words of lower-case letters and
// digits, separated by hyphens and beginning with a letter.
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

// isNumber reports whether text consists of digits.
func isNumber(text string) bool {
	return text != "" && !strings.ContainsFunc(text, func(r rune) bool { return !isDigit(r) })
}

func isDigit(r rune) bool { return '0' <= r && r <= '9' }
