package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"

	"cckm_sync_exporter/collector/ciphertrust"
	"cckm_sync_exporter/collector/config"
	"cckm_sync_exporter/collector/simulator"
	"cckm_sync_exporter/collector/syncjob"
	"cckm_sync_exporter/collector/web"
)

// demoStep is how often the jobs of the simulated appliances change.
const demoStep = time.Second

// demo serves metrics of appliances that this process simulates. Their jobs start, finish, fail, hang and
// are aborted. It prints where to look.
func demo(ctx context.Context, s *settings, logs logs, hangUps <-chan os.Signal, out io.Writer) error {
	if err := s.validateDemo(); err != nil {
		return err
	}
	s.readSources()
	// The appliances outlive ctx, because the shutdown sends requests to them.
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	defer running.Wait()
	defer end()
	for i := range max(1, s.demoTargets) {
		server, err := s.simulate(life, &running, i)
		if err != nil {
			return err
		}
		s.use(server, i)
	}
	return serveWith(ctx, s, logs, hangUps, func(ctx context.Context, e *exporter, base string) { s.present(ctx, e, base, out) })
}

// readSources enables schedules and the inventory, which the simulated appliances have, unless the user has
// disabled them.
func (s *settings) readSources() {
	s.reading.Schedules = s.reading.Schedules || !s.schedulesFlag.chosen()
	s.reading.Inventory = s.reading.Inventory || !s.inventoryFlag.chosen()
}

// demoPatience is how long the addresses wait for the first reads, which --latency and --jobs prolong.
const demoPatience = 5 * time.Second

// demoPause is the time between the demo's own reads.
const demoPause = 15 * time.Second

// present reads the appliances as a Prometheus would, so that the status page always has recent data, and
// prints where to look once it has.
func (s *settings) present(ctx context.Context, e *exporter, base string, out io.Writer) {
	first := make(chan struct{})
	var printing sync.WaitGroup
	defer printing.Wait()
	printing.Go(func() {
		select {
		case <-first:
		case <-time.After(demoPatience):
		case <-ctx.Done():
			return
		}
		s.printAddresses(base, out)
	})
	e.readAll(ctx)
	close(first)
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(demoPause):
			e.readAll(ctx)
		}
	}
}

// readAll reads one target after the other, because a demo may have many.
func (e *exporter) readAll(ctx context.Context) {
	for _, t := range e.targets.All() {
		if ctx.Err() == nil {
			t.Read(ctx)
		}
	}
}

// printAddresses prints where to look. If nobody reads them, the log has them too.
func (s *settings) printAddresses(base string, out io.Writer) {
	_, _ = fmt.Fprintf(out, "Status page: %s/\n", base)
	if s.demoTargets == 0 {
		_, _ = fmt.Fprintf(out, "Metrics:     %s%s\n", base, s.telemetryPath)
		return
	}
	_, _ = fmt.Fprintf(out, "Metrics:     %s%s?target=%s\nDiscovery:   %s%s\n",
		base, web.PathProbe, s.simulated[0].Name, base, web.PathDiscovery)
}

// use sets the settings to the i-th simulated appliance.
func (s *settings) use(server *simulator.Server, i int) {
	credentials := ciphertrust.Credentials{Username: simulator.DefaultUsername, Password: simulator.DefaultPassword}
	tls := ciphertrust.TLSConfig{CA: string(server.CAPEM)}
	if s.demoTargets == 0 {
		s.url, s.tls, s.credentials = server.URL, tls, credentials
		return
	}
	simulated := config.Target{URL: server.URL, TLS: tls, Credentials: credentials, Lists: s.demoLists(i), Reading: s.reading}
	simulated.Name, simulated.Labels = demoName(i)
	s.simulated = append(s.simulated, simulated)
}

// demoLists returns the lists of the i-th of several simulated appliances: those that the user chose, or
// two that depend on i.
func (s *settings) demoLists(i int) []syncjob.List {
	if s.disableDefaults || slices.ContainsFunc(s.listFlags, func(f *listFlag) bool { return f.chosen() }) {
		return s.lists
	}
	names := [...][2]string{
		{"google-keys", "azure-certificates"},
		{"azure-keys", "aws-keys"},
		{"google-keys", "oci-keys"},
		{"azure-secrets", "sap-keys"},
		{"aws-keys", "luna-keys"},
	}
	of := names[i%len(names)]
	return slices.DeleteFunc(syncjob.Lists(), func(list syncjob.List) bool { return !slices.Contains(of[:], list.Name) })
}

// simulate starts the i-th appliance, whose jobs depend on i. It is closed when ctx has ended.
func (s *settings) simulate(ctx context.Context, running *sync.WaitGroup, i int) (*simulator.Server, error) {
	seed, lives := uint64(i), simulator.LivesOf(i) //nolint:gosec // i is not negative.
	appliance := simulator.New(simulator.Options{Kinds: simulator.AllKinds(), Seed: seed})
	fleet, err := simulator.NewFleet(appliance, simulator.FleetOptions{Lives: lives, Seed: seed})
	if err != nil {
		return nil, fmt.Errorf("the simulated appliance cannot be filled: %w", err)
	}
	appliance.SetPlans(lives)
	addHistory(appliance, lives, s.demoJobs)
	if s.demoLatency > 0 {
		appliance.SetLatency(func(r *http.Request) time.Duration {
			if r.Method == http.MethodGet {
				return s.demoLatency
			}
			return 0
		})
	}
	server, err := appliance.StartTLS() //nolint:contextcheck // The simulator's life is bounded by Close.
	if err != nil {
		return nil, fmt.Errorf("the simulated appliance cannot be started: %w", err)
	}
	running.Go(func() {
		defer server.Close()
		fleet.Run(ctx, demoStep)
	})
	return server, nil
}

// addHistory adds finished jobs to each list that is enabled by default. They are older than the fleet's
// jobs, and about the same key rings and vaults.
func addHistory(appliance *simulator.Appliance, lives []simulator.Life, jobs int) {
	// The others have never succeeded, which a history would contradict.
	succeeded := []simulator.Fate{
		simulator.Succeeds, simulator.RecoversSometimes, simulator.HangsForever, simulator.FailsLately, simulator.Stopped,
		simulator.MissedANight,
	}
	scopes := map[string][]string{}
	for _, life := range lives {
		isDefault := life.List == simulator.GoogleKeys || life.List == simulator.AzureCertificates
		if isDefault && slices.Contains(succeeded, life.Fate) {
			scopes[life.List] = append(scopes[life.List], life.Scopes...)
		}
	}
	for list, names := range scopes {
		appliance.List(list).SetHistory(jobs, simulator.HistoryShape{Scopes: names})
	}
}

// demoName returns the name and the labels of a simulated appliance.
func demoName(i int) (name string, labels map[string]string) {
	stages, regions := [...]string{"prod", "stage", "test"}, [...]string{"eu", "us", "ap"}
	stage, region := stages[i/len(regions)%len(stages)], regions[i%len(regions)]
	name = stage + "-" + region
	if round := i / (len(stages) * len(regions)); round > 0 {
		name = fmt.Sprintf("%s-%d", name, round+1)
	}
	return name, map[string]string{"stage": stage, "region": region}
}
