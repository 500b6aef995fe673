//go:build !race

package faults_test

const slowness = 1
