package vmtest

import (
	"bytes"
	"strings"
	"testing"
	"unsafe"

	"trainer/internal/vm"
)

// memory tests the blocks of a backend.
func (s suite) memory(t *testing.T) {
	b := s.backend(t)
	t.Run("Allocated", func(t *testing.T) { allocatedMemory(t, b) })
	t.Run("Adopted", func(t *testing.T) { adoptedMemory(t, b) })
	t.Run("AdoptedTwice", func(t *testing.T) { adoptedTwice(t, b) })
	t.Run("Bounds", func(t *testing.T) { memoryBounds(t, b) })
}

func allocate(t *testing.T, b vm.Backend, size int) vm.Memory {
	t.Helper()
	m, err := b.Allocate(size)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Free(); err != nil {
			t.Errorf("freeing %d bytes: %v", size, err)
		}
	})
	return m
}

func contents(t *testing.T, m vm.Memory) []byte {
	t.Helper()
	host := make([]byte, m.Size())
	if err := m.Read(host); err != nil {
		t.Fatal(err)
	}
	return host
}

// pattern is bytes that differ from their neighbours and from zero.
func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i%251 + 1)
	}
	return b
}

func allocatedMemory(t *testing.T, b vm.Backend) {
	for _, size := range []int{0, 4, 60, 64, 100, 4096} {
		m := allocate(t, b, size)
		if m.Size() != size {
			t.Errorf("a block of %d bytes has size %d", size, m.Size())
		}
		if !bytes.Equal(contents(t, m), make([]byte, size)) {
			t.Errorf("a fresh block of %d bytes is not zero", size)
		}
		if host := m.Host(); len(host) > 0 && uintptr(unsafe.Pointer(&host[0]))%vm.Alignment != 0 {
			t.Errorf("a block of %d bytes begins at %p", size, &host[0])
		}
		want := pattern(size)
		if err := m.Write(want); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(contents(t, m), want) {
			t.Errorf("a block of %d bytes does not keep what is written", size)
		}
	}
	// Parts of blocks are windows, also parts of parts, and a shorter write or read is about the start.
	m := allocate(t, b, 256)
	want := make([]byte, 256)
	copy(want[64+128:], pattern(32))
	if err := m.Slice(64, 192).Slice(128, 64).Write(pattern(32)); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(contents(t, m), want) {
		t.Error("what is written to a part of a part is not in its place in the block")
	}
	if part := m.Slice(192, 64); part.Size() != 64 || !bytes.Equal(contents(t, part), want[192:]) {
		t.Error("a part does not read what the block holds")
	}
	start := make([]byte, 8)
	if err := m.Slice(192, 64).Read(start); err != nil || !bytes.Equal(start, want[192:200]) {
		t.Errorf("the first 8 bytes of a part are %v, expected %v (%v)", start, want[192:200], err)
	}
}

// adoptedMemory: memory that the device addresses is the host's own; else it is a copy of the moment.
func adoptedMemory(t *testing.T, b vm.Backend) {
	host := pattern(100)
	m, err := b.Adopt(host)
	if err != nil {
		t.Fatal(err)
	}
	if m.Size() != len(host) || !bytes.Equal(contents(t, m), host) {
		t.Error("an adopted block is not what the host holds")
	}
	before := bytes.Clone(host)
	host[99] = 255
	switch got := contents(t, m); {
	case m.Host() != nil && !bytes.Equal(got, host):
		t.Error("an adopted block that the host addresses does not see what the host writes")
	case m.Host() == nil && !bytes.Equal(got, before):
		t.Error("an adopted block of device memory changes with the host's")
	}
	if err := m.Write([]byte{7}); err != nil {
		t.Fatal(err)
	}
	if (host[0] == 7) != (m.Host() != nil) {
		t.Errorf("after a write to an adopted block the host holds %d", host[0])
	}
}

// adoptedTwice: the same host memory, or a part of it, is the same memory of the device.
func adoptedTwice(t *testing.T, b vm.Backend) {
	host := pattern(256)
	first, err := b.Adopt(host)
	if err != nil {
		t.Fatal(err)
	}
	for at := range 2 {
		part, err := b.Adopt(host[64*at : 256])
		if err != nil {
			t.Fatal(err)
		}
		if err := part.Write([]byte{byte(200 + at)}); err != nil {
			t.Fatal(err)
		}
		if got := contents(t, first)[64*at]; got != byte(200+at) {
			t.Errorf("memory adopted again at byte %d is other memory: byte %d holds %d", 64*at, 64*at, got)
		}
	}
}

func memoryBounds(t *testing.T, b vm.Backend) {
	adopted, err := b.Adopt(pattern(256)[:64])
	if err != nil {
		t.Fatal(err)
	}
	blocks := map[string]vm.Memory{"block": allocate(t, b, 64), "part": allocate(t, b, 256).Slice(128, 64), "adopted block": adopted}
	for name, m := range blocks {
		for what, err := range map[string]error{"write": m.Write(make([]byte, 65)), "read": m.Read(make([]byte, 65))} {
			if err == nil || !strings.Contains(err.Error(), "65") || !strings.Contains(err.Error(), "64") {
				t.Errorf("a %s of 65 bytes in a %s of 64: %v, expected an error that says both sizes", what, name, err)
			}
		}
		for _, window := range [][2]int{{0, 65}, {64, 1}, {-1, 4}, {8, -4}} {
			if !panics(func() { m.Slice(window[0], window[1]) }) {
				t.Errorf("a %s of 64 bytes has a part of %d bytes at %d", name, window[1], window[0])
			}
		}
		if !panics(func() { m.Slice(64, 0) }) && m.Slice(64, 0).Size() != 0 {
			t.Errorf("the empty end of a %s is not empty", name)
		}
	}
}

func panics(f func()) (yes bool) {
	defer func() { yes = recover() != nil }()
	f()
	return false
}
