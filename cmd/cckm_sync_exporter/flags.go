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
	"cckm_sync_exporter/collector/syncjob"
)

const (
	programName    = "cckm_sync_exporter"
	defaultAddress = ":10458"

	commandServe   = "serve"
	commandOnce    = "once"
	commandCheck   = "check"
	commandHealthy = "healthy"
	commandDemo    = "demo"
)

// settings are the values of flags and environment variables.
type settings struct { //nolint:recvcheck // Format must also hide the values of a copy.
	url         string
	credentials ciphertrust.Credentials
	tls         ciphertrust.TLSConfig

	// lists are the enabled lists.
	lists           []syncjob.List
	listFlags       []*listFlag
	disableDefaults bool
	// schedulesFlag and inventoryFlag are those of reading.
	schedulesFlag, inventoryFlag givenFlag

	// reading is how lists are read; it is the default for targets of the configuration file.
	reading config.Reading

	// configFile names several appliances or domains; the flags of one are not allowed with it.
	configFile string
	// autoReload loads configFile again when its content changes.
	autoReload bool
	// applianceFlagsGiven are the flags of one appliance, and whether they are on the command line.
	applianceFlagsGiven []*givenFlag
	// demoTargets is the number of simulated appliances; 0 means one that /metrics reads.
	demoTargets int
	// demoJobs is the number of jobs in the history of each default list of a simulated appliance,
	// and demoLatency the duration of each page.
	demoJobs    int
	demoLatency time.Duration
	// simulated are the demo's targets if it has several.
	simulated []config.Target

	web                    *toolkit.FlagConfig
	externalURL            string
	enableLifecycle        bool
	telemetryPath          string
	maxRequests            int
	disableExporterMetrics bool

	logLevel, logFormat string

	// output is the file that once writes to; empty means standard output.
	output string
	// oneRead is true if no read follows that could use a cache.
	oneRead bool
	// offline is true if check must not connect.
	offline bool
}

// Format implements fmt.Formatter. fmt does not call the methods of unexported fields, so the password
// would be printed.
func (settings) Format(f fmt.State, _ rune) {
	_, _ = f.Write([]byte("settings of " + programName))
}

// givenFlag is a flag and whether it is on the command line.
type givenFlag struct {
	name, envar string
	given       bool
}

// chosen reports whether the flag or its variable has a value.
func (f *givenFlag) chosen() bool { return f.given || os.Getenv(f.envar) != "" }

// listFlag is the flag that enables a list.
type listFlag struct {
	givenFlag

	list syncjob.List
	on   *bool
}

// parse parses the command line and the environment. It does not return after --help and --version.
func parse(args []string) (command string, s *settings, err error) {
	app, s := newApp()
	return s.parse(app, args)
}

// parse parses the flags that newApp declared.
func (s *settings) parse(app *kingpin.Application, args []string) (command string, _ *settings, err error) {
	trimEnvironment(app)
	command, err = app.Parse(args)
	if err != nil {
		return "", nil, advise(app.Model(), err)
	}
	s.readEnvironment()
	for _, flag := range s.listFlags {
		// Defaults do not count if they are disabled.
		if *flag.on && (flag.chosen() || !s.disableDefaults) {
			s.lists = append(s.lists, flag.list)
		}
	}
	return command, s, nil
}

// newApp declares the commands and flags, and returns the settings that parsing sets.
func newApp() (*kingpin.Application, *settings) {
	// A build by the go command alone does not set the version.
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
	onceCommand := app.Command(commandOnce, "Read every enabled list once and print the metrics. Exits with 1 if a list could not be read.")
	onceCommand.Flag("output", "Replace this file with the metrics instead, atomically, for example for node_exporter's textfile collector. "+
		"It is also replaced if a list could not be read. Of a link, the target is replaced or created.").PlaceHolder("FILE").StringVar(&s.output)
	checkCommand := app.Command(commandCheck, "Check the settings, the connection, the login and each list, with a hint for each failure.")
	checkCommand.Flag("offline", "Check only flags and files, and do not connect.").BoolVar(&s.offline)
	app.Command(commandHealthy, "Ask the exporter that runs on --web.listen-address whether it is healthy. Exits with 1 if it is not.")
	demoCommand := app.Command(commandDemo, "Serve metrics of a CipherTrust Manager that this process simulates. Needs no other flag.")
	demoCommand.Flag("targets", "Simulate this many appliances, as if a configuration file named them: /sd lists them, "+
		"/probe?target=NAME reads one. 0 simulates one appliance, which /metrics reads.").
		Default("0").IntVar(&s.demoTargets)
	demoCommand.Flag("jobs", fmt.Sprintf("Add a history of this many finished jobs to each default list, up to %d.", maxDemoJobs)).
		Default("0").IntVar(&s.demoJobs)
	demoCommand.Flag("latency", "Delay each page by this time, for example 200ms.").
		Default("0s").DurationVar(&s.demoLatency)

	s.applianceFlags(app)
	app.Flag("config.file", "File that names several appliances or domains; replaces --ciphertrust.*. "+
		"/probe?target=NAME reads one of them, /sd lists them for Prometheus. SIGHUP and POST /-/reload read the file again.").
		PlaceHolder("FILE").StringVar(&s.configFile)
	app.Flag("config.enable-auto-reload", fmt.Sprintf("Read --config.file again when its content has changed and stayed the same for %s.", autoReloadInterval)).
		BoolVar(&s.autoReload)
	s.collectorFlags(app)
	s.webFlags(app)
	app.Flag("log.level", "Only log messages of this severity or above.").
		Default("info").EnumVar(&s.logLevel, "debug", "info", "warn", "error")
	app.Flag("log.format", "Format of log messages.").
		Default("logfmt").EnumVar(&s.logFormat, "logfmt", "json")
	describe(app)
	nameInErrors(app)
	return app, s
}

// applianceFlags declares the flags of the appliance and the login. Their environment variables are those
// of Thales' Terraform provider.
func (s *settings) applianceFlags(app *kingpin.Application) {
	app.Flag("ciphertrust.url", "URL of the CipherTrust Manager, for example https://cm.example.com. "+
		"http is accepted only for loopback addresses or with --ciphertrust.insecure-skip-verify, because it sends the password in clear text.").
		Envar("CM_ADDRESS").PlaceHolder("URL").StringVar(&s.url)
	app.Flag("ciphertrust.username", "Name of the user.").
		Envar("CM_USERNAME").PlaceHolder("NAME").StringVar(&s.credentials.Username)
	app.Flag("ciphertrust.password-file", "File with the user's password, read again at every login; "+
		"the password itself is accepted only in the environment, as CM_PASSWORD.").
		Envar("CM_PASSWORD_FILE").PlaceHolder("FILE").StringVar(&s.credentials.PasswordFile)
	app.Flag("ciphertrust.domain", "Domain whose jobs are read. Default: the user's own.").
		Envar("CM_DOMAIN").PlaceHolder("NAME").StringVar(&s.credentials.Domain)
	app.Flag("ciphertrust.auth-domain", "Domain that the user logs in to. If it begins with /, it is a path of domains.").
		Envar("CM_AUTH_DOMAIN").PlaceHolder("NAME").StringVar(&s.credentials.AuthDomain)
	app.Flag("ciphertrust.connection", "Connection (identity provider) of the user. Default: local users.").
		Envar("CM_CONNECTION").PlaceHolder("NAME").StringVar(&s.credentials.Connection)
	app.Flag("ciphertrust.client-id", "Client that logs in with a certificate instead of a user and password.").
		PlaceHolder("ID").StringVar(&s.credentials.ClientID)
	app.Flag("ciphertrust.cert-file", "Client certificate (PEM).").PlaceHolder("FILE").StringVar(&s.tls.CertFile)
	app.Flag("ciphertrust.key-file", "Key of the client certificate (PEM).").PlaceHolder("FILE").StringVar(&s.tls.KeyFile)
	app.Flag("ciphertrust.ca-file", "CA that issued the appliance's certificate (PEM); by default the system's CAs.").
		PlaceHolder("FILE").StringVar(&s.tls.CAFile)
	app.Flag("ciphertrust.server-name", "Name that the appliance's certificate must have. Default: the URL's host.").
		PlaceHolder("NAME").StringVar(&s.tls.ServerName)
	app.Flag("ciphertrust.insecure-skip-verify", "Do not verify the appliance's certificate. Anyone on the network can then read the password.").
		BoolVar(&s.tls.InsecureSkipVerify)
	for _, flag := range app.Model().Flags {
		if strings.HasPrefix(flag.Name, "ciphertrust.") {
			given := &givenFlag{name: flag.Name, envar: envarOf(flag)}
			app.GetFlag(flag.Name).IsSetByUser(&given.given)
			s.applianceFlagsGiven = append(s.applianceFlagsGiven, given)
		}
	}
}

// collectorFlags declares the flags of the lists and of their reads.
func (s *settings) collectorFlags(app *kingpin.Application) {
	for _, list := range syncjob.Lists() {
		flag := &listFlag{list: list}
		name := "collector." + list.Name
		flag.envar = envar(name)
		flag.on = app.Flag(name, fmt.Sprintf("Read the list of synchronization jobs %s.", list.Path)).
			Default(strconv.FormatBool(list.Default)).IsSetByUser(&flag.given).Bool()
		s.listFlags = append(s.listFlags, flag)
	}
	app.Flag("collector.disable-defaults", "Read only the lists that their own flags enable.").
		BoolVar(&s.disableDefaults)
	app.Flag("collector."+config.SourceSchedules, "Read the appliance's schedules, too: when jobs should have started and will start.").
		Default("false").IsSetByUser(&s.schedulesFlag.given).BoolVar(&s.reading.Schedules)
	app.Flag("collector."+config.SourceInventory, "Read which key rings, vaults and other containers are registered, too.").
		Default("false").IsSetByUser(&s.inventoryFlag.given).BoolVar(&s.reading.Inventory)
	s.schedulesFlag.envar, s.inventoryFlag.envar = envar("collector."+config.SourceSchedules), envar("collector."+config.SourceInventory)
	app.Flag("collector.page-size", "Number of jobs to request per page. It adapts if the appliance rejects it or returns fewer.").
		Default("1000").IntVar(&s.reading.PageSize)
	app.Flag("collector.concurrency", "Number of concurrent page requests per appliance.").
		Default("4").IntVar(&s.reading.Concurrency)
	app.Flag("collector.timeout", "Deadline of a scrape. Prometheus' scrape timeout minus the offset applies if it is shorter.").
		Default("30s").DurationVar(&s.reading.Timeout)
	app.Flag("collector.timeout-offset", "Part of Prometheus' scrape timeout that is reserved for sending the response.").
		Default("0.5s").DurationVar(&s.reading.TimeoutOffset)
	app.Flag("collector.min-interval", "A scrape within this time after the last read returns that read. 0s disables this.").
		Default("0s").DurationVar(&s.reading.MinInterval)
	app.Flag("collector.full-read-interval", "Time between full reads of a known list in the background, which check the cache. "+
		"0s disables the cache: every scrape reads everything.").
		Default("10m").DurationVar(&s.reading.FullReadInterval)
	app.Flag("collector.full-read-timeout", "A full read fails after this long without a new page.").
		Default("2m").DurationVar(&s.reading.FullReadTimeout)
	app.Flag("collector.forget-scopes-after", "Omit a key ring or vault whose newest job is older than this, unless --collector.inventory finds it registered. 0s disables this.").
		Default("0s").DurationVar(&s.reading.ForgetScopesAfter)
}

// webFlags declares the flags of the HTTP server.
func (s *settings) webFlags(app *kingpin.Application) {
	s.web = kingpinflag.AddFlags(app, defaultAddress)
	app.Flag("web.external-url", "URL under which users and Prometheus reach the exporter, for example behind a reverse proxy, "+
		"which removes the URL's path. /sd and the links of the status page have it. Default: the URL of each request.").
		StringVar(&s.externalURL)
	app.Flag("web.enable-lifecycle", "Serve POST /-/reload.").Default("true").BoolVar(&s.enableLifecycle)
	app.Flag("web.telemetry-path", "Path of the metrics.").Default("/metrics").StringVar(&s.telemetryPath)
	app.Flag("web.max-requests", "Maximum number of concurrent scrapes; 0 disables the limit.").
		Default("40").IntVar(&s.maxRequests)
	app.Flag("web.disable-exporter-metrics", "Omit the metrics about the process (promhttp_*, process_*, go_*).").
		BoolVar(&s.disableExporterMetrics)
}
