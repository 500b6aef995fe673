package simulator

import (
	"embed"
	"strings"
)

//go:embed fixtures
var examples embed.FS

// GoogleKeysExample returns the documentation's example of a page of Google keys' jobs: one in progress.
func GoogleKeysExample() []byte {
	body, _ := Example(GoogleKeys)
	return body
}

// AzureCertificatesExample returns the documentation's example of a page of Azure certificates' jobs: two
// completed ones over two vaults.
func AzureCertificatesExample() []byte {
	body, _ := Example(AzureCertificates)
	return body
}

// Example returns an example page of the list with that name, and whether there is one.
//
// The examples of Google keys and Azure certificates are the documentation's own, byte for byte. The
// others were made for this package from the description of the API, and no appliance has sent them.
// Their names, the content of "kms" (names in one list, ids in the other), the texts of failures, and the
// texts of success that are not public are invented. The field "cloud" is left out if its value is not
// public. Each has the special cases of its cloud: scopes that only detailed_status names, jobs that
// failed for one of several scopes, aborted jobs, and a field with two names.
func Example(list string) ([]byte, bool) {
	body, err := examples.ReadFile("fixtures/" + strings.ReplaceAll(list, "-", "_") + ".json")
	return body, err == nil
}
