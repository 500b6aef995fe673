//go:build race

package e2e_test

// rarity is by how much fewer cases the properties have under the race detector,
// which looks for something else and slows each of them down tenfold.
const rarity = 4
