package ptx

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// tally is what was counted of one instruction of a program.
type tally struct {
	warps     uint64 // times that a warp executed it
	lanes     uint64 // lanes that did, those that the guard left out not counted
	divergent uint64 // times that a branch parted a warp
	requests  uint64 // of memory
	sectors   uint64 // of 32 bytes of global or local memory
	waves     uint64 // wavefronts of shared memory
	conflicts uint64 // wavefronts that bank conflicts cost
}

func (t *tally) add(u *tally) {
	t.warps += u.warps
	t.lanes += u.lanes
	t.divergent += u.divergent
	t.requests += u.requests
	t.sectors += u.sectors
	t.waves += u.waves
	t.conflicts += u.conflicts
}

// Counters say what launches of a kernel did. They are what a GPU's profiler would count, but for caches and time.
type Counters struct {
	Kernel   string
	Launches int
	Blocks   int
	Threads  int // in all blocks
	program  *program
	tallies  []tally
}

func newCounters(l *launch, blocks int) *Counters {
	return &Counters{
		Kernel: l.kernel.name, Launches: 1, Blocks: blocks, Threads: blocks * l.block[0] * l.block[1] * l.block[2],
		program: l.kernel, tallies: make([]tally, len(l.kernel.code)),
	}
}

func (c *Counters) add(tallies []tally) {
	for i := range tallies {
		c.tallies[i].add(&tallies[i])
	}
}

// Add adds what further launches of the same kernel counted.
func (c *Counters) Add(more *Counters) {
	if c.program != more.program {
		panic(fmt.Sprintf("ptx: counters of %s added to those of %s", more.Kernel, c.Kernel))
	}
	c.Launches += more.Launches
	c.Blocks += more.Blocks
	c.Threads += more.Threads
	c.add(more.tallies)
}

// sum adds up what f says of each instruction.
func (c *Counters) sum(f func(o *origin, t *tally) float64) float64 {
	total := 0.0
	for i := range c.tallies {
		total += f(&c.program.origins[i], &c.tallies[i])
	}
	return total
}

// Instructions is how many instructions warps executed, and how many lanes did.
func (c *Counters) Instructions() (warps, lanes uint64) {
	for _, t := range c.tallies {
		warps += t.warps
		lanes += t.lanes
	}
	return warps, lanes
}

// Opcodes is how often warps executed each opcode, modifiers included.
func (c *Counters) Opcodes() map[string]uint64 {
	m := map[string]uint64{}
	for i, t := range c.tallies {
		if t.warps > 0 {
			m[c.program.origins[i].op] += t.warps
		}
	}
	return m
}

// FLOPs is the floating-point operations by the unit that does them: f32, f64, f16 (bf16 too), special (ex2, rcp, sin ...; one
// each) and tensor (mma). A fused multiply-add counts 2.
func (c *Counters) FLOPs() map[string]float64 {
	m := map[string]float64{}
	for k := noWork + 1; k < works; k++ {
		m[k.String()] = c.sum(func(o *origin, t *tally) float64 {
			if o.work != k {
				return 0
			}
			return o.flops * float64(t.lanes)
		})
	}
	return m
}

// Bytes is what lanes read, wrote or updated, by the space that the instruction names: generic, global, shared, local, const,
// param.
func (c *Counters) Bytes() map[string]uint64 {
	m := map[string]uint64{}
	for i, t := range c.tallies {
		if o := c.program.origins[i]; o.bytes > 0 {
			m[o.space.String()] += uint64(o.bytes) * t.lanes
		}
	}
	return m
}

// SectorsPerRequest is how many sectors of 32 bytes a warp's access of global memory touched, on average; 4 is what 32 lanes need
// for 4 bytes each. NaN where there was none.
func (c *Counters) SectorsPerRequest() float64 {
	touched := func(t *tally) float64 {
		if t.sectors == 0 {
			return 0
		}
		return float64(t.requests)
	}
	return float64(c.Sectors()) / c.sum(func(_ *origin, t *tally) float64 { return touched(t) })
}

// Sectors is how many sectors of 32 bytes of global and local memory the requests of warps touched, each request for itself.
func (c *Counters) Sectors() uint64 {
	return uint64(c.sum(func(_ *origin, t *tally) float64 { return float64(t.sectors) }))
}

// BankConflicts is how many wavefronts shared memory took, and how many of them bank conflicts cost.
func (c *Counters) BankConflicts() (wavefronts, conflicts uint64) {
	for _, t := range c.tallies {
		wavefronts += t.waves
		conflicts += t.conflicts
	}
	return wavefronts, conflicts
}

// DivergentBranches is how often a branch parted a warp.
func (c *Counters) DivergentBranches() uint64 {
	return uint64(c.sum(func(_ *origin, t *tally) float64 { return float64(t.divergent) }))
}

// Coverage is how many of the kernel's instructions at least one lane executed, of how many, and the lines of the others. Where the
// guard never held, the instruction was not executed: a branch that was never taken is among the others.
func (c *Counters) Coverage() (executed, total int, missed []int) {
	for i, t := range c.tallies {
		if t.lanes > 0 {
			executed++
		} else {
			missed = append(missed, c.program.origins[i].line)
		}
	}
	return executed, len(c.tallies), missed
}

// Executed is the lines of the instructions that at least one lane executed, in the order of the code.
func (c *Counters) Executed() []int {
	var lines []int
	for i, t := range c.tallies {
		if t.lanes > 0 {
			lines = append(lines, c.program.origins[i].line)
		}
	}
	return lines
}

// String is a report of some lines.
func (c *Counters) String() string {
	var s strings.Builder
	warps, threads := c.Instructions()
	fmt.Fprintf(&s, "%s: %d launches, %d blocks, %d threads\n", c.Kernel, c.Launches, c.Blocks, c.Threads)
	fmt.Fprintf(&s, "  instructions  %d of warps, %d of lanes (%.1f a warp)\n", warps, threads, float64(threads)/float64(warps))
	printMap(&s, "FLOPs", c.FLOPs())
	printMap(&s, "bytes", c.Bytes())
	waves, conflicts := c.BankConflicts()
	fmt.Fprintf(&s, "  memory        %.2f sectors a request, %d wavefronts, %d of them bank conflicts\n",
		c.SectorsPerRequest(), waves, conflicts)
	fmt.Fprintf(&s, "  branches      %d divergent\n", c.DivergentBranches())
	executed, total, missed := c.Coverage()
	fmt.Fprintf(&s, "  coverage      %d of %d instructions", executed, total)
	if len(missed) > 0 {
		fmt.Fprintf(&s, ", not lines %v", missed)
	}
	s.WriteByte('\n')
	return s.String()
}

// printMap writes the entries of m that are not 0, by name.
func printMap[N uint64 | float64](s *strings.Builder, title string, m map[string]N) {
	fmt.Fprintf(s, "  %-12s", title)
	none := "  none"
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if m[name] != 0 {
			fmt.Fprintf(s, "  %s %.0f", name, float64(m[name]))
			none = ""
		}
	}
	s.WriteString(none)
	s.WriteByte('\n')
}
