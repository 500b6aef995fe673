package faults_test

import (
	"compress/gzip"
	"io"
	"net/http"
	"strings"
	"time"

	"cckm_sync_exporter/collector/reason"
)

const gigabyte = 1 << 30

// hugeFaults are answers without measure. They are written as they are sent, and
// held by nobody.
func hugeFaults() []fault {
	const job = `{"total":1,"resources":[{`
	huge := func(name string, why reason.Reason, begin, unit string) fault {
		return page("huge: "+name, fails(why), stream(begin, unit, 2*gigabyte, false))
	}
	bomb := func(name string, why reason.Reason, begin, unit string) fault {
		return page("huge: gzip bomb of "+name, fails(why), stream(begin, unit, 2*gigabyte, true))
	}
	const levels = 5_000_000
	deep := func(name, begin, unit string) fault {
		return page("huge: "+name, fails(reason.Decode), stream(begin, unit, levels*len(unit), false))
	}
	return []fault{
		huge("an id of 2 GB", reason.Decode, job+`"id":"`, "x"),
		huge("a status of 2 GB", reason.Decode, job+`"overall_status":"`, "x"),
		huge("a time of 2 GB", reason.Decode, job+`"createdAt":"`, "9"),
		huge("a scope of 2 GB", reason.Decode, job+`"key_rings":["`, "x"),
		huge("a text of 2 GB", reason.Decode, job+`"detailed_status":{"a":"`, "x"),
		huge("a field's name of 2 GB", reason.Decode, job+`"`, "x"),
		huge("what is not read, of 2 GB", reason.Decode, job+`"x":"`, "x"),
		huge("a string of escapes of 2 GB", reason.Decode, job+`"id":"`, `\u0041`),
		huge("a number of 2 GB", reason.Decode, `{"total":`, "9"),
		huge("white space of 2 GB", reason.Decode, `{"total":0,`, " "),
		bomb("a string", reason.Decode, job+`"id":"`, "x"),
		bomb("white space", reason.Decode, "", " "),
		bomb("what is not read", reason.Timeout, job+`"x":[0`, ",0"),
		deep("five million arrays", `{"x":`, "["),
		deep("five million objects", `{"x":`, `{"x":`),
		deep("five million arrays in detailed_status", job+`"detailed_status":{"a":`, "["),
		deep("five million arrays for resources", `{"total":1,"resources":`, "["),
		huge("values without end that are not read", reason.Timeout, `{"x":[0`, ",0"),
		huge("fields without end", reason.Timeout, job+`"x":0`, `,"x":0`),
		huge("one record without end", reason.Inconsistent, `{"total":1,"resources":[{"id":"a"}`, `,{"id":"a"}`),
		huge("scopes without end", reason.Decode, job+`"key_rings":["a"`, `,"a"`),
		huge("texts without end", reason.Decode, job+`"detailed_status":{"a":"b"`, `,"a":"b"`),
	}
}

// chunk is how much is written at once.
const chunk = 64 << 10

// stream answers 200 with a beginning and then one unit over and over, so many
// bytes in all. It ends where the client goes, or the heap passes its bound.
func stream(begin, unit string, size int, deflate bool) interceptor {
	return func(r *rig, w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		var out io.Writer = w
		if deflate {
			w.Header().Set("Content-Encoding", "gzip")
			zip, err := gzip.NewWriterLevel(w, gzip.BestSpeed)
			if err != nil {
				r.t.Error(err)
				return
			}
			defer func() { _ = zip.Close() }()
			out = zip
		}
		_, err := io.WriteString(out, begin)
		units := strings.Repeat(unit, max(1, chunk/len(unit)))
		// The rows beside this one need the processor as well.
		ticker := time.NewTicker(time.Millisecond)
		defer ticker.Stop()
		for sent := 0; err == nil && sent < size && r.heap.sample(); sent += len(units) {
			<-ticker.C
			_, err = io.WriteString(out, units)
		}
	}
}
