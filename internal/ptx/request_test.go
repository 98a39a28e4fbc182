package ptx

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"
)

// pickText has even lanes copy from a and odd lanes from b, each 4 bytes at its place.
const pickText = header + `
.entry k(.param .u64 out, .param .u64 a, .param .u64 b)
{
.reg .b64 %rd<8>; .reg .b32 %r<4>; .reg .pred %p;
ld.param.u64 %rd0, [out]; ld.param.u64 %rd1, [a]; ld.param.u64 %rd2, [b];
mov.u32 %r0, %tid.x; and.b32 %r1, %r0, 1; setp.eq.u32 %p, %r1, 0; selp.b64 %rd3, %rd1, %rd2, %p;
mul.wide.u32 %rd4, %r0, 4; add.s64 %rd5, %rd3, %rd4; add.s64 %rd6, %rd0, %rd4;
ld.global.u32 %r2, [%rd5];
st.global.u32 [%rd6], %r2;
}`

// pick runs pickText on 32 lanes with an a of 128 bytes and a b of some, both filled with words.
func pick(t *testing.T, bytes int, o Options) ([]byte, *Counters, error) {
	t.Helper()
	d := NewDevice(o)
	k := must[*Kernel](t)(must[*Module](t)(d.Load("k.ptx", pickText)).Kernel("k"))
	out, a, b := must[Address](t)(d.Alloc(128)), must[Address](t)(d.Alloc(128)), must[Address](t)(d.Alloc(bytes))
	if err := errors.Join(d.Fill(a, 7, 32), d.Fill(b, 8, bytes/4)); err != nil {
		t.Fatal(err)
	}
	c, err := d.Launch(k, Launch{Block: [3]int{32}, Args: []any{out, a, b}})
	if err != nil {
		return nil, c, err
	}
	data := make([]byte, 128)
	return data, c, d.CopyOut(data, out)
}

func TestARequestMayReachIntoSeveralAllocations(t *testing.T) {
	for _, ignore := range []bool{false, true} {
		data, c, err := pick(t, 128, Options{IgnoreRaces: ignore})
		if err != nil {
			t.Fatal(err)
		}
		for lane := range 32 {
			if got, want := binary.LittleEndian.Uint32(data[4*lane:]), uint32(7+lane%2); got != want {
				t.Errorf("lane %d copied %d, expected %d", lane, got, want)
			}
		}
		if got := c.SectorsPerRequest(); got != 6 { // 4 of a and 4 of b in one request, 4 of out in the other
			t.Errorf("%g sectors a request, expected 6", got)
		}
	}
}

func TestTheFirstLaneThatLeavesItsAllocationIsNamed(t *testing.T) {
	for _, ignore := range []bool{false, true} {
		_, _, err := pick(t, 80, Options{IgnoreRaces: ignore})
		var fault *Fault
		if !errors.As(err, &fault) || fault.Lane != 21 || !strings.Contains(fault.Message, "out of bounds") {
			t.Errorf("got %v, expected lane 21 out of bounds of 80 bytes", err)
		}
	}
}
