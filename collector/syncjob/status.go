// Package syncjob says what a synchronization job means: which status it has,
// which key rings or vaults it covers, how each of them fared in it, and what a
// whole list of jobs says about each of them. It is pure: it reads no clock and
// talks to nothing.
package syncjob

import (
	"regexp"
	"strings"
)

// Status is the status of a job, or of one scope in a job.
type Status uint8

// The statuses, in the order in which they are written.
const (
	InProgress Status = iota
	Completed
	Failed
	Aborted
	Unknown

	// NumStatuses is how many statuses there are.
	NumStatuses = 5
)

// Statuses returns every status, in the order in which they are written.
func Statuses() [NumStatuses]Status {
	return [...]Status{InProgress, Completed, Failed, Aborted, Unknown}
}

// Results returns the statuses that a finished job can have.
func Results() []Status {
	return []Status{Completed, Failed, Aborted, Unknown}
}

// String returns the value of the label "status" or "result".
func (s Status) String() string {
	switch s {
	case InProgress:
		return "in_progress"
	case Completed:
		return "completed"
	case Failed:
		return "failed"
	case Aborted:
		return "aborted"
	case Unknown:
		return "unknown"
	}
	return "unknown"
}

// The values of overall_status that the API documents, and "error", which one of
// its public clients (for AWS) expects for failed.
const (
	OverallInProgress = "in_progress"
	OverallCompleted  = "completed"
	OverallFailed     = "failed"
	OverallError      = "error"
)

// jobStatus reads overall_status.
func jobStatus(overall string) Status {
	switch overall {
	case OverallInProgress:
		return InProgress
	case OverallCompleted:
		return Completed
	case OverallFailed, OverallError:
		return Failed
	default:
		return Unknown
	}
}

// said is what a text of detailed_status says about its scope.
type said uint8

const (
	// saysNothing leaves the scope's status to the job's own.
	saysNothing said = iota
	saysCompleted
	saysFailed
	saysAborted
	// saysNotDone denies a success ("could not be synchronized") without naming
	// a failure.
	saysNotDone
)

// successSuffix ends the texts of every success that the API's documents show.
const successSuffix = "synchronized successfully"

// textPatterns are the words by which the texts of detailed_status are told
// apart. The API's documents show only two kinds of text, "in_progress" and
// "… synchronized successfully"; no failed example is public.
type textPatterns struct {
	denied    *regexp.Regexp
	failure   *regexp.Regexp
	aborted   *regexp.Regexp
	completed *regexp.Regexp
}

func newTextPatterns() *textPatterns {
	return &textPatterns{
		denied: regexp.MustCompile(`(\bnot|n't|\bnever)(\s+(be|been|yet|fully))*\s+(synchronized|complete|success)`),
		failure: regexp.MustCompile(`fail|error|denied|forbidden|unauthorized|unable|cannot|not found|timed out|` +
			`timeout|invalid|unsuccessful|exception`),
		aborted: regexp.MustCompile(`abort|cancel`),
		// A word's start matters: "incomplete" is no success.
		completed: regexp.MustCompile(`\bsuccess|\bcompleted?\b|\bsynchronized\b`),
	}
}

// read tells what a text says. The order of the rules is the contract's: the
// documented end of a success comes first because a scope's name within the
// text may hold any word ("failover-vault synchronized successfully").
func (p *textPatterns) read(text string) said {
	text = strings.ToLower(strings.TrimSpace(text))
	// A denied success is looked for before the rules: "could not be
	// synchronized successfully" must never count as a success.
	denied := p.denied.MatchString(text)
	switch {
	case !denied && strings.HasSuffix(text, successSuffix):
		return saysCompleted
	case p.failure.MatchString(text):
		return saysFailed
	case p.aborted.MatchString(text):
		return saysAborted
	case denied:
		return saysNotDone
	case p.completed.MatchString(text):
		return saysCompleted
	default:
		return saysNothing
	}
}
