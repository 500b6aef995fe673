//go:build race

package faults_test

// slowness is by how much the race detector slows the exporter down, roughly.
const slowness = 2
