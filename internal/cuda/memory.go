package cuda

import (
	"errors"
	"fmt"

	"trainer/internal/cuda/driver"
	"trainer/internal/format"
	"trainer/internal/vm"
)

// block is memory of the device: a vm.Memory.
type block struct {
	backend *Backend
	at      driver.Pointer // 0 for none
	size    int            // bytes
}

// bounceSize is the size of the page-locked memory that Read goes through, in pieces.
const bounceSize = 1 << 20

// Allocate returns zeroed memory. The error says how much memory the GPU has.
func (b *Backend) Allocate(size int) (vm.Memory, error) {
	m, err := b.allocate(size)
	if err != nil {
		return nil, err
	}
	return m, nil
}

func (b *Backend) allocate(size int) (*block, error) {
	m := &block{backend: b, size: size}
	if size == 0 {
		return m, nil
	}
	whole := vm.Align(size)
	at, err := b.device.Allocate(whole)
	if err != nil {
		return nil, b.outOfMemory(whole, err)
	}
	m.at = at
	return m, b.compute.Fill(at, 0, whole/4)
}

// outOfMemory says what can be done where memory is lacking.
func (b *Backend) outOfMemory(size int, err error) error {
	if !errors.Is(err, driver.ErrOutOfMemory) {
		return err
	}
	have := ""
	if free, e := b.device.FreeMemory(); e == nil {
		of := b.device.Properties()
		have = fmt.Sprintf(": %s of %s are free on %s", format.GiB(free), format.GiB(of.Memory), of.Name)
	}
	advice := "a smaller -batch with a larger -accumulate, -recompute"
	if b.options.Precision != BF16 {
		advice += ", -precision=bf16"
	}
	return fmt.Errorf("%w for %s%s: choose %s, or a smaller model", err, format.GiB(size), have, advice)
}

func (m *block) Size() int { return m.size }

// Slice returns a part of the block.
func (m *block) Slice(offset, size int) vm.Memory { return m.slice(offset, size) }

func (m *block) slice(offset, size int) *block {
	if offset < 0 || size < 0 || offset+size > m.size {
		panic(fmt.Sprintf("cuda: a part of %d bytes at %d of a block of %d", size, offset, m.size))
	}
	return &block{backend: m.backend, at: m.at + driver.Pointer(offset), size: size}
}

// Write takes the bytes over; they are uploaded while the GPU works.
func (m *block) Write(host []byte) error {
	if err := m.fits(host); err != nil {
		return err
	}
	return m.backend.stage.write(m.at, host)
}

// Read waits for all that was queued.
func (m *block) Read(host []byte) error {
	if err := m.fits(host); err != nil {
		return err
	}
	b := m.backend
	if err := b.stage.flush(); err != nil {
		return err
	}
	for at := 0; at < len(host); at += bounceSize {
		piece := b.bounce[:min(bounceSize, len(host)-at)]
		if err := b.compute.Download(piece, m.at+driver.Pointer(at)); err != nil {
			return err
		}
		if err := b.compute.Synchronize(); err != nil {
			return b.explain(err)
		}
		copy(host[at:], piece)
	}
	return nil
}

func (m *block) fits(host []byte) error {
	if len(host) > m.size {
		return fmt.Errorf("a copy of %d bytes does not fit a block of %d", len(host), m.size)
	}
	return nil
}

// Host is nil: the host cannot address the GPU's memory.
func (m *block) Host() []byte { return nil }

// Free waits for all that was queued and gives the block back.
func (m *block) Free() error {
	if m.at == 0 {
		return nil
	}
	if err := m.backend.synchronize(); err != nil {
		return err
	}
	at := m.at
	m.at = 0
	return m.backend.device.Free(at)
}
