package ciphertrust_test

import (
	"errors"
	"net/http"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"cckm_sync_exporter/collector/ciphertrust"
	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/simulator"
)

// wrong is a password that the appliance rejects.
const wrong = "wrong-SECRET-word"

// withPassword gives the client the password.
func withPassword(password ciphertrust.Secret) func(*ciphertrust.Config) {
	return func(cfg *ciphertrust.Config) { cfg.Credentials.Password = password }
}

// withPasswordFile gives the client a file with the password, and its path.
func withPasswordFile(path string) func(*ciphertrust.Config) {
	return func(cfg *ciphertrust.Config) { cfg.Credentials.Password, cfg.Credentials.PasswordFile = "", path }
}

// scrapeFor reads each second for a while, which fails for a reason, and returns when logins were sent, from its
// start.
func scrapeFor(h *harness, lasts time.Duration, why reason.Reason) []time.Duration {
	h.t.Helper()
	begun := time.Now()
	before := h.logins()
	for time.Since(begun) < lasts {
		h.wantReason(why)
		advance(time.Second)
	}
	var sent []time.Duration
	for _, r := range h.appliance.Requests() {
		if r.Method != http.MethodPost {
			continue
		}
		if before > 0 {
			before--
			continue
		}
		sent = append(sent, r.Time.Sub(begun))
	}
	return sent
}

func wantTimes(t *testing.T, got []time.Duration, seconds ...int) {
	t.Helper()
	want := make([]time.Duration, 0, len(seconds))
	for _, s := range seconds {
		want = append(want, time.Duration(s)*time.Second)
	}
	if !slices.Equal(want, got) {
		t.Errorf("logins after %s, want %s", got, want)
	}
}

// TestBackoff scrapes each second with a wrong password. The logins become rarer, because the
// appliance may lock the user out. After a success the backoff starts from the beginning again.
func TestBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := inMemory(t, simulator.Options{}, withPassword(wrong))
		wantTimes(t, scrapeFor(h, 30*time.Minute, reason.Auth), 0, 10, 30, 70, 150, 310, 610, 910, 1210, 1510)
		if n := h.lists(); n != 0 {
			t.Errorf("%d requests for pages without a token", n)
		}

		h.appliance.SetPassword(wrong)
		advance(10 * time.Second)
		h.mustGet()

		h.appliance.SetPassword(password)
		h.appliance.RevokeRefreshTokens()
		h.appliance.RevokeAllTokens()
		wantTimes(t, scrapeFor(h, 20*time.Second, reason.Auth), 0, 0, 10)
	})
}

// TestBackoffOfFailures scrapes each second while logins fail without being rejected. After a success the
// backoff starts from the beginning again, with the refresh token and then the password.
func TestBackoffOfFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := inMemory(t, simulator.Options{}, nil)
		h.on(isLogin, failing(http.StatusServiceUnavailable))
		wantTimes(t, scrapeFor(h, time.Minute+10*time.Second, reason.Server), 0, 1, 3, 7, 15, 31, 61)

		h.appliance.Intercept(nil)
		advance(30 * time.Second)
		h.mustGet()

		h.appliance.RevokeAllTokens()
		h.on(isLogin, failing(http.StatusServiceUnavailable))
		wantTimes(t, scrapeFor(h, 5*time.Second, reason.Server), 0, 0, 1, 1, 3, 3)
	})
}

// TestErrorDuringBackoff checks that a scrape during the backoff gets the error of the rejection, and the
// time of the next login.
func TestErrorDuringBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := inMemory(t, simulator.Options{}, withPassword(wrong))
		first := h.failure(reason.Auth)
		wantText(t, first.Error(), "login by password was refused: the appliance answered 401 Unauthorized, code 5, NCERRUnauthorizedAccess")
		wantText(t, reason.HintOf(first), "--ciphertrust.password-file", "locked out")
		advance(time.Second)
		second := h.failure(reason.Auth)
		wantText(t, second.Error(), "not tried again before 2000-01-01T00:00:10Z: login by password was refused")
		if reason.HintOf(second) != reason.HintOf(first) {
			t.Errorf("the hint is %q", reason.HintOf(second))
		}
		if failure, ok := errors.AsType[*ciphertrust.APIError](second); !ok || failure.Status != http.StatusUnauthorized {
			t.Errorf("the appliance's own error is lost: %v", second)
		}
		if err := h.client.Login(t.Context()); reason.Of(err) != reason.Auth {
			t.Errorf("login: %v", err)
		}
		h.wantEvents("auth/tokens 401", "login password rejected")
	})
}

// TestPasswordFileEndsTheBackoff checks that another password is tried immediately, and that
// writing the same password to the file again does not end the backoff.
func TestPasswordFileEndsTheBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := write(t, "password", wrong)
		h := inMemory(t, simulator.Options{}, withPasswordFile(path))
		wantTimes(t, scrapeFor(h, 15*time.Second, reason.Auth), 0, 10)

		overwrite(t, path, wrong)
		later := time.Now().AddDate(30, 0, 0)
		if err := os.Chtimes(path, later, later); err != nil {
			t.Fatal(err)
		}
		overwrite(t, path, wrong+"\r\n")
		wantTimes(t, scrapeFor(h, 5*time.Second, reason.Auth))

		// Another wrong one has a backoff of its own.
		overwrite(t, path, wrong+"2")
		wantTimes(t, scrapeFor(h, 25*time.Second, reason.Auth), 0, 10)

		overwrite(t, path, password)
		h.mustGet()
	})
}

// TestWhatIsARejection checks which responses to a login are rejections, with the
// reason of each. A rejection is retried after 10 seconds, any other failure after
// one second.
func TestWhatIsARejection(t *testing.T) {
	reasons := map[int]reason.Reason{
		0: reason.Network, http.StatusFound: reason.Other,
		http.StatusBadRequest: reason.Auth, http.StatusUnauthorized: reason.Auth, http.StatusForbidden: reason.Auth,
		http.StatusConflict: reason.Auth, http.StatusUnprocessableEntity: reason.Auth, http.StatusLocked: reason.Auth,
		440: reason.Auth, http.StatusUnavailableForLegalReasons: reason.Auth,
		http.StatusProxyAuthRequired: reason.Network, http.StatusTooManyRequests: reason.Server,
	}
	failures := map[int]bool{http.StatusRequestTimeout: true, http.StatusTooManyRequests: true}
	statuses := []int{0, http.StatusFound}
	for status := 400; status < 600; status++ {
		statuses = append(statuses, status)
	}
	for _, status := range statuses {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := inMemory(t, simulator.Options{}, retrying)
				h.appliance.Intercept(func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
					if status == 0 {
						panic(http.ErrAbortHandler)
					}
					respond(w, status, "<html>no</html>")
				})
				want, result, backoff := reasons[status], "login password error", time.Second
				switch {
				case status >= 500:
					want = reason.Server
				case want == "":
					want = reason.Other
				}
				rejected := status/100 == 4 && !failures[status]
				if rejected {
					result, backoff = "login password rejected", 10*time.Second
				}
				for range 3 {
					err := h.failure(want)
					if rejected && want == reason.Other {
						wantText(t, reason.HintOf(err), "the address of a CipherTrust Manager")
					}
				}
				if n := h.logins(); n != 1 {
					t.Errorf("%d logins for three scrapes, want 1", n)
				}
				h.wantEvents("auth/tokens "+strconv.Itoa(status), result)
				retry, ok := h.client.LoginRetry()
				if ok != rejected || (ok && time.Until(retry) != backoff) {
					t.Errorf("the rejected login is retried at %s (%t)", retry, ok)
				}
				h.appliance.Intercept(nil)
				advance(backoff - 1)
				h.wantReason(want)
				advance(1)
				h.mustGet()
				if retry, ok := h.client.LoginRetry(); ok {
					t.Errorf("after a success, a login is retried at %s", retry)
				}
			})
		})
	}
}

// TestFailuresDoNotEndABackoff checks that a failing appliance in between does not change the backoff.
func TestFailuresDoNotEndABackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := inMemory(t, simulator.Options{}, withPassword(wrong))
		wantTimes(t, scrapeFor(h, 10*time.Second, reason.Auth), 0)
		h.on(isLogin, failing(http.StatusServiceUnavailable))
		h.wantReason(reason.Server)
		h.appliance.Intercept(nil)
		advance(time.Second)
		wantTimes(t, scrapeFor(h, 35*time.Second, reason.Auth), 0, 20)
	})
}

// TestRejectedCertificate checks that a certificate has the same backoff as a password until its files
// change, and that nothing is sent if one is missing.
func TestRejectedCertificate(t *testing.T) {
	by := issuer(t)
	cert, key := certificateFiles(t, by)
	newCert, newKey := issue(t, by, "new", time.Now().Add(time.Hour))
	synctest.Test(t, func(t *testing.T) {
		h := inMemory(t, simulator.Options{}, func(cfg *ciphertrust.Config) {
			cfg.Credentials = ciphertrust.Credentials{ClientID: "client-1"}
			cfg.TLS.CertFile, cfg.TLS.KeyFile = cert, key
		})
		h.on(isLogin, failing(http.StatusUnauthorized))
		wantTimes(t, scrapeFor(h, 60*time.Second, reason.Auth), 0, 10, 30)
		err := h.failure(reason.Auth)
		wantText(t, err.Error(), "login by client_credential was refused")
		wantText(t, reason.HintOf(err), "--ciphertrust.cert-file")
		overwrite(t, cert, newCert)
		overwrite(t, key, newKey)
		wantTimes(t, scrapeFor(h, 5*time.Second, reason.Auth), 0)

		if err := os.Remove(key); err != nil {
			t.Fatal(err)
		}
		advance(time.Hour)
		wantTimes(t, scrapeFor(h, 5*time.Second, reason.Auth))
		wantText(t, h.failure(reason.Auth).Error(), "reading the client certificate's key", key)
	})
}

// sharing returns a client with a guard that it shares.
func sharing(t *testing.T, guard *ciphertrust.LoginGuard, password ciphertrust.Secret) *harness {
	t.Helper()
	return inMemory(t, simulator.Options{}, func(cfg *ciphertrust.Config) {
		cfg.Guard, cfg.Credentials.Password = guard, password
	})
}

// TestTargetsShareARejection checks what clients have to have in common to share a
// rejection. Each is an appliance of its own here, so that its logins can be counted.
func TestTargetsShareARejection(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*ciphertrust.Config)
		shared bool
	}{
		{"nothing else", func(*ciphertrust.Config) {}, true},
		{"another domain", func(cfg *ciphertrust.Config) { cfg.Credentials.Domain = "emea" }, true},
		{"the address in another form", func(cfg *ciphertrust.Config) { cfg.URL = "https://Appliance.INVALID:443/api/" }, true},
		{"the password in a file", func(cfg *ciphertrust.Config) { cfg.Credentials.PasswordFile = write(t, "password", wrong+"\n") }, true},
		{"another address", func(cfg *ciphertrust.Config) { cfg.URL = "https://other.invalid" }, false},
		{"another user", func(cfg *ciphertrust.Config) { cfg.Credentials.Username = "other" }, false},
		{"another auth domain", func(cfg *ciphertrust.Config) { cfg.Credentials.AuthDomain = "/other" }, false},
		{"another connection", func(cfg *ciphertrust.Config) { cfg.Credentials.Connection = "ldap" }, false},
		{"another password", func(cfg *ciphertrust.Config) { cfg.Credentials.Password = "other-" + wrong }, false},
		{"a client certificate", func(cfg *ciphertrust.Config) {
			cfg.Credentials = ciphertrust.Credentials{ClientID: simulator.DefaultUsername}
			cfg.TLS.CertFile, cfg.TLS.KeyFile = certificateFiles(t, issuer(t))
		}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			guard := ciphertrust.NewLoginGuard()
			first := sharing(t, guard, wrong)
			first.wantReason(reason.Auth)
			second := inMemory(t, simulator.Options{Domains: []string{"emea"}}, func(cfg *ciphertrust.Config) {
				cfg.Guard, cfg.Credentials.Password = guard, wrong
				test.change(cfg)
			})
			err := second.failure(reason.Auth)
			want := 1
			if test.shared {
				want = 0
				wantText(t, err.Error(), "not tried again before", "login by password was refused")
				firstRetry, _ := first.client.LoginRetry()
				if retry, ok := second.client.LoginRetry(); !ok || !retry.Equal(firstRetry) {
					t.Errorf("the login is retried at %s, want %s", retry, firstRetry)
				}
			}
			if n := second.logins(); n != want {
				t.Errorf("%d logins, want %d", n, want)
			}
		})
	}
}

// TestOneTargetTriesARejectedSecret checks that targets whose password was right until now, and is rejected, send
// it one at a time from then on.
func TestOneTargetTriesARejectedSecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		guard := ciphertrust.NewLoginGuard()
		targets := []*harness{sharing(t, guard, password), sharing(t, guard, password)}
		for _, h := range targets {
			h.mustGet()
			h.appliance.SetPassword(wrong)
			h.appliance.RevokeRefreshTokens()
			h.appliance.RevokeAllTokens()
			h.appliance.SetLatency(within(time.Second, isLogin))
		}
		// At first, both may send it at the same time.
		for _, want := range []int{2, 3} {
			var wait sync.WaitGroup
			for _, h := range targets {
				wait.Go(func() { h.wantReason(reason.Auth) })
			}
			wait.Wait()
			sent := 0
			for _, h := range targets {
				sent += h.appliance.LoginCount(simulator.GrantPassword, simulator.LoginRejected)
			}
			if sent != want {
				t.Errorf("the password was rejected %d times, want %d", sent, want)
			}
			advance(10 * time.Second)
		}
	})
}

// TestWaitingForAnotherTarget checks that a scrape that waits for another target's
// login leaves at its own deadline, and that closing ends the wait.
func TestWaitingForAnotherTarget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		guard := ciphertrust.NewLoginGuard()
		first, second := sharing(t, guard, password), sharing(t, guard, password)
		first.appliance.SetLatency(within(8*time.Second, isLogin))
		done := make(chan error)
		go func() { done <- first.get(t.Context()) }()
		synctest.Wait()
		wantReason(t, second.getWithin(time.Second), reason.Timeout)
		if n := second.logins(); n != 0 {
			t.Errorf("%d logins while the first one is under way", n)
		}
		begun := time.Now()
		if err := second.close(); err != nil {
			t.Error(err)
		}
		wantTook(t, begun, 0)
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// TestGuardForgets checks that a guard does not remember each password of a file that is rotated.
func TestGuardForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		guard := ciphertrust.NewLoginGuard()
		path := write(t, "password", wrong)
		h := inMemory(t, simulator.Options{}, func(cfg *ciphertrust.Config) {
			cfg.Credentials.PasswordFile, cfg.Guard, cfg.Logger = path, guard, nil
		})
		for i := range 100 {
			advance(time.Hour)
			overwrite(t, path, wrong+strconv.Itoa(i))
			wantReason(t, h.client.Login(t.Context()), reason.Auth)
		}
		if n := guard.Secrets(); n < 24 || n > 50 {
			t.Errorf("the guard remembers %d secrets of 100, want those of the last one or two days", n)
		}
	})
}
