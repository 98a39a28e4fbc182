//go:build !noasm

package kernel

import (
	"fmt"
	"math"
	"unsafe"

	"trainer/internal/ref"
)

// elementwise is the assembly of one instruction set that works on elements and on rows; the comments of the functions are in
// elementwise_stubs_amd64.go. Its methods make kernels of a Set from it: they check lengths, since assembly does not, and do
// the little that Go does as well.
type elementwise struct {
	add           func(dst, a, b *float32, n int)
	scale         func(dst, x *float32, n int, s float32)
	dot           func(x, y *float32, n int) float32
	sumRows       func(dst, x *float32, rows, c int)
	gelu          func(dst, x *float32, n int)
	geluGrad      func(dst, x, dy *float32, n int)
	layerNorm     func(dst, x, gamma, beta *float32, rows, c int, epsilon, inverse float32)
	layerNormGrad func(dx, dgamma, dbeta, x, gamma, dy *float32, rows, c int, epsilon, inverse float32)
	rmsNorm       func(dst, x, gamma *float32, rows, c int, epsilon, inverse float32)
	rmsNormGrad   func(dx, dgamma, x, gamma, dy *float32, rows, c int, epsilon, inverse float32)
	swiGLU        func(dst, gate, up *float32, n int)
	swiGLUGrad    func(dgate, dup, gate, up, dy *float32, n int)
	dropout       func(dst, x *float32, n int, first, second, threshold uint32, scale float32)
	rotary        func(dst, x, cos, sin *float32, heads, half int, direction float32)
	maximum       func(x *float32, n int) float32
	sumExp        func(x *float32, n int, shift float32) float32
	scaledExp     func(dst, x *float32, n int, shift, scale float32)
	adamW         func(p, m, v, grad *float32, n int, gradScale, beta1, rest1, beta2, rest2, rootScale, epsilon, decay, step float32)
	sgd           func(p, grad *float32, n int, lr float32)
}

var elementwiseAVX512 = elementwise{
	add: addAVX512, scale: scaleAVX512, dot: dotAVX512, sumRows: sumRowsAVX512, gelu: geluAVX512, geluGrad: geluGradAVX512,
	layerNorm: layerNormAVX512, layerNormGrad: layerNormGradAVX512, rmsNorm: rmsNormAVX512, rmsNormGrad: rmsNormGradAVX512,
	swiGLU: swiGLUAVX512, swiGLUGrad: swiGLUGradAVX512, dropout: dropoutAVX512, rotary: rotaryAVX512,
	maximum: maximumAVX512, sumExp: sumExpAVX512, scaledExp: scaledExpAVX512, adamW: adamWAVX512, sgd: sgdAVX512,
}

var elementwiseAVX2 = elementwise{
	add: addAVX2, scale: scaleAVX2, dot: dotAVX2, sumRows: sumRowsAVX2, gelu: geluAVX2, geluGrad: geluGradAVX2,
	layerNorm: layerNormAVX2, layerNormGrad: layerNormGradAVX2, rmsNorm: rmsNormAVX2, rmsNormGrad: rmsNormGradAVX2,
	swiGLU: swiGLUAVX2, swiGLUGrad: swiGLUGradAVX2, dropout: dropoutAVX2, rotary: rotaryAVX2,
	maximum: maximumAVX2, sumExp: sumExpAVX2, scaledExp: scaledExpAVX2, adamW: adamWAVX2, sgd: sgdAVX2,
}

// fill puts the kernels into s. Gather stays as it is: it only copies.
func (e *elementwise) fill(s *Set) {
	s.Add, s.Scale, s.Dot, s.SumSquares, s.SumRows, s.ScatterAdd = e.Add, e.Scale, e.Dot, e.SumSquares, e.SumRows, e.ScatterAdd
	s.GELU, s.GELUGrad = e.GELU, e.GELUGrad
	s.SwiGLU, s.SwiGLUGrad = e.SwiGLU, e.SwiGLUGrad
	s.LayerNorm, s.LayerNormGrad = e.LayerNorm, e.LayerNormGrad
	s.RMSNorm, s.RMSNormGrad = e.RMSNorm, e.RMSNormGrad
	s.Dropout, s.Rotary = e.Dropout, e.Rotary
	s.CrossEntropy, s.CrossEntropyGrad = e.CrossEntropy, e.CrossEntropyGrad
	s.AdamW, s.SGD = e.AdamW, e.SGD
}

// at is the address that assembly takes; with no elements it is not followed.
func at(x []float32) *float32 { return unsafe.SliceData(x) }

// match panics unless every slice has want elements.
func match(kernel string, want int, slices ...[]float32) {
	for i, s := range slices {
		if len(s) != want {
			panic(fmt.Sprintf("kernel: %s: slice %d of %d has %d elements, expected %d", kernel, i, len(slices), len(s), want))
		}
	}
}

func (e *elementwise) Add(dst, a, b []float32) {
	match("Add", len(dst), a, b)
	e.add(at(dst), at(a), at(b), len(dst))
}

func (e *elementwise) Scale(dst, x []float32, s float32) {
	match("Scale", len(dst), x)
	e.scale(at(dst), at(x), len(dst), s)
}

func (e *elementwise) Dot(x, y []float32) float32 {
	match("Dot", len(x), y)
	return float32(e.sumProducts(x, y))
}

func (e *elementwise) SumSquares(x []float32) float64 { return e.sumProducts(x, x) }

// sumProducts returns Σ x·y. Partial sums of 4096 elements are float32 in up to 64 lanes, so at most 64 terms meet in one.
func (e *elementwise) sumProducts(x, y []float32) (sum float64) {
	const part = 4096
	for len(x) > part {
		sum += float64(e.dot(at(x), at(y), part))
		x, y = x[part:], y[part:]
	}
	return sum + float64(e.dot(at(x), at(y), len(x)))
}

func (e *elementwise) SumRows(dst, x []float32, rows, c int) {
	match("SumRows", c, dst)
	match("SumRows of x", rows*c, x)
	e.sumRows(at(dst), at(x), rows, c)
}

func (e *elementwise) ScatterAdd(dst, dy []float32, ids []int32, c int) {
	match("ScatterAdd", len(ids)*c, dy)
	for i, id := range ids {
		if id >= 0 {
			row := dst[int(id)*c : (int(id)+1)*c]
			e.add(at(row), at(row), at(dy[i*c:]), c)
		}
	}
}

func (e *elementwise) GELU(dst, x []float32) {
	match("GELU", len(dst), x)
	e.gelu(at(dst), at(x), len(dst))
}

func (e *elementwise) GELUGrad(dst, x, dy []float32) {
	match("GELUGrad", len(dst), x, dy)
	e.geluGrad(at(dst), at(x), at(dy), len(dst))
}

func (e *elementwise) LayerNorm(dst, x, gamma, beta []float32, rows, c int, eps float32) {
	match("LayerNorm", rows*c, dst, x)
	match("LayerNorm of gamma and beta", c, gamma, beta)
	e.layerNorm(at(dst), at(x), at(gamma), at(beta), rows, c, eps, 1/float32(c))
}

func (e *elementwise) LayerNormGrad(dx, dgamma, dbeta, x, gamma, dy []float32, rows, c int, eps float32) {
	match("LayerNormGrad", rows*c, dx, x, dy)
	match("LayerNormGrad of dgamma, dbeta and gamma", c, dgamma, dbeta, gamma)
	e.layerNormGrad(at(dx), at(dgamma), at(dbeta), at(x), at(gamma), at(dy), rows, c, eps, 1/float32(c))
}

func (e *elementwise) RMSNorm(dst, x, gamma []float32, rows, c int, eps float32) {
	match("RMSNorm", rows*c, dst, x)
	match("RMSNorm of gamma", c, gamma)
	e.rmsNorm(at(dst), at(x), at(gamma), rows, c, eps, 1/float32(c))
}

func (e *elementwise) RMSNormGrad(dx, dgamma, x, gamma, dy []float32, rows, c int, eps float32) {
	match("RMSNormGrad", rows*c, dx, x, dy)
	match("RMSNormGrad of dgamma and gamma", c, dgamma, gamma)
	e.rmsNormGrad(at(dx), at(dgamma), at(x), at(gamma), at(dy), rows, c, eps, 1/float32(c))
}

func (e *elementwise) SwiGLU(dst, x []float32, rows, hidden int) {
	match("SwiGLU", rows*hidden, dst)
	match("SwiGLU of x", 2*rows*hidden, x)
	for i := range rows {
		gate, up := x[2*i*hidden:], x[(2*i+1)*hidden:]
		e.swiGLU(at(dst[i*hidden:]), at(gate), at(up), hidden)
	}
}

func (e *elementwise) SwiGLUGrad(dx, x, dy []float32, rows, hidden int) {
	match("SwiGLUGrad of dy", rows*hidden, dy)
	match("SwiGLUGrad", 2*rows*hidden, dx, x)
	for i := range rows {
		gate, up := 2*i*hidden, (2*i+1)*hidden
		e.swiGLUGrad(at(dx[gate:]), at(dx[up:]), at(x[gate:]), at(x[up:]), at(dy[i*hidden:]), hidden)
	}
}

func (e *elementwise) Dropout(dst, x []float32, key, rows []int32, c int, salt uint32, rate float64) {
	match("Dropout", len(rows)*c, dst, x)
	threshold, scale := ref.DropoutThreshold(rate), ref.DropoutScale(rate)
	for i, number := range rows {
		row := ref.NewDropoutRow(key, salt, number)
		e.dropout(at(dst[i*c:]), at(x[i*c:]), c, row.First, row.Second, threshold, scale)
	}
}

func (e *elementwise) Rotary(dst, x, cos, sin []float32, positions []int32, width, heads, headDim int, inverse bool) {
	match("Rotary", len(positions)*width, dst, x)
	if headDim%2 != 0 || heads*headDim > width {
		panic(fmt.Sprintf("kernel: Rotary: %d heads of %d columns, expected an even number that fits in %d", heads, headDim, width))
	}
	half, turned := headDim/2, heads*headDim
	direction := float32(1)
	if inverse {
		direction = -1
	}
	for r, position := range positions {
		in, out := x[r*width:(r+1)*width], dst[r*width:(r+1)*width]
		cosRow, sinRow := cos[int(position)*half:][:half], sin[int(position)*half:][:half]
		e.rotary(at(out), at(in), at(cosRow), at(sinRow), heads, half, direction)
		copy(out[turned:], in[turned:])
	}
}

func (e *elementwise) CrossEntropy(nll, lse, hit, logits []float32, targets []int32, vocab int) {
	match("CrossEntropy", len(targets), nll, lse, hit)
	match("CrossEntropy of logits", len(targets)*vocab, logits)
	for i, target := range targets {
		row := logits[i*vocab : (i+1)*vocab]
		largest := e.maximum(at(row), vocab)
		logSum := float64(largest) + math.Log(float64(e.sumExp(at(row), vocab, largest)))
		nll[i], lse[i], hit[i] = 0, float32(logSum), 0
		if target >= 0 {
			nll[i] = float32(logSum - float64(row[target]))
			if row[target] == largest && (target == 0 || e.maximum(at(row), int(target)) < largest) { // the first of equals
				hit[i] = 1
			}
		}
	}
}

func (e *elementwise) CrossEntropyGrad(dlogits, logits, lse, dnll []float32, targets []int32, vocab int) {
	match("CrossEntropyGrad", len(targets), lse, dnll)
	match("CrossEntropyGrad of logits", len(targets)*vocab, dlogits, logits)
	for i, target := range targets {
		row, out := logits[i*vocab:(i+1)*vocab], dlogits[i*vocab:(i+1)*vocab]
		if target < 0 {
			clear(out)
			continue
		}
		e.scaledExp(at(out), at(row), vocab, lse[i], dnll[i])
		out[target] -= dnll[i]
	}
}

func (e *elementwise) AdamW(a *ref.AdamW, p, m, v, g []float32) {
	match("AdamW", len(p), m, v, g)
	lr, beta1, beta2 := float64(a.LearningRate), float64(a.Beta1), float64(a.Beta2)
	e.adamW(at(p), at(m), at(v), at(g), len(p), a.GradScale, a.Beta1, float32(1-beta1), a.Beta2, float32(1-beta2),
		float32(1/math.Sqrt(float64(a.Correction2))), a.Epsilon, float32(lr*float64(a.WeightDecay)), float32(lr/float64(a.Correction1)))
}

func (e *elementwise) SGD(p, g []float32, lr float32) {
	match("SGD", len(p), g)
	e.sgd(at(p), at(g), len(p), lr)
}
