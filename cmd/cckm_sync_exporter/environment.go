package main

import (
	"os"
	"strings"

	"github.com/alecthomas/kingpin/v2"

	"cckm_sync_exporter/collector/ciphertrust"
)

const (
	// envPassword has the password itself. There is no flag for it, because every user of a machine
	// can read command lines.
	envPassword = "CM_PASSWORD"
	// newerPrefix is the prefix of the variables of newer versions of Thales' Terraform provider.
	newerPrefix = "CIPHERTRUST_"
)

// newerNames returns the newer names of the variables, without newerPrefix.
func newerNames() []string {
	return []string{"ADDRESS", "USERNAME", "PASSWORD", "DOMAIN", "TENANT", "AUTH_DOMAIN", "CA_CERT"}
}

// allFlags returns the flags of the program and of its commands.
func allFlags(app *kingpin.Application) []*kingpin.FlagModel {
	flags := app.Model().Flags
	for _, command := range app.Model().Commands {
		flags = append(flags, command.Flags...)
	}
	return flags
}

// trimEnvironment removes leading and trailing white space from the variables of
// the flags: a value from a Secret often ends in a newline. kingpin reads only the variables of the
// process, so they are changed in place.
func trimEnvironment(app *kingpin.Application) {
	for _, flag := range allFlags(app) {
		name := envarOf(flag)
		value := os.Getenv(name)
		if trimmed := strings.TrimSpace(value); trimmed != value {
			// It fails only for names that no flag has.
			_ = os.Setenv(name, trimmed)
		}
	}
}

// readEnvironment reads the variables without a flag: the password, and the newer names of variables
// that neither a flag nor its own variable has set.
func (s *settings) readEnvironment() {
	newer := func(name string) string { return strings.TrimSpace(os.Getenv(newerPrefix + name)) }
	s.credentials.Password = ciphertrust.Secret(os.Getenv(envPassword))
	if s.credentials.Password == "" {
		// The client removes the newline at its end, as it does of a file's.
		s.credentials.Password = ciphertrust.Secret(os.Getenv(newerPrefix + "PASSWORD"))
	}
	tenant := newer("TENANT")
	if tenant != "" && !strings.HasPrefix(tenant, "/") {
		tenant = "/" + tenant
	}
	caFile, ca := newer("CA_CERT"), ""
	if strings.Contains(caFile, "-----BEGIN ") {
		caFile, ca = "", caFile
	}
	if s.tls.CAFile == "" {
		s.tls.CA = ca
	}
	for _, setting := range []struct {
		field *string
		value string
	}{
		{&s.url, newer("ADDRESS")},
		{&s.credentials.Username, newer("USERNAME")},
		{&s.credentials.Domain, newer("DOMAIN")},
		// The provider logs in to the tenant if it has one.
		{&s.credentials.AuthDomain, tenant},
		{&s.credentials.AuthDomain, newer("AUTH_DOMAIN")},
		{&s.tls.CAFile, caFile},
	} {
		if *setting.field == "" {
			*setting.field = setting.value
		}
	}
}
