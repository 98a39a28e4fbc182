package verify

import (
	"math"
	"strings"
)

// The largest deviations that pass in float32: of any element, relative to the largest absolute value of the tensor. Sums in another order
// differ by about 1e-6 of it; a forgotten bias or a wrong mask by more than 1e-2.
const (
	Tolerance     = 1e-4
	LossTolerance = 1e-5
)

// The largest deviations that pass in bfloat16: in root mean square over a tensor, relative to its own, since what single elements are off
// by is chance.
//
// A number of 8 significant bits is off by 2^-8 of itself at most, and by about 2^-9 in root mean square. A block rounds 11 times on the way
// to its result: attention's norm, query, key and value, probabilities, the heads' result, and the weights of both products; the MLP's norm,
// what GELU takes and gives, and the weights of both products. Its gradient is rounded as often on the way back. Errors that are
// independent add up as the root of their number, to √22·2^-9, nearly 1e-2. More blocks hardly add to that: each adds its result, with
// errors of its own, to a residual stream in float32. Models of 2, 6 and 12 layers are off by 0.5e-2 in their logits and 1e-2 in their
// gradients, as PyTorch's own are when it computes in bfloat16. Half as much again passes. Any bias that is missing from the model in
// model/testdata/reference is seen: the one that matters least puts a gradient off by 2e-2.
//
// A loss is a mean over predictions, whose errors are nearly independent: 100 of them divide it by 10.
//
// AdamW moves every weight by about the learning rate a step, however small its gradient is. Gradients with errors of a share e of their
// root mean square leave a share e of the weights without a direction of their own, if they are spread evenly around zero; these are off by
// about as much as they move, in root mean square over all weights by √e of that.
const (
	BF16Tolerance     = 1.5e-2
	BF16LossTolerance = BF16Tolerance / 10
	BF16MoveTolerance = 0.12 // √BF16Tolerance, of what the optimizer's steps have moved
)

// accuracy says how deviations are measured, and which pass.
type accuracy struct {
	measure measure
	// The largest deviations that pass, relative to the size of a tensor, or of a loss.
	tensor, loss, weights float64
	// Weights are compared by how they moved rather than by what they are, which after a few steps is nearly what they were; and without
	// those whose gradient is smaller than the errors that pass in it.
	movement bool
}

// accuracyOf is the accuracy of numbers in bfloat16 or in float32.
func accuracyOf(bf16 bool) accuracy {
	if bf16 {
		return accuracy{rootMeanSquare, BF16Tolerance, BF16LossTolerance, BF16MoveTolerance, true}
	}
	return accuracy{largest, Tolerance, LossTolerance, Tolerance, false}
}

// tolerance is the largest deviation of a tensor that passes, relative to its size.
func (a accuracy) tolerance(name string) float64 {
	switch {
	case strings.HasPrefix(name, "loss"):
		return a.loss
	case strings.HasPrefix(name, "after."):
		return a.weights
	}
	return a.tensor
}

// measure is the size of a tensor, or of what it is off by; NaN where an element is.
type measure struct {
	name string
	of   func(v []float64) float64
}

var largest = measure{"largest", func(v []float64) float64 {
	most := 0.0
	for _, e := range v {
		most = math.Max(most, math.Abs(e))
	}
	return most
}}

var rootMeanSquare = measure{"rms", func(v []float64) float64 {
	var squares float64
	for _, e := range v {
		squares += e * e
	}
	return math.Sqrt(squares / float64(len(v)))
}}
