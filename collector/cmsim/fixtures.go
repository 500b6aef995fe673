package cmsim

import (
	_ "embed"
	"slices"
)

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
