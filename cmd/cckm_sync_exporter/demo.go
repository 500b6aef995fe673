package main

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/go-kit/log/level"

	"cckm_sync_exporter/collector/ciphertrust"
	"cckm_sync_exporter/collector/config"
	"cckm_sync_exporter/collector/simulator"
	"cckm_sync_exporter/collector/web"
)

// demoStep is how often the jobs of the simulated appliances change.
const demoStep = time.Second

// demo serves metrics of appliances that this process simulates. Their jobs start, finish, fail, hang and
// are aborted.
func demo(ctx context.Context, s *settings, logs logs, hangUps <-chan os.Signal) error {
	if err := s.validateDemo(); err != nil {
		return err
	}
	// The appliances outlive ctx, because the shutdown sends requests to them.
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	defer running.Wait()
	defer end()
	for i := range max(1, s.demoTargets) {
		server, err := s.simulate(life, &running, uint64(i))
		if err != nil {
			return err
		}
		s.use(server, i)
	}
	// The status page has no data before the first scrape.
	path, msg := s.telemetryPath, "demo: look at the metrics, they change every few seconds, and then at the status page"
	if s.demoTargets > 0 {
		path, msg = web.PathProbe+"?target="+s.simulated[0].Name, "demo: look at the metrics of one target, or let Prometheus discover them all at "+web.PathDiscovery
	}
	level.Info(logs.kit).Log("during", "start", "appliances", max(1, s.demoTargets),
		"metrics", fmt.Sprintf("http://localhost%s%s", portOf(s), path),
		"status", fmt.Sprintf("http://localhost%s/", portOf(s)), "msg", msg)
	return serve(ctx, s, logs, hangUps)
}

// use sets the settings to the i-th simulated appliance.
func (s *settings) use(server *simulator.Server, i int) {
	credentials := ciphertrust.Credentials{Username: simulator.DefaultUsername, Password: simulator.DefaultPassword}
	tls := ciphertrust.TLSConfig{CA: string(server.CAPEM)}
	if s.demoTargets == 0 {
		s.url, s.tls, s.credentials = server.URL, tls, credentials
		return
	}
	simulated := config.Target{URL: server.URL, TLS: tls, Credentials: credentials, Lists: s.lists, Reading: s.reading}
	simulated.Name, simulated.Labels = demoName(i)
	s.simulated = append(s.simulated, simulated)
}

// simulate starts an appliance, whose jobs depend on the seed. It is closed when ctx has ended.
func (s *settings) simulate(ctx context.Context, running *sync.WaitGroup, seed uint64) (*simulator.Server, error) {
	appliance := simulator.New(simulator.Options{Kinds: simulator.AllKinds(), Seed: seed})
	fleet, err := simulator.NewFleet(appliance, simulator.FleetOptions{Lives: simulator.AllLives(), Seed: seed})
	if err != nil {
		return nil, fmt.Errorf("the simulated appliance cannot be filled: %w", err)
	}
	appliance.SetPlans(simulator.AllLives())
	addHistory(appliance, s.demoJobs)
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
func addHistory(appliance *simulator.Appliance, jobs int) {
	scopes := map[string][]string{}
	for _, life := range simulator.DefaultLives() {
		// The others have never succeeded, which a history would contradict.
		if life.Fate == simulator.Succeeds || life.Fate == simulator.RecoversSometimes || life.Fate == simulator.HangsForever {
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

// portOf returns the port that the exporter listens on, with its colon.
func portOf(s *settings) string {
	_, port, err := net.SplitHostPort((*s.web.WebListenAddresses)[0])
	if err != nil {
		return defaultAddress
	}
	return ":" + cmp.Or(port, defaultAddress[1:])
}
