package cuda

import (
	"fmt"
	"unsafe"

	"trainer/internal/cuda/driver"
	"trainer/internal/cuda/kernels"
	"trainer/internal/vm"
)

// adopted is memory of the host with its copy on the device. It keeps the host's memory alive: no other can get its address.
type adopted struct {
	host   []byte
	device *block
}

// narrowed is the copy in bfloat16 of a tensor of adopted memory, its rows PitchBF16 apart.
type narrowed struct {
	master, copy  *block
	rows, columns int
}

// address is where host memory begins.
func address(host []byte) uintptr { return uintptr(unsafe.Pointer(&host[0])) }

// find returns the device's memory for host memory that was adopted, or is part of such; nil where it was not.
func (b *Backend) find(host []byte) *block {
	if len(host) == 0 {
		return &block{backend: b}
	}
	for _, a := range b.adopted {
		if offset := address(host) - address(a.host); address(host) >= address(a.host) && int(offset)+len(host) <= len(a.host) {
			return a.device.slice(int(offset), len(host))
		}
	}
	return nil
}

// Adopt returns the copy on the device of host memory, of the moment when it was adopted first. See Push and Fetch.
func (b *Backend) Adopt(host []byte) (vm.Memory, error) {
	m, err := b.adopt(host)
	if err != nil {
		return nil, err
	}
	return m, nil
}

func (b *Backend) adopt(host []byte) (*block, error) {
	if m := b.find(host); m != nil {
		return m, nil
	}
	m, err := b.allocate(len(host))
	if err != nil {
		return nil, err
	}
	b.adopted = append(b.adopted, &adopted{host: host, device: m})
	return m, m.Write(host)
}

// Push takes over what the host has changed in adopted memory.
func (b *Backend) Push(host []byte) error {
	m := b.mustFind(host)
	if err := m.Write(host); err != nil {
		return err
	}
	for _, n := range b.narrowed {
		if n.master.at >= m.at && n.master.at < m.at+driver.Pointer(m.size) {
			if err := b.renew(n); err != nil {
				return err
			}
		}
	}
	return nil
}

// Fetch waits for what was queued and brings adopted memory up to date on the host.
func (b *Backend) Fetch(host []byte) error {
	return b.mustFind(host).Read(host)
}

func (b *Backend) mustFind(host []byte) *block {
	if m := b.find(host); m != nil {
		return m
	}
	panic(fmt.Sprintf("cuda: %d bytes of the host that were not adopted", len(host)))
}

// Narrow returns the copy in bfloat16 of a matrix or vector that the host has adopted or will adopt. Push keeps it up to date, as does
// an Optimizer.
func (b *Backend) Narrow(host []byte, v *vm.Value) (vm.Memory, error) {
	master, err := b.adopt(host)
	if err != nil {
		return nil, err
	}
	for _, n := range b.narrowed {
		if n.master.at == master.at {
			return n.copy, nil
		}
	}
	n := &narrowed{master: master, rows: v.Rows(), columns: v.Columns()}
	if n.copy, err = b.allocate(v.Size()); err != nil {
		return nil, fmt.Errorf("the copy in bfloat16: %w", err)
	}
	if err := b.renew(n); err != nil {
		return nil, err
	}
	b.narrowed = append(b.narrowed, n)
	b.changes++
	return n.copy, nil
}

// renew queues the conversion of a copy.
func (b *Backend) renew(n *narrowed) error {
	return b.launch(kernels.ToBF16(n.copy.at, n.master.at, n.rows, n.columns))
}
