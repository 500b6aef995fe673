package simulator

import (
	"cmp"
	"strconv"
	"strings"
	"time"
)

// Fate is what becomes of a life's jobs.
type Fate int

// Fates of a life.
const (
	// Succeeds completes every job.
	Succeeds Fate = iota
	// FailsAlways fails every job for every scope.
	FailsAlways
	// FailsOneScope fails every job for its last scope only.
	FailsOneScope
	// RecoversSometimes fails three of four jobs, and completes the fourth.
	RecoversSometimes
	// IsAborted cancels every job halfway, so that it ends completed with abort set.
	IsAborted
	// HangsForever completed its jobs until some hours ago; the last one is still in progress and no other follows.
	HangsForever
	// CompletesPartly completes every job, although its last scope alternately fails and has an unknown
	// text, like the appliance's bulk jobs.
	CompletesPartly
	// NeverFinishesFirst has a single job, which is still in progress.
	NeverFinishesFirst
	// FailsLately completed its jobs until some days ago, and has failed all of them since.
	FailsLately
	// Stopped completed its jobs until some days ago, and no other follows.
	Stopped
	// MissedANight completed its jobs until yesterday, and no other follows.
	MissedANight
)

// Life is one synchronization that a [Fleet] keeps repeating.
type Life struct {
	// Name is unique in a fleet and decides, with the fleet's seed, everything that varies.
	Name string
	// List is the name of the list that the jobs are in, such as GoogleKeys.
	List string
	// Scopes are what each job covers.
	Scopes []string
	// Period is the time between the starts of two jobs, at least 10 s.
	Period time.Duration
	// Phase is the time from the fleet's start to its first job.
	Phase time.Duration
	// Longest is the longest that a job takes; the least is 2 s. The default is 45 s. It is limited to
	// three quarters of the period.
	Longest time.Duration
	// Fate is what becomes of the jobs.
	Fate Fate
	// Keep is how many jobs of the life the list keeps; older ones disappear, as if an administrator had
	// purged them. The default is 10,000.
	Keep int
}

// repeats reports whether new jobs keep starting.
func (l Life) repeats() bool {
	return l.Fate != HangsForever && l.Fate != NeverFinishesFirst && l.Fate != Stopped && l.Fate != MissedANight
}

// Parts of the scopes of a fictitious company.
const (
	acme       = "projects/acme-"
	production = "::7a1c4f0e-52d6-4b8e-9a43-1f0d6c2b9e75"
	staging    = "::c3e0b9d2-8f14-4f6a-b1d7-60a95e3c2718"
)

// retired is the name of the life of a vault that is not registered any more.
const retired = "retired-vault"

// life returns a life whose jobs start every so many seconds, if it repeats.
func life(name, list string, fate Fate, period int, scopes ...string) Life {
	return Life{Name: name, List: list, Scopes: scopes, Period: time.Duration(period) * time.Second, Fate: fate}
}

// starting returns the life with another phase, in seconds.
func (l Life) starting(phase int) Life {
	l.Phase = time.Duration(phase) * time.Second
	return l
}

// DefaultLives returns the key rings and vaults of a fictitious company. In each of the two lists
// something changes at least every twenty seconds.
func DefaultLives() []Life {
	const google, azure = GoogleKeys, AzureCertificates
	lives := []Life{
		life("payments", google, Succeeds, 20, acme+"prod/locations/europe-west3/keyRings/payments").starting(1),
		life("customer-data", google, Succeeds, 75, acme+"prod/locations/europe-west1/keyRings/customer-data").starting(8),
		life("signing", google, RecoversSometimes, 50, acme+"prod/locations/global/keyRings/code-signing").starting(15),
		life("staging-ring", google, FailsLately, 90, acme+"staging/locations/us-east1/keyRings/payments").starting(22),
		life("warehouse", google, HangsForever, 0, acme+"analytics/locations/us-central1/keyRings/warehouse"),
		life("sandbox", google, IsAborted, 110, acme+"dev/locations/europe-west4/keyRings/sandbox").starting(31),
		life("ledger", google, Stopped, 0, acme+"prod/locations/europe-west3/keyRings/ledger"),
		life("statements", google, MissedANight, 0, acme+"prod/locations/europe-west3/keyRings/statements"),
		life("new-tenant", google, NeverFinishesFirst, 0, acme+"lab/locations/asia-northeast1/keyRings/new-tenant"),

		life("prod-vaults", azure, Succeeds, 20, "acme-prod-vault"+production, "acme-payments-vault"+production).starting(5),
		life("partner-vaults", azure, FailsOneScope, 70, "acme-shared-vault"+production, "acme-partner-vault"+production).starting(12),
		life("edge-vault", azure, RecoversSometimes, 60, "acme-edge-vault"+production).starting(19),
		life("staging-vault", azure, FailsAlways, 95, "acme-staging-vault"+staging).starting(27),
		life("archive-vault", azure, HangsForever, 0, "acme-archive-vault"+production),
		life("dev-vault", azure, IsAborted, 120, "acme-dev-vault"+staging).starting(40),
		life("lab-vault", azure, NeverFinishesFirst, 0, "acme-lab-vault"+staging),
		life(retired, azure, Stopped, 0, "acme-retired-vault"+production),
	}
	for i := range lives {
		if lives[i].Period == 20*time.Second {
			lives[i].Longest = 12 * time.Second
		}
	}
	return lives
}

// AllLives returns the default lives, and a few in each of the other lists of [AllKinds], all of the same
// fictitious company. Only the forms of Azure's and Oracle's identifiers are public.
func AllLives() []Life {
	const europe, america = "00D5g00000AcmeDEEA0", "00D5g00000AcmeUSEA0"
	others := []Life{
		life("prod-key-vaults", "azure-keys", Succeeds, 120, "acme-prod-vault"+production, "acme-payments-vault"+production),
		life("partner-key-vaults", "azure-keys", FailsOneScope, 240, "acme-shared-vault"+production, "acme-partner-vault"+production),
		life("shared-secrets", "azure-secrets", CompletesPartly, 240, "acme-shared-vault"+production, "acme-legacy-vault"+production),
		life("prod-secrets", "azure-secrets", Succeeds, 180, "acme-prod-vault"+production),
		life("staging-secrets", "azure-secrets", IsAborted, 300, "acme-staging-vault"+staging),

		life("aws-production", "aws-keys", Succeeds, 120, "acme-production"),
		life("aws-data", "aws-keys", FailsOneScope, 240, "acme-warehouse", "acme-data-lake"),
		life("aws-sandbox", "aws-keys", HangsForever, 0, "acme-sandbox"),
		life("aws-stores", "aws-custom-key-stores", Succeeds, 180, "acme-production"),
		life("aws-edge-stores", "aws-custom-key-stores", RecoversSometimes, 300, "acme-edge"),

		life("oci-frankfurt", "oci-keys", Succeeds, 120, "ocid1.vault.oc1.eu-frankfurt-1.bfacmevaultaa.abtheljracmeproductionvaultinfrankfurt"),
		life("oci-ashburn", "oci-keys", RecoversSometimes, 240, "ocid1.vault.oc1.iad.bbacmevaultaa.abuwcljsacmeanalyticsvaultinashburn"),

		life("sap-finance", "sap-keys", Succeeds, 180, "Acme Finance", "Acme Logistics"),
		life("sap-hr", "sap-keys", FailsAlways, 360, "Acme HR"),
		life("sap-new", "sap-keys", NeverFinishesFirst, 0, "Acme Research"),

		life("sfdc-europe", "sfdc-keys", Succeeds, 180, europe),
		life("sfdc-america", "sfdc-keys", RecoversSometimes, 300, america),
		life("sfdc-certificates", "sfdc-certificates", FailsOneScope, 240, europe, america),

		life("dsm-finance", "dsm-keys", Succeeds, 180, "finance", "research"),
		life("dsm-legacy", "dsm-keys", HangsForever, 0, "legacy"),
		life("external-root", "external-cm-keys", Succeeds, 180, "root"),
		life("external-emea", "external-cm-keys", IsAborted, 360, "root/emea"),
		life("luna-signing", "luna-keys", Succeeds, 120, "acme-signing", "acme-tde"),
		life("luna-backup", "luna-keys", RecoversSometimes, 300, "acme-backup"),
		life("luna-replicas", "luna-synchronizations", Succeeds, 180, "acme-signing", "acme-replica"),
		life("luna-archive", "luna-synchronizations", FailsOneScope, 360, "acme-archive", "acme-vault"),
	}
	for i := range others {
		others[i] = others[i].starting(3 + 7*i) // Not all lists change at once.
		others[i].Keep = 100                    // These lists stay small.
	}
	return append(DefaultLives(), others...)
}

// LivesOf returns the lives of one of many appliances, by its number from 0. The first has AllLives. Each
// other one has another company's names, and one of the troubles of each list.
func LivesOf(appliance int) []Life {
	lives := AllLives()
	if appliance == 0 {
		return lives
	}
	companies := [...]string{"Acme", "Globex", "Initech", "Umbrella", "Hooli", "Soylent"}
	company := companies[appliance%len(companies)]
	if round := appliance / len(companies); round > 0 {
		company += strconv.Itoa(round + 1)
	}
	rename := strings.NewReplacer("Acme", company, "acme", strings.ToLower(company))
	troubled := map[string][]*Life{}
	for i := range lives {
		life := &lives[i]
		for j, scope := range life.Scopes {
			if life.Scopes[j] = rename.Replace(scope); life.Scopes[j] == scope {
				life.Scopes[j] = strings.ToLower(company) + "-" + scope
			}
		}
		if life.Fate != Succeeds && life.Name != retired {
			troubled[life.List] = append(troubled[life.List], life)
		}
	}
	for _, of := range troubled {
		for i, life := range of {
			if i != appliance%len(of) {
				life.Fate, life.Period = Succeeds, cmp.Or(life.Period, 2*time.Minute)
			}
		}
	}
	return lives
}
