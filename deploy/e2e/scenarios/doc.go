// Package scenarios holds no code but a test: many lives of a fleet, lived all
// at once through the whole chain. A simulated appliance each, the exporter, a
// real Prometheus with the rules of deploy/prometheus, a real Alertmanager with
// its inhibitions, and a webhook that writes down what arrives. For each life
// the test knows which alerts must arrive, when, and when each must clear;
// whatever else arrives is a false alarm, and whatever does not is a miss.
//
// A minute passes in a second. Prometheus has no clock that could be moved, so
// every duration in the shipped files is divided by sixty instead, by regular
// expressions over their text: what is tested is what is shipped.
package scenarios
