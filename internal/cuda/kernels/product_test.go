package kernels_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"trainer/internal/cuda/kernels"
	"trainer/internal/ptx"
	"trainer/internal/ref"
)

// transposed are the four products of a size.
func transposed(m, n, k int) []kernels.Product {
	var all []kernels.Product
	for _, transA := range []bool{false, true} {
		for _, transB := range []bool{false, true} {
			all = append(all, kernels.Product{M: m, N: n, K: k, TransA: transA, TransB: transB})
		}
	}
	return all
}

// products are less than a tile, whole tiles, more than one and ragged in every direction, along which vectors fit or not; K is less than
// a strip, whole strips, and more than fit into the ring, and ends in every quarter of a strip.
func products() []kernels.Product {
	var all []kernels.Product
	sizes := [][3]int{
		{1, 1, 1}, {3, 5, 7}, {64, 64, 16}, {128, 256, 32}, {68, 132, 20}, {12, 200, 34}, {131, 67, 37}, {65, 9, 163}, {21, 43, 61}, {19, 45, 57},
	}
	for _, size := range sizes {
		all = append(all, transposed(size[0], size[1], size[2])...)
	}
	return all
}

// epilogue is what a test asks of a product's epilogue.
type epilogue struct {
	function                       kernels.Function
	bias, addend, inPlace, keepPre bool
}

// epilogues use every operand, alone and with others.
var epilogues = []epilogue{
	{},
	{bias: true},
	{bias: true, addend: true, inPlace: true},
	{function: kernels.WithGELU, bias: true, keepPre: true},
	{function: kernels.WithGELU, addend: true},
	{function: kernels.WithGELU, keepPre: true},
	{function: kernels.WithGELU, bias: true, addend: true},
	{function: kernels.WithGELUGrad},
	{function: kernels.WithGELUGrad, bias: true, addend: true},
}

// testProduct makes a product in one tiling and about so many parts, from operands and to a result in the given types, and holds it to the
// reference.
func testProduct(t *testing.T, p kernels.Product, e epilogue, inBFloat16, outBFloat16 bool, tiling, parts int) {
	s := newSource(p.M*p.N + p.K)
	a, b, bias, addend, pre := s.normals(p.M*p.K), s.normals(p.K*p.N), s.normals(p.N), s.normals(p.M*p.N), s.normals(p.M*p.N)
	stored := func(bfloat16 bool, x []float32, rows, columns int) kernels.Floats {
		if bfloat16 {
			return kernels.Floats{At: inBF16(t, x, rows, columns), BF16: true}
		}
		return kernels.Floats{At: upload(t, x)}
	}
	sides := func(trans bool, rows, columns int) (int, int) {
		if trans {
			return columns, rows
		}
		return rows, columns
	}
	empty := func() kernels.Floats {
		if outBFloat16 {
			return kernels.Floats{At: room(t, p.M*kernels.PitchBF16(p.N), 2), BF16: true}
		}
		return kernels.Floats{At: roomForFloats(t, p.M*p.N)}
	}
	result := func(x kernels.Floats) []float32 {
		if x.BF16 {
			return downloadBF16(t, x.At, p.M, p.N)
		}
		return downloadFloats(t, x.At, p.M*p.N)
	}

	// The operands, and what they should give.
	rows, columns := sides(p.TransA, p.M, p.K)
	da := stored(inBFloat16, a, rows, columns).At
	rows, columns = sides(p.TransB, p.K, p.N)
	db := stored(inBFloat16, b, rows, columns).At
	c, asked := empty(), kernels.Epilogue{Function: e.function}
	if e.bias {
		asked.Bias = upload(t, bias)
	} else {
		bias = nil
	}
	sums, want := make([]float32, p.M*p.N), make([]float32, p.M*p.N)
	ref.MatMul(sums, a, b, bias, p.M, p.N, p.K, p.TransA, p.TransB)
	switch {
	case e.function == kernels.WithGELU:
		if e.keepPre {
			asked.Pre = empty()
		}
		ref.GELU(want, sums)
	case e.function == kernels.WithGELUGrad:
		asked.Pre = stored(outBFloat16, pre, p.M, p.N)
		ref.GELUGrad(want, pre, sums)
	default:
		copy(want, sums)
	}
	if e.addend {
		more := stored(outBFloat16, addend, p.M, p.N)
		asked.Addend = more.At
		if e.inPlace {
			c = more
		}
		ref.Add(want, want, addend)
	}

	scratch := roomForFloats(t, parts*p.M*p.N)
	if inBFloat16 {
		launch(t, kernels.MatMulBF16In(tiling, parts, c, da, db, scratch, p, asked)...)
	} else {
		launch(t, kernels.MatMulF32In(tiling, parts, c.At, da, db, scratch, p, asked)...)
	}
	// K roundings of 6e-8 of sums near √K, most of which cancel, and a few of GELU; of bfloat16 half a unit of 8 bits.
	within, size := 2e-6, 1+math.Sqrt(float64(p.K))
	if outBFloat16 {
		within, size = 1.0/256, 0.01
	}
	near(t, "c", result(c), want, within, size)
	if e.keepPre {
		near(t, "pre", result(asked.Pre), sums, within, size)
	}
	if outBFloat16 && p.N%8 != 0 {
		between := make([]byte, 2)
		if err := device.CopyOut(between, ptx.Address(c.At)+ptx.Address(2*p.N)); err == nil {
			t.Error("something was written behind the end of the first row")
		}
	}
}

// testLoops makes all products in a tiling, whose epilogues and numbers of parts take turns.
func testLoops(t *testing.T, inBFloat16, outBFloat16 bool, tiling int) {
	for i, p := range products() {
		e, parts := epilogues[(i+i/4)%len(epilogues)], 1+i%3
		subtest(t, func(t *testing.T) { testProduct(t, p, e, inBFloat16, outBFloat16, tiling, parts) }, fmt.Sprintf("%+v ", p), tiling)
	}
}

// testEpilogues makes small products in a tiling with every epilogue, along whose rows vectors fit or not.
func testEpilogues(t *testing.T, inBFloat16, outBFloat16 bool, tiling int) {
	for _, p := range slices.Concat(transposed(18, 36, 12), transposed(9, 35, 5)) {
		for i, e := range epilogues {
			subtest(t, func(t *testing.T) { testProduct(t, p, e, inBFloat16, outBFloat16, tiling, 1) }, fmt.Sprintf("%+v ", p), tiling, " ", i)
		}
	}
}

func TestMatMulF32InEveryTiling(t *testing.T) {
	for tiling := range kernels.TilingsF32 {
		testLoops(t, false, false, tiling)
		testEpilogues(t, false, false, tiling)
	}
}

func TestMatMulBF16InEveryTiling(t *testing.T) {
	for tiling := range kernels.TilingsBF16 {
		testLoops(t, true, tiling%2 == 0, tiling)
		testEpilogues(t, true, true, tiling)
		testEpilogues(t, true, false, tiling)
	}
}

// Blocks are numbered in patches of 8 tiles down, of which the last is lower.
func TestProductHigherThanAPatchOfTiles(t *testing.T) {
	for _, p := range slices.Concat(transposed(1090, 258, 3), transposed(1152, 256, 3)) { // tiles that are ragged, and whole
		for tiling := range kernels.TilingsF32 {
			subtest(t, func(t *testing.T) { testProduct(t, p, epilogue{}, false, false, tiling, 1) }, "f32 ", p, tiling)
		}
		for tiling := range kernels.TilingsBF16 {
			for _, outBF16 := range types {
				subtest(t, func(t *testing.T) { testProduct(t, p, epilogue{}, true, outBF16, tiling, 1) }, "bf16 ", p, tiling, outBF16)
			}
		}
	}
}

func TestSumOfPartsHasEveryEpilogue(t *testing.T) {
	for _, n := range []int{36, 35} {
		for i, e := range epilogues {
			for j, parts := range []int{3, 4, 5, 7, 8} { // of which 4 are added in one turn of the loop
				bfloat16 := (i+j)%2 == 0
				p := kernels.Product{M: 9, N: n, K: 32 * parts}
				subtest(t, func(t *testing.T) { testProduct(t, p, e, true, bfloat16, kernels.TilingsBF16-1, parts) }, n, " ", i, " ", parts)
			}
		}
	}
}

func TestProductsAreCutToFillAGPU(t *testing.T) {
	cases := []struct {
		p     kernels.Product
		bf16  string
		f32   string
		parts bool
	}{
		{kernels.Product{M: 8192, N: 3072, K: 768, TransB: true}, "matmul_bf16_nt_128x256", "matmul_f32_nt_128x128", false},
		{kernels.Product{M: 1024, N: 1024, K: 64}, "matmul_bf16_nn_64x64", "matmul_f32_nn_64x64", false},
		{kernels.Product{M: 768, N: 768, K: 32768, TransA: true}, "matmul_bf16_tn_128x256", "matmul_f32_tn_128x128", true},
		{kernels.Product{M: 64, N: 64, K: 32768, TransA: true}, "matmul_bf16_tn_64x64", "matmul_f32_tn_64x64", true},
	}
	for _, c := range cases {
		bf16 := kernels.MatMulBF16(kernels.Floats{At: 1}, 1, 1, 1, c.p, kernels.Epilogue{})
		f32 := kernels.MatMulF32(1, 1, 1, 1, c.p, kernels.Epilogue{})
		if bf16[0].Kernel != c.bf16 || f32[0].Kernel != c.f32 {
			t.Errorf("%+v: %s and %s, expected %s and %s", c.p, bf16[0].Kernel, f32[0].Kernel, c.bf16, c.f32)
		}
		for _, launches := range [][]kernels.Launch{bf16, f32} {
			if inParts := len(launches) == 2; inParts != c.parts {
				t.Errorf("%+v: %d launches on a grid of %v, in parts: %v expected", c.p, len(launches), launches[0].Grid, c.parts)
			}
		}
		if (kernels.MatMulBF16Scratch(c.p) > 0) != c.parts {
			t.Errorf("%+v: %d floats of scratch", c.p, kernels.MatMulBF16Scratch(c.p))
		}
	}
}

// measured is what a launch did.
func measured(t *testing.T, l kernels.Launch) *ptx.Counters {
	t.Helper()
	launch(t, l)
	return latest
}

// A block reads its strips once and writes its tile once, whole sectors at a time.
func TestProductsMoveNoMoreThanTheirTilesAndHaveNoBankConflicts(t *testing.T) {
	for _, p := range transposed(256, 256, 64) {
		for tiling := range kernels.TilingsBF16 {
			for _, toBF16 := range []bool{false, true} {
				subtest(t, func(t *testing.T) {
					s := newSource(1)
					a, b := inBF16(t, s.normals(256*64), 256, 64), inBF16(t, s.normals(256*64), 64, 256)
					c := kernels.Floats{At: upload(t, s.normals(256*256)), BF16: toBF16}
					l := kernels.MatMulBF16In(tiling, 1, c, a, b, 0, p, kernels.Epilogue{Addend: c.At})
					frugal(t, measured(t, l[0]), p, l[0], 2, map[bool]int{false: 4, true: 2}[toBF16])
				}, fmt.Sprintf("%+v ", p), tiling, toBF16)
			}
		}
		for tiling := range kernels.TilingsF32 {
			subtest(t, func(t *testing.T) {
				s := newSource(1)
				a, b, c := upload(t, s.normals(256*64)), upload(t, s.normals(256*64)), upload(t, s.normals(256*256))
				l := kernels.MatMulF32In(tiling, 1, c, a, b, 0, p, kernels.Epilogue{Addend: c})
				frugal(t, measured(t, l[0]), p, l[0], 4, 4)
			}, fmt.Sprintf("%+v ", p), "f32 ", tiling)
		}
	}
}

// Products of a few rows, which generation makes, read the weights once, whatever the height of the tiles.
func TestProductOfOneRowMovesLittleMoreThanTheWeights(t *testing.T) {
	p := kernels.Product{M: 1, N: 256, K: 512, TransB: true}
	s := newSource(1)
	a, b := inBF16(t, s.normals(p.K), 1, p.K), inBF16(t, s.normals(p.N*p.K), p.N, p.K)
	c, scratch := kernels.Floats{At: roomForFloats(t, p.N), BF16: true}, roomForFloats(t, kernels.MatMulBF16Scratch(p))
	sectors := uint64(0)
	for _, l := range kernels.MatMulBF16(c, a, b, scratch, p, kernels.Epilogue{}) {
		sectors += measured(t, l).Sectors()
	}
	if weights := uint64(p.N * p.K * 2 / 32); sectors > weights*115/100 {
		t.Errorf("%d sectors of global memory, and the weights have %d", sectors, weights)
	}
}

// frugal fails the test where a product with an addend, whose tiles are all whole, moved more than its blocks must: in and out are the bytes
// of an element of a and b, and of c.
func frugal(t *testing.T, c *ptx.Counters, p kernels.Product, l kernels.Launch, in, out int) {
	t.Helper()
	if waves, conflicts := c.BankConflicts(); waves == 0 || conflicts != 0 {
		t.Errorf("%d bank conflicts in %d wavefronts of shared memory", conflicts, waves)
	}
	var rows, columns int
	if _, err := fmt.Sscanf(l.Kernel[strings.LastIndex(l.Kernel, "_")+1:], "%dx%d", &rows, &columns); err != nil {
		t.Fatal(err)
	}
	const sector = 32
	least := float64(l.Grid[0]*(rows+columns)*p.K*in+2*p.M*p.N*out) / sector
	if got := c.Sectors(); float64(got) != least {
		t.Errorf("%d sectors of global memory, expected %.0f", got, least)
	}
}
