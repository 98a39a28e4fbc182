package examples

import (
	"fmt"
	"strings"

	"trainer/internal/fault"
)

// maxReported is how many bad lines one error lists.
const maxReported = 10

// problems collects what is wrong with a file, so that one run shows more than the first mistake.
type problems struct {
	reported []string
	count    int
}

// addf reports a mistake in one line; the text begins with its place.
func (p *problems) addf(format string, args ...any) {
	if p.count++; p.count <= maxReported {
		p.reported = append(p.reported, fmt.Sprintf(format, args...))
	}
}

// err returns nil or one error of class data, a line for each mistake.
func (p *problems) err() error {
	if p.count == 0 {
		return nil
	}
	text := strings.Join(p.reported, "\n")
	if more := p.count - maxReported; more > 0 {
		text += fmt.Sprintf("\nand %d more bad lines", more)
	}
	return fault.Dataf("%s", text)
}
