package faults_test

import (
	"encoding/hex"
	"net/http"

	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/simulator"
)

// newPassword replaces the password after it was rejected.
const newPassword = "another-p4ssw0rd-of-the-user"

// loginFaults are faults of logins. All tokens are revoked before.
func loginFaults() []fault {
	answers := func(name, text string) fault { return login("answer "+name, fails(reason.Decode), body(text)) }
	return []fault{
		rejected("400", status(http.StatusBadRequest)),
		rejected("401", status(http.StatusUnauthorized)),
		rejected("403", status(http.StatusForbidden)),
		rejected("409", status(http.StatusConflict)),
		rejected("422", status(http.StatusUnprocessableEntity)),
		rejected("423", status(http.StatusLocked)),
		anotherAddress("404", status(http.StatusNotFound)),
		anotherAddress("405", status(http.StatusMethodNotAllowed)),
		{name: "login: wrong password", google: fails(reason.Auth), azure: fails(reason.Auth), scrapes: 5, start: wrongPassword, check: wantOneRejection},
		{name: "login: certificate refused", place: place{certificate: true}, google: fails(reason.Auth), azure: fails(reason.Auth), start: refusedCertificate},
		proxyAuth("407", status(http.StatusProxyAuthRequired)),
		login("408", fails(reason.Other), status(http.StatusRequestTimeout)),
		login("429", fails(reason.Server), status(http.StatusTooManyRequests)),
		login("500", fails(reason.Server), status(http.StatusInternalServerError)),
		login("502 with HTML", fails(reason.Server), html(http.StatusBadGateway)),
		login("503", fails(reason.Server), status(http.StatusServiceUnavailable)),
		login("503, once for the refresh token", whole, inTurn(status(http.StatusServiceUnavailable))),
		login("503 with Retry-After", fails(reason.Server), retryAfter("3", status(http.StatusServiceUnavailable))),
		login("closed before the header", fails(reason.Network), raw("", false)),
		login("reset before the header", fails(reason.Network), raw("", true)),
		login("reset in the body", fails(reason.Network), raw(head+"Content-Length: 60\r\n\r\n"+`{"jwt":"`, true)),
		login("no HTTP", fails(reason.Network), echoing("%s\r\n\r\n")),
		within(hasty, login("hangs", fails(reason.Timeout), hang(""))),
		within(hasty, login("hangs in the body", fails(reason.Timeout), hang(`{"jwt":"`))),
		within(hasty, login("drips", fails(reason.Timeout), drip())),
		login("200 with HTML", fails(reason.Decode), html(http.StatusOK)),
		login("redirect with secrets", fails(reason.Other), func(_ *rig, w http.ResponseWriter, req *http.Request, _ http.Handler) {
			http.Redirect(w, req, "https://"+hex.EncodeToString([]byte(password))+".example/", http.StatusFound)
		}),
		elsewhere("login: redirect to another host", login("", fails(reason.Other), nil), http.StatusFound, isLogin),
		elsewhere("login: redirect that keeps the body", login("", fails(reason.Other), nil), http.StatusTemporaryRedirect, isLogin),
		answers("empty", ``),
		answers("null", `null`),
		answers("an array", `[]`),
		answers("without jwt", `{"duration":300,"refresh_token":"`+forged+`"}`),
		answers("with an empty jwt", `{"jwt":"","duration":300,"refresh_token":"`+forged+`"}`),
		answers("with jwt null", `{"jwt":null,"duration":300}`),
		answers("with a jwt of the wrong kind", `{"jwt":{"a":"`+forged+`"},"duration":300}`),
		answers("with a jwt for two header lines", `{"jwt":"`+forged+`\r\nX-Evil: 1","duration":300}`),
		answers("without duration", `{"jwt":"`+forged+`"}`),
		answers("with duration 0", `{"jwt":"`+forged+`","duration":0}`),
		answers("with a negative duration", `{"jwt":"`+forged+`","duration":-300}`),
		answers("with a duration beyond 64 bits", `{"jwt":"`+forged+`","duration":99999999999999999999}`),
		answers("with a duration of the wrong kind", `{"jwt":"`+forged+`","duration":"`+forged+`"}`),
		answers("truncated", `{"jwt":"`+forged+`","dura`),
		answers("with garbage behind it", `{"jwt":"`+forged+`","duration":300}`+forged),
		login("answer with a huge duration", whole, rewrite(func(answer map[string]any) { answer["duration"] = int64(1) << 62 })),
		login("answer with a duration of a second", whole, rewrite(func(answer map[string]any) { answer["duration"] = 1 })),
		login("answer without a refresh token", whole, rewrite(func(answer map[string]any) { delete(answer, "refresh_token") })),
		login("forged token", fails(reason.Auth), body(`{"jwt":"`+forged+`","duration":300}`)),
	}
}

// forged is a token that the appliance does not know.
const forged = "forged-token-0123456789abcdef"

// login is a fault of logins, which affects both lists.
func login(name string, want outcome, handle interceptor) fault {
	return fault{name: "login: " + name, google: want, azure: want, waits: true, start: func(r *rig) func() {
		r.transcript.secret(forged)
		r.appliance.RevokeAllTokens()
		r.onLogins(handle)
		return func() { r.appliance.Intercept(nil) }
	}}
}

// proxyAuth is a login that a proxy rejects.
func proxyAuth(name string, handle interceptor) fault {
	f := rejected(name, handle)
	f.google, f.azure = fails(reason.Network), fails(reason.Network)
	return f
}

// anotherAddress is a login at a server that is not a CipherTrust Manager. The password is not sent again
// until it changes.
func anotherAddress(name string, handle interceptor) fault {
	f := rejected(name, handle)
	f.google, f.azure = fails(reason.Other), fails(reason.Other)
	return f
}

// rejected is a login whose password is rejected. Only a new password is tried at once.
func rejected(name string, handle interceptor) fault {
	f := login(name, fails(reason.Auth), handle)
	f.scrapes, f.waits = 2, false
	start := f.start
	f.start = func(r *rig) func() {
		end := start(r)
		return func() {
			end()
			r.changePassword()
		}
	}
	return f
}

// changePassword changes the password, for the appliance and the exporter.
func (r *rig) changePassword() {
	r.transcript.secret(newPassword)
	r.appliance.SetPassword(newPassword)
	r.overwrite(r.passwordFile, newPassword+"\r\n")
}

func wrongPassword(r *rig) func() {
	r.transcript.secret(newPassword)
	r.appliance.SetPassword(newPassword)
	r.appliance.RevokeAllTokens()
	r.appliance.RevokeRefreshTokens()
	return r.changePassword
}

// wantOneRejection fails unless the exporter has tried the rejected password once, and so has the doctor if
// it did not time out.
func wantOneRejection(r *rig) {
	if n := r.appliance.LoginCount(simulator.GrantPassword, simulator.LoginRejected); n < 1 || n > 2 {
		r.t.Errorf("the rejected password was tried %d times, want one or two", n)
	}
}

// refusedCertificate rejects logins with the certificate until it is replaced.
func refusedCertificate(r *rig) func() {
	r.appliance.RevokeAllTokens()
	r.onLogins(status(http.StatusUnauthorized))
	return func() {
		r.appliance.Intercept(nil)
		cert, key, err := r.server.ClientCertificate("exporter")
		if err != nil {
			r.t.Fatal(err)
		}
		r.transcript.secretKey(string(key))
		r.overwrite(r.settings.TLS.CertFile, string(cert))
		r.overwrite(r.settings.TLS.KeyFile, string(key))
	}
}
