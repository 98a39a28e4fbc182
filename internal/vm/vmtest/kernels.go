package vmtest

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"trainer/internal/op"
	"trainer/internal/vm"
)

// unit is the relative error of one rounding to float32.
const unit = 1.0 / (1 << 24)

// smallest is the smallest normal float32: a kernel may give 0 for what is below.
const smallest = 0x1p-126

// kernelCase is a kernel with inputs, the results of the reference, and the largest error of each element.
type kernelCase struct {
	name   string
	kernel op.Kernel
	in     []*tensor.Dense
	want   [][]float64
	limit  [][]float64
	large  bool
}

// cases are the kernel cases. Each is computed once, since a test runs the suite for many backends.
var cases = sync.OnceValue(func() []kernelCase {
	c := &caseList{rng: rand.New(rand.NewPCG(3, 4))}
	c.products()
	c.elementwise()
	c.rows()
	c.lookups()
	c.attention()
	c.cachedAttention()
	c.crossEntropy()
	return c.cases
})

type caseList struct {
	rng   *rand.Rand
	cases []kernelCase
}

// floats returns standard normal numbers.
func (c *caseList) floats(shape ...int) *tensor.Dense {
	data := make([]float32, tensor.Shape(shape).TotalSize())
	for i := range data {
		data[i] = float32(c.rng.NormFloat64())
	}
	return dense(data, shape...)
}

// ids returns n numbers below limit, about one of five of them negative.
func (c *caseList) ids(n, limit int) *tensor.Dense {
	data := make([]int32, n)
	for i := range data {
		if data[i] = int32(c.rng.IntN(limit)); c.rng.IntN(5) == 0 {
			data[i] = -1 - int32(c.rng.IntN(3))
		}
	}
	return dense(data, n)
}

func dense[T float32 | int32](data []T, shape ...int) *tensor.Dense {
	return tensor.New(tensor.WithShape(shape...), tensor.WithBacking(data))
}

// reference computes the results of a kernel in float64, one slice for each of its parts.
func reference(k op.Kernel, in []*tensor.Dense) [][]float64 {
	values := make([]gorgonia.Value, len(in))
	shapes := make([]tensor.Shape, len(in))
	for i, v := range in {
		values[i], shapes[i] = double(v), v.Shape()
	}
	result, err := op.Op{Kernel: k}.Do(values...)
	if err != nil {
		panic(err)
	}
	data, ok := result.Data().([]float64)
	if !ok {
		data = []float64{result.Data().(float64)}
	}
	parts := op.Results(k, shapes)
	if parts == nil {
		return [][]float64{data}
	}
	var results [][]float64
	for _, p := range parts {
		results = append(results, data[p.Offset:p.Offset+p.Shape().TotalSize()])
	}
	return results
}

// double converts floats to float64.
func double(v *tensor.Dense) gorgonia.Value {
	if v.Dtype() != tensor.Float32 {
		return v
	}
	if v.Shape().IsScalar() {
		return gorgonia.NewF64(float64(v.ScalarValue().(float32)))
	}
	data := make([]float64, v.Shape().TotalSize())
	for i, x := range v.Float32s() {
		data[i] = float64(x)
	}
	return tensor.New(tensor.WithShape(v.Shape()...), tensor.WithBacking(data))
}

// single rounds a part of a reference, to be the input of another kernel.
func single(data []float64, shape ...int) *tensor.Dense {
	rounded := make([]float32, len(data))
	for i, x := range data {
		rounded[i] = float32(x)
	}
	return dense(rounded, shape...)
}

// exact adds a case whose results are copies.
func (c *caseList) exact(k op.Kernel, in ...*tensor.Dense) { c.relative(0, k, in...) }

// sum adds a case whose results are sums of at most the given number of products. Whatever the order, such a sum is off by no more than
// terms roundings of the sum of its absolute terms, which is the reference of the absolute inputs; one more rounding is the product's.
func (c *caseList) sum(terms int, k op.Kernel, in ...*tensor.Dense) {
	positive := make([]*tensor.Dense, len(in))
	for i, v := range in {
		positive[i] = v
		if v.Dtype() == tensor.Float32 {
			data := slices.Clone(v.Float32s())
			for j, x := range data {
				data[j] = float32(math.Abs(float64(x)))
			}
			positive[i] = dense(data, v.Shape()...)
		}
	}
	limit := reference(k, positive)
	for _, part := range limit {
		for i := range part {
			part[i] *= float64(terms+1) * unit
		}
	}
	c.add(limit, k, in...)
}

// relative adds a case whose error is up to the given number of roundings of the largest element of each result.
func (c *caseList) relative(roundings float64, k op.Kernel, in ...*tensor.Dense) {
	c.scaled(roundings, nil, k, in...)
}

// scaled adds a case whose error is up to the given number of roundings of a scale: the largest element of each result, or what is given
// for it where that is more, because the result is a small difference of large numbers.
func (c *caseList) scaled(roundings float64, scale []float64, k op.Kernel, in ...*tensor.Dense) {
	limit := reference(k, in)
	for i, part := range limit {
		largest := largestOf(part)
		if scale != nil {
			largest = max(largest, scale[i])
		}
		for j := range part {
			part[j] = roundings * (unit*largest + smallest)
		}
	}
	c.add(limit, k, in...)
}

func largestOf[F float32 | float64](data []F) (largest float64) {
	for _, x := range data {
		largest = max(largest, math.Abs(float64(x)))
	}
	return largest
}

func (c *caseList) add(limit [][]float64, k op.Kernel, in ...*tensor.Dense) {
	size := 0
	name := fmt.Sprintf("%T", k)
	if m, ok := k.(op.MatMul); ok {
		name = fmt.Sprintf("%T%v", k, m)
	}
	for _, v := range in {
		name += fmt.Sprint(v.Shape())
		size += v.Shape().TotalSize()
	}
	c.cases = append(c.cases, kernelCase{name: name, kernel: k, in: in, want: reference(k, in), limit: limit, large: size > 1<<16})
}

// Sizes are 1, primes, and numbers on both sides of the widths of vectors (8, 16) and of the tiles of products (14, 32, 64, 128, 256, 512).

func (c *caseList) products() {
	for _, size := range [][3]int{
		{1, 1, 1}, {1, 7, 5}, {3, 1, 7}, {5, 17, 1}, {13, 31, 16}, {14, 32, 64}, {15, 33, 65}, {28, 64, 3}, {29, 66, 129},
		{3, 5, 1031}, {17, 35, 515}, {2, 1027, 9}, {521, 3, 5}, {131, 259, 261},
	} {
		m, n, depth := size[0], size[1], size[2]
		for mask := range 8 {
			k := op.MatMul{TransA: mask&1 != 0, TransB: mask&2 != 0, Bias: mask&4 != 0}
			a, b := c.floats(m, depth), c.floats(depth, n)
			if k.TransA {
				a = c.floats(depth, m)
			}
			if k.TransB {
				b = c.floats(n, depth)
			}
			if k.Bias {
				c.sum(depth+1, k, a, b, c.floats(n))
			} else {
				c.sum(depth, k, a, b)
			}
		}
	}
}

func (c *caseList) elementwise() {
	for _, shape := range [][]int{{1, 1}, {1, 15}, {2, 8}, {3, 11}, {7, 19}, {64, 65}, {331, 257}} {
		c.sum(1, op.Add{}, c.floats(shape...), c.floats(shape...))
		// A tanh off by a few units in the last place, beside 1.
		x := c.floats(shape...)
		c.relative(16, op.GELU{}, x)
		c.relative(16, op.GELUGrad{}, x, c.floats(shape...))
		// Where tanh is ±1 and its exponential overflows or vanishes.
		wide := c.floats(shape...)
		for i := range wide.Float32s() {
			wide.Float32s()[i] *= 30
		}
		c.relative(16, op.GELU{}, wide)
		c.relative(16, op.GELUGrad{}, wide, c.floats(shape...))
	}
	for _, n := range []int{1, 2, 15, 16, 17, 67, 4099} {
		c.sum(1, op.Scale{}, c.floats(n), c.floats())
		c.sum(n, op.WeightedSum{}, c.floats(n), c.floats(n))
	}
}

func (c *caseList) rows() {
	for _, shape := range [][2]int{{1, 1}, {1, 2}, {3, 1}, {2, 7}, {5, 16}, {3, 17}, {37, 48}, {1, 769}, {67, 131}, {97, 773}} {
		rows, width := shape[0], shape[1]
		c.sum(rows, op.SumRows{}, c.floats(rows, width))
		// Mean and variance are sums over a row, which are off by about the root of its length.
		roundings := 16 + 4*math.Sqrt(float64(width))
		x, gamma := c.floats(rows, width), c.floats(width)
		for i := range x.Float32s() {
			x.Float32s()[i] += 2
		}
		c.relative(roundings, op.LayerNorm{Epsilon: 1e-2}, x, gamma, c.floats(width))
		// A row of one or two elements has almost no gradient: what is left is the rounding of terms of up to dy·gamma/√ε.
		dy, scale := c.floats(rows, width), []float64{0, 0, 0}
		if width <= 2 {
			scale[0] = largestOf(dy.Float32s()) * largestOf(gamma.Float32s()) / math.Sqrt(1e-2)
		}
		c.scaled(roundings+4*math.Sqrt(float64(rows)), scale, op.LayerNormGrad{Epsilon: 1e-2}, x, gamma, dy)

		centred := c.floats(rows, width) // what is the same in all columns is not taken out, and would be most of a row
		c.relative(roundings, op.RMSNorm{Epsilon: 1e-2}, centred, gamma)
		c.scaled(roundings+4*math.Sqrt(float64(rows)), []float64{scale[0], 0}, op.RMSNormGrad{Epsilon: 1e-2}, centred, gamma, dy)

		// A sigmoid off by a few units in the last place, beside 1; then where its exponential overflows or vanishes.
		for _, spread := range []float32{1, 30} {
			packed := c.floats(rows, 2*width)
			for i := range packed.Float32s() {
				packed.Float32s()[i] *= spread
			}
			c.relative(16, op.SwiGLU{}, packed)
			c.relative(16, op.SwiGLUGrad{}, packed, dy)
		}
	}
	for _, shape := range [][2]int{{1, 1}, {3, 2}, {2, 7}, {5, 16}, {3, 17}, {37, 48}, {1, 769}, {97, 773}} {
		numbers := make([]int32, shape[0])
		for i := range numbers {
			numbers[i] = int32(c.rng.Uint32())
		}
		for _, rate := range []float64{0, 0.1, 0.5} {
			// The scale is rounded once, and once the product.
			x := c.floats(shape[0], shape[1])
			c.relative(2, op.Dropout{Rate: rate, Salt: uint32(shape[1])}, x, dense([]int32{int32(shape[0]), -5}, 2), dense(numbers, shape[0]))
		}
	}
	for _, size := range [][3]int{{1, 1, 2}, {3, 2, 6}, {7, 3, 16}, {33, 2, 34}, {5, 4, 64}, {251, 2, 32}} {
		rows, heads, headDim := size[0], size[1], size[2]
		positions := make([]int32, rows)
		for i := range positions {
			positions[i] = int32(i * 5 % rows)
		}
		for _, inverse := range []bool{false, true} {
			// Sine and cosine are rounded once, and so is each of two products and their sum.
			for kvHeads := 1; kvHeads <= heads; kvHeads++ {
				c.relative(4, op.Rotary{Heads: heads, KVHeads: kvHeads, Context: rows, Base: 10000, Inverse: inverse},
					c.floats(rows, (heads+2*kvHeads)*headDim), dense(positions, rows))
			}
		}
	}
}

func (c *caseList) lookups() {
	for _, size := range [][3]int{{1, 1, 1}, {5, 3, 2}, {7, 11, 16}, {13, 40, 17}, {101, 67, 65}, {1009, 257, 96}} {
		table, n, width := size[0], size[1], size[2]
		c.exact(op.Gather{}, c.floats(table, width), c.ids(n, table))
		// At worst all rows are added to one.
		c.sum(n, op.ScatterAdd{Rows: table}, c.floats(n, width), c.ids(n, table))
	}
	none := dense([]int32{-1, -1, -1}, 3)
	c.exact(op.Gather{}, c.floats(4, 5), none)
	c.exact(op.ScatterAdd{Rows: 4}, c.floats(3, 5), none)
}

func (c *caseList) attention() {
	type sequences struct {
		lengths []int
		padding int
	}
	for _, head := range []struct{ queries, keys, dim int }{
		{1, 1, 1}, {2, 2, 3}, {3, 3, 8}, {1, 1, 16}, {3, 3, 20}, {2, 2, 64}, {1, 1, 128}, // as many keys as queries
		{2, 1, 3}, {4, 2, 8}, {6, 2, 16}, {4, 1, 64}, {2, 1, 128}, // heads that share them
	} {
		for _, s := range []sequences{
			{[]int{1}, 0}, {[]int{2, 3}, 0}, {nil, 3}, {[]int{0}, 2}, {[]int{5, 0, 0, 3}, 4}, {[]int{0, 17, 1, 16, 31, 33}, 1},
			{[]int{131}, 0}, {[]int{257, 70}, 9},
		} {
			offsets := []int32{0}
			context := 1
			for _, n := range s.lengths {
				offsets = append(offsets, offsets[len(offsets)-1]+int32(n))
				context = max(context, n)
			}
			rows, width := int(offsets[len(offsets)-1])+s.padding, head.queries*head.dim
			k := op.Attention{Heads: head.queries, KVHeads: head.keys, Context: context}
			qkv, o := c.floats(rows, width+2*head.keys*head.dim), dense(offsets, len(offsets))
			// A score is a sum of dim products, and its error becomes a relative error of the weight.
			roundings := 32 + 8*math.Sqrt(float64(head.dim))
			c.scaled(roundings, []float64{0, 1}, k, qkv, o)
			saved := reference(k, []*tensor.Dense{qkv, o})
			c.relative(2*roundings, op.AttentionGrad(k), qkv, single(saved[0], rows, width), single(saved[1], head.queries*rows),
				c.floats(rows, width), o)
		}
	}
}

// cachedAttention has sequences that begin, that go on by one token or by many, and that have no new token in this batch; places between
// them belong to nobody and hold NaN.
func (c *caseList) cachedAttention() {
	type sequence struct{ before, rows int }
	for _, head := range []struct{ queries, keys, dim int }{
		{1, 1, 1}, {2, 2, 3}, {3, 3, 8}, {2, 2, 20}, {2, 2, 64}, {1, 1, 128}, {2, 1, 3}, {4, 2, 8}, {6, 2, 16}, {4, 1, 64},
	} {
		for _, s := range []struct {
			sequences []sequence
			padding   int
		}{
			{[]sequence{{0, 1}}, 0}, {[]sequence{{4, 1}}, 0}, {[]sequence{{3, 1}, {0, 2}}, 0}, {[]sequence{{0, 0}}, 2},
			{[]sequence{{16, 1}, {1, 1}, {30, 1}, {0, 0}, {15, 1}}, 3}, {[]sequence{{5, 9}, {16, 17}, {0, 33}, {7, 0}, {2, 1}}, 1},
			{[]sequence{{130, 1}, {257, 1}}, 0}, {[]sequence{{101, 70}, {0, 131}, {200, 1}}, 9},
		} {
			offsets, places, context := []int32{0}, 2, 1
			starts, lengths := []int32{}, []int32{}
			for _, q := range s.sequences {
				offsets = append(offsets, offsets[len(offsets)-1]+int32(q.rows))
				starts, lengths = append(starts, int32(places)), append(lengths, int32(q.before+q.rows))
				places += q.before + q.rows + 3
				context = max(context, q.before+q.rows)
			}
			rows := int(offsets[len(offsets)-1]) + s.padding
			cache := c.floats(2*head.keys*places, head.dim)
			for row := range 2 * head.keys * places {
				if place := int32(row % places); !covered(starts, lengths, place) {
					for i := range head.dim {
						cache.Float32s()[row*head.dim+i] = float32(math.NaN())
					}
				}
			}
			k := op.CachedAttention{Heads: head.queries, KVHeads: head.keys, Context: context}
			c.relative(32+8*math.Sqrt(float64(head.dim)), k, c.floats(rows, (head.queries+2*head.keys)*head.dim), cache,
				dense(offsets, len(offsets)), dense(starts, len(starts)), dense(lengths, len(lengths)))
		}
	}
}

// covered says that a place is one of those that begin at starts.
func covered(starts, lengths []int32, place int32) bool {
	for s, start := range starts {
		if start <= place && place < start+lengths[s] {
			return true
		}
	}
	return false
}

func (c *caseList) crossEntropy() {
	for _, size := range [][2]int{{1, 1}, {1, 2}, {3, 7}, {7, 15}, {5, 16}, {11, 17}, {40, 50}, {3, 1031}, {67, 1031}} {
		rows, vocab := size[0], size[1]
		for _, spread := range []float32{1, 40} {
			logits, targets := c.floats(rows, vocab), c.ids(rows, vocab)
			for i := range logits.Float32s() {
				logits.Float32s()[i] *= spread
			}
			// The last row has its target twice as the likeliest: only the first of equals is a hit.
			last := logits.Float32s()[(rows-1)*vocab:]
			last[vocab/2], last[vocab-1] = 3*spread, 3*spread
			targets.Int32s()[rows-1] = int32(vocab / 2)
			// The loss is a difference of logits, and the gradient a difference of probabilities; a hit is one or it is not.
			size := 1 + largestOf(logits.Float32s())
			c.scaled(16, []float64{size, size, 0}, op.CrossEntropy{}, logits, targets)
			saved := reference(op.CrossEntropy{}, []*tensor.Dense{logits, targets})
			dnll := c.floats(rows)
			c.scaled(32, []float64{largestOf(dnll.Float32s())}, op.CrossEntropyGrad{}, logits, single(saved[1], rows), dnll, targets)
		}
	}
}

// kernels compares each kernel with the reference: by itself, with only its first result asked for, and in place.
func (s suite) kernels(t *testing.T) {
	b := s.backend(t)
	for _, c := range cases() {
		if c.large && !s.large {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			w := vm.NewWorkspace(b)
			results := len(c.want)
			c.check(t, w, results, -1)
			if results > 1 {
				c.check(t, w, 1, -1)
			}
			for _, i := range op.Overwrites(c.kernel) {
				c.check(t, w, 1, i)
			}
		})
	}
}

// check runs the kernel and compares its first results with the reference. With overwritten ≥ 0 it runs in place of that input.
func (c *kernelCase) check(t *testing.T, w *vm.Workspace, results, overwritten int) {
	t.Helper()
	g := gorgonia.NewGraph()
	in := make(gorgonia.Nodes, len(c.in))
	feed := make(map[*gorgonia.Node]*tensor.Dense)
	for i, v := range c.in {
		in[i] = input(g, v, fmt.Sprint("input ", i))
		feed[in[i]] = v
	}
	operands := slices.Clone(in)
	if overwritten >= 0 {
		operands[overwritten] = copyOf(t, in[overwritten], "before", feed)
	}
	result := apply(t, c.kernel, operands...)
	out := gorgonia.Nodes{result}
	if len(c.want) > 1 {
		out = nil
		var shapes []tensor.Shape
		for _, n := range in {
			shapes = append(shapes, n.Shape())
		}
		for _, part := range op.Results(c.kernel, shapes)[:results] {
			out = append(out, apply(t, part, result))
		}
	}
	if overwritten >= 0 {
		out[0] = copyOf(t, result, "behind", feed)
	}
	m := compile(t, w, out...)
	if p := m.Program(); overwritten >= 0 {
		from, to := p.Index(operands[overwritten]), p.Index(result)
		if p.Values[from].Place != vm.Arena || p.Values[to].Place != vm.Arena || m.Plan().Offset[from] != m.Plan().Offset[to] {
			t.Fatalf("the result is not in the place of input %d:\n%v", overwritten, p)
		}
	}
	for n, v := range feed {
		write(t, m, n, v)
	}
	poison(t, m)
	run(t, m)
	for i, n := range out {
		compare(t, fmt.Sprintf("result %d", i), read(t, m, n), c.want[i], c.limit[i])
	}
}

// poison fills the memory of all results with NaN: a kernel must write every element, whatever was there.
func poison(t *testing.T, m *vm.VM) {
	t.Helper()
	for i, v := range m.Program().Values {
		if v.Place != vm.Arena && v.Place != vm.Output {
			continue
		}
		nans := bytes.Repeat([]byte{0xff}, v.Size()) // a NaN in every type
		if err := m.Value(i).Write(nans); err != nil {
			t.Fatal(err)
		}
	}
}

func compare(t *testing.T, what string, got []float32, want, limit []float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s has %d elements, expected %d", what, len(got), len(want))
		return
	}
	for i, w := range want {
		if e := math.Abs(float64(got[i]) - w); !(e <= limit[i]) {
			t.Errorf("%s: element %d is %v, expected %v: off by %.3g, allowed %.3g", what, i, got[i], w, e, limit[i])
			return
		}
	}
}

// input adds a node for a value that is written before a run.
func input(g *gorgonia.ExprGraph, v *tensor.Dense, name string) *gorgonia.Node {
	if v.Shape().IsScalar() {
		return gorgonia.NewScalar(g, v.Dtype(), gorgonia.WithName(name))
	}
	return gorgonia.NewTensor(g, v.Dtype(), v.Dims(), gorgonia.WithShape(v.Shape()...), gorgonia.WithName(name))
}

// copyOf adds a kernel that copies a matrix or vector exactly, and that no backend puts together with another: it looks up all rows or
// multiplies by 1.
func copyOf(t *testing.T, n *gorgonia.Node, name string, feed map[*gorgonia.Node]*tensor.Dense) *gorgonia.Node {
	t.Helper()
	var k op.Kernel = op.Scale{}
	neutral := dense([]float32{1})
	if n.Dims() == 2 {
		rows := make([]int32, n.Shape()[0])
		for i := range rows {
			rows[i] = int32(i)
		}
		k, neutral = op.Gather{}, dense(rows, len(rows))
	}
	other := input(n.Graph(), neutral, name)
	feed[other] = neutral
	return apply(t, k, n, other)
}

func apply(t *testing.T, k op.Kernel, in ...*gorgonia.Node) *gorgonia.Node {
	t.Helper()
	n, err := op.Apply(k, in...)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// write writes the value of an input.
func write(t *testing.T, m *vm.VM, n *gorgonia.Node, v *tensor.Dense) {
	t.Helper()
	var data []byte
	if v.Dtype() == tensor.Int32 {
		data = vm.Bytes(v.Int32s())
	} else {
		data = vm.Bytes(v.Float32s())
	}
	if err := m.Memory(n).Write(data); err != nil {
		t.Fatalf("%v: %v", n, err)
	}
}
