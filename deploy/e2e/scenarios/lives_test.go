package scenarios_test

import (
	"fmt"
	"strconv"
	"time"

	"cckm_sync_exporter/collector/simulator"
)

// life is a sequence of events on appliances and exporters, and the alerts that it must cause.
type life struct {
	name string
	// job is the name of Prometheus' job, if it is not the default.
	job string
	// watched is the Prometheus that scrapes the life.
	watched watcher
	// pair adds a second exporter for the appliance.
	pair bool
	// fleet names the targets of the life's exporter, if it has several.
	fleet []string
	// startsLate leaves the start of the exporter to a step; until then Prometheus
	// scrapes an empty page.
	startsLate bool
	// forgetScopesAfter is the value of the exporter's flag.
	forgetScopesAfter time.Duration
	// planned makes the exporter read schedules and inventories.
	planned bool
	// skew is how far the appliance's clock is ahead.
	skew  time.Duration
	steps []step
	wants []want
}

// targets returns the names of the exporter's targets, which are unique among all
// lives.
func (l *life) targets() []string {
	names := make([]string, 0, len(l.fleet))
	for _, name := range l.fleet {
		names = append(names, l.name+"."+name)
	}
	return names
}

// watcher is a Prometheus, or two.
type watcher int

const (
	byOne watcher = iota
	// byTwo adds a second Prometheus.
	byTwo
	// byItself and byAnother are Prometheus servers with one life each.
	byItself
	byAnother
)

// step is what happens in a minute of a life.
type step struct {
	at int
	do func(p *plant)
}

// want is an alert that must arrive at the minute at, and clear at the minute
// clears, or never if that is 0.
type want struct {
	// name is the alert's name without the prefix CCKMSync.
	name, severity string
	// about is a key ring or vault, or a list's cloud and item.
	about  string
	at     int
	clears int
	// instance is the exporter's, if it is not the life's name.
	instance string
	// late is the number of minutes that it may be late, if that is more than the default:
	// Prometheus takes up to ten real seconds to find a new target.
	late int
}

// alert returns the alert that the webhook must receive.
func (want want) alert(l *life) alert {
	a := alert{name: want.name, instance: l.name, severity: want.severity}
	a.receiver = map[string]string{"critical": "on-call", "warning": "team", "info": "nobody"}[want.severity]
	if want.instance != "" {
		a.instance = want.instance
	}
	switch want.about {
	case "":
	case googleList, vaultList:
		_, _ = fmt.Sscan(want.about, &a.cloud, &a.item)
	case vault, otherVault:
		_, _ = fmt.Sscan(vaultList, &a.cloud, &a.item)
		a.scope = want.about
	default:
		_, _ = fmt.Sscan(googleList, &a.cloud, &a.item)
		a.scope = want.about
	}
	if want.name == "ExporterAbsent" {
		a.instance = ""
	}
	return a
}

func (want want) text() string {
	text := fmt.Sprintf("%s %d-", shortName(want.name, want.about), want.at)
	if want.clears > 0 {
		text += strconv.Itoa(want.clears)
	}
	return text
}

const (
	google     = simulator.GoogleKeys
	azure      = simulator.AzureCertificates
	googleList = "google key"
	vaultList  = "azure certificate"

	ring       = "projects/acme/locations/global/keyRings/payments"
	otherRing  = "projects/acme/locations/global/keyRings/orders"
	vault      = "billing::7a1c4f0e-52d6-4b8e-9a43-1f0d6c2b9e75"
	otherVault = "archive::7a1c4f0e-52d6-4b8e-9a43-1f0d6c2b9e75"

	completed = simulator.StatusCompleted
	failed    = simulator.StatusFailed

	warning  = "warning"
	critical = "critical"
)

// good gives both lists a history without failures.
func good(p *plant) {
	p.finished(google, completed, 20*hour, ring, otherRing)
	p.finished(azure, completed, 21*hour, vault, otherVault)
}

// oneFailed is good, except for a key ring that has failed.
func oneFailed(p *plant) {
	good(p)
	p.finished(google, failed, 3*hour, ring)
}

// failing is the alert that oneFailed causes until it is fixed.
func failing() want { return want{name: "Failed", severity: warning, about: ring} }

func allLives() []*life {
	var lives []*life
	for _, some := range [][]*life{healthyLives(), jobLives(), longLives(), scopeLives(), applianceLives(), passwordLives(), exporterLives(), fleetLives(), prometheusLives(), awayLives(), plannedLives(), registeredLives()} {
		lives = append(lives, some...)
	}
	return lives
}

// healthyLives must not cause any alert.
func healthyLives() []*life {
	periodic := []step{{0, good}}
	for m := 1; m < lasts-10; m += 10 {
		name := strconv.Itoa(m)
		periodic = append(periodic,
			step{m, func(p *plant) {
				p.begin("google"+name, google, 0, ring, otherRing)
				p.begin("azure"+name, azure, 0, vault, otherVault)
			}},
			step{m + 1, func(p *plant) { p.complete("google" + name) }},
			step{m + 7, func(p *plant) { p.complete("azure" + name) }})
	}
	// The clock is wrong when the rules are loaded, eight minutes before the lives start.
	clockOffset := []want{{name: "ClockOffset", severity: warning, at: 4}}
	return []*life{
		{name: "healthy", steps: periodic},
		{name: "slow Azure sync, below its threshold", steps: []step{
			{0, func(p *plant) {
				good(p)
				p.begin("slow", azure, 8*hour, vault, otherVault)
			}},
		}},
		{name: "never run"},
		{name: "first run", steps: []step{
			{5, func(p *plant) { p.begin("first", google, 0, ring) }},
			{9, func(p *plant) { p.complete("first") }},
		}},
		{name: "the appliance's clock is fast", skew: 30 * minute, steps: periodic, wants: clockOffset},
		{name: "the appliance's clock is slow", skew: -3 * hour, steps: periodic, wants: clockOffset},
	}
}

// jobLives are about how jobs end.
func jobLives() []*life {
	return []*life{
		{
			name: "failed, then fixed", steps: []step{
				{0, oneFailed},
				{20, func(p *plant) { p.finished(google, completed, 0, ring) }},
			},
			wants: []want{{name: "Failed", severity: warning, about: ring, clears: 20}},
		},
		{
			name: "failed again and again", steps: []step{
				{0, oneFailed},
				{20, func(p *plant) { p.finished(google, failed, 0, ring) }},
				{40, func(p *plant) { p.finished(google, failed, 0, ring) }},
			},
			wants: []want{failing()},
		},
		{
			name: "failed on a fast clock", skew: 30 * minute, steps: []step{
				{0, good},
				{10, func(p *plant) { p.finished(google, failed, 0, ring) }},
				{40, func(p *plant) { p.finished(google, completed, 0, ring) }},
			},
			wants: []want{{name: "Failed", severity: warning, about: ring, at: 10, clears: 40}, {name: "ClockOffset", severity: warning, at: 4}},
		},
		{
			name: "partly failed, then fixed", steps: []step{
				{0, good},
				{5, func(p *plant) { p.partlyFailed(azure, 0, vault, otherVault) }},
				{40, func(p *plant) { p.finished(azure, completed, 0, vault, otherVault) }},
			},
			wants: []want{{name: "PartlyFailed", severity: warning, about: vault, at: 5, clears: 40}},
		},
		{
			name: "partly failed, then wholly", steps: []step{
				{0, good},
				{5, func(p *plant) { p.partlyFailed(azure, 0, vault, otherVault) }},
				{40, func(p *plant) { p.finished(azure, failed, 0, vault, otherVault) }},
			},
			wants: []want{
				{name: "PartlyFailed", severity: warning, about: vault, at: 5, clears: 40},
				{name: "Failed", severity: warning, about: vault, at: 40},
				{name: "Failed", severity: warning, about: otherVault, at: 40},
			},
		},
		{
			name: "a retry runs while the last one failed", steps: []step{
				{0, oneFailed},
				{10, func(p *plant) { p.begin("retry", google, 0, ring) }},
				{40, func(p *plant) { p.complete("retry") }},
			},
			wants: []want{{name: "Failed", severity: warning, about: ring, clears: 40}},
		},
		{
			name: "aborted and not repeated, then repeated", steps: []step{
				{0, func(p *plant) {
					good(p)
					p.aborted(google, 50*minute, ring)
				}},
				{40, func(p *plant) { p.begin("next", google, 0, ring) }},
				{41, func(p *plant) { p.complete("next") }},
			},
			wants: []want{{name: "Aborted", severity: warning, about: ring, at: 15, clears: 40}},
		},
		{name: "aborted and repeated within the hour", steps: []step{
			{0, func(p *plant) {
				good(p)
				p.aborted(google, 40*minute, ring)
			}},
			{5, func(p *plant) { p.begin("next", google, 0, ring) }},
			{7, func(p *plant) { p.complete("next") }},
		}},
		{
			name: "an unknown status", steps: []step{
				{0, good},
				{5, func(p *plant) { p.finished(google, "postponed", 0, ring) }},
				{40, func(p *plant) { p.finished(google, completed, 0, ring) }},
			},
			wants: []want{{name: "StatusUnknown", severity: warning, about: ring, at: 5, clears: 40}},
		},
	}
}

// longLives are about ages.
func longLives() []*life {
	return []*life{
		{
			name: "stuck, then finished", steps: []step{
				{0, func(p *plant) {
					good(p)
					p.begin("long", google, 110*minute, ring)
				}},
				{40, func(p *plant) { p.complete("long") }},
			},
			wants: []want{{name: "Stuck", severity: warning, about: ring, at: 10, clears: 40}},
		},
		{
			name: "stuck, while newer ones finish", steps: []step{
				{0, func(p *plant) {
					good(p)
					p.begin("long", google, 110*minute, ring)
				}},
				{20, func(p *plant) { p.finished(google, completed, 0, ring) }},
			},
			wants: []want{{name: "Stuck", severity: warning, about: ring, at: 10}},
		},
		{
			name: "stuck at Azure", steps: []step{
				{0, func(p *plant) {
					good(p)
					p.begin("long", azure, 12*hour-10*minute, vault)
				}},
			},
			wants: []want{{name: "Stuck", severity: warning, about: vault, at: 10}},
		},
		{
			name: "overdue, then synchronized", steps: []step{
				{0, func(p *plant) {
					good(p)
					p.finished(google, completed, 48*hour-10*minute, "old")
				}},
				{40, func(p *plant) { p.finished(google, completed, 0, "old") }},
			},
			wants: []want{{name: "Overdue", severity: critical, about: "old", at: 10, clears: 40}},
		},
		{
			name: "fails until it is overdue", steps: []step{
				{0, func(p *plant) {
					p.finished(google, completed, 48*hour-10*minute, ring)
					p.finished(google, failed, 24*hour, ring)
				}},
			},
			wants: []want{failing(), {name: "Overdue", severity: critical, about: ring, at: 10}},
		},
		{
			name: "the first run never ends", steps: []step{
				{0, func(p *plant) { p.begin("first", google, 24*hour-10*minute, ring) }},
			},
			wants: []want{
				{name: "Stuck", severity: warning, about: ring},
				{name: "NeverSucceeded", severity: warning, about: ring, at: 70},
			},
		},
	}
}

// scopeLives are about key rings and vaults that appear and disappear.
func scopeLives() []*life {
	return []*life{
		{name: "a new vault", steps: []step{
			{0, good},
			{5, func(p *plant) { p.begin("next", azure, 0, vault, otherVault, "new::1") }},
			{25, func(p *plant) { p.complete("next") }},
		}},
		{
			name: "a new vault fails until it is fixed", steps: []step{
				{0, func(p *plant) { p.finished(azure, completed, 20*hour, vault) }},
				{5, func(p *plant) { p.partlyFailed(azure, 0, otherVault, vault) }},
				{82, func(p *plant) { p.finished(azure, completed, 0, otherVault, vault) }},
			},
			wants: []want{
				{name: "PartlyFailed", severity: warning, about: otherVault, at: 5, clears: 82},
				{name: "NeverSucceeded", severity: warning, about: otherVault, at: 65, clears: 82},
			},
		},
		{
			name: "a removed vault", steps: []step{
				{0, func(p *plant) {
					p.finished(azure, completed, 20*hour, vault)
					p.finished(azure, completed, 48*hour-10*minute, otherVault)
				}},
			},
			wants: []want{{name: "Overdue", severity: critical, about: otherVault, at: 10}},
		},
		{name: "a removed vault, forgotten", forgetScopesAfter: 47 * hour, steps: []step{
			{0, func(p *plant) {
				p.finished(azure, completed, 20*hour, vault)
				p.finished(azure, completed, 47*hour-10*minute, otherVault)
			}},
		}},
		{
			name: "a removed vault that had failed, forgotten", forgetScopesAfter: 36 * hour, steps: []step{
				{0, func(p *plant) {
					p.finished(azure, completed, 20*hour, vault)
					p.finished(azure, completed, 40*hour, otherVault)
					p.finished(azure, failed, 36*hour-10*minute, otherVault)
				}},
			},
			// The last known values count for 20 minutes.
			wants: []want{{name: "Failed", severity: warning, about: otherVault, clears: 30}},
		},
		{name: "a purge of old jobs", steps: []step{
			{0, func(p *plant) {
				for i := range 30 {
					p.finished(google, completed, time.Duration(40-i)*hour, ring, otherRing)
				}
				p.finished(google, failed, 42*hour, ring)
			}},
			{10, func(p *plant) { p.purge(google, 3) }},
		}},
		{
			name: "a purge of everything", steps: []step{
				{0, oneFailed},
				{10, func(p *plant) { p.purge(google, 0) }},
			},
			wants: []want{{name: "Failed", severity: warning, about: ring, clears: 30}},
		},
	}
}

// applianceLives are about appliances that cannot be read.
func applianceLives() []*life {
	both := func(at, clears int) []want {
		return []want{
			{name: "ListUnreadable", severity: critical, about: googleList, at: at, clears: clears},
			{name: "ListUnreadable", severity: critical, about: vaultList, at: at, clears: clears},
		}
	}
	unreachable, reachable := (*plant).unreachable, (*plant).reachable
	azureFails := func(p *plant) { p.answerError("azure") }
	return []*life{
		{
			name: "an appliance that restarts", steps: []step{
				{0, oneFailed},
				{20, unreachable},
				{24, func(p *plant) {
					p.appliance.RevokeRefreshTokens()
					p.appliance.RevokeAllTokens()
					p.reachable()
				}},
			},
			wants: []want{failing()},
		},
		{
			name: "overdue during an outage", steps: []step{
				{0, func(p *plant) {
					p.finished(google, completed, 48*hour-15*minute, ring)
					p.finished(azure, completed, hour, vault)
				}},
				{5, unreachable},
				{50, reachable},
			},
			wants: afterLogin(append(both(20, 50), want{name: "Overdue", severity: critical, about: ring, at: 50})),
		},
		{
			name: "an older appliance, list 404", startsLate: true, steps: []step{
				{0, func(p *plant) {
					p.finished(google, completed, 20*hour, ring)
					p.appliance.Unregister(azure)
					p.startExporters()
				}},
			},
			wants: []want{{name: "ListUnreadable", severity: warning, about: vaultList, at: 5}},
		},
		{
			name: "list 404, then back", steps: []step{
				{0, good},
				{10, func(p *plant) { p.appliance.Unregister(azure) }},
				{50, func(p *plant) { p.addList(azure) }},
			},
			wants: []want{{name: "ListUnreadable", severity: critical, about: vaultList, at: 25, clears: 50}},
		},
		{
			name: "no login", steps: []step{{0, good}, {10, func(p *plant) { p.answerError("auth/tokens") }}, {60, reachable}},
			wants: afterLogin(both(27, 60)),
		},
		{
			name: "a list that comes and goes",
			steps: []step{
				{0, good}, {10, azureFails}, {12, reachable}, {14, azureFails}, {16, reachable}, {18, azureFails}, {20, reachable},
			},
			wants: []want{{name: "ListFlapping", severity: "info", about: vaultList, at: 20, clears: 70}},
		},
		{name: "two short outages", steps: []step{
			{0, good}, {10, azureFails}, {13, reachable}, {30, azureFails}, {33, reachable},
		}},
	}
}

// passwordLives are about logins.
func passwordLives() []*life {
	return []*life{
		{
			name: "a password that is rotated", steps: []step{
				{0, oneFailed},
				{20, func(p *plant) { p.changePassword("second") }},
				{22, func(p *plant) { p.setPasswordFile("second") }},
			},
			wants: []want{failing()},
		},
		{
			name: "a password that is rotated at the appliance only", steps: []step{
				{0, oneFailed},
				{10, func(p *plant) { p.changePassword("second") }},
				{60, func(p *plant) { p.setPasswordFile("second") }},
			},
			wants: []want{failing(), {name: "CredentialsRejected", severity: critical, at: 15, clears: 60}},
		},
		{
			name: "a wrong password, then the right one", startsLate: true, steps: []step{
				{0, func(p *plant) {
					good(p)
					p.setPasswordFile("wrong")
					p.startExporters()
				}},
				{50, func(p *plant) { p.setPasswordFile(simulator.DefaultPassword) }},
			},
			wants: []want{{name: "CredentialsRejected", severity: critical, at: 5, clears: 50}},
		},
	}
}

// exporterLives are about exporters that are down.
func exporterLives() []*life {
	return []*life{
		{
			name: "a missed scrape", steps: []step{
				{0, oneFailed},
				{20, (*plant).stopExporters},
				{21, (*plant).startExporters},
			},
			wants: []want{failing()},
		},
		{
			name: "an exporter that restarts", steps: []step{
				{0, func(p *plant) {
					oneFailed(p)
					p.begin("long", azure, 12*hour-10*minute, vault)
				}},
				{20, (*plant).stopExporters},
				{24, (*plant).startExporters},
			},
			wants: []want{failing(), {name: "Stuck", severity: warning, about: vault, at: 10}},
		},
		{
			name: "an exporter that ends before it ever reads", startsLate: true, steps: []step{{0, (*plant).stopExporters}},
			wants: []want{{name: "ExporterDown", severity: critical, at: 15}},
		},
		{
			name: "a pair of exporters", pair: true, steps: []step{
				{0, oneFailed},
				{40, func(p *plant) { p.finished(google, completed, 0, ring) }},
			},
			wants: []want{
				{name: "Failed", severity: warning, about: ring, clears: 40, instance: "a pair of exporters, a"},
				{name: "Failed", severity: warning, about: ring, clears: 40, instance: "a pair of exporters, b"},
			},
		},
	}
}

// afterLogin allows for the backoff after logins that failed, which is up to 30 real seconds.
func afterLogin(wants []want) []want {
	for i := range wants {
		wants[i].late = late + int(30*time.Second/minute)
	}
	return wants
}

// fleetLives are about exporters with several targets, which Prometheus knows by
// their names.
func fleetLives() []*life {
	const half, whole, one = "half-a-fleet", "a-fleet", "a-fleet-of-one"
	regions := []string{"eu", "us", "ap", "sa", "af"}
	lives := []*life{
		{
			name: half, fleet: []string{"eu", "us"}, startsLate: true, steps: []step{
				{0, func(p *plant) {
					oneFailed(p)
					p.setPasswordFileOf(half+".us", "wrong")
					p.startExporters()
				}},
				{50, func(p *plant) { p.setPasswordFileOf(half+".us", simulator.DefaultPassword) }},
			},
			wants: []want{
				{name: "Failed", severity: warning, about: ring, instance: half + ".eu"},
				{name: "CredentialsRejected", severity: critical, at: 5, clears: 50, instance: half + ".us"},
				{name: "Failed", severity: warning, about: ring, at: 50, instance: half + ".us"},
			},
		},
		{
			name: whole, fleet: regions, steps: []step{{0, oneFailed}, {10, (*plant).stopExporters}, {42, (*plant).startExporters}},
			wants: []want{{name: "ExporterDown", severity: critical, at: 25, clears: 42}},
		},
		// The token's metric has the exporter's address as instance.
		{
			name: one, fleet: []string{"eu"}, steps: []step{
				{0, good}, {10, func(p *plant) { p.answerError("auth/tokens") }}, {60, (*plant).reachable},
			},
			wants: afterLogin([]want{
				{name: "ListUnreadable", severity: critical, about: googleList, at: 27, clears: 60, instance: one + ".eu"},
				{name: "ListUnreadable", severity: critical, about: vaultList, at: 27, clears: 60, instance: one + ".eu"},
			}),
		},
	}
	for _, name := range lives[1].targets() {
		lives[1].wants = append(lives[1].wants,
			want{name: "Failed", severity: warning, about: ring, instance: name},
			want{name: "ExporterDown", severity: critical, at: 25, clears: 42, instance: name})
	}
	return lives
}

// awayLives are about outages that outlast the last known values of a key ring. Its
// alert must not be reported as resolved, and no consequence may be reported after
// the cause is gone. Alertmanager sends changes every five minutes; the minute of
// the return must not matter.
func awayLives() []*life {
	var lives []*life
	for back := 40; back < 45; back++ {
		lives = append(lives, &life{
			name:  fmt.Sprintf("an appliance that is away for %d minutes", back-10),
			steps: []step{{0, oneFailed}, {10, (*plant).unreachable}, {back, (*plant).reachable}},
			wants: append(afterLogin([]want{
				{name: "ListUnreadable", severity: critical, about: googleList, at: 25, clears: back},
				{name: "ListUnreadable", severity: critical, about: vaultList, at: 25, clears: back},
			}), failing()),
		}, &life{
			name: fmt.Sprintf("an exporter that is down for %d minutes", back-10), job: fmt.Sprintf("thales %d", back),
			steps: []step{{0, oneFailed}, {10, (*plant).stopExporters}, {back, (*plant).startExporters}},
			wants: []want{failing(), {name: "ExporterDown", severity: critical, at: 25, clears: back}},
		})
	}
	return lives
}

// prometheusLives are about failures of Prometheus and its configuration.
func prometheusLives() []*life {
	return []*life{
		{
			name: "one of two Prometheus is down", watched: byTwo, steps: []step{
				{0, oneFailed},
				{20, (*plant).killPrometheus},
				{35, func(p *plant) { p.finished(google, failed, 0, otherRing) }},
				{60, func(p *plant) { p.finished(google, completed, 0, ring, otherRing) }},
				{70, (*plant).restartPrometheus},
				{85, (*plant).loadRules},
			},
			wants: []want{
				{name: "Failed", severity: warning, about: ring, clears: 60},
				{name: "Failed", severity: warning, about: otherRing, at: 35, clears: 60},
			},
		},
		{
			name: "an exporter that is no longer scraped", watched: byItself, steps: []step{
				{0, good},
				{10, (*plant).removeTargets},
				{60, (*plant).addTargets},
			},
			wants: []want{{name: "ExporterAbsent", severity: critical, at: 35, clears: 60, late: 22}},
		},
		{
			name: "a file of thresholds that gets lost", watched: byAnother, steps: []step{
				{0, oneFailed},
				{10, (*plant).loseThresholds},
			},
			wants: []want{
				failing(),
				{name: "ThresholdMissing", severity: warning, about: googleList, at: 25},
				{name: "ThresholdMissing", severity: warning, about: vaultList, at: 25},
			},
		},
	}
}
