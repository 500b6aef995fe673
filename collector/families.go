package collector

import (
	"cmp"
	"slices"
	"time"

	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/syncjob"
)

// family is a metric: its name and HELP as dashboards and alerts know them, over
// what its series stand side by side, and their values. HELP says when a series
// is absent.
type family struct {
	name, help string
	axis       axis
	// value returns the value of one series, and false where it is absent.
	value func(*cell) (float64, bool)
}

// families are the metrics of a list and of its key rings or vaults, by name, as
// they are at the given time of the appliance's clock. The names of their labels are the axes' (axis.go).
func families(now time.Time) []family {
	all := slices.Concat(listFamilies(), scopeFamilies(), scopeAges(now), scopeTimes())
	slices.SortFunc(all, func(a, b family) int { return cmp.Compare(a.name, b.name) })
	return all
}

func listFamilies() []family {
	return []family{
		{
			"cckm_sync_up",
			"Whether the whole list of synchronization jobs was read in this scrape (1) or not (0). " +
				"Where it is 0, no other series of the list is written but cckm_sync_scrape_error.",
			eachList, func(c *cell) (float64, bool) { return oneIf(c.read.Err == nil), true },
		},
		{
			"cckm_sync_scrape_error",
			"Why the list could not be read: 1 for the reason of a failed read, else 0.",
			eachReason, func(c *cell) (float64, bool) {
				return oneIf(c.read.Err != nil && reason.Of(c.read.Err) == c.reason), true
			},
		},
		{
			"cckm_sync_scrape_duration_seconds",
			"How long the read of the list took.",
			eachWholeList, func(c *cell) (float64, bool) { return c.read.Took.Seconds(), true },
		},
		{
			"cckm_sync_scrape_pages",
			"How many pages the read of the list asked for.",
			eachWholeList, func(c *cell) (float64, bool) { return float64(c.read.Pages), true },
		},
		{
			"cckm_sync_jobs",
			"Synchronization jobs in the list by the job's own status, each counted once.",
			eachListStatus, func(c *cell) (float64, bool) { return float64(c.read.Summary.Jobs[c.status]), true },
		},
	}
}

func scopeFamilies() []family {
	return []family{
		{
			"cckm_sync_scope_jobs",
			"Synchronization jobs that cover the key ring or vault, by its own status in the job.",
			eachScopeStatus, func(c *cell) (float64, bool) { return float64(c.scope.Jobs[c.status]), true },
		},
		{
			"cckm_sync_scope_status",
			"Status of the key ring or vault in its newest job: 1 for the status that it has, else 0.",
			eachScopeStatus, func(c *cell) (float64, bool) { return oneIf(c.scope.Newest.Status == c.status), true },
		},
		{
			"cckm_sync_scope_last_result",
			"How the key ring or vault fared in its newest finished job: 1 for the result, else 0. " +
				"Absent until a job has finished.",
			eachScopeResult, func(c *cell) (float64, bool) {
				if c.scope.Last == nil {
					return 0, false
				}
				return oneIf(c.scope.Last.Result == c.status), true
			},
		},
		{
			"cckm_sync_scope_info",
			"Parts of the identifier of the key ring or vault, always 1.",
			eachIdentifier, func(*cell) (float64, bool) { return 1, true },
		},
	}
}

func scopeAges(now time.Time) []family {
	// A clock that was set back leaves times in the future; their age is 0.
	age := func(since time.Time) (float64, bool) {
		return max(0, now.Sub(since).Seconds()), !since.IsZero()
	}
	return []family{
		{
			"cckm_sync_scope_job_age_seconds",
			"Seconds since the newest job of the key ring or vault was created. " +
				"Absent where the appliance gives no readable time.",
			eachScope, func(c *cell) (float64, bool) { return age(c.scope.Newest.CreatedAt) },
		},
		{
			"cckm_sync_scope_in_progress_age_seconds",
			"Seconds since the oldest job that is still in progress for the key ring or vault was created, " +
				"0 when there is none. Absent where the appliance gives no readable time.",
			eachScope, func(c *cell) (float64, bool) {
				if c.scope.Jobs[syncjob.InProgress] == 0 {
					return 0, true
				}
				return age(c.scope.OldestInProgress)
			},
		},
	}
}

func scopeTimes() []family {
	return []family{
		{
			"cckm_sync_scope_last_job_timestamp_seconds",
			"When the newest job of the key ring or vault was created, in seconds since the epoch. " +
				"Absent where the appliance gives no readable time.",
			eachScope, func(c *cell) (float64, bool) { return timestamp(c.scope.Newest.CreatedAt) },
		},
		{
			"cckm_sync_scope_last_completion_timestamp_seconds",
			"When the newest finished job of the key ring or vault finished, however it ended, in seconds since the epoch. " +
				"Absent until a job has finished.",
			eachScope, func(c *cell) (float64, bool) {
				if c.scope.Last == nil {
					return 0, false
				}
				return timestamp(c.scope.Last.FinishedAt)
			},
		},
		{
			"cckm_sync_scope_last_success_timestamp_seconds",
			"When the last job finished in which the key ring or vault completed, in seconds since the epoch. " +
				"Absent until there is one.",
			eachScope, func(c *cell) (float64, bool) { return timestamp(c.scope.LastSuccess) },
		},
		{
			"cckm_sync_scope_last_failure_timestamp_seconds",
			"When the last job finished in which the key ring or vault failed, in seconds since the epoch. " +
				"Absent until there is one.",
			eachScope, func(c *cell) (float64, bool) { return timestamp(c.scope.LastFailure) },
		},
		{
			"cckm_sync_scope_last_duration_seconds",
			"How long the newest finished job of the key ring or vault took. Absent until a job has finished.",
			eachScope, func(c *cell) (float64, bool) {
				if c.scope.Last == nil {
					return 0, false
				}
				took, ok := c.scope.Last.Duration()
				return took.Seconds(), ok
			},
		},
	}
}

// timestamp returns a time as Prometheus has it, and false where it is missing.
// The API's times have six fraction digits, which a float64 keeps.
func timestamp(t time.Time) (float64, bool) {
	return float64(t.UnixMicro()) / 1e6, !t.IsZero()
}

func oneIf(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
