//go:build !unix

package main

import (
	"os"
	"time"
)

// processorTime is the time that all threads of this process have had on a processor; 0 where the system does not say.
func processorTime() time.Duration { return 0 }

// maxResident is the most memory that an ended process held, in bytes; 0 where the system does not say.
func maxResident(*os.ProcessState) int64 { return 0 }
