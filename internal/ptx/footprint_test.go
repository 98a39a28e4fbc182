package ptx

import (
	"slices"
	"testing"
)

func TestTheFootprintOfALaunchIsWhatItTouched(t *testing.T) {
	d := NewDevice(Options{})
	text := header + ".visible .entry halve(.param .u64 x)\n{\n.reg .b16 %h; .reg .b32 %r<3>; .reg .b64 %rd<4>;\n" +
		"ld.param.u64 %rd1, [x]; mov.u32 %r1, %tid.x; mul.wide.u32 %rd2, %r1, 2; add.s64 %rd3, %rd1, %rd2;\n" +
		"ld.global.u16 %h, [%rd3]; st.global.u16 [%rd3+6144], %h; ret;\n}\n"
	m := must[*Module](t)(d.Load("test.ptx", text))
	k := must[*Kernel](t)(m.Kernel("halve"))
	p := must[Address](t)(d.Alloc(3 * pageBytes))
	if err := d.Fill(p, 0, 2*pageBytes/4); err != nil {
		t.Fatal(err)
	}
	if spans := d.Footprint(); spans != nil {
		t.Errorf("before any launch: %v", spans)
	}
	if _, err := d.Launch(k, Launch{Block: [3]int{1}, Args: []any{p}}); err != nil { // forgotten by the next
		t.Fatal(err)
	}
	if _, err := d.Launch(k, Launch{Block: [3]int{5}, Args: []any{p + 4090}}); err != nil {
		t.Fatal(err)
	}
	want := []Span{{p + 4090, p + 4100, false}, {p + 10234, p + 10244, true}}
	if got := d.Footprint(); !slices.Equal(got, want) {
		t.Errorf("got %v, expected %v", got, want)
	}
}
