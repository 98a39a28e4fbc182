package ptx

import (
	"fmt"
	"math/bits"
	"math/rand/v2"
	"slices"
	"strings"
)

// block executes one block after another for a worker: its warps take turns, in an order that the seed shuffles, and wait for each
// other at barriers.
type block struct {
	launch  *launch
	kernel  *program
	at      [3]int // coordinates in the grid
	index   int32  // the same as one number, x fastest
	warps   []*warp
	shared  region
	flying  []uint64 // a bit for each byte of shared memory that a cp.async has still to write
	flights int      // how many bits are set
	tallies []tally
	random  *rand.Rand
	order   []int

	now     uint32 // instructions executed
	ordered uint32 // what any thread did up to this time happened before whatever a thread does now
	orders  [][]uint32
	arrived [barriers]uint32 // warps that have come to a barrier, by bar.arrive
}

// barriers is the number of named barriers of a block.
const barriers = 16

// rendezvous is a barrier at which a warp waits.
type rendezvous struct {
	id      int
	threads int // that take part; 0 for all of the block
	vote    uint32
	voted   uint32 // lanes that voted
	in      *inst
}

// newBlock returns a block for a launch: one that an earlier launch is done with, if it has the size.
func newBlock(l *launch) *block {
	threads := l.block[0] * l.block[1] * l.block[2]
	warps, sharedBytes := (threads+lanes-1)/lanes, l.kernel.dynamic+l.dynamic
	if b, _ := l.kernel.idle.Get().(*block); b != nil && len(b.warps) == warps && len(b.shared.data) == sharedBytes {
		b.launch = l
		clear(b.tallies)
		return b
	}
	b := &block{
		launch: l, kernel: l.kernel, tallies: make([]tally, len(l.kernel.code)),
		shared: newRegion(shared, 0, sharedBytes), flying: make([]uint64, (sharedBytes+63)/64),
	}
	for i := range warps {
		b.warps = append(b.warps, &warp{
			block: b, index: i, rows: slices.Clone(l.kernel.initial), predicates: make([]uint32, l.kernel.predicates),
			local: newRegion(local, 0, l.kernel.local*lanes),
		})
	}
	b.order = make([]int, len(b.warps))
	return b
}

// run executes the block of the given index from start to end.
func (b *block) run(index int) error {
	b.index, b.at = int32(index), coordinates(index, b.launch.grid)
	b.random = rand.New(rand.NewPCG(b.launch.seed, uint64(index)))
	b.now, b.ordered, b.orders, b.arrived = 1, 0, nil, [barriers]uint32{}
	b.shared.epoch++
	b.shared.forget()
	clear(b.flying)
	b.flights = 0
	threads := b.launch.block[0] * b.launch.block[1] * b.launch.block[2]
	for i, w := range b.warps {
		w.start(min(threads-i*lanes, lanes))
		b.order[i] = i
	}
	for {
		b.random.Shuffle(len(b.order), func(i, j int) { b.order[i], b.order[j] = b.order[j], b.order[i] })
		moved, alive := false, false
		for _, i := range b.order {
			w := b.warps[i]
			if w.live == 0 || w.waiting {
				alive = alive || w.live != 0
				continue
			}
			before := b.now
			w.run(16 << b.random.IntN(8))
			w.budget -= int64(b.now - before)
			if w.fault != nil {
				return w.fault
			}
			moved, alive = true, true
		}
		if !alive {
			return nil
		}
		for id := range barriers {
			released, err := b.release(id)
			if err != nil {
				return err
			}
			moved = moved || released
		}
		if !moved {
			return b.deadlock()
		}
	}
}

// arrive brings a warp to a barrier: to wait there, unless it only says that it has come.
func (w *warp) arrive(in *inst) {
	id, threads := w.rows[in.a][bits.TrailingZeros32(w.active)], uint64(0)
	if in.b != noRow {
		threads = w.rows[in.b][bits.TrailingZeros32(w.active)]
	}
	form := in.offset
	switch {
	case id >= barriers:
		w.fail(-1, "barrier %d does not exist: 0 to 15 do", id)
		return
	case in.b != noRow && (threads == 0 || threads%lanes != 0 || threads > uint64(len(w.block.warps)*lanes)):
		w.fail(-1, "%d threads cannot meet at a barrier: a multiple of 32, at most the block's, can", threads)
		return
	case form == barArrive:
		w.block.arrived[id] |= 1 << w.index
		w.block.joinOrders(1<<w.index, 1<<w.index)
		return
	}
	w.waiting = true
	w.at = rendezvous{id: int(id), threads: int(threads), in: in, voted: w.active}
	if form != barSync {
		w.at.vote = w.predicates[in.c] & w.active
		if in.target != 0 { // a negated vote
			w.at.vote = ^w.predicates[in.c] & w.active
		}
	}
}

// release lets the warps at a barrier go on if all that take part have come.
func (b *block) release(id int) (bool, error) {
	var here, alive uint32
	var first *warp
	for _, w := range b.warps {
		if w.live != 0 {
			alive |= 1 << w.index
		}
		if w.waiting && w.at.id == id {
			here |= 1 << w.index
			if first == nil {
				first = w
			}
		}
	}
	if first == nil {
		return false, nil
	}
	for _, w := range b.warps {
		if here>>w.index&1 != 0 && w.at.threads != first.at.threads {
			w.fail(-1, "warp %d waits at barrier %d for %d threads, and warp %d for %d",
				first.index, id, first.at.threads, w.index, w.at.threads)
			return false, w.fault
		}
		if here>>w.index&1 != 0 && first.at.threads == 0 && w.pc != first.pc {
			w.fail(-1, "barrier divergence: warp %d waits at barrier %d here and warp %d at line %d",
				w.index, id, first.index, b.kernel.origins[first.pc].line)
			return false, w.fault
		}
	}
	come := here | b.arrived[id]
	if first.at.threads == 0 && here != alive || first.at.threads != 0 && bits.OnesCount32(come)*lanes != first.at.threads {
		return false, nil
	}
	b.arrived[id] = 0
	b.count(here)
	if first.at.threads == 0 { // a warp that has exited counts as one that came
		b.ordered = b.now
	} else {
		b.joinOrders(come, here)
	}
	for _, w := range b.warps {
		if here>>w.index&1 != 0 {
			w.waiting = false
			w.ordered = b.now
			w.pc++
			if w.pc >= w.meet {
				w.converge()
			}
		}
	}
	return true, nil
}

// count gives the warps of here the result of a bar.red.
func (b *block) count(here uint32) {
	votes, voters := 0, 0
	for _, w := range b.warps {
		if here>>w.index&1 != 0 {
			votes += bits.OnesCount32(w.at.vote)
			voters += bits.OnesCount32(w.at.voted)
		}
	}
	for _, w := range b.warps {
		if here>>w.index&1 == 0 {
			continue
		}
		switch in := w.at.in; in.offset {
		case barPopc:
			for lane := range lanes {
				w.rows[in.d][lane] = uint64(votes)
			}
		case barAnd:
			w.setPredicate(in.d, w.at.voted, maskIf(votes == voters))
		case barOr:
			w.setPredicate(in.d, w.at.voted, maskIf(votes > 0))
		}
	}
}

func maskIf(condition bool) uint32 {
	if condition {
		return allLanes
	}
	return 0
}

// deadlock is the fault of a block whose warps all wait at barriers that not all reach.
func (b *block) deadlock() error {
	var where []string
	var blamed *warp
	for _, w := range b.warps {
		switch {
		case w.live == 0:
			where = append(where, fmt.Sprintf("warp %d has exited", w.index))
		case w.waiting:
			blamed = w
			where = append(where, fmt.Sprintf("warp %d waits at line %d for barrier %d", w.index, b.kernel.origins[w.pc].line, w.at.id))
		}
	}
	blamed.fail(-1, "barrier divergence: no warp can go on: %s", strings.Join(where, ", "))
	return blamed.fault
}
