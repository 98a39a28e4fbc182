package memory

import (
	"bytes"
	"os"
	"strconv"
)

// Resident is how many bytes of the machine's memory this process takes. known is false where the system does not tell.
func Resident() (size int, known bool) {
	text, err := os.ReadFile("/proc/self/statm") // in pages: size, resident, ...
	if err != nil {
		return 0, false
	}
	field := bytes.Fields(text)
	if len(field) < 2 {
		return 0, false
	}
	pages, err := strconv.Atoi(string(field[1]))
	return pages * os.Getpagesize(), err == nil
}
