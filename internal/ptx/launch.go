package ptx

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
)

// Launch says how a kernel is run.
type Launch struct {
	Grid   [3]int // blocks in x, y and z; 0 means 1
	Block  [3]int // threads of a block in x, y and z; 0 means 1
	Shared int    // bytes of dynamic shared memory of a block
	Args   []any  // one for each parameter: Address, int32, uint32, int64, uint64, float32, float64 or the bytes of a struct
}

// launch is a Launch that passed all checks, as its blocks see it.
type launch struct {
	device  *Device
	kernel  *program
	grid    [3]int
	block   [3]int
	dynamic int
	params  region
	consts  region
	seed    uint64
	budget  int64
	epoch   uint32
	races   bool // are looked for
	locking bool // several workers share global memory
}

// Launch runs a kernel to its end and returns what it counted. The error is a *Fault where the kernel did something wrong; memory
// then holds what was written until there.
func (d *Device) Launch(k *Kernel, l Launch) (*Counters, error) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	run, err := d.check(k, l)
	if err != nil {
		return nil, err
	}
	d.epoch++
	run.epoch = d.epoch
	return run.blocks()
}

// Check returns the error, if any, with which Launch would refuse a launch before it runs: limits, shared memory, the number and the
// sizes of arguments.
func (d *Device) Check(k *Kernel, l Launch) error {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	_, err := d.check(k, l)
	return err
}

// blocks runs all blocks, in an order that the seed shuffles, on the device's workers.
func (l *launch) blocks() (*Counters, error) {
	count := l.grid[0] * l.grid[1] * l.grid[2]
	workers := min(l.device.options.Workers, count)
	l.locking = workers > 1
	order := rand.New(rand.NewPCG(l.seed, uint64(l.epoch))).Perm(count)
	counters := newCounters(l, count)
	var (
		next   atomic.Int64
		failed atomic.Bool
		wait   sync.WaitGroup
		mutex  sync.Mutex
		fault  error // the first
	)
	for range workers {
		wait.Go(func() {
			b := newBlock(l)
			for !failed.Load() {
				i := int(next.Add(1)) - 1
				if i >= count {
					break
				}
				if err := b.run(order[i]); err != nil {
					mutex.Lock()
					if !failed.Swap(true) {
						fault = err
					}
					mutex.Unlock()
				}
			}
			mutex.Lock()
			counters.add(b.tallies)
			mutex.Unlock()
			l.kernel.idle.Put(b)
		})
	}
	wait.Wait()
	return counters, fault
}

// check refuses what a driver would refuse, by an error that names the kernel, and packs the arguments.
func (d *Device) check(k *Kernel, l Launch) (*launch, error) {
	run, err := d.pack(k, l)
	if err != nil {
		return nil, fmt.Errorf("launch of %s: %w", k.Name(), err)
	}
	return run, nil
}

func (d *Device) pack(k *Kernel, l Launch) (*launch, error) {
	for i := range 3 {
		if l.Grid[i] == 0 {
			l.Grid[i] = 1
		}
		if l.Block[i] == 0 {
			l.Block[i] = 1
		}
		if l.Grid[i] < 1 || l.Block[i] < 1 {
			return nil, fmt.Errorf("grid %v of blocks of %v threads: no dimension may be negative", l.Grid, l.Block)
		}
	}
	p := k.program
	threads := l.Block[0] * l.Block[1] * l.Block[2]
	switch {
	case k.module.device != d:
		return nil, fmt.Errorf("its module was loaded on another device")
	case l.Grid[0] > maxGridX || l.Grid[1] > maxGridYZ || l.Grid[2] > maxGridYZ:
		return nil, fmt.Errorf("a grid of %v blocks: at most %d, %d and %d are possible", l.Grid, maxGridX, maxGridYZ, maxGridYZ)
	case l.Block[0] > maxThreads || l.Block[1] > maxThreads || l.Block[2] > maxBlockZ || threads > maxThreads:
		return nil, fmt.Errorf("blocks of %v threads: at most %d in all and %d in z are possible", l.Block, maxThreads, maxBlockZ)
	case p.threads != [3]int{} && l.Block != p.threads:
		return nil, fmt.Errorf("blocks of %v threads: the kernel requires %v (.reqntid)", l.Block, p.threads)
	case p.maxThreads != [3]int{} && threads > p.maxThreads[0]*p.maxThreads[1]*p.maxThreads[2]:
		return nil, fmt.Errorf("blocks of %v threads: the kernel was compiled for at most %v (.maxntid, __launch_bounds__)",
			l.Block, p.maxThreads)
	case l.Shared < 0 || p.shared+l.Shared > k.shared:
		return nil, fmt.Errorf("%d bytes of static and %d of dynamic shared memory: "+
			"at most %d are allowed (AllowShared raises that up to %d)", p.shared, l.Shared, k.shared, maxSharedOptIn)
	case len(l.Args) != len(p.params):
		return nil, fmt.Errorf("%d arguments: the kernel has %d parameters", len(l.Args), len(p.params))
	}
	params := make([]byte, p.paramBytes)
	for i, a := range l.Args {
		bytes, err := argument(a)
		if err != nil {
			return nil, fmt.Errorf("argument %d: %w", i, err)
		}
		if len(bytes) != p.params[i].size {
			return nil, fmt.Errorf("argument %d (%T) has %d bytes: parameter %s has %d",
				i, a, len(bytes), p.params[i].name, p.params[i].size)
		}
		copy(params[p.params[i].address:], bytes)
	}
	return &launch{
		device: d, kernel: p, grid: l.Grid, block: l.Block, dynamic: l.Shared, params: region{space: param, data: params},
		consts: k.module.constants, seed: d.options.Seed, budget: d.options.Budget, races: !d.options.IgnoreRaces,
	}, nil
}

// argument returns the bytes of a kernel argument.
func argument(a any) ([]byte, error) {
	if bytes, ok := a.([]byte); ok {
		return bytes, nil
	}
	switch a.(type) {
	case Address, int32, uint32, int64, uint64, float32, float64:
		return binary.Append(nil, binary.LittleEndian, a)
	}
	return nil, fmt.Errorf("%T is no kernel argument: Address, int32, uint32, int64, uint64, float32, float64 and []byte are", a)
}
