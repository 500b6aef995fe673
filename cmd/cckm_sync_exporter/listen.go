package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"

	toolkit "github.com/prometheus/exporter-toolkit/web"
	"go.yaml.in/yaml/v4"
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
	if isVsock(address) {
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

// isVsock reports whether an address is one of a virtual machine's socket.
func isVsock(address string) bool { return strings.HasPrefix(address, "vsock://") }

// listen binds the addresses of the HTTP server, so that a port in use is an error before anything
// else starts. It returns no listeners if only exporter-toolkit can bind them.
func (s *settings) listen(ctx context.Context) (listeners []net.Listener, err error) {
	addresses := *s.web.WebListenAddresses
	if s.socketActivated() || slices.ContainsFunc(addresses, isVsock) {
		return nil, nil
	}
	for _, address := range addresses {
		listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
		if err != nil {
			for _, bound := range listeners {
				_ = bound.Close()
			}
			return nil, listenError(address, err)
		}
		listeners = append(listeners, listener)
	}
	return listeners, nil
}

// listenError says why an address cannot be bound, and what to do.
func listenError(address string, err error) error {
	const flag = "--web.listen-address"
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%s %s is in use by another program, maybe another exporter: stop it (ss -ltnp shows it), or give another address", flag, address)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("%s %s may not be used by this user: give a port above 1023", flag, address)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("%s %s is not an address of this host: give one of its own, or only the port", flag, address)
	default:
		return fmt.Errorf("%s %s cannot be used: %w; give another address", flag, address, err)
	}
}

// serveOn serves on the listeners of listen.
func (s *settings) serveOn(listeners []net.Listener, server *http.Server, logs logs) error {
	if len(listeners) == 0 {
		return toolkit.ListenAndServe(server, s.web, logs.slog)
	}
	return toolkit.ServeMultiple(listeners, server, s.web, logs.slog)
}

// baseURL returns the URL of the first listener, for messages: of the loopback address if it listens on
// all. It is "" without listeners, so that messages have only paths.
func (s *settings) baseURL(listeners []net.Listener) string {
	if len(listeners) == 0 {
		return ""
	}
	host, port, _ := net.SplitHostPort(listeners[0].Addr().String())
	if ip := net.ParseIP(host); ip.IsUnspecified() {
		host = "localhost"
	}
	return s.scheme() + "://" + net.JoinHostPort(host, port)
}

// scheme returns the scheme of the exporter's URLs.
func (s *settings) scheme() string {
	if servesTLS(*s.web.WebConfigFile) {
		return "https"
	}
	return "http"
}

// servesTLS reports whether a file of --web.config.file, which is valid, enables TLS.
func servesTLS(file string) bool {
	content, err := os.ReadFile(file) //nolint:gosec // The user of the program chose the file.
	if err != nil {
		return false
	}
	var config struct {
		TLS map[string]any `yaml:"tls_server_config"`
	}
	return yaml.Unmarshal(content, &config) == nil && len(config.TLS) > 0
}
