# Sums up pages of synchronization jobs, one file for each list, named CLOUD.ITEM.json.

def statuses: "in_progress", "completed", "failed", "aborted", "unknown";

# 2022-05-17T09:41:01.123456Z; fromdate takes whole seconds only.
def epoch: (.[0:19] + "Z" | fromdate) + ("0" + .[19:-1] | tonumber);

def job_status:
  if .overall_status == "completed" and .abort then "aborted"
  elif .overall_status == "error" then "failed"
  elif .overall_status == "in_progress" or .overall_status == "completed" or .overall_status == "failed" then .overall_status
  else "unknown" end;

# How the scope of a text fared in a job of the given status.
def scope_status($job; $status):
  if . == null then $status
  elif endswith("synchronized successfully") then (if $job.abort and $status != "in_progress" then "aborted" else "completed" end)
  elif test("fail|error|denied|forbidden|unauthorized|unable|cannot|not found|timed out|timeout|invalid"; "i") then "failed"
  else $status end;

# In Azure, detailed_status has a region before the scope.
def texts($cloud):
  (.detailed_status // {}) | if $cloud == "azure" then with_entries(.key |= .[index("/") + 1:]) else . end;

def count($key): .[$key] = (.[$key] // 0) + 1;
def latest($key; $at): .[$key] = ([.[$key] // 0, $at] | max);

def add_scope($job; $status; $created; $ended):
  .jobs |= count($status)
  | if [$created, $job.id] > [.created // 0, .id // ""] then .created = $created | .id = $job.id | .status = $status else . end
  | if $status == "in_progress" then .oldest = ([.oldest // $created, $created] | min) else . end
  | if $ended != null and $status == "completed" then latest("success"; $ended) else . end
  | if $ended != null and $status == "failed" then latest("failure"; $ended) else . end;

def add_job($cloud; $job):
  ($job | job_status) as $status
  | ($job.createdAt | epoch) as $created
  | (if $status == "in_progress" then null else $job.completed_at // $job.updatedAt | epoch end) as $ended
  | ($job | texts($cloud)) as $texts
  | .jobs |= count($status)
  | .read += 1
  | reduce (($job.key_rings // $job.key_vaults // []) + ($texts | keys_unsorted) | unique)[] as $scope (.;
      ($texts[$scope] | scope_status($job; $status)) as $own
      | .scopes[$scope] |= add_scope($job; $own; $created; $ended));

# One family: its series are objects with labels and a value.
def family($name; $help; series):
  [series | select(.value != null)]
  | if length == 0 then empty else
      "# HELP \($name) \($help)", "# TYPE \($name) gauge",
      (.[] | "\($name){\(.labels | to_entries | map("\(.key)=\(.value | tojson)") | join(","))} \(.value)")
    end;

reduce inputs as $page ({};
  (input_filename | split("/")[-1]) as $list
  | .[$list].cloud = ($list | split(".")[0])
  | .[$list].item = ($list | split(".")[1])
  | .[$list].total = $page.total
  | .[$list] |= reduce ($page.resources // [])[] as $job (.; add_job(.cloud; $job)))
| map(
    {labels: {cloud, item}, up: (if (.read // 0) == .total then 1 else 0 end), jobs: (.jobs // {}), scopes: (.scopes // {})})
| map(select(.up == 1)) as $whole
| [$whole[] | .labels as $labels | .scopes | to_entries[] | {labels: ($labels + {scope: .key})} + .value] as $scopes
| now as $now
| family("cckm_sync_up"; "Whether the list was read."; .[] | {labels, value: .up}),
  family("cckm_sync_jobs"; "Jobs by status.";
    $whole[] | .labels as $l | .jobs as $jobs | statuses | {labels: ($l + {status: .}), value: ($jobs[.] // 0)}),
  family("cckm_sync_scope_jobs"; "Jobs of the scope by its status.";
    $scopes[] | .labels as $l | .jobs as $jobs | statuses | {labels: ($l + {status: .}), value: ($jobs[.] // 0)}),
  family("cckm_sync_scope_status"; "Status of the scope in its newest job.";
    $scopes[] | .labels as $l | .status as $status | statuses | {labels: ($l + {status: .}), value: (if . == $status then 1 else 0 end)}),
  family("cckm_sync_scope_last_job_timestamp_seconds"; "When the newest job was created."; $scopes[] | {labels, value: .created}),
  family("cckm_sync_scope_job_age_seconds"; "Seconds since then."; $scopes[] | {labels, value: ([0, $now - .created] | max)}),
  family("cckm_sync_scope_in_progress_age_seconds"; "Age of the oldest job in progress.";
    $scopes[] | {labels, value: (if .oldest then [0, $now - .oldest] | max else 0 end)}),
  family("cckm_sync_scope_last_success_timestamp_seconds"; "When the scope last completed."; $scopes[] | {labels, value: .success}),
  family("cckm_sync_scope_last_failure_timestamp_seconds"; "When the scope last failed."; $scopes[] | {labels, value: .failure})
