package ptx

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

// failing checks that an error is there and says what it must.
func failing(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, and %q must be said", err, want)
	}
}

func must[T any](t *testing.T) func(x T, err error) T {
	return func(x T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
}

func TestDeviceMemoryHoldsWhatIsCopiedAndNothingElse(t *testing.T) {
	d := NewDevice(Options{Memory: 1 << 20})
	p := must[Address](t)(d.Alloc(100))
	if p%allocationAlign != 0 {
		t.Errorf("address %#x is no multiple of %d", p, allocationAlign)
	}
	if err := d.CopyIn(p+10, []byte{1, 2, 3}); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 3)
	if err := d.CopyOut(got, p+10); err != nil || !bytes.Equal(got, []byte{1, 2, 3}) {
		t.Errorf("got % x, %v", got, err)
	}
	failing(t, d.CopyOut(got, p+11), "byte 2 of 3 was never written")
	failing(t, d.CopyOut(got, p+98), "do not fit")
	failing(t, d.CopyIn(p+98, got), "do not fit")
	failing(t, d.CopyIn(p+200, got), "100 bytes behind the end of an allocation of 100")
	failing(t, d.CopyIn(0, got), "no allocation is there")
	if err := d.Fill(p, 0x04030201, 25); err != nil {
		t.Fatal(err)
	}
	q := must[Address](t)(d.Alloc(100))
	if err := d.Copy(q, p+8, 3); err != nil {
		t.Fatal(err)
	}
	if err := d.CopyOut(got, q); err != nil || !bytes.Equal(got, []byte{1, 2, 3}) {
		t.Errorf("got % x, %v", got, err)
	}
	failing(t, d.Copy(p, q, 4), "never written")
	failing(t, d.Free(p+4), "4 bytes inside an allocation")
	if err := d.Free(p); err != nil {
		t.Fatal(err)
	}
	failing(t, d.CopyOut(got, p+8), "use after free of byte 8 of an allocation of 100")
	failing(t, d.Free(p), "use after free")
	_, err := d.Alloc(0)
	failing(t, err, "at least 1")
	_, err = d.Alloc(1 << 20)
	failing(t, err, "out of device memory")
	must[Address](t)(d.Alloc(1<<20 - 100))
}

func TestAnIndexThatIsOffFindsNoOtherAllocation(t *testing.T) {
	d := NewDevice(Options{})
	p := must[Address](t)(d.Alloc(allocationAlign))
	q := must[Address](t)(d.Alloc(allocationAlign))
	failing(t, d.CopyIn(p+allocationAlign, []byte{1}), "0 bytes behind the end of an allocation of 512")
	failing(t, d.CopyIn(q-1, []byte{1}), "out of bounds")
}

func TestAKernelCannotUseFreedMemory(t *testing.T) {
	d := NewDevice(Options{})
	m := must[*Module](t)(d.Load("test.ptx", snippet("mov.u32 %r1, 1;")))
	k := must[*Kernel](t)(m.Kernel("snippet"))
	p := must[Address](t)(d.Alloc(4))
	if err := d.Free(p); err != nil {
		t.Fatal(err)
	}
	_, err := d.Launch(k, Launch{Args: []any{p}})
	failing(t, err, "use after free of byte 0 of an allocation of 4")
}

func TestLaunchesThatADriverRefusesAreRefused(t *testing.T) {
	d := NewDevice(Options{})
	text := header + ".entry k(.param .u32 x, .param .u64 y)\n.maxntid 64, 2, 1\n{ .shared .align 4 .b8 s[1024]; " +
		".reg .b32 %r; mov.u32 %r, s; ret; }\n" +
		".entry exact()\n.reqntid 32\n{ ret; }\n"
	m := must[*Module](t)(d.Load("test.ptx", text))
	k, exact := must[*Kernel](t)(m.Kernel("k")), must[*Kernel](t)(m.Kernel("exact"))
	args := []any{int32(1), Address(0)}
	for _, test := range []struct {
		kernel *Kernel
		launch Launch
		want   string
	}{
		{k, Launch{Block: [3]int{129}, Args: args}, "launch of k: blocks of [129 1 1] threads: the kernel was compiled for at most [64 2 1]"},
		{k, Launch{Block: [3]int{2000}, Args: args}, "at most 1024 in all and 64 in z"},
		{k, Launch{Block: [3]int{1, 1, 65}, Args: args}, "at most 1024 in all and 64 in z"},
		{k, Launch{Block: [3]int{-1}, Args: args}, "no dimension may be negative"},
		{k, Launch{Grid: [3]int{1, 65536}, Args: args}, "a grid of"},
		{k, Launch{Shared: 48<<10 - 1023, Args: args}, "1024 bytes of static and 48129 of dynamic shared memory: at most 49152 are allowed"},
		{k, Launch{Args: args[:1]}, "1 arguments: the kernel has 2 parameters"},
		{k, Launch{Args: []any{int64(1), Address(0)}}, "argument 0 (int64) has 8 bytes: parameter x has 4"},
		{k, Launch{Args: []any{1, Address(0)}}, "int is no kernel argument"},
		{exact, Launch{Block: [3]int{31}}, "the kernel requires [32 1 1]"},
	} {
		_, err := d.Launch(test.kernel, test.launch)
		failing(t, err, test.want)
		failing(t, d.Check(test.kernel, test.launch), test.want)
	}
	if err := d.Check(k, Launch{Block: [3]int{32, 4}, Args: args}); err != nil {
		t.Error(err)
	}
	if _, err := d.Launch(k, Launch{Block: [3]int{32, 4}, Args: args}); err != nil {
		t.Error(err)
	}
	failing(t, k.AllowShared(163<<10-1023), "at most 166912 together are possible")
	if err := k.AllowShared(163<<10 - 1024); err != nil {
		t.Error(err)
	}
	if _, err := d.Launch(k, Launch{Shared: 163<<10 - 1024, Args: args}); err != nil {
		t.Error(err)
	}
	_, err := NewDevice(Options{}).Launch(k, Launch{Args: args})
	failing(t, err, "loaded on another device")
	_, err = m.Kernel("nothing")
	failing(t, err, `test.ptx has no kernel "nothing"`)
	_, _, err = m.Global("nothing")
	failing(t, err, `test.ptx has no .global variable "nothing"`)
	if sizes := k.ParamBytes(); len(sizes) != 2 || sizes[0] != 4 || sizes[1] != 8 || k.StaticShared() != 1024 || k.Name() != "k" {
		t.Errorf("%s has parameters of %v bytes and %d of shared memory", k.Name(), sizes, k.StaticShared())
	}
}

func TestAGlobalVariableIsReachedFromTheHost(t *testing.T) {
	d := NewDevice(Options{})
	m := must[*Module](t)(d.Load("test.ptx", header+".global .align 4 .b8 v[4] = {1, 2};\n"))
	p, n, err := m.Global("v")
	if err != nil || n != 4 {
		t.Fatal(n, err)
	}
	got := make([]byte, 4)
	if err := d.CopyOut(got, p); err != nil || !bytes.Equal(got, []byte{1, 2, 0, 0}) {
		t.Errorf("got % x, %v", got, err)
	}
}

func TestReachTellsTheAllocationAndWhatIsFree(t *testing.T) {
	d := NewDevice(Options{Memory: 300})
	p := must[Address](t)(d.Alloc(100))
	if base, err := d.Reach(p+90, 10); err != nil || base != p {
		t.Errorf("got %#x, %v, expected %#x", base, err, p)
	}
	_, err := d.Reach(p+90, 11)
	failing(t, err, "do not fit")
	if free := d.Available(); free != 200 {
		t.Errorf("%d bytes are free, expected 200", free)
	}
	if _, err := d.Alloc(201); !errors.Is(err, ErrOutOfMemory) {
		t.Errorf("got %v for 201 of 200 bytes, expected ErrOutOfMemory", err)
	}
	if err := d.Free(p); err != nil || d.Available() != 300 {
		t.Errorf("%v, %d bytes are free, expected 300", err, d.Available())
	}
	_, err = d.Reach(p, 1)
	failing(t, err, "use after free")
}
