package hostile_test

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"cckm_sync_exporter/collector/e2e/broken"
)

const (
	kilobyte = 1 << 10
	megabyte = 1 << 20
	created  = `"createdAt":"2026-11-01T00:00:00.000001Z","updatedAt":"2026-11-01T00:01:00Z"`
	running  = `"overall_status":"in_progress",` + created
	finished = `"overall_status":"completed","completed_at":"2026-11-01T00:01:00Z",` + created
	failed   = `"overall_status":"failed","completed_at":"2026-11-01T00:01:00Z",` + created
)

// hostiles is the table of hostile appliances.
func hostiles() []hostile { return append(finite(), infinite()...) }

// infinite returns appliances that repeat something forever.
func infinite() []hostile {
	const job = `{"total":1,"resources":[{`
	forever := func(name, reasons, begin, unit string) hostile {
		return hostile{name: name + " without end", reasons: reasons, slow: reasons == "timeout", pages: broken.Stream(http.StatusOK, begin, unit)}
	}
	zipped := func(name, reasons, begin, unit string) hostile {
		return hostile{name: "a gzip bomb of " + name, reasons: reasons, slow: reasons == "timeout", pages: bomb(begin, unit)}
	}
	return []hostile{
		forever("an id", "decode", job+`"id":"`, "x"),
		forever("a status", "decode", job+`"overall_status":"`, "x"),
		forever("a time", "decode", job+`"createdAt":"`, "9"),
		forever("a scope", "decode", job+`"key_rings":["`, "x"),
		forever("a text", "decode", job+`"detailed_status":{"a":"`, "x"),
		forever("the name of a field", "decode", job+`"`, "x"),
		forever("an unread string", "decode", job+`"x":"`, "x"),
		forever("a string of escapes", "decode", job+`"id":"`, `\u0041`),
		forever("a number", "decode", `{"total":`, "9"),
		forever("white space", "decode", `{"total":0,`, " "),
		forever("nested arrays", "decode", `{"x":`, "["),
		forever("nested objects", "decode", `{"x":`, `{"x":`),
		forever("nested arrays in detailed_status", "decode", job+`"detailed_status":{"a":`, "["),
		forever("nested arrays of resources", "decode", `{"total":1,"resources":`, "["),
		forever("unread values", "timeout", `{"x":[0`, ",0"),
		forever("unread fields", "timeout", job+`"x":0`, `,"x":0`),
		forever("one record", "inconsistent", `{"total":1,"resources":[{"id":"a"}`, `,{"id":"a"}`),
		forever("scopes", "decode", job+`"key_rings":["a"`, `,"a"`),
		forever("texts", "decode", job+`"detailed_status":{"a":"b"`, `,"a":"b"`),
		zipped("a string", "decode", job+`"id":"`, "x"),
		zipped("white space", "decode", "", " "),
		zipped("an unread string", "decode", `{"total":0,"x":"`, " "),
		zipped("unread values", "timeout", job+`"x":[0`, ",0"),
		{name: "an error message without end", reasons: "forbidden", pages: broken.Stream(http.StatusForbidden, `{"message":"`, "no ")},
		{name: "a token without end", reasons: "decode", login: broken.Stream(http.StatusOK, `{"jwt":"`, "x")},
	}
}

// finite returns appliances that are hostile in other ways.
func finite() []hostile {
	x := strings.Repeat
	oneJob := func(fields string) http.HandlerFunc { return list(1, same(fields)) }
	return []hostile{
		// Large jobs.
		{name: "4,000 running jobs with 1,000 texts of 1 kB", slow: true, reasons: "up timeout", pages: list(4_000, same(running+texts(1_000, func(i int) string {
			return fmt.Sprintf("%d %s", i, x("t", kilobyte))
		})))},
		{name: "2,000 running jobs with a text of 100 kB", slow: true, reasons: "up timeout", pages: list(2_000, same(running+`,"detailed_status":{"ring":"`+x("syncing ", 12_500)+`"}`))},
		{name: "50,000 different texts", reasons: "up", pages: list(50, func(i int) any {
			return running + texts(1_000, func(j int) string { return fmt.Sprintf("state %d of %d", j, i) })
		})},
		{name: "1,000 different unknown statuses of 1 kB", reasons: "up", pages: list(1_000, func(i int) any {
			return fmt.Sprintf(`"key_rings":["ring-%d"],"overall_status":"%d%s",%s`, i, i, x("s", kilobyte), created)
		})},
		{name: "1,000 scopes that fail with control characters", slow: true, reasons: "up", pages: list(1_000, func(i int) any {
			return fmt.Sprintf(`%s,"detailed_status":{"ring-%d":"failed %d: %s"}`, failed, i, i, x(`\u001b[2J\u202e\u009b`, 300))
		})},
		{name: "times of 1 MB", slow: true, reasons: "up decode", pages: list(100, same(`"overall_status":"completed","createdAt":"2026-11-01T00:00:00.`+x("1", megabyte)+`Z"`))},

		// Many scopes.
		{name: "3 running jobs with 180,000 scopes", reasons: "decode", pages: scopes(3, 60_000, running)},
		{name: "3 completed jobs with 180,000 scopes", slow: true, reasons: "decode", pages: scopes(3, 60_000, finished)},
		{name: "3 failed jobs with 180,000 scopes", slow: true, reasons: "decode", pages: scopes(3, 60_000, failed)},
		{name: "180 running jobs with 180,000 scopes", reasons: "decode", pages: scopes(180, 1_000, running)},
		{name: "180 jobs of any status with 180,000 scopes", slow: true, reasons: "decode", pages: scopes(180, 1_000, running, finished, failed)},
		{name: "20,000 scopes", slow: true, reasons: "up", memory: 512 << 20, pages: scopes(20, 1_000, running, finished, failed)},
		{name: "400 names of 1 MB", reasons: "decode", pages: list(400, func(i int) any {
			return fmt.Sprintf(`%s,"key_rings":["%d%s"]`, running, i, x("n", megabyte))
		})},
		{name: "400 names of 1 MB in detailed_status", reasons: "decode", pages: list(400, func(i int) any {
			return fmt.Sprintf(`%s,"detailed_status":{"%d%s":"failed"}`, running, i, x("n", megabyte))
		})},
		{name: "2,000 names of 1,000 bytes", slow: true, reasons: "up", memory: 512 << 20, pages: list(2_000, func(i int) any {
			return fmt.Sprintf(`%s,"key_rings":["%04d%s"]`, finished, i, x("n", 996))
		})},

		{name: "5,000 names of 1,000 bytes", slow: true, reasons: "decode", pages: list(5_000, func(i int) any {
			return fmt.Sprintf(`%s,"key_rings":["%04d%s"]`, finished, i, x("n", 996))
		})},

		// Ids.
		{name: "100 jobs with 20,000 names and texts of 1 kB", slow: true, reasons: "decode", pages: list(100, same(running+
			strings.ReplaceAll(texts(20_000, func(i int) string { return x("t", kilobyte) + strconv.Itoa(i) }), "ring", x("n", 1_000))))},
		{name: "400 ids of 1 MB", reasons: "decode", pages: list(400, same(running+`,"id":"`+x("i", megabyte)+`"`))},
		{name: "ids that differ only at their end", reasons: "decode", pages: body(func(w io.Writer, _, _ int) {
			_, _ = io.WriteString(w, `{"total":1000,"resources":[{"id":"0"}`)
			for i := range 999 {
				_, _ = fmt.Fprintf(w, `,{"id":"%s%d"}`, x("i", 2*kilobyte), i)
			}
			_, _ = io.WriteString(w, `]}`)
		})},
		{name: "1,000,000 small records in one page", slow: true, reasons: "inconsistent", pages: body(func(w io.Writer, skip, _ int) {
			_, _ = io.WriteString(w, `{"total":1000000,"resources":[`)
			for i := skip; i < 1_000_000; i++ {
				_, _ = fmt.Fprintf(w, `%s{"id":"%d"}`, comma(i-skip), i)
			}
			_, _ = io.WriteString(w, `]}`)
		})},
		{name: "an id twice in a record", reasons: "decode", pages: oneJob(running + `,"id":"another"`)},

		// Totals.
		{name: "a total of skip + 2 forever", slow: true, reasons: "inconsistent", pages: endless(1, 2)},
		{name: "a total that grows by a page forever", reasons: "inconsistent timeout", pages: endless(100, 1_000)},
		{name: "a filtered total of skip + 2 forever", reasons: "up", pages: filtered(endless(1, 2))},
		{name: "filtered pages without end", reasons: "up", pages: filtered(endless(1_000, 3_000))},
		{name: "a total of 2^62", reasons: "inconsistent", pages: constant(`{"total":4611686018427387904,"resources":[{"id":"a"}]}`)},
		{name: "a total of 10^1000000", reasons: "decode", pages: constant(`{"total":1` + x("0", 1_000_000) + `,"resources":[]}`)},
		{name: "a total of 1e999999999", reasons: "decode", pages: constant(`{"total":1e999999999,"resources":[]}`)},
		{name: "a negative total", reasons: "decode", pages: constant(`{"total":-1,"resources":[]}`)},
		{name: "a new job at every page", reasons: "up inconsistent", pages: growing()},

		// Bodies.
		{name: "a body without end", reasons: "inconsistent decode timeout", pages: body(func(w io.Writer, _, _ int) {
			_, err := io.WriteString(w, `{"total":1,"resources":[{"id":"0"}`)
			for i := 1; err == nil; i++ {
				_, err = fmt.Fprintf(w, `,{"id":"%d"}`, i)
			}
		})},
		{name: "a body that drips", slow: true, reasons: "timeout", pages: broken.Drip(`{`, 20*time.Millisecond)},
		{name: "a Content-Length that is too long", reasons: "network", pages: broken.Raw("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n"+`{"total":0,"resources":[]}`, false)},
		{name: "a Content-Length that is too short", reasons: "decode network", pages: broken.Raw("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"+`{"total":0,"resources":[]}`, false)},
		{name: "keys twice", reasons: "decode", pages: constant(`{"total":0,"resources":[],"resources":[]}`)},

		// Headers and statuses.
		{name: "a header without end", reasons: "network", pages: broken.Flood("HTTP/1.1 200 OK\r\n", "X-A: "+x("a", kilobyte)+"\r\n")},
		{name: "headers of one letter without end", reasons: "network", pages: broken.Flood("HTTP/1.1 200 OK\r\n", "a:\r\n")},
		{name: "interim responses without end", reasons: "network", pages: broken.Flood("", "HTTP/1.1 103 Early Hints\r\n\r\n")},
		{name: "an error message of 10 MB", reasons: "server", pages: broken.Status(http.StatusInternalServerError, `{"code":1,"message":"`+x(`\u001b\u202e m`, megabyte)+`"}`)},
		{name: "an error code of 10 MB", reasons: "forbidden", pages: broken.Status(http.StatusForbidden, `{"code":1,"codeDesc":"`+x("License ", megabyte)+`"}`)},
		{name: "a redirect to itself", reasons: "other", pages: func(w http.ResponseWriter, req *http.Request) {
			w.Header().Set("Location", req.URL.RequestURI())
			w.WriteHeader(http.StatusFound)
		}},
		{name: "a redirect of 500 kB", reasons: "other network", pages: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "https://example.com/"+x("l", 500*kilobyte))
			w.WriteHeader(http.StatusTemporaryRedirect)
		}},
		{name: "Retry-After of a thousand digits", slow: true, reasons: "server", pages: func(w http.ResponseWriter, req *http.Request) {
			w.Header().Set("Retry-After", x("9", 1_000))
			broken.Status(http.StatusTooManyRequests, "{}")(w, req)
		}},

		// Logins.
		{name: "a token of 100 kB", reasons: "decode", login: constant(`{"jwt":"` + x("t", 100*kilobyte) + `","duration":300}`)},
		{name: "a token of 10 MB", reasons: "decode", login: constant(`{"jwt":"` + x("t", 10*megabyte) + `","duration":300}`)},
		{name: "a gzip bomb for a login", reasons: "decode", login: bomb(`{"jwt":"`, "x")},
		{name: "a login that drips", reasons: "timeout", login: broken.Drip(`{`, 20*time.Millisecond)},
		{name: "a duration of a second", reasons: "up", pages: list(3_000, same(running)), login: constant(`{"jwt":"a","duration":1}`)},
		{name: "a rejection of 10 MB", reasons: "auth", login: broken.Status(http.StatusUnauthorized, `{"message":"`+x("no ", 3*megabyte)+`"}`)},
	}
}

// body responds with gzip. write gets the writer, the request's skip and its limit.
func body(write func(w io.Writer, skip, limit int)) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		skip, _ := strconv.Atoi(req.URL.Query().Get("skip"))
		limit, _ := strconv.Atoi(req.URL.Query().Get("limit"))
		w.Header().Set("Content-Encoding", "gzip")
		zipper, _ := gzip.NewWriterLevel(w, gzip.BestSpeed)
		write(&gzipWriter{zipper, w}, skip, limit)
		_ = zipper.Close()
	}
}

func constant(text string) http.HandlerFunc { return broken.Status(http.StatusOK, text) }

// list pages through a number of jobs. fields returns the members of a job except its id, as text or as a
// gzip member.
func list(total int, fields func(i int) any) http.HandlerFunc {
	return body(func(w io.Writer, skip, limit int) {
		zipper, _ := w.(*gzipWriter)
		_, err := fmt.Fprintf(w, `{"total":%d,"resources":[`, total)
		for i := skip; err == nil && i < min(skip+limit, total); i++ {
			_, _ = fmt.Fprintf(w, `%s{"id":"job-%d",`, comma(i-skip), i)
			switch fields := fields(i).(type) {
			case string:
				_, err = io.WriteString(w, fields)
			case []byte:
				err = zipper.member(fields)
			}
			_, _ = io.WriteString(w, "}")
		}
		_, _ = io.WriteString(w, "]}")
	})
}

// same returns the members of jobs that differ only in their ids.
func same(fields string) func(int) any {
	zipped := broken.Zip(fields)
	return func(int) any { return zipped }
}

// gzipWriter writes text and gzip members to a body.
type gzipWriter struct {
	*gzip.Writer

	to io.Writer
}

func (w *gzipWriter) member(zipped []byte) error {
	_ = w.Close()
	_, err := w.to.Write(zipped)
	w.Reset(w.to)
	return err //nolint:wrapcheck // It only ends the response.
}

// texts returns a detailed_status with n scopes.
func texts(n int, text func(i int) string) string {
	var b strings.Builder
	b.WriteString(`,"detailed_status":{`)
	for i := range n {
		fmt.Fprintf(&b, `%s"ring-%d":%q`, comma(i), i, text(i))
	}
	return b.String() + "}"
}

// scopes pages through jobs with different scopes and alternating statuses.
func scopes(jobs, each int, statuses ...string) http.HandlerFunc {
	return list(jobs, func(job int) any {
		var b strings.Builder
		b.WriteString(statuses[job%len(statuses)] + `,"key_rings":[`)
		for i := range each {
			fmt.Fprintf(&b, `%s"projects/p/locations/global/keyRings/ring-%d-%d"`, comma(i), job, i)
		}
		return b.String() + "]"
	})
}

func comma(i int) string {
	if i == 0 {
		return ""
	}
	return ","
}

// endless is a list whose pages have size jobs each and a total beyond them.
func endless(size, beyond int) http.HandlerFunc {
	return body(func(w io.Writer, skip, _ int) {
		_, _ = fmt.Fprintf(w, `{"total":%d,"resources":[`, skip+beyond)
		for i := range size {
			_, _ = fmt.Fprintf(w, `%s{"id":"endless-%d",%s}`, comma(i), skip+i, running)
		}
		_, _ = io.WriteString(w, "]}")
	})
}

// filtered is hostile only in its responses to requests with a filter.
func filtered(hostile http.HandlerFunc) http.HandlerFunc {
	plain := list(3_000, same(finished+`,"key_rings":["ring"]`))
	return func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Query().Has("overall_status") {
			hostile(w, req)
			return
		}
		plain(w, req)
	}
}

// growing is a list in the order newest first that gets a job before each page.
func growing() http.HandlerFunc {
	jobs := make(chan int, 1)
	jobs <- 3_000
	return func(w http.ResponseWriter, req *http.Request) {
		n := <-jobs + 1
		jobs <- n
		body(func(w io.Writer, skip, limit int) {
			_, _ = fmt.Fprintf(w, `{"total":%d,"resources":[`, n)
			for i := skip; i < min(n, skip+min(limit, 100)); i++ {
				_, _ = fmt.Fprintf(w, `%s{"id":"job-%d",%s}`, comma(i-skip), n-i, finished)
			}
			_, _ = io.WriteString(w, "]}")
		})(w, req)
	}
}

// bomb responds with a body that repeats unit forever, compressed a thousandfold.
func bomb(begin, unit string) http.HandlerFunc {
	send := broken.Stream(http.StatusOK, string(broken.Zip(begin)), string(broken.Zip(strings.Repeat(unit, 16*megabyte/len(unit)))))
	return func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		send(w, req)
	}
}
