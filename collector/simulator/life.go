package simulator

import "time"

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
func (l Life) repeats() bool { return l.Fate != HangsForever && l.Fate != NeverFinishesFirst }

// DefaultLives returns the key rings and vaults of a fictitious company. In each of the two lists
// something changes at least every twenty seconds.
func DefaultLives() []Life {
	const (
		production = "7a1c4f0e-52d6-4b8e-9a43-1f0d6c2b9e75"
		staging    = "c3e0b9d2-8f14-4f6a-b1d7-60a95e3c2718"
	)
	vault := func(name, subscription string) string { return name + "::" + subscription }
	return []Life{
		{
			Name: "payments", List: GoogleKeys, Fate: Succeeds, Period: 20 * time.Second, Phase: time.Second, Longest: 12 * time.Second,
			Scopes: []string{"projects/acme-prod/locations/europe-west3/keyRings/payments"},
		},
		{
			Name: "customer-data", List: GoogleKeys, Fate: Succeeds, Period: 75 * time.Second, Phase: 8 * time.Second,
			Scopes: []string{"projects/acme-prod/locations/europe-west1/keyRings/customer-data"},
		},
		{
			Name: "signing", List: GoogleKeys, Fate: RecoversSometimes, Period: 50 * time.Second, Phase: 15 * time.Second,
			Scopes: []string{"projects/acme-prod/locations/global/keyRings/code-signing"},
		},
		{
			Name: "staging-ring", List: GoogleKeys, Fate: FailsAlways, Period: 90 * time.Second, Phase: 22 * time.Second,
			Scopes: []string{"projects/acme-staging/locations/us-east1/keyRings/payments"},
		},
		{
			Name: "warehouse", List: GoogleKeys, Fate: HangsForever,
			Scopes: []string{"projects/acme-analytics/locations/us-central1/keyRings/warehouse"},
		},
		{
			Name: "sandbox", List: GoogleKeys, Fate: IsAborted, Period: 110 * time.Second, Phase: 31 * time.Second,
			Scopes: []string{"projects/acme-dev/locations/europe-west4/keyRings/sandbox"},
		},
		{
			Name: "new-tenant", List: GoogleKeys, Fate: NeverFinishesFirst,
			Scopes: []string{"projects/acme-lab/locations/asia-northeast1/keyRings/new-tenant"},
		},

		{
			Name: "prod-vaults", List: AzureCertificates, Fate: Succeeds, Period: 20 * time.Second, Phase: 5 * time.Second, Longest: 12 * time.Second,
			Scopes: []string{vault("acme-prod-vault", production), vault("acme-payments-vault", production)},
		},
		{
			Name: "partner-vaults", List: AzureCertificates, Fate: FailsOneScope, Period: 70 * time.Second, Phase: 12 * time.Second,
			Scopes: []string{vault("acme-shared-vault", production), vault("acme-partner-vault", production)},
		},
		{
			Name: "edge-vault", List: AzureCertificates, Fate: RecoversSometimes, Period: 60 * time.Second, Phase: 19 * time.Second,
			Scopes: []string{vault("acme-edge-vault", production)},
		},
		{
			Name: "staging-vault", List: AzureCertificates, Fate: FailsAlways, Period: 95 * time.Second, Phase: 27 * time.Second,
			Scopes: []string{vault("acme-staging-vault", staging)},
		},
		{
			Name: "archive-vault", List: AzureCertificates, Fate: HangsForever,
			Scopes: []string{vault("acme-archive-vault", production)},
		},
		{
			Name: "dev-vault", List: AzureCertificates, Fate: IsAborted, Period: 120 * time.Second, Phase: 40 * time.Second,
			Scopes: []string{vault("acme-dev-vault", staging)},
		},
		{
			Name: "lab-vault", List: AzureCertificates, Fate: NeverFinishesFirst,
			Scopes: []string{vault("acme-lab-vault", staging)},
		},
	}
}
