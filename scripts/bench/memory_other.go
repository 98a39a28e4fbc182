//go:build !unix

package main

import "os"

// maxResident is the most memory that an ended process held, in bytes; 0 where the system does not say.
func maxResident(*os.ProcessState) int64 { return 0 }
