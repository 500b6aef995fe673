package simulator

import (
	"slices"
	"time"
)

// fewJobs is how many jobs are kept of each life that is not a default one, so that an appliance with all
// lists stays small: about three days of jobs in a new fleet.
const fewJobs = 100

// AllLives returns the default lives, and a few in each of the other lists of [AllKinds], all of the same
// fictitious company. Only the forms of Azure's and Oracle's identifiers are public.
func AllLives() []Life {
	others := slices.Concat(otherAzureLives(), awsLives(), ociLives(), sapLives(), salesforceLives(), managerLives())
	for i := range others {
		others[i].Keep = fewJobs
		// Not all lists change at once.
		others[i].Phase = time.Duration(3+7*i) * time.Second
	}
	return append(DefaultLives(), others...)
}

func otherAzureLives() []Life {
	const (
		production = "::7a1c4f0e-52d6-4b8e-9a43-1f0d6c2b9e75"
		staging    = "::c3e0b9d2-8f14-4f6a-b1d7-60a95e3c2718"
		keys       = "azure-keys"
		secrets    = "azure-secrets"
	)
	return []Life{
		{
			Name: "prod-key-vaults", List: keys, Fate: Succeeds, Period: 2 * time.Minute,
			Scopes: []string{"acme-prod-vault" + production, "acme-payments-vault" + production},
		},
		{
			Name: "partner-key-vaults", List: keys, Fate: FailsOneScope, Period: 4 * time.Minute,
			Scopes: []string{"acme-shared-vault" + production, "acme-partner-vault" + production},
		},
		{
			Name: "shared-secrets", List: secrets, Fate: CompletesPartly, Period: 4 * time.Minute,
			Scopes: []string{"acme-shared-vault" + production, "acme-legacy-vault" + production},
		},
		{Name: "prod-secrets", List: secrets, Fate: Succeeds, Period: 3 * time.Minute, Scopes: []string{"acme-prod-vault" + production}},
		{Name: "staging-secrets", List: secrets, Fate: IsAborted, Period: 5 * time.Minute, Scopes: []string{"acme-staging-vault" + staging}},
	}
}

func awsLives() []Life {
	const keys, stores = "aws-keys", "aws-custom-key-stores"
	return []Life{
		{Name: "aws-production", List: keys, Fate: Succeeds, Period: 2 * time.Minute, Scopes: []string{"acme-production"}},
		{Name: "aws-data", List: keys, Fate: FailsOneScope, Period: 4 * time.Minute, Scopes: []string{"acme-warehouse", "acme-data-lake"}},
		{Name: "aws-sandbox", List: keys, Fate: HangsForever, Scopes: []string{"acme-sandbox"}},
		{Name: "aws-stores", List: stores, Fate: Succeeds, Period: 3 * time.Minute, Scopes: []string{"acme-production"}},
		{Name: "aws-edge-stores", List: stores, Fate: RecoversSometimes, Period: 5 * time.Minute, Scopes: []string{"acme-edge"}},
	}
}

func ociLives() []Life {
	const keys = "oci-keys"
	return []Life{
		{
			Name: "oci-frankfurt", List: keys, Fate: Succeeds, Period: 2 * time.Minute,
			Scopes: []string{"ocid1.vault.oc1.eu-frankfurt-1.bfacmevaultaa.abtheljracmeproductionvaultinfrankfurt"},
		},
		{
			Name: "oci-ashburn", List: keys, Fate: RecoversSometimes, Period: 4 * time.Minute,
			Scopes: []string{"ocid1.vault.oc1.iad.bbacmevaultaa.abuwcljsacmeanalyticsvaultinashburn"},
		},
	}
}

func sapLives() []Life {
	const keys = "sap-keys"
	return []Life{
		{Name: "sap-finance", List: keys, Fate: Succeeds, Period: 3 * time.Minute, Scopes: []string{"Acme Finance", "Acme Logistics"}},
		{Name: "sap-hr", List: keys, Fate: FailsAlways, Period: 6 * time.Minute, Scopes: []string{"Acme HR"}},
		{Name: "sap-new", List: keys, Fate: NeverFinishesFirst, Scopes: []string{"Acme Research"}},
	}
}

func salesforceLives() []Life {
	const (
		keys, certificates = "sfdc-keys", "sfdc-certificates"
		europe, america    = "00D5g00000AcmeDEEA0", "00D5g00000AcmeUSEA0"
	)
	return []Life{
		{Name: "sfdc-europe", List: keys, Fate: Succeeds, Period: 3 * time.Minute, Scopes: []string{europe}},
		{Name: "sfdc-america", List: keys, Fate: RecoversSometimes, Period: 5 * time.Minute, Scopes: []string{america}},
		{Name: "sfdc-certificates", List: certificates, Fate: FailsOneScope, Period: 4 * time.Minute, Scopes: []string{europe, america}},
	}
}

// managerLives are the lives of other key managers: Data Security Managers, CipherTrust Managers and Luna HSMs.
func managerLives() []Life {
	const (
		dsm, external         = "dsm-keys", "external-cm-keys"
		luna, synchronization = "luna-keys", "luna-synchronizations"
	)
	return []Life{
		{Name: "dsm-finance", List: dsm, Fate: Succeeds, Period: 3 * time.Minute, Scopes: []string{"finance", "research"}},
		{Name: "dsm-legacy", List: dsm, Fate: HangsForever, Scopes: []string{"legacy"}},
		{Name: "external-root", List: external, Fate: Succeeds, Period: 3 * time.Minute, Scopes: []string{"root"}},
		{Name: "external-emea", List: external, Fate: IsAborted, Period: 6 * time.Minute, Scopes: []string{"root/emea"}},
		{Name: "luna-signing", List: luna, Fate: Succeeds, Period: 2 * time.Minute, Scopes: []string{"acme-signing", "acme-tde"}},
		{Name: "luna-backup", List: luna, Fate: RecoversSometimes, Period: 5 * time.Minute, Scopes: []string{"acme-backup"}},
		{Name: "luna-replicas", List: synchronization, Fate: Succeeds, Period: 3 * time.Minute, Scopes: []string{"acme-signing", "acme-replica"}},
		{Name: "luna-archive", List: synchronization, Fate: FailsOneScope, Period: 6 * time.Minute, Scopes: []string{"acme-archive", "acme-vault"}},
	}
}
