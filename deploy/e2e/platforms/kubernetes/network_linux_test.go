package kubernetes_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// network is the network of a pod: a namespace of the kernel in which only loopback exists.
type network struct {
	file      *os.File
	listeners []net.Listener
	forwards  sync.WaitGroup
}

// path is where podman finds the network.
func (n *network) path() string { return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), n.file.Fd()) }

// newNetwork makes a network that has further addresses of its own.
func newNetwork(t *testing.T, addresses ...string) (*network, error) {
	t.Helper()
	n := &network{}
	err := onThread(func() (err error) {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return err
		}
		n.file, err = os.Open("/proc/thread-self/ns/net")
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := n.inside(func() error { return ip(t, "link", "set", "lo", "up") }); err != nil {
		return nil, err
	}
	for _, address := range addresses {
		if err := n.inside(func() error { return ip(t, "address", "add", address, "dev", "lo") }); err != nil {
			return nil, err
		}
	}
	return n, nil
}

func ip(t *testing.T, args ...string) error {
	t.Helper()
	output, err := exec.CommandContext(t.Context(), "ip", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("ip %q: %w: %s", args, err, output)
	}
	return nil
}

// onThread runs a function on a thread that ends with it, with what it has changed.
func onThread(do func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		done <- do()
	}()
	return <-done
}

// inside runs a function whose sockets and processes are in the network.
func (n *network) inside(do func() error) error {
	return onThread(func() error {
		if err := unix.Setns(int(n.file.Fd()), unix.CLONE_NEWNET); err != nil {
			return err
		}
		return do()
	})
}

// dial connects to an IP address within the network.
func (n *network) dial(ctx context.Context, protocol, address string) (conn net.Conn, err error) {
	err = n.inside(func() error {
		conn, err = new(net.Dialer).DialContext(ctx, protocol, address)
		return err
	})
	return conn, err
}

// forward forwards the connections to a port of the network to an address outside of it.
func (n *network) forward(t *testing.T, port int, address string) error {
	t.Helper()
	return n.inside(func() error {
		listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", fmt.Sprintf(":%d", port))
		if err != nil {
			return err
		}
		n.listeners = append(n.listeners, listener)
		n.forwards.Go(func() {
			for {
				inner, err := listener.Accept()
				if err != nil {
					return
				}
				n.forwards.Go(func() {
					defer func() { _ = inner.Close() }()
					outer, err := new(net.Dialer).DialContext(t.Context(), "tcp", address)
					if err != nil {
						return
					}
					defer func() { _ = outer.Close() }()
					go func() {
						_, _ = io.Copy(outer, inner)
						_ = outer.Close()
					}()
					_, _ = io.Copy(inner, outer)
				})
			}
		})
		return nil
	})
}

// close ends the network.
func (n *network) close() error {
	var errs []error
	for _, listener := range n.listeners {
		errs = append(errs, listener.Close())
	}
	return errors.Join(append(errs, n.file.Close())...)
}
