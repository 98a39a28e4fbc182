//go:build !amd64 || noasm

package kernel

// native returns the tables in assembly: none.
func native() []*Set { return nil }
