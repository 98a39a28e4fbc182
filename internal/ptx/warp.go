package ptx

import (
	"math"
	"math/bits"
)

// lanes is the number of threads of a warp.
const lanes = 32

const allLanes = uint32(math.MaxUint32)

// What registers hold that were never written: patterns that no kernel expects, the same in every run.
const (
	unsetRegister  = 0xdeadbeef
	unsetPredicate = 0xa5a5a5a5
)

// row holds one register of all lanes of a warp, zero-extended.
type row = [lanes]uint64

// warp is 32 threads that execute in lockstep. Lanes that went apart at a branch wait in parked; those with the lowest program
// counter go first, and lanes that meet at an instruction go on together.
type warp struct {
	block      *block
	index      int // in the block
	rows       []row
	predicates []uint32 // a bit for each lane
	local      region   // the local memory of all lanes, one after another
	copies     asyncCopies
	request    request  // the access of memory that is being made
	value      [16]byte // what a lane is about to write

	pc     int
	active uint32 // lanes that execute at pc
	live   uint32 // lanes that have not exited
	parked []group
	meet   int // the lowest program counter in parked

	waiting bool       // at a barrier
	at      rendezvous // which one
	ordered uint32     // all lanes' accesses up to this time happened before whatever a lane does now
	orders  *[lanes][lanes]uint32
	budget  int64 // instructions that it may still execute
	fault   *Fault

	recent     *region // the allocation touched last, and
	recentBase uint64  // its address
}

// group is lanes of a warp that wait at a program counter; stuck ones wait there for other lanes.
type group struct {
	pc    int
	mask  uint32
	stuck bool
}

// start sets the warp to the first instruction for the given number of threads, at most 32.
func (w *warp) start(threads int) {
	*w = warp{
		block: w.block, index: w.index, rows: w.rows, predicates: w.predicates, local: w.local, parked: w.parked[:0],
		copies: w.copies.reset(), meet: math.MaxInt, budget: w.block.launch.budget,
	}
	w.live = allLanes >> (lanes - threads)
	w.active = w.live
	w.fillRows()
	w.local.forget()
	w.local.lane = w.block.kernel.local
}

// fillRows gives the registers whose first values matter those values.
func (w *warp) fillRows() {
	k := w.block.kernel
	for _, at := range k.unset {
		w.rows[at] = k.initial[at]
	}
	for _, s := range k.specials {
		for lane := range lanes {
			w.rows[s.row][lane] = s.value(w, lane)
		}
	}
	for i := range w.predicates {
		w.predicates[i] = unsetPredicate
	}
	w.predicates[falsePredicate], w.predicates[truePredicate] = 0, allLanes
}

// run executes up to quantum instructions, fewer if the warp exits, comes to a barrier or does something wrong.
func (w *warp) run(quantum int) {
	code, tallies := w.block.kernel.code, w.block.tallies
	if w.budget <= 0 {
		w.fail(-1, "the warp has executed %d instructions and has not ended: an endless loop, or Options.Budget is too small",
			w.block.launch.budget)
		return
	}
	for ; quantum > 0; quantum-- {
		in := &code[w.pc]
		mask := w.active
		if in.guard >= 0 {
			p := w.predicates[in.guard]
			if in.guardNot {
				p = ^p
			}
			mask &= p
		}
		t := &tallies[w.pc]
		t.warps++
		t.lanes += uint64(bits.OnesCount32(mask))
		w.block.now++
		switch in.flow {
		case onward:
			if in.compute != nil {
				w.compute(in, mask)
			} else if mask != 0 {
				in.run(w, in, mask)
				if w.fault != nil {
					return
				}
			}
			w.pc++
		case branch:
			w.branch(in, mask, t)
		case exit:
			w.live &^= mask
			w.active &^= mask
			w.pc++
			if w.active == 0 && !w.resume() {
				return
			}
		case barrier:
			if mask == 0 {
				w.pc++
			} else if mask != w.active {
				w.fail(-1, "lanes %#x execute the barrier and lanes %#x do not: all lanes of a warp must", mask, w.active&^mask)
			} else if w.reach(mask, w.live) {
				w.arrive(in)
				if w.waiting {
					return
				}
				w.pc++
			}
		case collective:
			if mask == 0 {
				w.pc++
			} else if w.reach(mask, in.members(w, in, mask)) {
				in.run(w, in, mask)
				w.pc++
			}
		}
		if w.fault != nil {
			return
		}
		if w.pc >= w.meet {
			w.converge()
		}
	}
}

// branch sends the lanes of taken to the target and the others onward.
func (w *warp) branch(in *inst, taken uint32, t *tally) {
	switch taken {
	case 0:
		w.pc++
	case w.active:
		w.pc = int(in.target)
	default:
		t.divergent++
		w.park(group{pc: int(in.target), mask: taken})
		w.park(group{pc: w.pc + 1, mask: w.active &^ taken})
		w.resume()
	}
}

// park sets lanes aside, beside those that wait at the same place.
func (w *warp) park(g group) {
	w.meet = min(w.meet, g.pc)
	for i := range w.parked {
		if p := &w.parked[i]; p.pc == g.pc {
			p.mask |= g.mask
			p.stuck = p.stuck && g.stuck
			return
		}
	}
	w.parked = append(w.parked, g)
}

// resume makes the parked lanes with the lowest program counter active; stuck ones only if there are no others. It reports whether
// there were any.
func (w *warp) resume() bool {
	best := -1
	for i, g := range w.parked {
		if best < 0 || w.parked[best].stuck && !g.stuck || w.parked[best].stuck == g.stuck && g.pc < w.parked[best].pc {
			best = i
		}
	}
	if best < 0 {
		return false
	}
	g := w.parked[best]
	w.parked[best] = w.parked[len(w.parked)-1]
	w.parked = w.parked[:len(w.parked)-1]
	w.pc, w.active = g.pc, g.mask
	w.meet = math.MaxInt
	for _, g := range w.parked {
		w.meet = min(w.meet, g.pc)
	}
	return true
}

// converge joins the active lanes with those that wait at their program counter, and lets those that are behind go first.
func (w *warp) converge() {
	behind := false
	for _, g := range w.parked {
		behind = behind || g.pc == w.pc || g.pc < w.pc && !g.stuck
	}
	if behind {
		w.park(group{pc: w.pc, mask: w.active})
		w.resume()
	}
}

// reach reports whether all the lanes of members that have not exited are at the instruction together, in mask. If not, those of
// mask wait for them, and others go on; if no others can, that is a fault.
func (w *warp) reach(mask, members uint32) bool {
	if w.fault != nil {
		return false
	}
	if skipped := w.active &^ mask; skipped != 0 {
		w.park(group{pc: w.pc + 1, mask: skipped})
		w.active = mask
	}
	missing := members & w.live &^ mask
	if missing == 0 {
		return true
	}
	for _, g := range w.parked {
		if !g.stuck {
			w.park(group{pc: w.pc, mask: mask, stuck: true})
			w.resume()
			return false
		}
	}
	w.fail(-1, "lanes %#x are here, but lanes %#x, which must be too, are not and will not come: the warp has diverged", mask, missing)
	return false
}
