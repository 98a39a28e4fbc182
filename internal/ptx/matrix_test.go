package ptx

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

// The layouts of fragments below are written down once more from the PTX ISA's figures ("Matrix Fragments for mma.m16n8k16" and the
// like), element by element and unlike the emulator's code.

// fragmentA returns row and column of element i of lane in a [16, k].
func fragmentA(lane, i, k int, packed bool) (row, column int) {
	group, thread := lane>>2, lane%4
	if !packed { // m16n8k8 and m16n8k4 of .tf32
		return group + []int{0, 8, 0, 8}[i], thread + []int{0, 0, 4, 4}[i]
	}
	row = group
	if i >= 2 && i < 4 || i >= 6 {
		row += 8
	}
	column = thread*2 + i&1
	if i >= 4 {
		column += 8
	}
	return row, column
}

// fragmentB returns row and column of element i of lane in b [k, 8].
func fragmentB(lane, i, k int, packed bool) (row, column int) {
	group, thread := lane>>2, lane%4
	if !packed {
		return thread + 4*i, group
	}
	row = thread*2 + i&1
	if i >= 2 {
		row += 8
	}
	return row, group
}

// fragmentC returns row and column of element i of lane in c and d [16, 8].
func fragmentC(lane, i int) (row, column int) {
	row = lane >> 2
	if i >= 2 {
		row += 8
	}
	return row, lane%4*2 + i&1
}

func TestMmaMultipliesTheMatricesOfTheManualsLayout(t *testing.T) {
	for _, shape := range []struct {
		name   string
		typ    string
		k      int
		format *format
	}{
		{"m16n8k16", "bf16", 16, bfloat}, {"m16n8k16", "f16", 16, half}, {"m16n8k8", "bf16", 8, bfloat},
		{"m16n8k8", "f16", 8, half}, {"m16n8k8", "tf32", 8, tensor32}, {"m16n8k4", "tf32", 4, tensor32},
	} {
		t.Run(shape.name+"."+shape.typ, func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, uint64(shape.k)))
			k := shape.k
			number := func() float64 { return float64(r.IntN(33) - 16) } // exact in each format, and so are the sums
			var a, b, c [16][16]float64
			for i := range 16 {
				for j := range 16 {
					a[i][j], b[i][j], c[i][j] = number(), number(), number()
				}
			}
			packed := shape.typ != "tf32"
			perRegister := 1
			if packed {
				perRegister = 2
			}
			na, nb := 16*k/32/perRegister, 8*k/32/perRegister
			// The input holds the registers of a, b and c, lane by lane.
			var in []byte
			register := func(n int, at func(i int) float64) {
				for i := range n {
					word := uint32(shape.format.narrow(at(i*perRegister), nearest))
					if packed {
						word |= uint32(shape.format.narrow(at(i*2+1), nearest)) << 16
					}
					in = binary.LittleEndian.AppendUint32(in, word)
				}
			}
			for lane := range 32 {
				register(na, func(i int) float64 { y, x := fragmentA(lane, i, k, packed); return a[y][x] })
				register(nb, func(i int) float64 { y, x := fragmentB(lane, i, k, packed); return b[y][x] })
				for i := range 4 {
					y, x := fragmentC(lane, i)
					in = binary.LittleEndian.AppendUint32(in, math.Float32bits(float32(c[y][x])))
				}
			}
			n := na + nb + 4
			var s strings.Builder
			s.WriteString(header + ".entry k(.param .u64 out, .param .u64 in)\n{\n.reg .b32 %r<20>; .reg .b64 %rd<4>; .reg .f32 %f<8>;\n")
			fmt.Fprintf(&s, "mov.u32 %%r19, %%laneid;\nld.param.u64 %%rd1, [in]; mad.wide.u32 %%rd1, %%r19, %d, %%rd1;\n", 4*n)
			s.WriteString("ld.param.u64 %rd0, [out]; mad.wide.u32 %rd0, %r19, 16, %rd0;\n")
			for i := range na + nb {
				fmt.Fprintf(&s, "ld.global.u32 %%r%d, [%%rd1+%d];\n", i, 4*i)
			}
			for i := range 4 {
				fmt.Fprintf(&s, "ld.global.f32 %%f%d, [%%rd1+%d];\n", i, 4*(na+nb+i))
			}
			list := func(from, n int) string {
				var names []string
				for i := range n {
					names = append(names, fmt.Sprintf("%%r%d", from+i))
				}
				return "{" + strings.Join(names, ", ") + "}"
			}
			fmt.Fprintf(&s, "mma.sync.aligned.%s.row.col.f32.%s.%s.f32 {%%f4, %%f5, %%f6, %%f7}, %s, %s, {%%f0, %%f1, %%f2, %%f3};\n",
				shape.name, shape.typ, shape.typ, list(0, na), list(na, nb))
			s.WriteString("st.global.v4.f32 [%rd0], {%f4, %f5, %f6, %f7};\n}\n")
			out := launchText(t, s.String(), Launch{Block: [3]int{32}}, 32*16, in)
			for lane := range 32 {
				for i := range 4 {
					y, x := fragmentC(lane, i)
					want := c[y][x]
					for l := range k {
						want += a[y][l] * b[l][x]
					}
					got := math.Float32frombits(binary.LittleEndian.Uint32(out[16*lane+4*i:]))
					if float64(got) != want {
						t.Fatalf("d[%d][%d] is %g, and %g is right", y, x, got, want)
					}
				}
			}
		})
	}
}

func TestLdmatrixGivesEachLaneItsPartOfTheMatrices(t *testing.T) {
	// Half e of row i of matrix j holds 64j + 8i + e.
	const fill = `
.shared .align 16 .b8 tile[512];
mov.u32 %r2, tile; mad.lo.u32 %r3, %r0, 16, %r2;
shl.b32 %r4, %r0, 3; add.u32 %r5, %r4, 1; shl.b32 %r5, %r5, 16; or.b32 %r4, %r4, %r5;
st.shared.u32 [%r3], %r4; add.u32 %r4, %r4, 0x20002; st.shared.u32 [%r3+4], %r4; add.u32 %r4, %r4, 0x20002;
st.shared.u32 [%r3+8], %r4; add.u32 %r4, %r4, 0x20002; st.shared.u32 [%r3+12], %r4;
bar.warp.sync -1;
`
	straight := func(matrix int) func(lane int) uint32 {
		return func(lane int) uint32 {
			first := uint32(64*matrix + 8*(lane/4) + 2*(lane%4))
			return first | (first+1)<<16
		}
	}
	transposed := func(matrix int) func(lane int) uint32 {
		return func(lane int) uint32 {
			first := uint32(64*matrix + 8*(2*(lane%4)) + lane/4)
			return first | (first+8)<<16
		}
	}
	runSnippets(t, []snippetTest{
		{"x1", fill + "ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%r1}, [%r3];", 0, straight(0)},
		{"x2", fill + "ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%r5, %r1}, [%r3];", 0, straight(1)},
		{"x4", fill + "ldmatrix.sync.aligned.m8n8.x4.shared::cta.b16 {%r5, %r6, %r7, %r1}, [%r3];", 0, straight(3)},
		{"x4 transposed", fill + "ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%r5, %r6, %r1, %r7}, [%r3];", 0, transposed(2)},
	})
}
