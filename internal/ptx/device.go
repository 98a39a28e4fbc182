package ptx

import (
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sort"
	"sync"
)

// Address is a place in the device's global memory. 0 is none.
type Address uint64

// Options say how a device runs kernels. The zero value is usable.
type Options struct {
	Seed    uint64 // shuffles blocks and warps
	Workers int    // goroutines that blocks are shared between; 0 means GOMAXPROCS
	Budget  int64  // instructions that a warp may execute before it counts as endless; 0 means 1<<28
	Memory  int    // bytes of global memory; 0 means 4 GiB

	IgnoreRaces bool // switches the search for races off, and Footprint with it; all other checks stay
}

// The limits of compute capability 8.0 (CUDA C++ Programming Guide, table "Technical Specifications per Compute Capability").
const (
	maxThreads      = 1024      // of a block
	maxBlockZ       = 64        // threads
	maxGridX        = 1<<31 - 1 // blocks
	maxGridYZ       = 65535
	maxShared       = 48 << 10  // bytes a block may use unless Kernel.AllowShared says more
	maxSharedOptIn  = 163 << 10 // bytes that AllowShared may say
	maxConstant     = 64 << 10
	maxParameters   = 4352 // bytes
	firstAddress    = 0x10_0000_0000
	allocationAlign = 512 // bytes, what cuMemAlloc aligns to at least
	sharedWindow    = 1 << 56
	localWindow     = 2 << 56
	windowBytes     = 1 << 32
	defaultBudget   = 1 << 28
	defaultMemory   = 4 << 30
	bytesBetween    = pageBytes // of two allocations, so that an index that is a little off finds neither
	freedRemembered = 1 << 12   // allocations
)

// Device is an emulated GPU: its global memory and the way it runs kernels. One goroutine at a time is served, others wait.
type Device struct {
	mutex   sync.Mutex
	options Options
	regions []*region // by base, none overlaps
	freed   []extent  // the latest, to tell a use after free from a wild address
	next    uint64    // the address of the next allocation
	used    int       // bytes
	epoch   uint32    // counts launches
}

// extent is where an allocation was.
type extent struct {
	base uint64
	size int
}

// offset returns how far behind the extent's beginning an address lies, and whether it lies in the extent.
func (e extent) offset(address uint64) (int, bool) {
	return int(address - e.base), address >= e.base && address-e.base < uint64(e.size)
}

func (r *region) extent() extent { return extent{r.base, len(r.data)} }

// ErrOutOfMemory says that an allocation is larger than the free memory.
var ErrOutOfMemory = errors.New("out of device memory")

// NewDevice returns a device without allocations.
func NewDevice(o Options) *Device {
	if o.Workers == 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	if o.Budget == 0 {
		o.Budget = defaultBudget
	}
	if o.Memory == 0 {
		o.Memory = defaultMemory
	}
	return &Device{options: o, next: firstAddress}
}

// Alloc returns the address of new memory of a number of bytes, at least 1, aligned to 512. It holds no values: reading it before
// it is written is an error.
func (d *Device) Alloc(bytes int) (Address, error) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	return d.alloc(bytes)
}

func (d *Device) alloc(bytes int) (Address, error) {
	if bytes < 1 {
		return 0, fmt.Errorf("cannot allocate %d bytes: at least 1 expected", bytes)
	}
	if d.used+bytes > d.options.Memory {
		return 0, fmt.Errorf("%w: %d bytes asked for, %d of %d are free",
			ErrOutOfMemory, bytes, d.options.Memory-d.used, d.options.Memory)
	}
	r := newRegion(global, d.next, bytes)
	d.regions = append(d.regions, &r)
	d.next += uint64(bytes+allocationAlign-1)/allocationAlign*allocationAlign + bytesBetween
	d.used += bytes
	return Address(r.base), nil
}

// Available is the number of bytes that are not allocated.
func (d *Device) Available() int {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	return d.options.Memory - d.used
}

// Reach returns the beginning of the allocation that n bytes at p lie in, n at least 1, or an error that says why there is none.
func (d *Device) Reach(p Address, n int) (Address, error) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	r, _, err := d.reach(p, n)
	if err != nil {
		return 0, err
	}
	return Address(r.base), nil
}

// Free gives memory back. p is what Alloc returned. Its address is never used again, so that a later use is found.
func (d *Device) Free(p Address) error {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	r, offset := d.find(uint64(p))
	if r == nil || offset != 0 {
		return fmt.Errorf("cannot free %#x: %s", uint64(p), d.whatIs(uint64(p)))
	}
	d.used -= len(r.data)
	d.regions = slices.DeleteFunc(d.regions, func(other *region) bool { return other == r })
	if len(d.freed) == freedRemembered {
		d.freed = d.freed[1:]
	}
	d.freed = append(d.freed, r.extent())
	return nil
}

// CopyIn writes bytes of the host at p.
func (d *Device) CopyIn(p Address, from []byte) error {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	r, offset, err := d.reach(p, len(from))
	if err != nil {
		return fmt.Errorf("copy to the device: %w", err)
	}
	copy(r.data[offset:], from)
	r.mark(offset, len(from))
	return nil
}

// CopyOut reads the bytes at p. Bytes that were never written are an error.
func (d *Device) CopyOut(to []byte, p Address) error {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	r, offset, err := d.reach(p, len(to))
	if err != nil {
		return fmt.Errorf("copy from the device: %w", err)
	}
	if bad := r.unwritten(offset, len(to)); bad >= 0 {
		return fmt.Errorf("copy from the device: byte %d of %d was never written: %s", bad-offset, len(to), r.describe(bad))
	}
	copy(to, r.data[offset:])
	return nil
}

// Copy copies bytes within the device. Bytes that were never written are an error.
func (d *Device) Copy(to, from Address, bytes int) error {
	buffer := make([]byte, bytes)
	if err := d.CopyOut(buffer, from); err != nil {
		return err
	}
	return d.CopyIn(to, buffer)
}

// Fill sets n words of 32 bits at p to a value.
func (d *Device) Fill(p Address, value uint32, n int) error {
	buffer := make([]byte, 0, n*4)
	for range n {
		buffer = binary.LittleEndian.AppendUint32(buffer, value)
	}
	return d.CopyIn(p, buffer)
}

// find returns the region of an address and the offset in it, or nil.
func (d *Device) find(address uint64) (*region, int) {
	i := sort.Search(len(d.regions), func(i int) bool { return d.regions[i].base > address }) - 1
	if i < 0 || address-d.regions[i].base >= uint64(len(d.regions[i].data)) {
		return nil, 0
	}
	return d.regions[i], int(address - d.regions[i].base)
}

func (d *Device) reach(p Address, n int) (*region, int, error) {
	r, offset := d.find(uint64(p))
	if r == nil {
		return nil, 0, fmt.Errorf("%d bytes at %#x: %s", n, uint64(p), d.whatIs(uint64(p)))
	}
	if offset+n > len(r.data) {
		return nil, 0, fmt.Errorf("%d bytes at %s do not fit", n, r.describe(offset))
	}
	return r, offset, nil
}

// whatIs says why an address is not one to use.
func (d *Device) whatIs(address uint64) string {
	for _, r := range d.regions {
		if offset, inside := r.extent().offset(address); inside {
			return fmt.Sprintf("it lies %d bytes inside an allocation", offset)
		}
	}
	for _, e := range d.freed {
		if offset, inside := e.offset(address); inside {
			return fmt.Sprintf("use after free of byte %d of an allocation of %d", offset, e.size)
		}
	}
	for _, r := range d.regions {
		if end := r.base + uint64(len(r.data)); address >= end && address < end+bytesBetween {
			return fmt.Sprintf("out of bounds: %d bytes behind the end of an allocation of %d", address-end, len(r.data))
		}
		if address < r.base && address+bytesBetween >= r.base {
			return fmt.Sprintf("out of bounds: %d bytes before an allocation of %d", r.base-address, len(r.data))
		}
	}
	return "no allocation is there"
}
