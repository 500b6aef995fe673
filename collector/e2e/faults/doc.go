// Package faults holds no code of the exporter: its tests put the exporter, wired
// as the command wires it, before an appliance and a network that misbehave in
// every way of one table, and search all that it prints and serves for secrets.
package faults
