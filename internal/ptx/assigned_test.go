package ptx

import (
	"encoding/binary"
	"testing"
)

// Ways on which %r2 gets 7 in block 3 alone.
var assignments = map[string]string{
	"guard":  "@%p mov.u32 %r2, 7;",
	"branch": "@!%p bra OVER;\nmov.u32 %r2, 7;\nOVER:",
	"loop":   "mov.u32 %r3, %r0;\nNEXT:\nsetp.ne.u32 %p, %r3, 3;\n@%p bra OVER;\nmov.u32 %r2, 7;\nadd.u32 %r3, %r3, 1;\nbra NEXT;\nOVER:",
}

func TestARegisterThatIsNotAlwaysWrittenIsResetForEachBlock(t *testing.T) {
	for name, text := range assignments {
		d := NewDevice(Options{Workers: 1})
		text := header + ".entry k(.param .u64 out)\n{\n.reg .b64 %rd<3>; .reg .b32 %r<4>; .reg .pred %p;\n" +
			"ld.param.u64 %rd0, [out]; mov.u32 %r0, %ctaid.x; mad.wide.u32 %rd1, %r0, 4, %rd0;\nsetp.eq.u32 %p, %r0, 3;\n" +
			text + "\nst.global.u32 [%rd1], %r2;\n}\n"
		k := must[*Kernel](t)(must[*Module](t)(d.Load("k.ptx", text)).Kernel("k"))
		const blocks = 8
		p := must[Address](t)(d.Alloc(4 * blocks))
		for range 2 { // the second launch has the first one's registers
			must[*Counters](t)(d.Launch(k, Launch{Grid: [3]int{blocks}, Args: []any{p}}))
			out := make([]byte, 4*blocks)
			if err := d.CopyOut(out, p); err != nil {
				t.Fatal(err)
			}
			for i := range blocks {
				want := uint32(unsetRegister)
				if i == 3 {
					want = 7
				}
				if got := binary.LittleEndian.Uint32(out[4*i:]); got != want {
					t.Errorf("%s: block %d has %#x, expected %#x", name, i, got, want)
				}
			}
		}
	}
}

func TestRegistersOfRealKernelsAreAllWrittenFirst(t *testing.T) {
	for _, name := range []string{"sgemm", "mma_gemm", "layer_norm", "softmax", "transpose"} {
		m := must[*Module](t)(NewDevice(Options{}).Load(name, kernelText(t, name)))
		if unset := must[*Kernel](t)(m.Kernel(name)).program.unset; len(unset) != 0 {
			t.Errorf("%s: rows %v may be read before they are written", name, unset)
		}
	}
}
