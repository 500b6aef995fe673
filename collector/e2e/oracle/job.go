package oracle

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// The values of the label "status".
const (
	inProgress = "in_progress"
	completed  = "completed"
	failed     = "failed"
	aborted    = "aborted"
	unknown    = "unknown"
)

// statuses returns every value of the label "status".
func statuses() []string {
	return []string{inProgress, completed, failed, aborted, unknown}
}

// worstFirst returns the statuses in the order in which they win where a job names a scope twice.
func worstFirst() []string {
	return []string{failed, aborted, unknown, inProgress, completed}
}

// A job is one record of a list.
type job struct {
	id string
	// own is the job's own status, whatever became of a cancel.
	own   string
	abort bool
	// created and finish are nil where the record has no such time that can be read.
	created, finish *time.Time
	// scopes maps each scope of the job to the scope's own status in it, and texts to the appliance's own
	// words for that.
	scopes, texts map[string]string
}

// finished tells whether the job has ended, however that may have been.
func (j job) finished() bool { return j.own != inProgress }

// counted returns the status by which the list counts the job.
func (j job) counted() string { return j.cancelled(j.own) }

// cancelled turns a success of a finished job that was cancelled into what it is.
func (j job) cancelled(status string) string {
	if j.finished() && j.abort && status == completed {
		return aborted
	}
	return status
}

// decode reads the records of a list, of which the first of each id counts.
func decode(list List, records []json.RawMessage) ([]job, error) {
	var jobs []job
	seen := make(map[string]bool)
	for i, record := range records {
		var fields map[string]any
		if err := json.Unmarshal(record, &fields); err != nil {
			return nil, fmt.Errorf("record %d: %w", i, err)
		}
		j := read(list, fields)
		if j.id == "" {
			return nil, fmt.Errorf("record %d has no id", i)
		}
		if seen[j.id] {
			continue
		}
		seen[j.id] = true
		jobs = append(jobs, j)
	}
	return jobs, nil
}

// read reads one record.
func read(list List, fields map[string]any) job {
	j := job{own: ownStatus(fields["overall_status"]), scopes: make(map[string]string), texts: make(map[string]string)}
	j.id, _ = fields["id"].(string)
	j.abort, _ = fields["abort"].(bool)
	j.created = readTime(fields["createdAt"])
	if j.finished() {
		j.finish = readTime(fields["completed_at"])
		if j.finish == nil {
			j.finish = readTime(fields["updatedAt"])
		}
	}

	declared := declaredScopes(list, fields)
	// The statuses that detailed_status gives each scope, and the texts for each of them. Null is a text
	// that is still to come.
	given := make(map[string][]string)
	texts := make(map[string][]string)
	give := func(scope, text string) {
		status := j.textStatus(text)
		given[scope] = append(given[scope], status)
		if text != "" {
			texts[scope+" "+status] = append(texts[scope+" "+status], text)
		}
	}
	detail, _ := fields["detailed_status"].(map[string]any)
	for key, value := range detail {
		scope := scopeOfKey(list, key, declared)
		switch value := value.(type) {
		case string:
			give(scope, value)
		case nil:
			give(scope, "")
		}
	}

	for _, scope := range declared {
		if len(given[scope]) == 0 {
			given[scope] = []string{j.counted()}
		}
	}
	delete(given, "")
	for scope, all := range given {
		j.scopes[scope] = worst(all)
		if words := texts[scope+" "+j.scopes[scope]]; len(words) > 0 {
			j.texts[scope] = slices.Min(words)
		}
	}
	return j
}

// declaredScopes returns what stands in the scope fields of a job.
func declaredScopes(list List, fields map[string]any) []string {
	var declared []string
	for _, field := range list.ScopeFields {
		switch value := fields[field].(type) {
		case string:
			declared = append(declared, value)
		case []any:
			for _, element := range value {
				if name, ok := element.(string); ok {
					declared = append(declared, name)
				}
			}
		}
	}
	return declared
}

// scopeOfKey returns the scope that a key of detailed_status names.
func scopeOfKey(list List, key string, declared []string) string {
	if !list.RegionPrefix || slices.Contains(declared, key) {
		return key
	}
	if _, scope, ok := strings.Cut(key, "/"); ok {
		return scope
	}
	return key
}

// worst returns the worst of some statuses.
func worst(given []string) string {
	for _, status := range worstFirst() {
		if slices.Contains(given, status) {
			return status
		}
	}
	panic("no status among " + strings.Join(given, ", "))
}

// ownStatus returns the status that overall_status stands for.
func ownStatus(value any) string {
	switch value {
	case "in_progress":
		return inProgress
	case "completed":
		return completed
	case "failed", "error":
		return failed
	default:
		return unknown
	}
}

// The words of a text, as the contract lists them.
var (
	denialOfSuccess = regexp.MustCompile(`(?i)(\bnot|n't|\bnever)(\s+(be|been|yet|fully))*\s+(synchronized|complete|success)`)
	plainSuccess    = regexp.MustCompile(`(?i)synchronized successfully$`)
	failureWord     = regexp.MustCompile(`(?i)fail|error|denied|forbidden|unauthorized|unable|cannot|not found|timed out|timeout|invalid|unsuccessful|exception`)
	abortWord       = regexp.MustCompile(`(?i)abort|cancel`)
	successWord     = regexp.MustCompile(`(?i)\b(success|complete\b|completed\b|synchronized\b)`)
)

// textStatus returns the status that a text of detailed_status gives its scope in the job.
func (j job) textStatus(text string) string {
	text = strings.TrimSpace(text)
	denied := denialOfSuccess.MatchString(text)
	switch {
	case !denied && plainSuccess.MatchString(text):
		return j.cancelled(completed)
	case failureWord.MatchString(text):
		return failed
	case abortWord.MatchString(text):
		return aborted
	case !denied && successWord.MatchString(text):
		return j.cancelled(completed)
	case denied && j.counted() == completed:
		return failed
	default:
		return j.counted()
	}
}

// readTime returns a time, or nil where there is none that can be read.
func readTime(value any) *time.Time {
	text, ok := value.(string)
	if !ok {
		return nil
	}
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil || at.IsZero() {
		return nil
	}
	return &at
}
