//go:build !race

package scrape_test

const rarity = 1
