package ptx

import (
	"fmt"
	"math/bits"
)

// cell remembers who last touched a grain of shared or global memory in a launch, to find races: two accesses, one of them a write,
// that no barrier orders. A grain is the smallest access that the kernel makes to the space, at most 4 bytes.
//
// Readers since the last write are kept as sets of warps and of lanes with the time of the last: exact for barriers that all warps
// of a block take part in. A barrier of some warps may come too early for a reader that is kept beside a later one, and be reported.
type cell struct {
	epoch       uint32 // the launch (global memory) or the block's run (shared) that the rest speaks of
	writerBlock int32  // none if nothing was written
	writeTime   uint32 // by the block's clock
	writePC     int32
	writer      uint16 // thread of the block
	atomic      bool   // the write was an atomic operation
	readerBlock int32  // none, or many
	readTime    uint32
	readPC      int32
	readWarps   uint32
	readLanes   uint32
}

const (
	nobody = -1 // no block
	many   = -2 // blocks
)

// access is how memory is touched.
type access uint8

const (
	reading access = iota
	writing
	updating // atomically
)

func (a access) String() string { return [...]string{"read", "write", "atomic"}[a] }

// touch notes an access of n bytes of a region by a lane, and fails if it races with one before it. value holds the bytes to be
// written, for which two lanes of one instruction may agree.
func (w *warp) touch(r *region, offset, n, lane int, how access, value []byte) bool {
	if how == reading {
		return w.touchRead(r, offset, n, 1<<lane)
	}
	cells, epoch := w.cells(r, offset, n)
	for i := range cells {
		c := &cells[i]
		c.begin(epoch)
		same := value != nil && c.by(w) && string(value) == string(r.data[offset:offset+n])
		if !c.write(w, lane, how, same) {
			w.failRace(r, offset, n, lane, how, c)
			return false
		}
	}
	return true
}

// touchRead is touch for lanes that read the same bytes.
func (w *warp) touchRead(r *region, offset, n int, mask uint32) bool {
	cells, epoch := w.cells(r, offset, n)
	for i := range cells {
		c := &cells[i]
		c.begin(epoch)
		if lane := c.read(w, mask); lane >= 0 {
			w.failRace(r, offset, n, lane, reading, c)
			return false
		}
	}
	return true
}

// cells returns the cells of n bytes, which lie in one page, and the epoch that they shall speak of.
func (w *warp) cells(r *region, offset, n int) ([]cell, uint32) {
	b := w.block
	shift, epoch := b.kernel.grain[0], r.epoch
	if r.space == global {
		shift, epoch = b.kernel.grain[1], b.launch.epoch
	}
	page := &r.pages[offset>>pageShift]
	if len(page.cells) != pageBytes>>shift {
		page.cells = make([]cell, pageBytes>>shift)
	}
	page.epoch = epoch
	at := offset & (pageBytes - 1)
	return page.cells[at>>shift : (at+n-1)>>shift+1], epoch
}

func (w *warp) failRace(r *region, offset, n, lane int, how access, c *cell) {
	w.fail(lane, "race: this %v of %d bytes at %s is not ordered after the %s", how, n, r.describe(offset), c.before(w, how))
}

// begin forgets what the cell says of an earlier epoch.
func (c *cell) begin(epoch uint32) {
	if c.epoch != epoch {
		*c = cell{epoch: epoch, writerBlock: nobody, readerBlock: nobody}
	}
}

// read notes a read by the lanes of mask. It returns one whose read is not ordered after the last write, or -1.
func (c *cell) read(w *warp, mask uint32) int {
	b := w.block
	if c.writerBlock != nobody && (c.writerBlock != b.index || c.writeTime > b.ordered) {
		for m := mask; m != 0; m &= m - 1 {
			if lane := bits.TrailingZeros32(m); c.writerBlock != b.index || !w.follows(int(c.writer), c.writeTime, lane) {
				return lane
			}
		}
	}
	mine := uint32(1) << w.index
	switch {
	case c.readerBlock == nobody,
		c.readerBlock == b.index && (c.readTime <= b.ordered || c.readWarps == mine && c.readTime <= w.ordered):
		c.readerBlock, c.readWarps, c.readLanes = b.index, mine, mask
	case c.readerBlock == b.index:
		c.readWarps |= mine
		c.readLanes |= mask
	default:
		c.readerBlock = many
	}
	c.readTime, c.readPC = b.now, int32(w.pc)
	return -1
}

// by reports whether the last write was by the instruction that the warp executes.
func (c *cell) by(w *warp) bool {
	return c.writerBlock == w.block.index && c.writeTime == w.block.now && int(c.writer)/lanes == w.index
}

// write reports whether the write is ordered after the last write and the reads since.
func (c *cell) write(w *warp, lane int, how access, same bool) bool {
	b := w.block
	thread := w.index*lanes + lane
	if c.writerBlock != nobody && !(c.atomic && how == updating) {
		if c.writerBlock != b.index || !w.follows(int(c.writer), c.writeTime, lane) && !same {
			return false
		}
	}
	if c.readerBlock != nobody && (c.readerBlock != b.index || c.readTime > b.ordered && !c.readsFollowed(w, lane)) {
		return false
	}
	c.writerBlock, c.writer, c.writeTime, c.writePC, c.atomic = b.index, uint16(thread), b.now, int32(w.pc), how == updating
	c.readerBlock = nobody
	return true
}

// readsFollowed reports whether a lane's access is ordered after all reads since the last write, which are of its block.
func (c *cell) readsFollowed(w *warp, lane int) bool {
	if c.readWarps&(1<<w.index) != 0 && c.readTime > w.ordered {
		for m := c.readLanes &^ (1 << lane); m != 0; m &= m - 1 {
			if !w.follows(w.index*lanes+bits.TrailingZeros32(m), c.readTime, lane) {
				return false
			}
		}
	}
	for m := c.readWarps &^ (1 << w.index); m != 0; m &= m - 1 {
		if !w.follows(bits.TrailingZeros32(m)*lanes, c.readTime, lane) {
			return false
		}
	}
	return true
}

// before says which earlier access a conflict is with.
func (c *cell) before(w *warp, how access) string {
	origins := w.block.kernel.origins
	earlier := writing
	if c.atomic {
		earlier = updating
	}
	switch {
	case c.writerBlock != nobody && c.writerBlock != w.block.index:
		at := coordinates(int(c.writerBlock), w.block.launch.grid)
		return fmt.Sprintf("%v at line %d by block (%d,%d,%d)", earlier, origins[c.writePC].line, at[0], at[1], at[2])
	case how == reading || c.readerBlock == nobody:
		return fmt.Sprintf("%v at line %d by warp %d, lane %d", earlier, origins[c.writePC].line, c.writer/lanes, c.writer%lanes)
	case c.readerBlock != w.block.index:
		return fmt.Sprintf("read at line %d by another block", origins[c.readPC].line)
	}
	return fmt.Sprintf("read at line %d by warps %#x, lanes %#x", origins[c.readPC].line, c.readWarps, c.readLanes)
}

// follows reports whether what a thread of the block did at a time happened before what a lane of the warp does now: it is the
// same thread, or barriers that both took part in lie between.
func (w *warp) follows(thread int, time uint32, lane int) bool {
	b := w.block
	switch {
	case time <= b.ordered || thread == w.index*lanes+lane:
		return true
	case thread/lanes == w.index:
		return time <= w.ordered || w.orders != nil && time <= w.orders[lane][thread%lanes]
	default:
		return b.orders != nil && time <= b.orders[w.index][thread/lanes]
	}
}

// joinOrders orders what the warps of come did before what those of here will do.
func (b *block) joinOrders(come, here uint32) {
	if b.orders == nil {
		b.orders = make([][]uint32, len(b.warps))
		for i := range b.orders {
			b.orders[i] = make([]uint32, len(b.warps))
		}
	}
	known := make([]uint32, len(b.warps))
	for m := come; m != 0; m &= m - 1 {
		i := bits.TrailingZeros32(m)
		if here>>i&1 != 0 { // others came earlier, by bar.arrive
			b.orders[i][i] = b.now
		}
		for j, t := range b.orders[i] {
			known[j] = max(known[j], t)
		}
	}
	for m := here; m != 0; m &= m - 1 {
		copy(b.orders[bits.TrailingZeros32(m)], known)
	}
}

// joinLanes orders what the lanes of mask did before what they will do: the effect of bar.warp.sync.
func (w *warp) joinLanes(mask uint32) {
	if mask == w.live {
		w.ordered = w.block.now
		return
	}
	if w.orders == nil {
		w.orders = new([lanes][lanes]uint32)
	}
	var known [lanes]uint32
	for m := mask; m != 0; m &= m - 1 {
		i := bits.TrailingZeros32(m)
		w.orders[i][i] = w.block.now
		for j, t := range w.orders[i] {
			known[j] = max(known[j], t)
		}
	}
	for m := mask; m != 0; m &= m - 1 {
		w.orders[bits.TrailingZeros32(m)] = known
	}
}
