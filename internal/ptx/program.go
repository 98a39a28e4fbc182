package ptx

import "sync"

// inst is a decoded instruction: everything that executing it needs, so that no name is looked at again.
type inst struct {
	compute  rowFunc                              // does it where each lane's result is made of that lane's operands alone
	run      func(w *warp, in *inst, mask uint32) // or does it for the lanes of mask; both are nil for a branch, exit or barrier
	flow     flow
	guard    int32 // the predicate that switches it on; -1 for none
	guardNot bool
	d        int32 // rows of registers: the result,
	a, b, c  int32 // and the operands; unused ones are 0
	offset   int64 // of an address, bytes; or another number that the opcode needs
	target   int32 // of a branch
	members  func(w *warp, in *inst, mask uint32) uint32
}

// flow says where a warp goes after an instruction.
type flow uint8

const (
	onward     flow = iota // to the next
	branch                 // to target, for the lanes of the guard
	exit                   // nowhere
	barrier                // to the next when the other warps of the block have come
	collective             // to the next when all lanes of members have come
)

// origin is where an instruction comes from and what it counts for.
type origin struct {
	line  int
	op    string  // add.rn.f32
	work  work    // what flops are made in
	flops float64 // of one lane
	space space   // of a memory instruction
	bytes int     // that a lane reads or writes; 0 for no memory instruction
}

// work is a kind of arithmetic, by the unit of a GPU that does it.
type work uint8

const (
	noWork work = iota
	singleWork
	doubleWork
	halfWork    // f16 and bf16, packed or not
	specialWork // ex2, rcp, sin and the like, one a lane
	tensorWork
	works
)

func (k work) String() string {
	return [...]string{"none", "f32", "f64", "f16", "special", "tensor"}[k]
}

// program is a decoded kernel.
type program struct {
	name       string
	line       int
	code       []inst
	origins    []origin // of each instruction
	rows       int      // of registers, constants and special registers
	predicates int
	constants  []constantRow
	initial    []row   // what registers hold at first, but for the special ones
	unset      []int32 // rows that may be read before they are written
	specials   []specialRow
	params     []*placed
	paramBytes int
	shared     int // bytes of static shared memory
	local      int // bytes of local memory, a thread
	dynamic    int // where extern shared memory begins
	maxThreads [3]int
	threads    [3]int
	idle       sync.Pool // of blocks that another launch may use
	grain      [2]uint   // log2 of the smallest access to shared [0] and global [1] memory: what races are looked for in
}

// constantRow is a register row that holds the same value in all lanes.
type constantRow struct {
	row   int32
	value uint64
}

// specialRow is a register row that holds a special register.
type specialRow struct {
	row   int32
	value func(w *warp, lane int) uint64
}

// placed is a variable with its place in its space.
type placed struct {
	*variable
	space   space // local for what a call passes
	address uint64
}
