package emulated

import (
	"encoding/binary"
	"strings"
	"testing"

	"trainer/internal/cuda/driver"
	"trainer/internal/cuda/kernels"
)

// testKernels are two kernels on int32: plus is dst[i] = a[i] + b[i] for one block, wide is nothing with dynamic shared memory.
const testKernels = `.version 8.8
.target sm_80
.address_size 64
.visible .entry plus(.param .u64 dst, .param .u64 a, .param .u64 b)
{
	.reg .b32 %r<5>;
	.reg .b64 %rd<8>;
	ld.param.u64 %rd1, [dst];
	ld.param.u64 %rd2, [a];
	ld.param.u64 %rd3, [b];
	mov.u32 %r1, %tid.x;
	mul.wide.u32 %rd4, %r1, 4;
	add.s64 %rd5, %rd2, %rd4;
	add.s64 %rd6, %rd3, %rd4;
	add.s64 %rd7, %rd1, %rd4;
	ld.global.u32 %r2, [%rd5];
	ld.global.u32 %r3, [%rd6];
	add.s32 %r4, %r2, %r3;
	st.global.u32 [%rd7], %r4;
	ret;
}
.visible .entry wide()
{
	ret;
}
`

// seeds are the orders that a claim about all orders is tried in.
const seeds = 12

// rig is a device with what most tests need of it. Its methods end the test where the device refuses.
type rig struct {
	*Device
	t      testing.TB
	module driver.Module
	plus   driver.Kernel
}

func newRig(t testing.TB, o Options) *rig {
	t.Helper()
	d, err := New(o).Open(0)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{Device: d.(*Device), t: t}
	r.module = must(r, func() (driver.Module, error) { return r.Load("test", []byte(testKernels)) })
	r.plus = must(r, func() (driver.Kernel, error) { return r.module.Kernel("plus", 0) })
	return r
}

func must[T any](r *rig, f func() (T, error)) T {
	r.t.Helper()
	x, err := f()
	if err != nil {
		r.t.Fatal(err)
	}
	return x
}

func (r *rig) do(errs ...error) {
	r.t.Helper()
	for _, err := range errs {
		if err != nil {
			r.t.Fatal(err)
		}
	}
}

func (r *rig) stream() driver.Stream { r.t.Helper(); return must(r, r.NewStream) }
func (r *rig) event() driver.Event   { r.t.Helper(); return must(r, r.NewEvent) }

func (r *rig) allocate(bytes int) driver.Pointer {
	r.t.Helper()
	return must(r, func() (driver.Pointer, error) { return r.Allocate(bytes) })
}

// words is device memory that holds int32.
func (r *rig) words(values ...int32) driver.Pointer {
	r.t.Helper()
	p, s := r.allocate(4*len(values)), r.stream()
	r.do(s.Upload(p, r.pinned(values...)), s.Synchronize())
	return p
}

// pinned is page-locked memory that holds int32.
func (r *rig) pinned(values ...int32) []byte {
	r.t.Helper()
	b := must(r, func() ([]byte, error) { return r.AllocateHost(4 * len(values)) })
	set(b, values...)
	return b
}

func set(b []byte, values ...int32) {
	for i, v := range values {
		binary.LittleEndian.PutUint32(b[4*i:], uint32(v))
	}
}

// get returns the word of page-locked memory.
func get(b []byte) int32 { return int32(binary.LittleEndian.Uint32(b)) }

// read waits for a stream and returns the first word at p.
func (r *rig) read(s driver.Stream, p driver.Pointer) int32 {
	r.t.Helper()
	b := r.pinned(0)
	r.do(s.Download(b, p), s.Synchronize())
	return get(b)
}

// add is a launch of dst = a + b for one word.
func add(dst, a, b driver.Pointer) kernels.Launch {
	return kernels.Launch{Source: "test", Kernel: "plus", Grid: [3]int{1, 1, 1}, Block: 1, Args: []any{dst, a, b}}
}

// failing checks that an error is there and says what it must.
func failing(t testing.TB, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, and %q must be said", err, want)
	}
}
