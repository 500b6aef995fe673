package collector

import (
	"time"

	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/syncjob"
)

// metric is a gauge of the lists or of their key rings and vaults.
type metric struct {
	name, help string
	// per is the set of labels that its series are enumerated over.
	per dimension
	// value returns the value of one series, or false if the series is absent. Now is the present
	// by the appliance's clock.
	value func(s *sample, now time.Time) (float64, bool)
}

// metrics are all metrics of an exposition, ordered by name. HELP says when a series is absent.
// See samples.go for the labels.
//
//nolint:gochecknoglobals // An immutable table.
var metrics = []metric{
	{
		"cckm_sync_jobs",
		"Jobs in the list by overall_status, each counted once. A finished job with abort true is aborted instead of completed.",
		perListStatus, func(s *sample, _ time.Time) (float64, bool) { return float64(s.read.Summary.Jobs[s.status]), true },
	},
	{
		"cckm_sync_schedule_enabled",
		"Whether the schedule is enabled and within start_date and end_date.",
		perSchedule, func(s *sample, now time.Time) (float64, bool) { return oneIf(s.schedule.Enabled(now)), true },
	},
	{
		"cckm_sync_schedule_info",
		"Cloud and cron expression (run_at, in UTC) of the schedule. The value is 1.",
		perScheduleInfo, func(*sample, time.Time) (float64, bool) { return 1, true },
	},
	{
		"cckm_sync_schedule_next_run_timestamp_seconds",
		"Time of the next run of the schedule. Absent if there is none.",
		perSchedule, func(s *sample, now time.Time) (float64, bool) { return timestamp(s.schedule.NextRun(now)) },
	},
	{
		"cckm_sync_scope_due_timestamp_seconds",
		"Latest time up to now at which an enabled schedule should have started a job for the key ring or vault. Absent if there is none.",
		perPlanned, func(s *sample, _ time.Time) (float64, bool) { return timestamp(s.planned.times.Due) },
	},
	{
		"cckm_sync_scope_in_progress_age_seconds",
		"Seconds since createdAt of the oldest job that is in progress for the key ring or vault; 0 if there is none. " +
			"Absent if the time is missing or invalid.",
		perScope, func(s *sample, now time.Time) (float64, bool) {
			if s.scope.Jobs[syncjob.InProgress] == 0 {
				return 0, true
			}
			return age(s.scope.OldestInProgress, now)
		},
	},
	{
		"cckm_sync_scope_info",
		"Parts of the identifier of the key ring or vault. The value is 1; missing parts are empty.",
		perIdentifier, func(*sample, time.Time) (float64, bool) { return 1, true },
	},
	{
		"cckm_sync_scope_job_age_seconds",
		"Seconds since createdAt of the newest job of the key ring or vault. Absent if the time is missing or invalid.",
		perScope, func(s *sample, now time.Time) (float64, bool) { return age(s.scope.Newest.CreatedAt, now) },
	},
	{
		"cckm_sync_scope_jobs",
		"Jobs that cover the key ring or vault, by its own status in the job (its text in detailed_status, else overall_status).",
		perScopeStatus, func(s *sample, _ time.Time) (float64, bool) { return float64(s.scope.Jobs[s.status]), true },
	},
	{
		"cckm_sync_scope_last_completion_timestamp_seconds",
		"Time when the newest finished job of the key ring or vault finished (completed_at, else updatedAt), with any result. " +
			"Absent until a job has finished.",
		perScope, func(s *sample, _ time.Time) (float64, bool) {
			if s.scope.Last == nil {
				return 0, false
			}
			return timestamp(s.scope.Last.FinishedAt)
		},
	},
	{
		"cckm_sync_scope_last_duration_seconds",
		"Duration of the newest finished job of the key ring or vault. Absent until a job has finished.",
		perScope, func(s *sample, _ time.Time) (float64, bool) {
			if s.scope.Last == nil {
				return 0, false
			}
			took, ok := s.scope.Last.Duration()
			return took.Seconds(), ok
		},
	},
	{
		"cckm_sync_scope_last_failure_timestamp_seconds",
		"Time when the last job in which the key ring or vault failed finished. Absent until there is one.",
		perScope, func(s *sample, _ time.Time) (float64, bool) { return timestamp(s.scope.LastFailure) },
	},
	{
		"cckm_sync_scope_last_job_timestamp_seconds",
		"createdAt of the newest job of the key ring or vault. Absent if the time is missing or invalid.",
		perScope, func(s *sample, _ time.Time) (float64, bool) { return timestamp(s.scope.Newest.CreatedAt) },
	},
	{
		"cckm_sync_scope_last_result",
		"Result of the key ring or vault in its newest finished job: 1 for its result, else 0. Absent until a job has finished.",
		perScopeResult, func(s *sample, _ time.Time) (float64, bool) {
			if s.scope.Last == nil {
				return 0, false
			}
			return oneIf(s.scope.Last.Status == s.status), true
		},
	},
	{
		"cckm_sync_scope_last_success_timestamp_seconds",
		"Time when the last job in which the key ring or vault completed finished. Absent until there is one.",
		perScope, func(s *sample, _ time.Time) (float64, bool) { return timestamp(s.scope.LastSuccess) },
	},
	{
		"cckm_sync_scope_next_run_timestamp_seconds",
		"Next time at which an enabled schedule should start a job for the key ring or vault. Absent if there is none.",
		perPlanned, func(s *sample, _ time.Time) (float64, bool) { return timestamp(s.planned.times.Next) },
	},
	{
		"cckm_sync_scope_refreshed_timestamp_seconds",
		"Time of the last refresh of the key ring or vault by the inventory (synced_at or refreshed_at). Absent if it has none.",
		perPlanned, func(s *sample, _ time.Time) (float64, bool) { return timestamp(s.planned.RefreshedAt) },
	},
	{
		"cckm_sync_scope_registered",
		"Whether the inventory has the key ring or vault. 0 if only jobs have it, or if it is archived, gone, deleted, pending or external. " +
			"Absent if the inventory is not known.",
		perPlanned, func(s *sample, _ time.Time) (float64, bool) {
			return oneIf(s.planned.Registered), s.planned.InventoryKnown
		},
	},
	{
		"cckm_sync_scope_schedule_interval_seconds",
		"Longest gap between consecutive times at which schedules should start a job for the key ring or vault, from the last one that was due to " +
			"the first one after the next 35 days. Absent if there are fewer than two.",
		perPlanned, func(s *sample, _ time.Time) (float64, bool) {
			return s.planned.times.Interval.Seconds(), s.planned.times.Interval > 0
		},
	},
	{
		"cckm_sync_scope_status",
		"Status of the key ring or vault in its newest job (by createdAt, then id): 1 for its status, else 0.",
		perScopeStatus, func(s *sample, _ time.Time) (float64, bool) { return oneIf(s.scope.Newest.Status == s.status), true },
	},
	{
		"cckm_sync_scrape_duration_seconds",
		"Duration of the read of the list in this scrape. Absent if the read failed.",
		perReadList, func(s *sample, _ time.Time) (float64, bool) { return s.read.Took.Seconds(), true },
	},
	{
		"cckm_sync_scrape_error",
		"1 for the reason why the list could not be read in this scrape, else 0.",
		perReason, func(s *sample, _ time.Time) (float64, bool) {
			return oneIf(s.read.Err != nil && reason.Of(s.read.Err) == s.reason), true
		},
	},
	{
		"cckm_sync_scrape_pages",
		"Pages that the read of the list requested in this scrape. Absent if the read failed.",
		perReadList, func(s *sample, _ time.Time) (float64, bool) { return float64(s.read.Pages), true },
	},
	{
		"cckm_sync_source_error",
		"1 for the reason why the schedules or the inventory could not be read last time, else 0.",
		perSourceReason, func(s *sample, _ time.Time) (float64, bool) {
			return oneIf(s.source.Err != nil && reason.Of(s.source.Err) == s.reason), true
		},
	},
	{
		"cckm_sync_source_up",
		"1 if the schedules or the inventory were read successfully last time, else 0. Absent before the first read.",
		perSource, func(s *sample, _ time.Time) (float64, bool) { return oneIf(s.source.Err == nil), true },
	},
	{
		"cckm_sync_up",
		"1 if the list of synchronization jobs was read completely in this scrape, else 0. " +
			"If it is 0, cckm_sync_scrape_error is the only other metric of the list.",
		perList, func(s *sample, _ time.Time) (float64, bool) { return oneIf(s.read.Err == nil), true },
	},
}

// age returns the seconds since a time, or false if it is missing. The age of a time in the future
// is 0: the appliance's clock may have been set back.
func age(since, now time.Time) (float64, bool) {
	return max(0, now.Sub(since).Seconds()), !since.IsZero()
}

// timestamp returns a time in seconds since the epoch, or false if it is missing. A float64 keeps
// the API's six fraction digits.
func timestamp(t time.Time) (float64, bool) {
	return float64(t.UnixMicro()) / 1e6, !t.IsZero()
}

func oneIf(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
