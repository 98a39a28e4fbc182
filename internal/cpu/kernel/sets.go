package kernel

import (
	"fmt"
	"strings"
)

// Sets returns the tables that this processor runs, from the slowest, plain Go, to the fastest.
func Sets() []*Set { return append([]*Set{Go()}, native()...) }

// Best returns the fastest table that this processor runs.
func Best() *Set {
	sets := Sets()
	return sets[len(sets)-1]
}

// BF16 returns the table with matrix products of operands in bfloat16. All else, attention too, is float32.
func (s *Set) BF16() *Set {
	t := *s
	t.Gemm, t.GemmScratch, t.Precision = s.GemmBF16, s.GemmBF16Scratch, "bf16"
	return &t
}

// ByName returns the table of that name, "avx512", "avx2" or "go". It is an error to ask for one that does not exist or that
// this processor does not run.
func ByName(name string) (*Set, error) {
	var names []string
	for _, s := range Sets() {
		if s.Name == name {
			return s, nil
		}
		names = append(names, s.Name)
	}
	return nil, fmt.Errorf("no CPU kernels are named %q here; this processor and build run %s", name, strings.Join(names, ", "))
}
