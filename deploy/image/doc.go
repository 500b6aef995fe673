// Package image builds the container image as its users do, and runs it.
package image
