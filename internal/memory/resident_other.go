//go:build !linux

package memory

// Resident says that it is not known how much memory this process takes.
func Resident() (size int, known bool) { return 0, false }
