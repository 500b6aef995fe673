package sandbox

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/landlock-lsm/go-landlock/landlock"
	ll "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"
)

// The versions of Landlock that brought its rights.
const (
	abiFiles = 1
	abiTCP   = 4
)

// Enforce restricts every thread of the process, for good, to what the rules
// and the process itself need. On a kernel that knows only a part of Landlock it
// enforces that part, on one that knows nothing of it, nothing. After an error
// nothing is enforced.
func Enforce(rules Rules) (Enforced, error) {
	abi, err := ll.LandlockGetABIVersion()
	if err != nil || abi < abiFiles {
		return Enforced{}, nil //nolint:nilerr // A kernel without Landlock is no failure.
	}
	allowed, fixed := readable(rules.Files)
	enforced := Enforced{ABI: abi, Files: true, TCP: abi >= abiTCP, Fixed: fixed}
	var what []landlock.Rule
	for _, place := range allowed {
		rights := landlock.AccessFSSet(ll.AccessFSReadFile)
		if place.list {
			rights |= ll.AccessFSReadDir
		}
		info, err := os.Stat(place.path)
		if err != nil {
			// What is not there need not be allowed.
			continue
		}
		if !info.IsDir() {
			rights = ll.AccessFSReadFile
		}
		what = append(what, landlock.PathAccess(rights, place.path).IgnoreIfMissing())
		enforced.Paths = append(enforced.Paths, place.path)
	}
	enforced.Ports = slices.Compact(slices.Sorted(slices.Values(append([]uint16{portDNS}, rules.Ports...))))
	for _, port := range enforced.Ports {
		what = append(what, landlock.ConnectTCP(port))
	}
	if err := pin(ownPaths()...); err != nil {
		return Enforced{}, err
	}
	if err := config().BestEffort().Restrict(what...); err != nil {
		return Enforced{}, fmt.Errorf("landlock: %w", err)
	}
	return enforced, nil
}

// config is what is forbidden. It is no newer version of Landlock than the
// tests have seen, because a rule that was never tried could keep the exporter
// from resolving names. Signals are left alone: on some kernels their scope
// keeps the threads of one process from reaching each other, as Go's must.
func config() landlock.Config {
	restricted := landlock.V7
	restricted.Scoped = ll.ScopeAbstractUnixSocket
	return restricted
}

// readable returns what may be read: the given files, those that Go's own
// packages read while the process runs, and the process's metrics.
func readable(files []string) (allowed []access, fixed []string) {
	add := func(file string, tooWide ...string) {
		directories, alone := places(file, append(tooWide, "/")...)
		for _, directory := range directories {
			allowed = append(allowed, access{path: directory})
		}
		if alone != "" {
			allowed = append(allowed, access{path: alone})
			if _, err := os.Stat(alone); err == nil {
				fixed = append(fixed, alone)
			}
		}
	}
	for _, file := range files {
		add(file)
	}
	// The resolver's files are often in /etc itself, where much else is.
	for _, file := range []string{"/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf"} {
		add(file, "/etc")
	}
	for _, path := range authorities() {
		allowed = append(allowed, access{path: path, list: true})
	}
	for _, path := range ownPaths() {
		allowed = append(allowed, access{path: path, list: true})
	}
	return append(allowed, access{path: "/etc/localtime"}, access{path: "/usr/share/zoneinfo"}), fixed
}

// authorities are where crypto/x509 looks for the system's certificate
// authorities, and where the links in those places lead to.
func authorities() []string {
	paths := []string{
		"/etc/ssl/certs", "/etc/ssl/cert.pem", "/etc/ssl/ca-bundle.pem",
		"/etc/pki/tls/certs", "/etc/pki/tls/cacert.pem", "/etc/pki/ca-trust/extracted",
		"/usr/share/ca-certificates", "/usr/local/share/ca-certificates",
		"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt",
	}
	if file := os.Getenv("SSL_CERT_FILE"); file != "" {
		paths = append(paths, file)
	}
	return append(paths, filepath.SplitList(os.Getenv("SSL_CERT_DIR"))...)
}

// ownPaths are those that the metrics about the process are read from.
func ownPaths() []string { return []string{"/proc/self", "/proc/stat"} }

// pin keeps files of /proc as they are now until the process ends. The kernel
// forgets the inode of such a file when it needs memory, and makes another one
// for the next who asks, for which a rule that was made for the first does not
// hold any more.
func pin(paths ...string) error {
	for _, path := range paths {
		if _, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0); err != nil && !os.IsNotExist(err) {
			return fmt.Errorf("opening %s: %w", path, err)
		}
	}
	return nil
}
