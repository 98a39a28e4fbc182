package main

import (
	"encoding/binary"
	"fmt"
	"math"

	"trainer/internal/cuda/kernels"
	"trainer/internal/ptx"
)

// counts are what launches do, in whole or in part.
type counts struct {
	tensor, other     float64 // FLOPs of tensor cores, and all others
	bytes             float64 // that lanes read and write in global memory
	sectors, requests float64 // of 32 bytes, and accesses of warps, of global memory
	conflicts         float64 // wavefronts of shared memory that bank conflicts cost
}

// each combines counts field by field.
func (c counts) each(d counts, f func(x, y float64) float64) counts {
	return counts{
		f(c.tensor, d.tensor), f(c.other, d.other), f(c.bytes, d.bytes), f(c.sectors, d.sectors), f(c.requests, d.requests),
		f(c.conflicts, d.conflicts),
	}
}

func (c counts) plus(d counts, times float64) counts {
	return c.each(d, func(x, y float64) float64 { return x + times*y })
}

// line is the line through the counts at two sizes, as a function of the size.
func line(x0, x1 float64, c0, c1 counts) func(x float64) counts {
	slope := counts{}.plus(c1.plus(c0, -1), 1/(x1-x0))
	return func(x float64) counts { return c0.plus(slope, x-x0) }
}

// apart is how far counts are from others, as the largest share of one of them.
func (c counts) apart(d counts) float64 {
	most := 0.0
	c.each(d, func(x, y float64) float64 {
		most = max(most, math.Abs(x-y)/max(1, math.Abs(y)))
		return 0
	})
	return most
}

// counter runs launches in the emulator, on memory of its own for each argument.
type counter struct {
	device    *ptx.Device
	modules   map[string]*ptx.Module
	arguments []ptx.Address // memory of zeros for the argument of each position
}

// room is the size in bytes of an argument's memory: enough for what is counted. Results and addends of products are the largest.
func room(argument int) int {
	if argument == 0 || argument == 4 {
		return 192 << 20
	}
	return 64 << 20
}

func newCounter() *counter {
	return &counter{device: ptx.NewDevice(ptx.Options{IgnoreRaces: true}), modules: map[string]*ptx.Module{}}
}

// upload returns memory with data in it.
func (c *counter) upload(data any) (ptx.Address, error) {
	raw, err := binary.Append(nil, binary.LittleEndian, data)
	if err != nil {
		return 0, err
	}
	p, err := c.device.Alloc(len(raw))
	if err != nil {
		return 0, err
	}
	return p, c.device.CopyIn(p, raw)
}

// argument is the memory of the argument at a position.
func (c *counter) argument(i int) (ptx.Address, error) {
	for len(c.arguments) <= i {
		p, err := c.upload(make([]byte, room(len(c.arguments))))
		if err != nil {
			return 0, err
		}
		c.arguments = append(c.arguments, p)
	}
	return c.arguments[i], nil
}

// pointer is argument, for contents that point to it.
func (c *counter) pointer(i int) kernels.Pointer {
	p, err := c.argument(i)
	if err != nil {
		panic(err) // the emulator's memory is a constant of this program
	}
	return kernels.Pointer(p)
}

// count runs a launch. Pointers that are not 0 point to zeros, or to contents, by position; a content may be a function of where the
// memory of other positions is. What is there changes from launch to launch.
func (c *counter) count(l kernels.Launch, contents map[int]any) (counts, error) {
	m := c.modules[l.Source]
	if m == nil {
		var err error
		if m, err = c.device.Load(l.Source, kernels.PTX(l.Source)); err != nil {
			return counts{}, err
		}
		c.modules[l.Source] = m
	}
	k, err := m.Kernel(l.Kernel)
	if err != nil {
		return counts{}, err
	}
	if err := k.AllowShared(l.Shared); err != nil {
		return counts{}, err
	}
	args := make([]any, len(l.Args))
	for i, a := range l.Args {
		args[i] = a
		p, ok := a.(kernels.Pointer)
		if !ok {
			continue
		}
		args[i] = ptx.Address(0)
		if content := contents[i]; content != nil {
			if f, ok := content.(func(func(int) kernels.Pointer) any); ok {
				content = f(c.pointer)
			}
			at, err := c.upload(content)
			if err != nil {
				return counts{}, err
			}
			defer c.device.Free(at)
			args[i] = at
		} else if p != 0 {
			if args[i], err = c.argument(i); err != nil {
				return counts{}, err
			}
		}
	}
	n, err := c.device.Launch(k, ptx.Launch{Grid: l.Grid, Block: [3]int{l.Block, 1, 1}, Shared: l.Shared, Args: args})
	if err != nil {
		return counts{}, fmt.Errorf("%+v: %w", l, err)
	}
	moved := n.Bytes()
	r := counts{bytes: float64(moved["global"] + moved["generic"]), sectors: float64(n.Sectors())}
	for unit, flops := range n.FLOPs() {
		if unit == "tensor" {
			r.tensor += flops
		} else {
			r.other += flops
		}
	}
	if r.sectors > 0 {
		r.requests = r.sectors / n.SectorsPerRequest()
	}
	_, conflicts := n.BankConflicts()
	r.conflicts = float64(conflicts)
	return r, nil
}
