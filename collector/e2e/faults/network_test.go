package faults_test

import (
	"net"
	"strings"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"

	"cckm_sync_exporter/collector/reason"
)

// networkFaults are those of the network, by toxiproxy and by a resolver.
func networkFaults() []fault {
	return []fault{
		// The address must not be taken by another row while nobody listens there.
		alone(network("connection refused", fails(reason.Network), down)),
		alone(network("connection refused at first", whole, downFor(150*time.Millisecond))),
		network("connection reset", fails(reason.Network), toxic(`{"type":"reset_peer","attributes":{"timeout":0}}`)),
		network("connection reset after a moment", fails(reason.Network), toxic(`{"type":"reset_peer","attributes":{"timeout":20}}`)),
		network("reset towards the appliance", fails(reason.Network), toxic(`{"type":"reset_peer","stream":"upstream","attributes":{"timeout":0}}`)),
		network("cut within the handshake", fails(reason.Network), toxic(`{"type":"limit_data","attributes":{"bytes":100}}`)),
		network("cut within a body", fails(reason.Network), toxic(`{"type":"limit_data","attributes":{"bytes":1300}}`)),
		network("cut within a request", fails(reason.Network), toxic(`{"type":"limit_data","stream":"upstream","attributes":{"bytes":600}}`)),
		network("black hole", fails(reason.Timeout), toxic(`{"type":"timeout","attributes":{"timeout":0}}`)),
		network("black hole for requests", fails(reason.Timeout), toxic(`{"type":"timeout","stream":"upstream","attributes":{"timeout":0}}`)),
		network("black hole that closes", fails(reason.Network), toxic(`{"type":"timeout","attributes":{"timeout":50}}`)),
		network("slow drip", fails(reason.Timeout), toxic(`{"type":"slicer","attributes":{"average_size":1,"delay":5000}}`)),
		network("small pieces", whole, toxic(`{"type":"slicer","attributes":{"average_size":60,"size_variation":50,"delay":0}}`)),
		// A page alone takes more than a second then.
		waiting(2*time.Second, network("hardly any bandwidth", fails(reason.Timeout), toxic(`{"type":"bandwidth","attributes":{"rate":1}}`))),
		network("little bandwidth", whole, toxic(`{"type":"bandwidth","attributes":{"rate":200}}`)),
		network("latency above the deadline", fails(reason.Timeout), toxic(`{"type":"latency","attributes":{"latency":3000}}`)),
		network("latency below the deadline", whole, toxic(`{"type":"latency","attributes":{"latency":40,"jitter":20}}`)),
		network("slow to close", whole, toxic(`{"type":"slow_close","attributes":{"delay":2000}}`)),
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
			mended := time.AfterFunc(150*time.Millisecond, func() { d.refuse.Store(false) })
			return func() { mended.Stop() }
		}),
	}
}

// network is a fault of the network, which hits both lists.
func network(name string, want outcome, bring func(*rig) func()) fault {
	return fault{name: "network: " + name, place: place{proxied: true}, bring: bring, google: want, azure: want}
}

func alone(f fault) fault {
	f.alone = true
	return f
}

// resolving is a fault of name resolution. Connections of before would do
// without it.
func resolving(name string, want outcome, bring func(*resolver) func()) fault {
	f := alone(network("names: "+name, want, func(r *rig) func() {
		mend := bring(r.resolver)
		r.reconnect()
		return mend
	}))
	f.place = place{proxied: true, name: "appliance.invalid"}
	return f
}

// toxic puts one of toxiproxy's toxics in between.
func toxic(spec string) func(*rig) func() {
	return func(r *rig) func() {
		if _, err := r.proxy.Toxics.AddToxicJson(strings.NewReader(spec)); err != nil {
			r.t.Fatal(err)
		}
		return func() {
			// A toxic that waits for a connection cannot be taken away from it.
			r.proxy.Stop()
			r.proxy = newProxy(r.proxy.Listen, r.proxy.Upstream)
			up(r)
		}
	}
}

// newProxy returns a proxy that logs nothing.
func newProxy(listen, upstream string) *toxiproxy.Proxy {
	return toxiproxy.NewProxy(toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop()), "appliance", listen, upstream)
}

// down closes the appliance's address.
func down(r *rig) func() {
	r.proxy.Stop()
	return func() { up(r) }
}

func up(r *rig) {
	if err := r.proxy.Start(); err != nil {
		r.t.Error(err)
	}
}

func downFor(d time.Duration) func(*rig) func() {
	return func(r *rig) func() {
		r.proxy.Stop()
		done := make(chan struct{})
		time.AfterFunc(d, func() {
			defer close(done)
			up(r)
		})
		return func() { <-done }
	}
}

// reconnect drops every connection.
func (r *rig) reconnect() {
	r.proxy.Stop()
	up(r)
}

// impostor serves the appliance's address in its place.
func impostor(r *rig, serve func(net.Conn)) (mend func()) {
	r.t.Helper()
	r.proxy.Stop()
	listener, err := new(net.ListenConfig).Listen(r.t.Context(), "tcp", r.proxy.Listen)
	if err != nil {
		r.t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			serve(conn)
			_ = conn.Close()
		}
	}()
	return func() {
		_ = listener.Close()
		<-done
		up(r)
	}
}
