// Package memory compares what a job needs with what the machine has: Go cannot recover from an allocation that the system refuses, so
// sizes that a user chooses are checked before.
package memory

import (
	"fmt"

	"trainer/internal/format"
)

// Fits returns an error that says what takes so many bytes, where the machine has fewer. On systems that do not tell, everything fits.
func Fits(what string, bytes int) error {
	if total := total(); total > 0 && uint64(bytes) > total {
		return fmt.Errorf("%s takes %s of memory, but this machine has %s", what, format.GiB(bytes), format.GiB(int(total)))
	}
	return nil
}
