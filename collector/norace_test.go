//go:build !race

package collector_test

const rarity = 1
