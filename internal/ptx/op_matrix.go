package ptx

import "encoding/binary"

// Tensor cores: PTX ISA 8.8, sections 9.7.14.5 (mma.sync) and 9.7.14.5.15 (ldmatrix). Products are exact, and a sum is rounded once to
// float32 after each instruction; a tensor core keeps fewer bits in between.

// decodeLdmatrix decodes ldmatrix: 1, 2 or 4 matrices of 8x8 halves, row i of matrix j at the address of lane 8j+i. Each lane gets two
// neighbours of a row of each matrix, or of a column with .trans.
func decodeLdmatrix(r *reader) {
	r.must("sync")
	r.must("aligned")
	r.must("m8n8")
	n := map[string]int{"x1": 1, "x2": 2, "x4": 4}[r.must("x1 x2 x4")]
	transposed := r.has("trans")
	r.must("shared shared::cta")
	r.typ("b16")
	if !r.want(2) {
		return
	}
	list := r.statement.args[0].list
	if len(list) != n {
		r.fail("a list of %d registers expected", n)
		return
	}
	var to []int32
	for _, a := range list {
		to = append(to, r.target(a, b32, false))
	}
	r.place(1, shared)
	r.collectAll()
	r.touches(shared, n*4, 4)
	m := memory{space: shared, size: 16, how: reading}
	r.apply(func(w *warp, in *inst, _ uint32) {
		var halves [4][8][8]uint64
		row := func(lane int, bytes []byte) {
			for i := range 8 {
				halves[lane/8][lane%8][i] = uint64(binary.LittleEndian.Uint16(bytes[2*i:]))
			}
		}
		if givers := allLanes >> (lanes - 8*n); w.whole(m, &w.rows[in.a], in.offset, givers) {
			w.countWhole(m.size, givers)
			for lane := range 8 * n {
				row(lane, w.request.region.data[w.request.at[lane]:][:16])
			}
		} else {
			w.walk(m, &w.rows[in.a], in.offset, givers, row)
		}
		for j, row := range to {
			for lane := range lanes {
				y, x := lane/4, lane%4*2
				low, high := halves[j][y][x], halves[j][y][x+1]
				if transposed {
					low, high = halves[j][x][y], halves[j][x+1][y]
				}
				w.rows[row][lane] = low | high<<16
			}
		}
	})
}

// mmaShape is d [16, 8] = a [16, k] b [k, 8] + c [16, 8], and how a warp's registers hold the matrices (PTX ISA 9.7.14.5.8 and .7).
type mmaShape struct {
	k     int
	pack  int // numbers in a register of a and b
	input *format
}

// decodeMma decodes mma.sync with float32 sums: m16n8k16 and m16n8k8 of f16 and bf16, m16n8k8 and m16n8k4 of tf32.
func decodeMma(r *reader) {
	r.must("sync")
	r.must("aligned")
	size := r.must("m16n8k16 m16n8k8 m16n8k4")
	r.must("row")
	r.must("col")
	r.typ("f32")
	t := r.typ("f16 bf16 tf32")
	if r.typ("f16 bf16 tf32") != t {
		r.fail("a and b must have the same type")
	}
	r.typ("f32")
	s := mmaShape{k: map[string]int{"m16n8k16": 16, "m16n8k8": 8, "m16n8k4": 4}[size], pack: 2, input: formats[t]}
	if t == tf32 {
		s.pack = 1
	}
	if t == tf32 && s.k == 16 || t != tf32 && s.k == 4 {
		r.fail("%v has no %s", t, size)
	}
	if !r.want(4) {
		return
	}
	columns := s.k / (4 * s.pack) // that a lane holds a register of
	d, a := r.registers(0, 4, f32, true), r.registers(1, 2*columns, b32, false)
	b, c := r.registers(2, columns, b32, false), r.registers(3, 4, f32, false)
	if r.err != nil {
		return
	}
	r.collectAll()
	r.count(tensorWork, float64(2*16*8*s.k)/lanes)
	r.apply(func(w *warp, _ *inst, _ uint32) { s.multiply(w, d, a, b, c) })
}

// registers returns the rows of a list operand of n registers.
func (r *reader) registers(i, n int, t scalar, result bool) []int32 {
	list := r.statement.args[i].list
	if len(list) != n {
		r.fail("operand %d must be a list of %d registers", i, n)
		return nil
	}
	var rows []int32
	for _, a := range list {
		if result {
			rows = append(rows, r.target(a, t, false))
		} else {
			rows = append(rows, r.source(a, t, false))
		}
	}
	return rows
}

// multiply computes all of d.
func (s mmaShape) multiply(w *warp, d, a, b, c []int32) {
	var x [16][16]float64 // a [row][k]
	var y [16][8]float64  // b [k][column]
	var numbers [2][lanes]float64
	for j, at := range a {
		s.widen(&w.rows[at], &numbers)
		for lane := range lanes {
			row, k := lane/4+j%2*8, (j/2*4+lane%4)*s.pack
			for i := range s.pack {
				x[row%16][(k+i)%16] = numbers[i%2][lane]
			}
		}
	}
	for j, at := range b {
		s.widen(&w.rows[at], &numbers)
		for lane := range lanes {
			column, k := lane/4, (j*4+lane%4)*s.pack
			for i := range s.pack {
				y[(k+i)%16][column] = numbers[i%2][lane]
			}
		}
	}
	results := [4]row{w.rows[c[0]], w.rows[c[1]], w.rows[c[2]], w.rows[c[3]]}
	for i := range x {
		low, high, lane := &results[i/8*2], &results[i/8*2+1], i%8*4 // a row of d: two columns a lane, four lanes
		sum0, sum1 := float64(toFloat(low[lane])), float64(toFloat(high[lane]))
		sum2, sum3 := float64(toFloat(low[lane+1])), float64(toFloat(high[lane+1]))
		sum4, sum5 := float64(toFloat(low[lane+2])), float64(toFloat(high[lane+2]))
		sum6, sum7 := float64(toFloat(low[lane+3])), float64(toFloat(high[lane+3]))
		for k, v := range x[i][:s.k] {
			z := &y[k%16]
			sum0, sum1 = sum0+float64(v*z[0]), sum1+float64(v*z[1])
			sum2, sum3 = sum2+float64(v*z[2]), sum3+float64(v*z[3])
			sum4, sum5 = sum4+float64(v*z[4]), sum5+float64(v*z[5])
			sum6, sum7 = sum6+float64(v*z[6]), sum7+float64(v*z[7])
		}
		low[lane], high[lane] = float(float32(sum0)), float(float32(sum1))
		low[lane+1], high[lane+1] = float(float32(sum2)), float(float32(sum3))
		low[lane+2], high[lane+2] = float(float32(sum4)), float(float32(sum5))
		low[lane+3], high[lane+3] = float(float32(sum6)), float(float32(sum7))
	}
	for i := range d {
		w.rows[d[i]] = results[i]
	}
}

// widen gives the numbers that a register of all lanes holds: those in the lower halves, and those in the upper ones.
func (s mmaShape) widen(from *row, to *[2][lanes]float64) {
	switch {
	case s.pack == 1:
		for lane, bits := range from {
			to[0][lane] = s.input.widen(bits &^ (1<<s.input.unused - 1)) // the unused bits of tf32 are ignored
		}
	case s.input == bfloat:
		for lane, bits := range from {
			to[0][lane], to[1][lane] = float64(toFloat(bits<<16)), float64(toFloat(bits&0xffff0000))
		}
	default:
		for lane, bits := range from {
			to[0][lane], to[1][lane] = s.input.widen(bits&0xffff), s.input.widen(bits>>16)
		}
	}
}

func init() {
	define("ldmatrix", decodeLdmatrix)
	define("mma", decodeMma)
}
