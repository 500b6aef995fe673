package faults_test

import (
	"net"
	"time"

	"cckm_sync_exporter/collector/e2e/broken"
	"cckm_sync_exporter/collector/reason"
)

// networkFaults are faults of the network, made by a proxy and a resolver.
func networkFaults() []fault {
	return []fault{
		// Another row must not use the address while it is free.
		alone(network("connection refused", fails(reason.Network), down)),
		alone(network("connection refused at first", whole, downFor(150*time.Millisecond))),
		network("connection reset", fails(reason.Network), disturbed(reset(0))),
		network("connection reset after a moment", fails(reason.Network), disturbed(reset(20*time.Millisecond))),
		network("reset towards the appliance", fails(reason.Network), disturbedRequests(reset(0))),
		network("cut within the handshake", fails(reason.Network), disturbed(cut(100))),
		network("cut within a body", fails(reason.Network), disturbed(cut(1300))),
		network("cut within a request", fails(reason.Network), disturbedRequests(cut(600))),
		network("black hole", fails(reason.Timeout), disturbed(swallow)),
		network("black hole for requests", fails(reason.Timeout), disturbedRequests(swallow)),
		network("black hole that closes", fails(reason.Network), disturbed(hangUp(50*time.Millisecond))),
		network("slow drip", fails(reason.Timeout), disturbed(slice(1, 5*time.Millisecond))),
		network("small pieces", whole, disturbed(slice(60, 0))),
		waiting(2*time.Second, network("hardly any bandwidth", fails(reason.Timeout), disturbed(slice(10, 10*time.Millisecond)))),
		network("little bandwidth", whole, disturbed(slice(2000, 10*time.Millisecond))),
		network("latency above the deadline", fails(reason.Timeout), disturbed(delay(3*time.Second))),
		network("latency below the deadline", whole, disturbed(delay(40*time.Millisecond))),
		network("slow to close", whole, disturbed(closeLate(2*time.Second))),
		resolving("no such name", fails(reason.Network), func(d *resolver) func() {
			d.refuse.Store(true)
			return func() { d.refuse.Store(false) }
		}),
		resolving("name server is silent", fails(reason.Timeout), func(d *resolver) func() {
			d.silent.Store(true)
			return func() { d.silent.Store(false) }
		}),
		resolving("no such name at first", whole, func(d *resolver) func() {
			d.refuse.Store(true)
			ended := time.AfterFunc(150*time.Millisecond, func() { d.refuse.Store(false) })
			return func() { ended.Stop() }
		}),
	}
}

// network is a fault of the network, which affects both lists.
func network(name string, want outcome, start func(*rig) func()) fault {
	return fault{name: "network: " + name, place: place{proxied: true}, start: start, google: want, azure: want}
}

func alone(f fault) fault {
	f.alone = true
	return f
}

// resolving is a fault of name resolution. It closes the connections, which would not need a name.
func resolving(name string, want outcome, start func(*resolver) func()) fault {
	f := alone(network("names: "+name, want, func(r *rig) func() {
		end := start(r.resolver)
		r.reconnect()
		return end
	}))
	f.place = place{proxied: true, name: "appliance.invalid"}
	return f
}

// disturbed disturbs the responses of the appliance.
func disturbed(forward func(*link, []byte) error) func(*rig) func() {
	return disturb(&disturbance{forward: forward})
}

// disturbedRequests disturbs the requests to the appliance.
func disturbedRequests(forward func(*link, []byte) error) func(*rig) func() {
	return disturb(&disturbance{requests: true, forward: forward})
}

func disturb(d *disturbance) func(*rig) func() {
	return func(r *rig) func() {
		r.proxy.disturbance.Store(d)
		return func() {
			r.proxy.disturbance.Store(nil)
			r.reconnect()
		}
	}
}

// down closes the appliance's address.
func down(r *rig) func() {
	r.proxy.stop()
	return func() { up(r) }
}

func up(r *rig) {
	if err := r.proxy.start(); err != nil {
		r.t.Error(err)
	}
}

func downFor(d time.Duration) func(*rig) func() {
	return func(r *rig) func() {
		r.proxy.stop()
		done := make(chan struct{})
		time.AfterFunc(d, func() {
			defer close(done)
			up(r)
		})
		return func() { <-done }
	}
}

// reconnect closes every connection.
func (r *rig) reconnect() {
	r.proxy.stop()
	up(r)
}

// impostor serves at the appliance's address.
func impostor(r *rig, serve func(net.Conn)) (end func()) {
	r.t.Helper()
	r.proxy.stop()
	_, stop, err := broken.Accept(r.t.Context(), r.proxy.address, serve)
	if err != nil {
		r.t.Fatal(err)
	}
	return func() {
		stop()
		up(r)
	}
}
