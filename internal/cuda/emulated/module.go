package emulated

import (
	"bytes"
	"errors"
	"fmt"
	"maps"

	"trainer/internal/cuda/driver"
	"trainer/internal/cuda/kernels"
	"trainer/internal/ptx"
)

// module is loaded PTX.
type module struct {
	device *Device
	ptx    *ptx.Module
	shared map[string]int // the most dynamic shared memory that a handle of a kernel asked for
	resource
}

// kernel is a handle of an entry. A launch may take the dynamic shared memory that its own handle asked for, whatever others did.
type kernel struct {
	module *module
	ptx    *ptx.Kernel
	shared int
}

func (d *Device) Load(name string, image []byte) (m driver.Module, err error) {
	err = d.callOutside("Load", func() error {
		if bytes.HasPrefix(image, []byte("\x7fELF")) {
			return fmt.Errorf("module %s: the emulated GPU runs no machine code, and this is a cubin: load PTX, as Properties.PTXOnly says", name)
		}
		text := string(bytes.TrimRight(image, "\x00"))
		loaded := d.loaded[text]
		if loaded == nil {
			var err error
			if loaded, err = d.gpu.Load(name, text); err != nil {
				return fmt.Errorf("module %s: %w", name, err)
			}
			d.loaded[text] = loaded
		}
		m = &module{device: d, ptx: loaded, shared: map[string]int{}, resource: resource{name: "module " + name}}
		return nil
	})
	return m, err
}

func (m *module) Kernel(name string, shared int) (k driver.Kernel, err error) {
	err = m.device.call(func() error {
		if m.gone {
			return fmt.Errorf("%s is unloaded", m.name)
		}
		entry, err := m.ptx.Kernel(name)
		if err != nil {
			return err
		}
		if most := m.device.properties.SharedMemory; shared+entry.StaticShared() > most {
			return fmt.Errorf("kernel %s: %d bytes of dynamic and %d of static shared memory: the GPU has %d for a block",
				name, shared, entry.StaticShared(), most)
		}
		m.shared[name] = max(m.shared[name], shared)
		if err := entry.AllowShared(m.shared[name]); err != nil {
			return err
		}
		k = &kernel{m, entry, shared}
		return nil
	})
	return k, err
}

func (m *module) Unload() error {
	return m.device.callOutside("Unload", func() error { return m.device.release(&m.resource) })
}

func (k *kernel) Name() string { return k.ptx.Name() }

// sharedWithoutAsking is the shared memory in bytes, static and dynamic, that a block may use if its kernel asked for no more.
const sharedWithoutAsking = 48 << 10

func (s *stream) Launch(k driver.Kernel, l kernels.Launch) error {
	return s.call(func() error {
		t, err := s.device.launch(k, l)
		if err != nil {
			return fmt.Errorf("launch of %s: %w", l.Kernel, err)
		}
		s.push(t)
		return nil
	})
}

// launch returns the task of a launch, or the error with which a driver would refuse it. A pointer that leads to no allocation is
// refused too: a kernel that got it could do nothing with it.
func (d *Device) launch(k driver.Kernel, l kernels.Launch) (*task, error) {
	own, ok := k.(*kernel)
	switch {
	case !ok || own.module.device != d:
		return nil, errors.New("the kernel is not of this GPU")
	case own.Name() != l.Kernel:
		return nil, fmt.Errorf("the kernel is %s", own.Name())
	case own.module.gone:
		return nil, fmt.Errorf("%s is unloaded", own.module.name)
	case l.Grid[0] < 1 || l.Grid[1] < 1 || l.Grid[2] < 1 || l.Block < 1:
		return nil, fmt.Errorf("a grid of %v blocks of %d threads: at least 1 of each expected", l.Grid, l.Block)
	case l.Shared+own.ptx.StaticShared() > sharedWithoutAsking && l.Shared > own.shared:
		return nil, fmt.Errorf("%d bytes of dynamic shared memory: Module.Kernel was asked for %d", l.Shared, own.shared)
	}
	t := &task{name: "kernel " + l.Kernel, uses: []*resource{&own.module.resource}}
	launch := ptx.Launch{Grid: l.Grid, Block: [3]int{l.Block, 1, 1}, Shared: l.Shared, Args: make([]any, len(l.Args))}
	for i, a := range l.Args {
		p, isPointer := a.(kernels.Pointer)
		if !isPointer {
			launch.Args[i] = a
			continue
		}
		launch.Args[i] = ptx.Address(p)
		if p == 0 {
			continue
		}
		r, err := d.reach(p, 1)
		if err != nil {
			return nil, fmt.Errorf("argument %d: %w", i, err)
		}
		t.uses = append(t.uses, r)
	}
	if err := d.gpu.Check(own.ptx, launch); err != nil {
		return nil, err
	}
	t.run = func(t *task) error {
		c, err := d.gpu.Launch(own.ptx, launch)
		if err != nil {
			return &driver.Fault{Kernel: l.Kernel, Err: err}
		}
		d.count(c)
		t.touched = d.gpu.Footprint()
		return nil
	}
	return t, nil
}

// count adds what a launch counted to what its kernel did before.
func (d *Device) count(c *ptx.Counters) {
	if before := d.counters[c.Kernel]; before != nil {
		before.Add(c)
	} else {
		d.counters[c.Kernel] = c
	}
}

// Counters returns what the launches that ran did since the last reset, by the name of the kernel. Those that are queued and did not run
// are not among them; when they run they are added.
func (d *Device) Counters() map[string]*ptx.Counters { return maps.Clone(d.counters) }

// ResetCounters starts counting anew. Counters that were returned before are added to no more.
func (d *Device) ResetCounters() { clear(d.counters) }
