package model

import "fmt"

// Batch is a set of token sequences, packed end to end, and what is to be predicted in them. It keeps its memory from one use to
// the next.
type Batch struct {
	tokens, positions []int32 // [N]
	offsets           []int32 // [S+1]
	wanted, targets   []int32 // [R]
	weights           []float32
}

// Reset empties the batch.
func (b *Batch) Reset() {
	b.tokens, b.positions, b.offsets = b.tokens[:0], b.positions[:0], append(b.offsets[:0], 0)
	b.wanted, b.targets = b.wanted[:0], b.targets[:0]
}

// Add appends a sequence of tokens. targets[i] is the right token behind tokens[i], or negative where no prediction is wanted.
func (b *Batch) Add(tokens, targets []int32) {
	if len(tokens) != len(targets) {
		panic(fmt.Sprintf("model: %d tokens with %d targets", len(tokens), len(targets)))
	}
	for i, target := range targets {
		if target >= 0 {
			b.want(len(b.tokens)+i, target)
		}
	}
	b.append(tokens)
}

// AddPrompt appends a sequence of at least one token whose next token is wanted and unknown.
func (b *Batch) AddPrompt(tokens []int32) {
	b.want(len(b.tokens)+len(tokens)-1, -1)
	b.append(tokens)
}

func (b *Batch) want(row int, target int32) {
	b.wanted = append(b.wanted, int32(row))
	b.targets = append(b.targets, target)
}

func (b *Batch) append(tokens []int32) {
	if len(b.offsets) == 0 {
		b.offsets = append(b.offsets, 0)
	}
	for i := range tokens {
		b.positions = append(b.positions, int32(i))
	}
	b.tokens = append(b.tokens, tokens...)
	b.offsets = append(b.offsets, int32(len(b.tokens)))
}

// Tokens is the number of tokens in the batch, Predictions the number of rows that a prediction is wanted of.
func (b *Batch) Tokens() int      { return len(b.tokens) }
func (b *Batch) Predictions() int { return len(b.wanted) }

// shape is the smallest of the shapes that programs are compiled for which holds the batch.
func (b *Batch) shape() Shape {
	s := Shape{Rows: roundUp(len(b.tokens)), Sequences: roundUp(len(b.offsets) - 1), Predictions: roundUp(len(b.wanted))}
	if len(b.wanted) == len(b.tokens) {
		s.Predictions = 0
	}
	return s
}

// roundUp keeps the number of shapes small: multiples of 16, or of about a 32nd, so that at most that share of the work is for nothing.
func roundUp(n int) int {
	granule := max(16, n/32/16*16)
	return (n + granule - 1) / granule * granule
}

// pad fills the batch up to a shape, and gives every prediction the weight in the loss.
func (b *Batch) pad(s Shape, weight float32) {
	b.weights = b.weights[:0]
	for range b.wanted {
		b.weights = append(b.weights, weight)
	}
	for len(b.weights) < s.predictions() {
		b.weights = append(b.weights, 0)
	}
	b.tokens, b.positions = fill(b.tokens, s.Rows, -1), fill(b.positions, s.Rows, 0)
	b.offsets = fill(b.offsets, s.Sequences+1, b.offsets[len(b.offsets)-1])
	b.wanted, b.targets = fill(b.wanted, s.predictions(), -1), fill(b.targets, s.predictions(), -1)
}

func fill(list []int32, size int, value int32) []int32 {
	for len(list) < size {
		list = append(list, value)
	}
	return list
}
