package syncjob_test

import (
	"fmt"
	"testing"
	"time"

	"cckm_sync_exporter/collector/syncjob"
)

// BenchmarkTexts adds 50,000 jobs whose texts all differ, and reports the ratio of the time to that for jobs with
// equal texts:
//
//	go test ./collector/syncjob -run '^$' -bench Texts -benchtime 20x
func BenchmarkTexts(b *testing.B) {
	const jobs = 50_000
	for name, text := range map[string]string{
		"success": "key ring %d synchronized successfully",
		"failure": "[NCERRBadRequest: Bad HTTP request]: Error Listing Keys : TooManyRequests, request %d",
		"unknown": "skipped because generation %d of the vault is archived",
	} {
		b.Run(name, func(b *testing.B) {
			same, own := make([]syncjob.Job, jobs), make([]syncjob.Job, jobs)
			now := time.Now()
			for i := range jobs {
				job := syncjob.Job{
					ID: fmt.Sprintf("2f7c6f46-4b04-4f43-8b5d-%012d", i), OverallStatus: "completed", CreatedAt: now, CompletedAt: now, Scopes: []string{"r"},
				}
				same[i], own[i] = job, job
				same[i].Details = []syncjob.Detail{{Key: "r", Text: fmt.Sprintf(text, 0)}}
				own[i].Details = []syncjob.Detail{{Key: "r", Text: fmt.Sprintf(text, i)}}
			}
			add := func(jobs []syncjob.Job) time.Duration {
				s, began := syncjob.NewSummarizer(syncjob.Lists()[0]), time.Now()
				for i := range jobs {
					if err := s.Add(&jobs[i], now); err != nil {
						b.Fatal(err)
					}
				}
				return time.Since(began)
			}
			// The fastest of several runs does not depend on what else the machine does.
			equal, different := add(same), add(own)
			for b.Loop() {
				equal, different = min(equal, add(same)), min(different, add(own))
			}
			b.ReportMetric(float64(equal)/jobs, "equal-ns/job")
			b.ReportMetric(float64(different)/jobs, "different-ns/job")
			b.ReportMetric(float64(different)/float64(equal), "ratio")
		})
	}
}
