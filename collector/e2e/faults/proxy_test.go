package faults_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// proxy forwards connections to the appliance. It can be stopped and started again at the same
// address.
type proxy struct {
	address, upstream string
	// disturbance applies to all connections; nil means none.
	disturbance atomic.Pointer[disturbance]
	// stop closes the listener and all connections.
	stop func()
}

// disturbance disturbs one direction of a connection.
type disturbance struct {
	// requests selects the direction to the appliance instead of the one to the exporter.
	requests bool
	// forward is called with the data that was read, and with none at its end. After an error, the
	// connection is closed.
	forward func(l *link, data []byte) error
}

// link is one direction of a connection.
type link struct {
	from, to *net.TCPConn
	ended    <-chan struct{}
	// sent is the number of bytes that were forwarded since the disturbance began.
	sent int
}

func (l *link) write(data []byte) error {
	n, err := l.to.Write(data)
	l.sent += n
	return err
}

// wait waits for d, or until the proxy stops.
func (l *link) wait(d time.Duration) {
	select {
	case <-time.After(d):
	case <-l.ended:
	}
}

func (p *proxy) start() error {
	address, err := net.ResolveTCPAddr("tcp", p.address)
	if err != nil {
		return err
	}
	listener, err := net.ListenTCP("tcp", address)
	if err != nil {
		return err
	}
	p.address = listener.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	p.stop = func() {
		cancel()
		_ = listener.Close()
		running.Wait()
	}
	upstream := p.upstream
	running.Go(func() {
		for {
			conn, err := listener.AcceptTCP()
			if err != nil {
				return
			}
			running.Go(func() { p.connect(ctx, conn, upstream) })
		}
	})
	return nil
}

// connect forwards a connection in both directions until one of them fails, both have ended, or ctx
// ends.
func (p *proxy) connect(ctx context.Context, client *net.TCPConn, upstream string) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	context.AfterFunc(ctx, func() { _ = client.Close() })
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", upstream)
	if err != nil {
		return
	}
	server, ok := conn.(*net.TCPConn)
	if !ok {
		return
	}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	forward := func(from, to *net.TCPConn, requests bool) {
		if p.forward(&link{from: from, to: to, ended: ctx.Done()}, requests) != nil {
			cancel()
		}
	}
	var wait sync.WaitGroup
	wait.Go(func() { forward(client, server, true) })
	forward(server, client, false)
	wait.Wait()
}

func (p *proxy) forward(l *link, requests bool) error {
	buffer := make([]byte, 32<<10)
	for {
		n, err := l.from.Read(buffer)
		if d := p.disturbance.Load(); d != nil && d.requests == requests {
			if err := d.forward(l, buffer[:n]); err != nil {
				return err
			}
		} else if _, err := l.to.Write(buffer[:n]); err != nil {
			return err
		}
		if err != nil {
			return l.to.CloseWrite()
		}
	}
}

var errCut = errors.New("the disturbance closes the connection")

// reset resets the connection after a pause.
func reset(after time.Duration) func(*link, []byte) error {
	return func(l *link, _ []byte) error {
		l.wait(after)
		return errors.Join(errCut, l.from.SetLinger(0), l.to.SetLinger(0))
	}
}

// cut closes the connection after n bytes.
func cut(n int) func(*link, []byte) error {
	return func(l *link, data []byte) error {
		if err := l.write(data[:min(len(data), n-l.sent)]); err != nil || l.sent < n {
			return err
		}
		return errCut
	}
}

// swallow drops the data.
func swallow(*link, []byte) error { return nil }

// hangUp drops the data, and closes the connection after a pause.
func hangUp(after time.Duration) func(*link, []byte) error {
	return func(l *link, _ []byte) error {
		l.wait(after)
		return errCut
	}
}

// slice forwards the data in pieces of size bytes, with a pause before each.
func slice(size int, pause time.Duration) func(*link, []byte) error {
	return func(l *link, data []byte) error {
		for piece := range slices.Chunk(data, size) {
			l.wait(pause)
			if err := l.write(piece); err != nil {
				return err
			}
		}
		return nil
	}
}

// delay forwards the data after a pause.
func delay(pause time.Duration) func(*link, []byte) error {
	return func(l *link, data []byte) error {
		l.wait(pause)
		return l.write(data)
	}
}

// closeLate forwards the data at once, and its end after a pause.
func closeLate(after time.Duration) func(*link, []byte) error {
	return func(l *link, data []byte) error {
		if len(data) == 0 {
			l.wait(after)
		}
		return l.write(data)
	}
}
