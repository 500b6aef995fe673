package main

import (
	"cmp"
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/common/version"
	toolkit "github.com/prometheus/exporter-toolkit/web"
	"github.com/prometheus/exporter-toolkit/web/kingpinflag"

	"cckm_sync_exporter/collector/ciphertrust"
	"cckm_sync_exporter/collector/config"
	"cckm_sync_exporter/collector/simulator"
	"cckm_sync_exporter/collector/syncjob"
)

const (
	programName    = "cckm_sync_exporter"
	defaultAddress = ":10458"

	commandServe = "serve"
	commandOnce  = "once"
	commandCheck = "check"
	commandDemo  = "demo"
)

// settings are what flags and the environment say.
type settings struct { //nolint:recvcheck // Format has to hide what a copy holds as well.
	url         string
	credentials ciphertrust.Credentials
	tls         ciphertrust.TLSConfig

	// lists are the enabled lists, by the flags below.
	lists           []syncjob.List
	listFlags       []*listFlag
	disableDefaults bool

	// reading is how lists are read; a target of the configuration file may say
	// otherwise for its own.
	reading config.Reading

	// configFile names the appliances or domains, in place of the flags of one.
	configFile string
	// applianceFlagsGiven are the flags of one appliance that the command line has.
	applianceFlagsGiven []*givenFlag
	// demoTargets is how many appliances the demo simulates; 0 means one without a
	// configuration file.
	demoTargets int
	// demoJobs is the length of the history in each default list of a simulated appliance,
	// and demoLatency is how long each of their pages takes.
	demoJobs    int
	demoLatency time.Duration
	// simulated are the demo's targets if it has several.
	simulated []config.Target

	web                    *toolkit.FlagConfig
	telemetryPath          string
	maxRequests            int
	disableExporterMetrics bool

	logLevel, logFormat string

	// oneRead says that nothing comes after one read that could use what is kept
	// of it.
	oneRead bool
	// offline keeps check from connecting.
	offline bool
}

// Format implements fmt.Formatter: fmt does not ask the values of unexported
// fields how they want to be printed, and one of these is the password.
func (settings) Format(f fmt.State, _ rune) {
	_, _ = f.Write([]byte("settings of " + programName))
}

// listFlag is the flag that turns a list on or off.
type listFlag struct {
	list syncjob.List
	on   *bool
	// given is true where the command line holds the flag.
	given bool
	envar string
}

// givenFlag tells whether the command line holds a flag.
type givenFlag struct {
	name, envar string
	given       bool
}

// enabled says whether the list is read. A default counts only as long as
// defaults are not turned off.
func (f *listFlag) enabled(disableDefaults bool) bool {
	if disableDefaults && !f.given && os.Getenv(f.envar) == "" {
		return false
	}
	return *f.on
}

// parse reads the command line and the environment. It does not return after
// --help and --version.
func parse(args []string) (command string, s *settings, err error) {
	app, s := newApp()
	return s.parse(app, args)
}

// parse reads what newApp has declared.
func (s *settings) parse(app *kingpin.Application, args []string) (command string, _ *settings, err error) {
	trimEnvironment(app)
	command, err = app.Parse(args)
	if err != nil {
		return "", nil, fmt.Errorf("%w; see --help", err)
	}
	s.readEnvironment()
	for _, flag := range s.listFlags {
		if flag.enabled(s.disableDefaults) {
			s.lists = append(s.lists, flag.list)
		}
	}
	return command, s, nil
}

// newApp declares the commands and flags, and returns the settings that parsing
// fills.
func newApp() (*kingpin.Application, *settings) {
	// A build by the go command alone stamps no version.
	if info, ok := debug.ReadBuildInfo(); ok {
		version.Version = cmp.Or(version.Version, info.Main.Version, "unstamped")
	}
	s := &settings{}
	app := kingpin.New(programName,
		"Prometheus exporter for the synchronization jobs of CipherTrust Manager's cloud key manager (CCKM).")
	app.UsageWriter(os.Stdout)
	app.DefaultEnvars()
	app.HelpFlag.Short('h').NoEnvar()
	app.Version(version.Print(programName))
	app.VersionFlag.NoEnvar()

	app.Command(commandServe, "Serve metrics over HTTP (the default).").Default()
	app.Command(commandOnce, "Read every enabled list once and print the metrics; fails unless every list was read.")
	checkCommand := app.Command(commandCheck, "Try out step by step whether the appliance can be read, and say what to do where it cannot.")
	checkCommand.Flag("offline", "Look at flags and files only, connect to nothing.").BoolVar(&s.offline)
	demoCommand := app.Command(commandDemo, "Serve metrics of a simulated CipherTrust Manager within this process; needs no other flag.")
	demoCommand.Flag("targets", "Simulate so many appliances, as with a configuration file that names them: /sd lists them, "+
		"/probe?target=NAME reads one. 0 means one appliance, which /metrics reads.").
		Default("0").NoEnvar().IntVar(&s.demoTargets)
	demoCommand.Flag("jobs", fmt.Sprintf("Add a history of so many finished jobs to each default list, up to %d.", simulator.MaxHistory)).
		Default("0").NoEnvar().IntVar(&s.demoJobs)
	demoCommand.Flag("latency", "Let each page take this long, for example 200ms.").
		Default("0s").NoEnvar().DurationVar(&s.demoLatency)

	s.applianceFlags(app)
	app.Flag("config.file", "File that names several appliances or domains, in place of the flags of one (--ciphertrust.*): "+
		"/probe?target=NAME reads one of them, /sd lists them for Prometheus. It is loaded anew by SIGHUP and POST /-/reload.").
		StringVar(&s.configFile)
	s.collectorFlags(app)
	s.webFlags(app)
	app.Flag("log.level", "Only log messages of this severity or above.").
		Default("info").EnumVar(&s.logLevel, "debug", "info", "warn", "error")
	app.Flag("log.format", "Format of log messages.").
		Default("logfmt").EnumVar(&s.logFormat, "logfmt", "json")
	describeForMan(app)
	nameInErrors(app)
	return app, s
}

// applianceFlags declares the flags of the appliance and the login. The
// environment variables are those of Thales' Terraform provider, which users
// already have.
func (s *settings) applianceFlags(app *kingpin.Application) {
	app.Flag("ciphertrust.url", "Address of the CipherTrust Manager, for example https://cm.example.com. "+
		"http is accepted only for loopback addresses or with --ciphertrust.insecure-skip-verify, because it sends the password in clear text.").
		Envar("CM_ADDRESS").StringVar(&s.url)
	app.Flag("ciphertrust.username", "Name of the user that reads.").
		Envar("CM_USERNAME").StringVar(&s.credentials.Username)
	app.Flag("ciphertrust.password-file", "File with the user's password, read anew at every login. "+
		"The password itself can only be given in the environment, as CM_PASSWORD.").
		Envar("CM_PASSWORD_FILE").StringVar(&s.credentials.PasswordFile)
	app.Flag("ciphertrust.domain", "Domain whose jobs are read; by default the user's own.").
		Envar("CM_DOMAIN").StringVar(&s.credentials.Domain)
	app.Flag("ciphertrust.auth-domain", "Domain that the user logs in to; one that begins with / is a path of domains.").
		Envar("CM_AUTH_DOMAIN").StringVar(&s.credentials.AuthDomain)
	app.Flag("ciphertrust.connection", "Connection (identity provider) of the user; by default local users.").
		Envar("CM_CONNECTION").StringVar(&s.credentials.Connection)
	app.Flag("ciphertrust.client-id", "Client that logs in by its certificate, in place of a user and password.").
		StringVar(&s.credentials.ClientID)
	app.Flag("ciphertrust.cert-file", "Client certificate (PEM).").StringVar(&s.tls.CertFile)
	app.Flag("ciphertrust.key-file", "Key of the client certificate (PEM).").StringVar(&s.tls.KeyFile)
	app.Flag("ciphertrust.ca-file", "CA that the appliance's certificate is verified with (PEM); by default the system's.").
		StringVar(&s.tls.CAFile)
	app.Flag("ciphertrust.server-name", "Name that the appliance's certificate must have; by default the URL's host.").
		StringVar(&s.tls.ServerName)
	app.Flag("ciphertrust.insecure-skip-verify", "Do not verify the appliance's certificate. Whoever is on the network can then read the password.").
		BoolVar(&s.tls.InsecureSkipVerify)
	for _, flag := range app.Model().Flags {
		if strings.HasPrefix(flag.Name, "ciphertrust.") {
			given := &givenFlag{name: flag.Name, envar: envarOf(flag)}
			app.GetFlag(flag.Name).IsSetByUser(&given.given)
			s.applianceFlagsGiven = append(s.applianceFlagsGiven, given)
		}
	}
}

// collectorFlags declares the flags of the lists and of how they are read.
func (s *settings) collectorFlags(app *kingpin.Application) {
	for _, list := range syncjob.Lists() {
		flag := &listFlag{list: list}
		name := "collector." + list.Name
		clause := app.Flag(name, fmt.Sprintf("Read the list of synchronization jobs %s.", list.Path)).
			Default(strconv.FormatBool(list.Default)).IsSetByUser(&flag.given)
		flag.envar = envar(name)
		flag.on = clause.Envar(flag.envar).Bool()
		s.listFlags = append(s.listFlags, flag)
	}
	app.Flag("collector.disable-defaults", "Read only the lists that are turned on by a flag of their own.").
		BoolVar(&s.disableDefaults)
	app.Flag("collector.page-size", "How many jobs to ask for in a page; adapted where the appliance refuses it or gives fewer.").
		Default("1000").IntVar(&s.reading.PageSize)
	app.Flag("collector.concurrency", "How many pages may be asked for at once.").
		Default("4").IntVar(&s.reading.Concurrency)
	app.Flag("collector.timeout", "Longest read of one scrape. Prometheus' own scrape timeout, less the offset, wins where it is shorter.").
		Default("30s").DurationVar(&s.reading.Timeout)
	app.Flag("collector.timeout-offset", "What to leave of Prometheus' scrape timeout for the answer's way back.").
		Default("0.5s").DurationVar(&s.reading.TimeoutOffset)
	app.Flag("collector.min-interval", "Answer a scrape within this time of the last read from that read; 0s means never.").
		Default("0s").DurationVar(&s.reading.MinInterval)
	app.Flag("collector.full-read-interval", "How often to read the whole of a known list in the background, to check the cache. "+
		"0s turns the cache off: every scrape reads everything.").
		Default("10m").DurationVar(&s.reading.FullReadInterval)
	app.Flag("collector.full-read-timeout", "A full read fails after this long without a new page.").
		Default("2m").DurationVar(&s.reading.FullReadTimeout)
	app.Flag("collector.forget-scopes-after", "Leave out a key ring or vault whose newest job is older than this; 0s means never.").
		Default("0s").DurationVar(&s.reading.ForgetScopesAfter)
}

// webFlags declares the flags of the exporter's own HTTP interface.
func (s *settings) webFlags(app *kingpin.Application) {
	s.web = kingpinflag.AddFlags(app, defaultAddress)
	app.Flag("web.telemetry-path", "Path of the metrics.").Default("/metrics").StringVar(&s.telemetryPath)
	app.Flag("web.max-requests", "How many scrapes may be served at once; 0 means no limit.").
		Default("40").IntVar(&s.maxRequests)
	app.Flag("web.disable-exporter-metrics", "Leave out the metrics about the process (promhttp_*, process_*, go_*).").
		BoolVar(&s.disableExporterMetrics)
}
