package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	toolkit "github.com/prometheus/exporter-toolkit/web"
)

// validateListening validates the settings of the HTTP server: the form of the addresses, and the
// file with TLS settings and users. It does not bind. The error joins all problems.
func (s *settings) validateListening(ctx context.Context) error {
	var errs []error
	if !s.socketActivated() {
		for _, address := range *s.web.WebListenAddresses {
			if err := validateListenAddress(ctx, address); err != nil {
				errs = append(errs, fmt.Errorf("--web.listen-address is %q: %w; give an address such as :10458 or 127.0.0.1:10458", address, err))
			}
		}
	}
	if err := toolkit.Validate(*s.web.WebConfigFile); err != nil {
		errs = append(errs, fmt.Errorf("--web.config.file %s cannot be used: %w; give a file in the form of Prometheus' exporter-toolkit, "+
			"whose files exist and can be read by this user", *s.web.WebConfigFile, err))
	}
	return errors.Join(errs...)
}

// socketActivated reports whether systemd hands over the sockets.
func (s *settings) socketActivated() bool {
	// The flag exists on Linux only.
	return s.web.WebSystemdSocket != nil && *s.web.WebSystemdSocket
}

// listensOn returns the addresses of the HTTP server, for a message.
func (s *settings) listensOn() string {
	if s.socketActivated() {
		return "sockets of systemd"
	}
	return strings.Join(*s.web.WebListenAddresses, ", ")
}

// validateListenAddress validates the form of an address. It does not resolve the host.
func validateListenAddress(ctx context.Context, address string) error {
	if strings.HasPrefix(address, "vsock://") {
		uri, err := url.Parse(address)
		if err != nil {
			return errors.New("it is not a URL")
		}
		if _, err := strconv.ParseUint(uri.Port(), 10, 32); err != nil {
			return errors.New("the port of a vsock address is a number of 32 bits")
		}
		return nil
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		// The error of net repeats the address.
		if failure, ok := errors.AsType[*net.AddrError](err); ok {
			return errors.New(failure.Err)
		}
		return err
	}
	if _, err := net.DefaultResolver.LookupPort(ctx, "tcp", port); err != nil {
		return fmt.Errorf("%q is not a port number or service name", port)
	}
	if strings.ContainsAny(host, " \t\r\n/") {
		return fmt.Errorf("%q is not a host", host)
	}
	return nil
}
