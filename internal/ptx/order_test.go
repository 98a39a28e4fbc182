package ptx

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"testing"
)

func TestResultsAndCountersDoNotDependOnWorkers(t *testing.T) {
	for _, l := range []workload{layerNorm(5, 77), mmaGemm(70, 65, 72)} {
		var (
			first   []byte
			tallies []tally
		)
		for _, workers := range []int{1, 2, 5} {
			out, c, err := l.bytes(kernelText(t, l.kernel), Options{Seed: 1, Workers: workers})
			if err != nil {
				t.Fatal(err)
			}
			if first == nil {
				first, tallies = out, c.tallies
			}
			if !bytes.Equal(out, first) || !slices.Equal(tallies, c.tallies) {
				t.Errorf("%s with %d workers gives other results or counts other work than with one", l.kernel, workers)
			}
		}
	}
}

// orderText has each warp of each block note its number in a list, in the order in which they come.
const orderText = header + `
.entry k(.param .u64 out)
{
.reg .b64 %rd<4>; .reg .b32 %r<8>; .reg .pred %p;
ld.param.u64 %rd0, [out];
mov.u32 %r0, %laneid; setp.ne.u32 %p, %r0, 0; @%p ret;
mov.u32 %r1, %warpid; mov.u32 %r2, %ctaid.x; mad.lo.u32 %r1, %r2, 16, %r1;
atom.global.add.u32 %r3, [%rd0], 1;
mad.wide.u32 %rd1, %r3, 4, %rd0;
st.global.u32 [%rd1+4], %r1;
}`

// order returns the list that orderText makes with a seed and a number of blocks, at most 4.
func order(t *testing.T, seed uint64, blocks int) string {
	d := NewDevice(Options{Seed: seed, Workers: 1})
	k := must[*Kernel](t)(must[*Module](t)(d.Load("order.ptx", orderText)).Kernel("k"))
	const n = 1 + 4*8
	p := must[Address](t)(d.Alloc(4 * n))
	if err := d.Fill(p, 0, n); err != nil {
		t.Fatal(err)
	}
	must[*Counters](t)(d.Launch(k, Launch{Grid: [3]int{blocks}, Block: [3]int{8 * 32}, Args: []any{p}}))
	data := make([]byte, 4*n)
	if err := d.CopyOut(data, p); err != nil {
		t.Fatal(err)
	}
	list := make([]uint32, n-1)
	for i := range list {
		list[i] = binary.LittleEndian.Uint32(data[4*i+4:])
	}
	return fmt.Sprint(list)
}

func TestTheSeedShufflesBlocksAndWarps(t *testing.T) {
	for _, blocks := range []int{1, 4} {
		if a, b := order(t, 1, blocks), order(t, 1, blocks); a != b {
			t.Errorf("the same seed gives the orders\n%s and\n%s", a, b)
		}
		if a, b := order(t, 1, blocks), order(t, 2, blocks); a == b {
			t.Errorf("two seeds give the same order of %d blocks\n%s", blocks, a)
		}
	}
}

func TestAtomicsOfBlocksThatRunAtOnceAllCount(t *testing.T) {
	const text = header + `
.entry k(.param .u64 out)
{
.reg .b64 %rd; .reg .b32 %r; .reg .pred %p;
ld.param.u64 %rd, [out]; mov.u32 %r, 0;
LOOP: red.global.add.u32 [%rd], 1;
add.u32 %r, %r, 1; setp.lt.u32 %p, %r, 50; @%p bra LOOP;
}`
	d := NewDevice(Options{Workers: 4})
	k := must[*Kernel](t)(must[*Module](t)(d.Load("atomics.ptx", text)).Kernel("k"))
	p := must[Address](t)(d.Alloc(4))
	if err := d.Fill(p, 0, 1); err != nil {
		t.Fatal(err)
	}
	must[*Counters](t)(d.Launch(k, Launch{Grid: [3]int{64}, Block: [3]int{32}, Args: []any{p}}))
	got := make([]byte, 4)
	if err := d.CopyOut(got, p); err != nil || binary.LittleEndian.Uint32(got) != 64*32*50 {
		t.Errorf("%d additions were counted of %d, %v", binary.LittleEndian.Uint32(got), 64*32*50, err)
	}
}

func TestARaceBetweenBlocksIsFoundWithAnyNumberOfWorkers(t *testing.T) {
	const text = header + `
.entry k(.param .u64 out)
{
.reg .b64 %rd<4>; .reg .b32 %r<4>;
ld.param.u64 %rd0, [out]; mov.u32 %r0, %ctaid.x; and.b32 %r1, %r0, 62; mad.wide.u32 %rd1, %r1, 4, %rd0;
st.global.u32 [%rd1], %r0;
}`
	for workers := 1; workers <= 4; workers++ {
		d := NewDevice(Options{Workers: workers})
		k := must[*Kernel](t)(must[*Module](t)(d.Load("race.ptx", text)).Kernel("k"))
		p := must[Address](t)(d.Alloc(4 * 64))
		var fault *Fault
		if _, err := d.Launch(k, Launch{Grid: [3]int{64}, Args: []any{p}}); !errors.As(err, &fault) {
			t.Errorf("with %d workers: %v", workers, err)
		}
	}
}

func TestLaunchesInARowAreNoRace(t *testing.T) {
	d := NewDevice(Options{})
	k := must[*Kernel](t)(must[*Module](t)(d.Load("test.ptx", snippet("mov.u32 %r1, 1;"))).Kernel("snippet"))
	p := must[Address](t)(d.Alloc(4 * 32))
	for range 3 {
		must[*Counters](t)(d.Launch(k, Launch{Block: [3]int{32}, Args: []any{p}}))
	}
}
