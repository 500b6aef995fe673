package faults_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"

	"cckm_sync_exporter/collector/e2e/broken"
	"cckm_sync_exporter/collector/reason"
)

// bodyFaults are responses with 200 whose body is not what the API documents.
func bodyFaults() []fault {
	const empty = emptyPage
	garbled := func(name, text string) fault { return page("body: "+name, fails(reason.Decode), body(text)) }
	announced := func(name, encoding string, text []byte) fault {
		return page("body: "+name, fails(reason.Decode), encoded(encoding, text))
	}
	cut := broken.Zip(empty + strings.Repeat(" ", 9000))
	corrupt := bytes.Clone(cut)
	corrupt[len(corrupt)-5] ^= 1
	return []fault{
		page("body: HTML", fails(reason.Decode), html(http.StatusOK)),
		garbled("empty", ""),
		garbled("white space", " \n\t "),
		garbled("null", "null"),
		garbled("an array", "["+empty+"]"),
		garbled("a string", `"jobs"`),
		garbled("truncated", empty[:len(empty)-3]),
		garbled("garbage", "\x00\xff\xfe{]"),
		garbled("something after the page", empty+empty),
		garbled("comments", "/* page */"+empty),
		garbled("single quotes", strings.ReplaceAll(empty, `"`, "'")),
		garbled("a byte order mark", "\ufeff"+empty),
		garbled("UTF-16", "\xff\xfe{\x00}\x00"),
		garbled("bad UTF-8", `{"skip":0,"total":1,"resources":[{"id":"a`+"\xff"+`"}]}`),
		garbled("bad UTF-8 in an ignored field", `{"skip":"`+"\xc3\x28"+`","total":0,"resources":[]}`),
		garbled("half a surrogate", `{"total":1,"resources":[{"id":"\ud800"}]}`),
		garbled("an error with 200", `{"code":5,"codeDesc":"NCERRUnauthorizedAccess"}`),
		garbled("total twice", `{"total":0,"total":1,"resources":[]}`),
		garbled("resources twice", `{"total":0,"resources":[],"resources":[]}`),
		garbled("an id twice", `{"total":1,"resources":[{"id":"a","id":"b"}]}`),
		garbled("a status twice", `{"total":1,"resources":[{"id":"a","overall_status":"failed","overall_status":"completed"}]}`),
		page("body: an ignored field twice", whole, rewriteText(func(text string) string {
			return `{"x":1,"x":2,` + strings.Replace(text[1:], `{"`, `{"x":1,"x":[],"`, 1)
		})),
		announced("invalid gzip", "gzip", []byte(empty)),
		announced("gzip that is not announced", "", cut),
		announced("gzip with a wrong checksum", "gzip", corrupt),
		announced("brotli", "br", []byte{0x8b, 0x02, 0x80}),
		announced("deflate", "deflate", cut),
		announced("gzip twice", "gzip, gzip", broken.Zip(string(cut))),
		page("body: gzip that ends in its header", fails(reason.Network), encoded("gzip", cut[:5])),
		page("body: gzip that ends too early", fails(reason.Network), encoded("gzip", cut[:len(cut)-20])),
		page("body: an encoding with secrets", fails(reason.Decode), func(r *rig, w http.ResponseWriter, req *http.Request, next http.Handler) {
			encoded(password+" "+r.echo(req), nil)(r, w, req, next)
		}),
		page("body: names with secrets", fails(reason.Decode), func(r *rig, w http.ResponseWriter, req *http.Request, next http.Handler) {
			body(`{"resources":[{"detailed_status":{"`+token(req)+`":"`+token(req)+`",0}}]}`)(r, w, req, next)
		}),
		page("body: truncated in the middle of the list", fails(reason.Decode), later(rewriteText(func(text string) string { return text[:len(text)/2] }))),
		page("body: garbage in the middle of the list", fails(reason.Decode), later(body("garbage"))),
		page("body: another charset", whole, rewriteText(func(text string) string { return " " + text + "\n" })),
	}
}

func body(text string) interceptor { return encoded("", []byte(text)) }

func encoded(encoding string, content []byte) interceptor {
	return plain(broken.Body(encoding, content))
}

// rewriteText changes the text of the appliance's response.
func rewriteText(change func(text string) string) interceptor {
	return func(r *rig, w http.ResponseWriter, req *http.Request, next http.Handler) {
		answer := record(req, next)
		if answer.Code == http.StatusOK {
			body(change(answer.Body.String()))(r, w, req, next)
			return
		}
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes())
	}
}

// record returns the appliance's response without compression.
func record(req *http.Request, next http.Handler) *httptest.ResponseRecorder {
	req = req.Clone(req.Context())
	req.Header.Del("Accept-Encoding")
	answer := httptest.NewRecorder()
	next.ServeHTTP(answer, req)
	return answer
}
