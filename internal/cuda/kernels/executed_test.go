package kernels_test

import (
	"errors"
	"fmt"
	"math/bits"
	"regexp"
	"slices"
	"strings"
	"testing"

	"trainer/internal/cuda/kernels"
	"trainer/internal/ptx"
)

// record is what the tests did with a kernel.
type record struct {
	source       string
	instructions int
	missed       []int // lines that nothing executed
	visits       []*visit
}

// visit is what one test, named as `go test -run` wants it, did with a kernel.
type visit struct {
	test  string
	cost  uint64 // instructions of lanes
	lines lineSet
}

// records are those of all kernels, by name; latest is what the latest launch counted.
var (
	records = map[string]*record{}
	latest  *ptx.Counters
)

// note adds a launch to the records.
func note(t testing.TB, l kernels.Launch, c *ptx.Counters) {
	latest = c
	r := records[l.Kernel]
	if r == nil {
		_, total, missed := c.Coverage()
		r = &record{source: l.Source, instructions: total, missed: missed}
		records[l.Kernel] = r
	}
	if n := len(r.visits); n == 0 || r.visits[n-1].test != t.Name() {
		r.visits = append(r.visits, &visit{test: t.Name()})
	}
	v := r.visits[len(r.visits)-1]
	_, lanes := c.Instructions()
	v.cost += lanes
	for _, line := range c.Executed() {
		v.lines.add(line)
	}
	r.missed = slices.DeleteFunc(r.missed, v.lines.has)
}

// lineSet is a set of lines of PTX.
type lineSet []uint64

func (s *lineSet) add(line int) {
	for line/64 >= len(*s) {
		*s = append(*s, 0)
	}
	(*s)[line/64] |= 1 << (line % 64)
}

func (s lineSet) count() int {
	n := 0
	for _, word := range s {
		n += bits.OnesCount64(word)
	}
	return n
}

func (s lineSet) has(line int) bool { return line/64 < len(s) && s[line/64]>>(line%64)&1 == 1 }

// entry finds a kernel in PTX: its name, and all of its text.
var entry = regexp.MustCompile(`(?s)\.visible \.entry (\w+)\(.*?\n\}\n`)

// kernelNames returns the names of the kernels of a source.
func kernelNames(source string) []string {
	var names []string
	for _, found := range entry.FindAllStringSubmatch(kernels.PTX(source), -1) {
		names = append(names, found[1])
	}
	return names
}

// kernelText returns the PTX of a source with one kernel in it, and empty lines in place of the others: it loads faster. It has a slip in it
// where the tests are asked to find that.
func kernelText(source, kernel string) string {
	text := entry.ReplaceAllStringFunc(kernels.PTX(source), func(found string) string {
		if entry.FindStringSubmatch(found)[1] == kernel {
			return found
		}
		return strings.Repeat("\n", strings.Count(found, "\n"))
	})
	return asked.apply(kernel, text)
}

// everythingExecuted returns an error that names each kernel of which the tests executed too little: a shape that misses an unrolled body
// hides its bugs.
func everythingExecuted() error {
	var missed []error
	for _, source := range kernels.Sources() {
		for _, name := range kernelNames(source) {
			if r := records[name]; r == nil {
				missed = append(missed, fmt.Errorf("kernel %s was never launched", name))
			} else if len(r.missed) > 0 {
				missed = append(missed, fmt.Errorf("kernel %s: %d of %d instructions were never executed, in lines %v of built/%s.ptx",
					name, len(r.missed), r.instructions, r.missed, source))
			}
		}
	}
	return errors.Join(missed...)
}
