// Package soak holds no code but its test: the whole exporter, scraped very often
// by several scrapers at once while the appliance and the network do whatever can
// be wrong with them, keeps nothing of it.
package soak
