package main

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/go-kit/log/level"

	"cckm_sync_exporter/collector/ciphertrust"
	"cckm_sync_exporter/collector/cmsim"
)

// demoStep is how often the simulated appliance's jobs move on.
const demoStep = time.Second

// demo serves metrics of a simulated appliance within this process, whose jobs
// start, finish, fail, hang and are aborted.
func demo(ctx context.Context, s *settings, logs logs) error {
	appliance := cmsim.New(cmsim.Options{})
	fleet, err := cmsim.NewFleet(appliance, cmsim.FleetOptions{})
	if err != nil {
		return fmt.Errorf("the simulated appliance cannot be filled: %w", err)
	}
	server, err := appliance.StartTLS() //nolint:contextcheck // The simulator's life is bounded by Close.
	if err != nil {
		return fmt.Errorf("the simulated appliance cannot be started: %w", err)
	}
	defer server.Close()

	// The fleet outlives ctx by the shutdown, whose requests it still answers.
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	running.Go(func() { fleet.Run(life, demoStep) })
	defer running.Wait()
	defer end()

	s.url = server.URL
	s.tls = ciphertrust.TLSConfig{CA: string(server.CAPEM)}
	s.credentials = ciphertrust.Credentials{Username: cmsim.DefaultUsername, Password: cmsim.DefaultPassword}
	level.Info(logs.kit).Log("during", "start", "appliance", server.URL,
		"metrics", fmt.Sprintf("http://localhost%s%s", portOf(s), s.telemetryPath),
		"msg", "demo: look at the metrics, they change every few seconds")
	return serve(ctx, s, logs)
}

// portOf returns the port that the exporter listens on, with its colon.
func portOf(s *settings) string {
	_, port, err := net.SplitHostPort((*s.web.WebListenAddresses)[0])
	if err != nil {
		return defaultAddress
	}
	return ":" + port
}
