package simulator

import (
	"embed"
	"slices"
	"strings"
)

//go:embed fixtures
var examples embed.FS

//go:embed fixtures/google_keys.json
var googleKeysExample string

//go:embed fixtures/azure_certificates.json
var azureCertificatesExample string

// GoogleKeysExample returns the example response that the appliance's documentation gives for the
// synchronization jobs of Google keys, byte for byte: one job, in progress.
func GoogleKeysExample() []byte { return []byte(googleKeysExample) }

// AzureCertificatesExample returns the example response that the appliance's documentation gives
// for the synchronization jobs of Azure certificates, byte for byte: two completed jobs over two vaults.
func AzureCertificatesExample() []byte { return []byte(azureCertificatesExample) }

// Example returns an example response of a list, by the list's name, and whether there is one.
//
// That of Google keys and that of Azure certificates are the documentation's own. Of no other list is
// one public: theirs were made for this package after the description of the API, and no appliance
// has ever sent them. What they hold beside the documented fields is invented: the names, what "kms" says (names in
// one list, ids in the other), the texts of failures, and what success is called where no text is
// public. The field "cloud" is left out where its value is not public. Each has what the scopes of its
// cloud are about: scopes that detailed_status alone names, jobs that fail for one of several, jobs
// that were cancelled, and a field that has two names.
func Example(list string) ([]byte, bool) {
	body, err := examples.ReadFile("fixtures/" + strings.ReplaceAll(list, "-", "_") + ".json")
	return body, err == nil
}

// SetFixture answers every GET of a path with these bytes, whatever skip and limit ask for, in
// place of the list there, if there is one. The token is still checked. The path is that below
// /api/v1/, such as "cckm/google/synchronization-jobs". A nil body takes the fixture away.
func (a *Appliance) SetFixture(path string, body []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if body == nil {
		delete(a.fixtures, trimPath(path))
		return
	}
	a.fixtures[trimPath(path)] = slices.Clone(body)
}

// fixture returns the fixture at a path, or nil.
func (a *Appliance) fixture(path string) []byte {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.fixtures[path]
}
