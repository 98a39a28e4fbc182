package ptx

import (
	"fmt"
	"strings"
)

// Fault is what a kernel did wrong, and where. Block and Thread are coordinates (x, y, z); a fault of no single thread (a barrier
// that not all reach) has Lane -1.
type Fault struct {
	Kernel  string
	Line    int    // of the PTX text
	Op      string // the instruction there
	Block   [3]int
	Thread  [3]int
	Warp    int // of the block
	Lane    int // of the warp, 0 to 31; -1 where no single lane is to blame
	Message string
}

func (f *Fault) Error() string {
	var s strings.Builder
	fmt.Fprintf(&s, "kernel %s, line %d (%s), block (%d,%d,%d), warp %d",
		f.Kernel, f.Line, f.Op, f.Block[0], f.Block[1], f.Block[2], f.Warp)
	if f.Lane >= 0 {
		fmt.Fprintf(&s, ", lane %d, thread (%d,%d,%d)", f.Lane, f.Thread[0], f.Thread[1], f.Thread[2])
	}
	fmt.Fprintf(&s, ": %s", f.Message)
	return s.String()
}

// fail notes the fault of a lane, or of no lane where lane is -1, at the instruction that the warp executes; the first one counts.
func (w *warp) fail(lane int, format string, args ...any) {
	if w.fault != nil {
		return
	}
	o := &w.block.kernel.origins[w.pc]
	w.fault = &Fault{
		Kernel: w.block.kernel.name, Line: o.line, Op: o.op, Block: w.block.at, Warp: w.index, Lane: lane,
		Message: fmt.Sprintf(format, args...),
	}
	if lane >= 0 {
		w.fault.Thread = coordinates(w.index*lanes+lane, w.block.launch.block)
	}
}

// coordinates turns a linear index, x fastest, into x, y and z.
func coordinates(i int, size [3]int) [3]int {
	return [3]int{i % size[0], i / size[0] % size[1], i / size[0] / size[1]}
}
