//go:build unix

package main

import (
	"os"
	"runtime"
	"syscall"
)

// maxResident is the most memory that an ended process held, in bytes; 0 where the system does not say.
func maxResident(s *os.ProcessState) int64 {
	usage, ok := s.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	if runtime.GOOS == "darwin" {
		return int64(usage.Maxrss) // in bytes there, in KiB elsewhere
	}
	return int64(usage.Maxrss) << 10
}
