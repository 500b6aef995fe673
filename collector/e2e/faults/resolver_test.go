package faults_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// resolver replaces the system's, so that no query leaves the process. It resolves every name to a loopback
// address.
type resolver struct {
	// refuse means that there is no such name, silent that there is no response.
	refuse, silent atomic.Bool
	running        sync.WaitGroup
}

// installResolver replaces the system's resolver during a test that runs alone.
func installResolver(t *testing.T) *resolver {
	t.Helper()
	d := new(resolver)
	own := net.DefaultResolver
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		d.running.Go(func() { d.serve(ours) })
		return theirs, nil
	}}
	t.Cleanup(func() {
		net.DefaultResolver = own
		d.running.Wait()
	})
	return d
}

// serve answers the queries of one TCP connection.
func (d *resolver) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	for {
		var size [2]byte
		if _, err := io.ReadFull(conn, size[:]); err != nil {
			return
		}
		question := make([]byte, binary.BigEndian.Uint16(size[:]))
		if _, err := io.ReadFull(conn, question); err != nil {
			return
		}
		if d.silent.Load() {
			_, _ = io.Copy(io.Discard, conn)
			return
		}
		answer, err := d.answer(question)
		if err != nil {
			return
		}
		if _, err := conn.Write(answer); err != nil {
			return
		}
	}
}

func (d *resolver) answer(question []byte) ([]byte, error) {
	var message dnsmessage.Message
	if err := message.Unpack(question); err != nil {
		return nil, err
	}
	if len(message.Questions) != 1 {
		return nil, errors.New("there is not exactly one question")
	}
	message.Response, message.Additionals = true, nil
	asked := message.Questions[0]
	switch {
	case d.refuse.Load():
		message.RCode = dnsmessage.RCodeNameError
	case asked.Type == dnsmessage.TypeA:
		message.Answers = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: asked.Name, Type: asked.Type, Class: asked.Class},
			Body:   &dnsmessage.AResource{A: [4]byte{127, 0, 0, 1}},
		}}
	}
	packed, err := message.Pack()
	if err != nil || len(packed) > math.MaxUint16 {
		return nil, errors.Join(err, errors.New("no answer"))
	}
	size := uint16(len(packed)) //nolint:gosec // It is no longer than that.
	return append(binary.BigEndian.AppendUint16(nil, size), packed...), nil
}
