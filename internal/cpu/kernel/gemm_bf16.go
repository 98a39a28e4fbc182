package kernel

import "math"

// Products with operands in bfloat16, float32 without the lower 16 bits of the significand, as the processor's VDPBF16PS takes them: a
// word of each operand holds two neighbours along k, and a multiply-add takes both. Matrices are float32 in memory; they are rounded when
// a block is packed, so every block is packed. Sums are float32, and so is all that is not a product.
//
// Words are kept in slices of float32, whose values mean nothing: half of the depth of float32 is the only difference to the walk over
// blocks.

// gemmTilingBF16Of returns the tiling for AVX512-BF16, or for its twin in plain Go, which is as slow as it is plain. Words of two bfloat16
// take the registers that the floats of gemmTilingAVX512 do; blocks take as much memory and are twice as deep.
func gemmTilingBF16Of(isa gemmISA) gemmTiling {
	return gemmTiling{isa: isa, rows: 14, cols: gemmPanel, m: 14 * 20, n: 1024, k: 512, bf16: true}
}

// gemmPanel is the number of words in a row of a packed panel of B.
const gemmPanel = 32

var gemmTilingBF16Go = gemmTilingBF16Of(gemmISAGoBF16)

func gemmBF16Go(g *Gemm, scratch []float32) { gemmTilingBF16Go.run(g, scratch) }

func gemmScratchBF16Go(m, n, k int) int { return gemmTilingBF16Go.scratch(m, n, k) }

// depth is the number of words in which k elements are packed.
func (t *gemmTiling) depth(k int) int {
	if t.bf16 {
		return ceilDiv(k, 2)
	}
	return k
}

// gemmStrip is the number of rows of a transposed B that are rounded at a time, before they are transposed.
const gemmStrip = 16

// strip returns the room for them, which is that of the packed A: B is packed before.
func (t *gemmTiling) strip(depth int) int {
	if t.bf16 {
		return gemmStrip * oddLines(depth)
	}
	return 0
}

// packBF16A packs the block [m, k] of op(A) at row i and column p, and returns it as blockA does.
func (t *gemmTiling) packBF16A(dst []float32, g *Gemm, i, p, m, k int) (a []float32, row, col int) {
	if g.TransA {
		row = oddLines(m)
		for q := 0; q < k; q += 2 {
			first, second := neighbours(g.A[min((p+q)*g.StrideA+i, len(g.A)):], g.StrideA, m, q+1 < k)
			t.isa.pair(dst[q/2*row:], gemmPanel, first, second)
		}
		return dst, 1, row
	}
	row = oddLines(t.depth(k))
	for q := range m {
		t.isa.round(dst[q*row:], g.A[min((i+q)*g.StrideA+p, len(g.A)):][:k])
	}
	return dst, row, 1
}

// packBF16B packs the block [k, n] of op(B) at row p and column j as packB does. strip is scratch.
func (t *gemmTiling) packBF16B(dst, strip []float32, g *Gemm, p, j, k, n int) {
	depth := t.depth(k)
	if !g.TransB {
		for q := 0; q < k; q += 2 {
			first, second := neighbours(g.B[min((p+q)*g.StrideB+j, len(g.B)):], g.StrideB, n, q+1 < k)
			t.isa.pair(dst[q/2*t.cols:], depth*t.cols, first, second)
		}
		return
	}
	row := oddLines(depth)
	for jj := 0; jj < n; jj += t.cols {
		for s := jj; s < min(n, jj+t.cols); s += gemmStrip {
			rows := min(gemmStrip, n-s, jj+t.cols-s)
			for r := range rows {
				t.isa.round(strip[r*row:], g.B[min((j+s+r)*g.StrideB+p, len(g.B)):][:k])
			}
			t.isa.transpose(dst[jj*depth+s-jj:], t.cols, strip, row, rows, depth)
		}
	}
}

// neighbours returns two rows of n elements that are stride apart, the second nil where it is not wanted.
func neighbours(x []float32, stride, n int, both bool) (first, second []float32) {
	if both {
		second = x[stride:][:n]
	}
	return x[:n], second
}

// gemmRoundGo stores in dst the words of src: two neighbours, with zero beside an odd last one.
func gemmRoundGo(dst, src []float32) {
	for i := range len(src) / 2 {
		dst[i] = word(src[2*i], src[2*i+1])
	}
	if n := len(src); n%2 == 1 {
		dst[n/2] = word(src[n-1], 0)
	}
}

// gemmPairGo stores in dst the words of two rows, the second of zeros where it is nil: gemmPanel words, the next ones dstPanel behind
// where these begin, and so on.
func gemmPairGo(dst []float32, dstPanel int, first, second []float32) {
	for j, x := range first {
		var y float32
		if second != nil {
			y = second[j]
		}
		dst[j/gemmPanel*dstPanel+j%gemmPanel] = word(x, y)
	}
}

// word puts two numbers into a word, rounded to bfloat16.
func word(low, high float32) float32 {
	return math.Float32frombits(uint32(toBF16(low)) | uint32(toBF16(high))<<16)
}

// toBF16 rounds to the nearest bfloat16, ties to even. NaN stays NaN; what is too small for a normal number is 0, as the processor has it.
func toBF16(x float32) uint16 {
	bits := math.Float32bits(x)
	switch {
	case x != x:
		return uint16(bits>>16) | 1<<6
	case bits>>23&0xff == 0:
		return uint16(bits>>16) & (1 << 15)
	}
	return uint16((bits + 0x7fff + bits>>16&1) >> 16)
}

// gemmTilesBF16Go is the tile kernel in plain Go. A product of two bfloat16 is exact in float32; the sum is rounded after each, the one
// of the upper halves first. Results below the normal numbers, which VDPBF16PS makes 0, stay what they are.
func gemmTilesBF16Go(w *gemmTiles) {
	for i := range w.count * w.rows {
		for j := range w.cols {
			var sum float32
			for p := range w.k {
				a, b := math.Float32bits(w.a[i*w.aRow+p*w.aK]), math.Float32bits(w.b[p*w.bRow+j])
				sum += upper(a) * upper(b)
				sum += lower(a) * lower(b)
			}
			w.finish(&w.c[i*w.cRow+j], sum, j)
		}
	}
}

// upper and lower are the halves of a word as float32.
func upper(word uint32) float32 { return math.Float32frombits(word &^ 0xffff) }
func lower(word uint32) float32 { return math.Float32frombits(word << 16) }
