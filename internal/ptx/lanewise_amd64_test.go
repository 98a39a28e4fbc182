//go:build !noasm

package ptx

import (
	"math/rand/v2"
	"testing"
)

func TestAssemblyGivesTheBitsOfGo(t *testing.T) {
	plain := map[string]rowFunc{"add": addFloats, "sub": subtractFloats, "mul": multiplyFloats, "fma": fuse}
	special := []uint64{0, 1 << 31, 0x7f800000, 0xff800000, 0x7fc00000, 0xffc00001, 0x7f800001, 1, 0x807fffff, 0x00800000, 0x7f7fffff}
	r := rand.New(rand.NewPCG(5, 6))
	for name, f := range floatRows {
		for range 2000 {
			var in [3]row
			for i := range in {
				for lane := range in[i] {
					in[i][lane] = operand(r, single)
					if r.IntN(8) == 0 {
						in[i][lane] = special[r.IntN(len(special))]
					}
				}
			}
			var want row
			plain[name](&want, &in[0], &in[1], &in[2])
			for aliased := range in { // the result may replace an operand
				rows := in
				d := &rows[aliased]
				f(d, &rows[0], &rows[1], &rows[2])
				if *d != want {
					t.Fatalf("%s of %#x gives %#x, and in Go %#x", name, in, *d, want)
				}
			}
		}
	}
}
