//go:build !linux

package memory

// Available says that it is not known how much memory is free.
func Available() (bytes int, known bool) { return 0, false }
