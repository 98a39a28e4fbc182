package vm

// Backend is a device that runs programs. It may work by itself while the host goes on: what it is given to do is done in order, and only
// Memory.Read and Executable.Step wait. An error of work that was queued comes up in a later call, at the latest in a Read.
type Backend interface {
	// Device names the device for people: "CPU (AVX-512, 2 threads)".
	Device() string
	// Allocate returns zeroed memory of size bytes, aligned to Alignment.
	Allocate(size int) (Memory, error)
	// Adopt returns the device's memory for host memory that outlives it: the host memory itself where the device addresses it, else a copy.
	// There is one copy of the same host memory, or of a part of what was adopted before, which the backend keeps until Close.
	Adopt(host []byte) (Memory, error)
	// Bind prepares a program whose value i lives in memory[i].
	Bind(p *Program, memory []Memory) (Executable, error)
	// Close gives back what the backend holds.
	Close() error
}

// Rewriter is a Backend that runs programs in a form of its own: with instructions put together, values in bfloat16, scratch memory.
type Rewriter interface {
	Backend
	// Rewrite returns a program that computes the same outputs in the same order, as float32. It leaves p as it is. The values of p keep their
	// indexes, with the place Nowhere if nobody needs them any more; new ones come behind them. An Input of type BFloat16 is a copy of the
	// tensor in float32 that its node is bound to.
	Rewrite(p *Program) *Program
	// Narrow returns the memory of such an input v, given the tensor, which was or will be adopted. The backend keeps it up to date.
	Narrow(host []byte, v *Value) (Memory, error)
}

// Memory is a block of a device's memory.
type Memory interface {
	Size() int                     // in bytes
	Slice(offset, size int) Memory // a part of it
	// Write copies host to the start of the block. The bytes are taken over when it returns; they arrive behind what was queued before and
	// ahead of what is queued later.
	Write(host []byte) error
	// Read waits for what was queued and copies the start of the block to host.
	Read(host []byte) error
	Host() []byte // the block itself where the host can address it, else nil
	// Free gives the block back, when what was queued has been done.
	Free() error
}

// Watcher is an Executable that tells how far a run has come.
type Watcher interface {
	Executable
	// Watch has passed called with i in each later Run, when instruction after[i] and all before it have been done, on a thread of the
	// device's: what follows waits for it. A device that works by itself calls it when they are queued. The last Watch counts.
	Watch(after []int, passed func(i int))
}

// Executable is a program bound to a device.
type Executable interface {
	// Run runs every instruction in order: a device that works by itself queues them.
	Run() error
	// Step runs instruction i alone and waits for its end; a debugger's way through a program.
	Step(i int) error
	// Close gives back what Bind took.
	Close() error
}
