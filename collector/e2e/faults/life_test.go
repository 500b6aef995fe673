package faults_test

import (
	"net/http"
	"sync/atomic"
	"time"

	"cckm_sync_exporter/collector/reason"
	"cckm_sync_exporter/collector/simulator"
)

// lifeFaults are events during a read: tokens are revoked, the appliance restarts, its clock jumps.
func lifeFaults() []fault {
	revoke := func(also func(*rig)) interceptor {
		return func(r *rig, w http.ResponseWriter, req *http.Request, next http.Handler) {
			r.appliance.RevokeAllTokens()
			if also != nil {
				also(r)
			}
			next.ServeHTTP(w, req)
		}
	}
	forgetful := func(r *rig) { r.appliance.RevokeRefreshTokens() }
	return []fault{
		page("life: token revoked in the middle", whole, later(inTurn(revoke(nil)))),
		page("life: token and refresh token revoked in the middle", whole, later(inTurn(revoke(forgetful)))),
		rotating(page("life: refresh tokens rotate", whole, inTurn(revoke(nil)))),
		{name: "life: token revoked before each page", google: fails(reason.Auth), azure: fails(reason.Auth), start: func(r *rig) func() {
			r.intercept(isPage, revoke(nil))
			return func() { r.appliance.Intercept(nil) }
		}},
		page("life: restart in the middle", whole, later(inTurn(
			revoke(nil), raw("", true), html(http.StatusBadGateway), status(http.StatusServiceUnavailable)))),
		{name: "life: pages take their time", google: whole, start: func(r *rig) func() {
			r.appliance.SetLatency(func(*http.Request) time.Duration { return 50 * time.Millisecond })
			return func() { r.appliance.SetLatency(nil) }
		}},
		apart("ahead", time.Hour),
		apart("behind", -time.Hour),
		{name: "life: clock an hour ahead all the time", place: place{options: simulator.Options{Clock: shifted(time.Hour)}}, google: whole, start: idle},
		{name: "life: clock an hour behind all the time", place: place{options: simulator.Options{Clock: shifted(-time.Hour)}}, google: whole, start: idle},
	}
}

func rotating(f fault) fault {
	f.place.options.RotateRefreshTokens = true
	return f
}

func idle(*rig) func() { return func() {} }

// inTurn uses each handler once, and then the appliance.
func inTurn(handlers ...interceptor) interceptor {
	var turn atomic.Int64
	return func(r *rig, w http.ResponseWriter, req *http.Request, next http.Handler) {
		if n := int(turn.Add(1)); n <= len(handlers) {
			handlers[n-1](r, w, req, next)
			return
		}
		next.ServeHTTP(w, req)
	}
}

func shifted(by time.Duration) func() time.Time {
	return func() time.Time { return time.Now().Add(by) }
}

// apart moves the appliance's clock, and so the ages of existing jobs.
func apart(name string, by time.Duration) fault {
	clock := new(atomic.Int64)
	return fault{
		name:   "life: clock jumps an hour " + name,
		place:  place{options: simulator.Options{Clock: func() time.Time { return time.Now().Add(time.Duration(clock.Load())) }}},
		google: counted,
		azure:  counted,
		start: func(*rig) func() {
			clock.Store(int64(by))
			return func() { clock.Store(0) }
		},
	}
}
