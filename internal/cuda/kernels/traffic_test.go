package kernels_test

import (
	"testing"

	"trainer/internal/cuda/kernels"
)

// Kernels that are not matrix products move at most 15 % more bytes, counted in the sectors of 32 bytes that memory delivers, than their
// operands and results have. Shapes are those of GPT-2 with 124 million weights, with fewer rows; layer norm, which reads gamma and beta
// once for several rows, is shown many rows of fewer columns instead.
func TestKernelsMoveLittleMoreThanTheirTensors(t *testing.T) {
	zeros := func(n int) kernels.Pointer { return upload(t, make([]float32, n)) } // or as many int32
	halves := func(n int) kernels.Floats { return kernels.Floats{At: upload(t, make([]uint16, n)), BF16: true} }
	floats := func(n int) kernels.Floats { return kernels.Floats{At: zeros(n)} }

	const longRows, narrow = 5120, 64
	const long = longRows * narrow
	scale := zeros(narrow)
	gradient := kernels.LayerNormGradient{
		DX: zeros(long), DGamma: zeros(narrow), DBeta: zeros(narrow), X: zeros(long), Gamma: scale, DY: floats(long),
		Scratch: zeros(kernels.LayerNormScratch(longRows, narrow)),
	}
	inBF16 := gradient
	inBF16.DY, inBF16.Copy, inBF16.Addend = halves(long), halves(long).At, inBF16.DX

	rms := kernels.RMSNormGradient{
		DX: gradient.DX, DGamma: gradient.DGamma, X: gradient.X, Gamma: scale, DY: gradient.DY,
		Scratch: zeros(kernels.RMSNormScratch(longRows, narrow)),
	}

	const rows, width, vocab = 256, 768, 50257
	const n = rows * width
	x, half, column := zeros(n), halves(n), zeros(width)
	ids := make([]int32, rows)
	for i := range ids {
		ids[i] = int32(i * 5 % rows)
	}
	several := upload(t, ids)
	const lossRows = 2
	loss, weight, logits := zeros(lossRows), zeros(lossRows), halves(lossRows*kernels.PitchBF16(vocab))
	rotation, angles := kernels.Rotation{Heads: width / 64, HeadDim: 64}, zeros(rows*32)
	mask := kernels.Mask{Rate: 0.1, Key: several, Numbers: several}
	order := kernels.ScatterAdd(floats(n), floats(n), several, zeros(kernels.ScatterAddScratch(rows, rows)), rows, rows, width)
	launch(t, order[0]) // which reads the ids, and those often, but they fit the cache
	stretches := kernels.Stretches(kernels.Stretch{Weights: x, Moment1: zeros(n), Moment2: zeros(n), Gradient: zeros(n), Copy: half.At}, n)
	table, numbers, outcome := upload(t, stretches), upload(t, kernels.Numbers{Correction1: 1, Correction2: 1, Epsilon: 1}), zeros(4)
	squares := zeros(len(stretches))

	for _, c := range []struct {
		name     string
		launches []kernels.Launch
		least    int // bytes
	}{
		{"layer norm", one(kernels.LayerNorm(floats(long), gradient.X, scale, scale, longRows, narrow, 1)), 8 * long},
		{"layer norm to bfloat16", one(kernels.LayerNorm(halves(long), gradient.X, scale, scale, longRows, narrow, 1)), 6 * long},
		{"gradient of layer norm", kernels.LayerNormGrad(gradient, longRows, narrow, 1), 12 * long},
		{"gradient of layer norm from bfloat16, added", kernels.LayerNormGrad(inBF16, longRows, narrow, 1), (2 + 4 + 4 + 4 + 2) * long},
		{"RMS norm", one(kernels.RMSNorm(floats(long), gradient.X, scale, longRows, narrow, 1)), 8 * long},
		{"gradient of RMS norm", kernels.RMSNormGrad(rms, longRows, narrow, 1), 12 * long},
		{"SwiGLU", one(kernels.SwiGLU(floats(n/2), floats(n), rows, width/2)), 6 * n},
		{"gradient of SwiGLU", one(kernels.SwiGLUGrad(floats(n), floats(n), floats(n/2), rows, width/2)), 10 * n},
		{"SwiGLU in bfloat16", one(kernels.SwiGLU(halves(n/2), half, rows, width/2)), 3 * n},
		{"gradient of SwiGLU in bfloat16", one(kernels.SwiGLUGrad(half, half, halves(n/2), rows, width/2)), 5 * n},
		{"cross-entropy", one(kernels.CrossEntropy(loss, zeros(lossRows), zeros(lossRows), logits, several, lossRows, vocab)),
			2 * lossRows * vocab},
		{"cross-entropy with gradient",
			one(kernels.CrossEntropyWithGrad(loss, zeros(lossRows), zeros(lossRows), logits, logits, weight, several, lossRows, vocab)),
			4 * lossRows * vocab},
		{"sum of rows", kernels.SumRows(column, floats(n), zeros(kernels.RowParts(rows)*width), rows, width), 4 * n},
		{"sum of rows in bfloat16", kernels.SumRows(column, half, zeros(kernels.RowParts(rows)*width), rows, width), 2 * n},
		{"gather", one(kernels.Gather(floats(n), floats(n), several, rows, width)), 8 * n},
		{"gather in bfloat16", one(kernels.Gather(halves(n), half, several, rows, width)), 4 * n},
		{"scatter-add", order[1:], 8 * n},
		{"dropout", one(kernels.Dropout(floats(n), floats(n), 0, rows, width, mask)), 8 * n},
		{"dropout, added, from bfloat16", one(kernels.Dropout(floats(n), half, x, rows, width, mask)), (4 + 2 + 4) * n},
		{"rotary", one(kernels.Rotary(floats(n), floats(n), several, angles, angles, rows, width, rotation)), 8 * n},
		{"rotary in bfloat16", one(kernels.Rotary(half, half, several, angles, angles, rows, width, rotation)), 4 * n},
		{"add", one(kernels.Add(x, x, zeros(n), n)), 12 * n},
		{"scale", one(kernels.Scale(x, x, zeros(1), n)), 8 * n},
		{"AdamW", one(kernels.AdamW(table, numbers, outcome, len(stretches))), (16 + 12 + 2) * n},
		{"SGD", one(kernels.SGD(table, numbers, outcome, len(stretches))), (8 + 4 + 2) * n},
		{"squares", one(kernels.SumSquares(squares, table, len(stretches))), 4 * n},
	} {
		moved := launch(t, c.launches...)
		ratio := float64(moved.bytes) / float64(c.least)
		t.Logf("%-40s %.3f of the least bytes", c.name, ratio)
		if ratio > 1.15 {
			t.Errorf("%s moves %d bytes, %.2f times the least", c.name, moved.bytes, ratio)
		}
		if moved.conflicts > 0 {
			t.Errorf("%s has %d bank conflicts", c.name, moved.conflicts)
		}
	}
}

func one(l kernels.Launch) []kernels.Launch { return []kernels.Launch{l} }
