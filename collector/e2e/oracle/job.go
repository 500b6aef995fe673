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

// worstFirst returns the statuses in their precedence if a job names a scope twice.
func worstFirst() []string {
	return []string{failed, aborted, unknown, inProgress, completed}
}

// A job is one record of a list.
type job struct {
	id string
	// own is the job's own status, before abort is considered.
	own   string
	abort bool
	// created and finish are nil if the record has no such time that counts.
	created, finish *time.Time
	// scopes maps the key of each scope of the job to the scope's own status in it, texts to the
	// appliance's text for that status, and names to the job's spelling of the scope.
	scopes, texts, names map[string]string
}

// finished reports whether the job has ended, with any result.
func (j job) finished() bool { return j.own != inProgress }

// counted returns the status by which the list counts the job.
func (j job) counted() string { return j.cancelled(j.own) }

// cancelled turns a success of a finished job that was canceled into an aborted status.
func (j job) cancelled(status string) string {
	if j.finished() && j.abort && status == completed {
		return aborted
	}
	return status
}

// decode decodes the records of a list at the given time. The first record of each id counts.
func decode(list List, records []json.RawMessage, now time.Time) ([]job, error) {
	var jobs []job
	seen := make(map[string]bool)
	for i, record := range records {
		var fields map[string]any
		if err := json.Unmarshal(record, &fields); err != nil {
			return nil, fmt.Errorf("record %d: %w", i, err)
		}
		j := read(list, fields, now)
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
func read(list List, fields map[string]any, now time.Time) job {
	j := job{
		own: ownStatus(fields["overall_status"]), scopes: make(map[string]string), texts: make(map[string]string), names: make(map[string]string),
	}
	j.id, _ = fields["id"].(string)
	j.abort, _ = fields["abort"].(bool)
	j.created = readTime(fields["createdAt"], now)
	if j.finished() {
		j.finish = readTime(fields["completed_at"], now)
		if j.finish == nil {
			j.finish = readTime(fields["updatedAt"], now)
		}
	}

	declared := declaredScopes(list, fields)
	// The statuses that detailed_status gives each scope, and the texts for each of them. Null is an empty
	// text.
	given := make(map[string][]string)
	texts := make(map[string][]string)
	var detailed []string
	give := func(name, text string) {
		text = cut(text)
		detailed = append(detailed, name)
		scope, status := list.key(name), j.textStatus(text)
		given[scope] = append(given[scope], status)
		if text != "" {
			// A text is shown on one line.
			texts[scope+" "+status] = append(texts[scope+" "+status], strings.ReplaceAll(text, "\n", " "))
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

	for _, name := range declared {
		if scope := list.key(name); len(given[scope]) == 0 {
			given[scope] = []string{j.counted()}
		}
	}
	delete(given, "")
	// A scope is spelled as in the scope field, else as in the first key by the alphabet.
	slices.Sort(detailed)
	for _, name := range append(slices.Clone(declared), detailed...) {
		if key := list.key(name); j.names[key] == "" {
			j.names[key] = name
		}
	}
	for scope, all := range given {
		j.scopes[scope] = worst(all)
		if words := texts[scope+" "+j.scopes[scope]]; len(words) > 0 {
			j.texts[scope] = slices.Min(words)
		}
	}
	return j
}

// declaredScopes returns the values of the scope fields of a job.
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
	whole := func(name string) bool { return list.key(name) == list.key(key) }
	if !list.RegionPrefix || slices.ContainsFunc(declared, whole) {
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

// key returns what identifies a scope: Azure's names are compared ignoring case.
func (l List) key(name string) string {
	if l.RegionPrefix {
		return strings.ToLower(name)
	}
	return name
}

// ownStatus returns the status that overall_status means.
func ownStatus(value any) string {
	text, _ := value.(string)
	switch underscored(text) {
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

// underscored returns a status in lower case, with underscores instead of blanks and hyphens.
func underscored(status string) string {
	return strings.NewReplacer(" ", "_", "-", "_").Replace(strings.ToLower(status))
}

// cut returns a text in at most 512 bytes.
func cut(text string) string {
	if len(text) <= 512 {
		return text
	}
	short := ""
	for _, character := range text {
		if len(short)+len(string(character))+len("…") > 512 {
			break
		}
		short += string(character)
	}
	return short + "…"
}

// The words of a text that decide on its status.
var (
	denialOfSuccess = regexp.MustCompile(`(?i)(\bnot|n't|\bnever)(\s+(be|been|yet|fully))*\s+(synchronized|complete|success|refreshed)`)
	plainSuccess    = regexp.MustCompile(`(?i)synchronized successfully$`)
	failureWord     = regexp.MustCompile(`(?i)fail|error|denied|forbidden|unauthorized|unable|cannot|not found|timed out|timeout|invalid|unsuccessful|exception|` +
		`not authorized|exceeded|refused|unavailable|unreachable|not reachable|throttl|too ?many|quota|expired|reset by|no such host|aadsts`)
	abortWord   = regexp.MustCompile(`(?i)abort|cancel`)
	successWord = regexp.MustCompile(`(?i)\b(success|complete\b|completed\b|synchronized\b|refreshed\b)`)
	cutText     = regexp.MustCompile(`(?s)^.*…$`)
)

// textStatus returns the status that a text of detailed_status gives its scope in the job.
func (j job) textStatus(text string) string {
	// The part that was cut off may have named a failure.
	wasCut := len(text) > 508 && cutText.MatchString(text)
	text = strings.TrimSpace(text)
	denied := denialOfSuccess.MatchString(text)
	switch {
	case !denied && plainSuccess.MatchString(text):
		return j.cancelled(completed)
	case failureWord.MatchString(text):
		return failed
	case abortWord.MatchString(text):
		return aborted
	case !denied && !wasCut && successWord.MatchString(text):
		return j.cancelled(completed)
	case text == "", underscored(text) == "in_progress":
		return j.counted()
	case j.own == completed:
		// The text is not understood, so it is no success.
		return unknown
	default:
		return j.counted()
	}
}

// rfc3339 is the form of a time.
var rfc3339 = regexp.MustCompile(`^(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:)(\d{2})((?:\.\d+)?(?:Z|[+-]\d{2}:\d{2}))$`)

// readTime parses a time. It returns nil if there is none, or if it does not count at now.
func readTime(value any, now time.Time) *time.Time {
	text, _ := value.(string)
	parts := rfc3339.FindStringSubmatch(strings.ToUpper(text))
	if parts == nil {
		return nil
	}
	leap := parts[2] == "60"
	if leap {
		parts[2] = "59"
	}
	at, err := time.Parse(time.RFC3339Nano, parts[1]+parts[2]+parts[3])
	if err != nil {
		return nil
	}
	if leap {
		at = at.Add(time.Second)
	}
	if at.Before(time.Date(2000, time.January, 1, 0, 0, 0, 0, time.UTC)) || at.After(now.Add(24*time.Hour)) {
		return nil
	}
	return &at
}
