package model

import (
	"fmt"
	"slices"
)

// Batch is a set of token sequences, packed end to end, and what is to be predicted in them. It keeps its memory from one use to
// the next.
type Batch struct {
	tokens, positions []int32 // [N]
	offsets           []int32 // [S+1]
	wanted, targets   []int32 // [R]
	weights           []float32

	// Of dropout: its key, empty without; the number of the next sequence's first row, and how far the next one's is from it; the numbers of
	// rows [N] and of the wanted ones [R].
	key                    []int32
	number, stride         uint32
	numbers, wantedNumbers []int32
}

// Reset empties the batch.
func (b *Batch) Reset() {
	b.key, b.numbers = b.key[:0], b.numbers[:0]
	b.tokens, b.positions, b.offsets = b.tokens[:0], b.positions[:0], append(b.offsets[:0], 0)
	b.wanted, b.targets = b.wanted[:0], b.targets[:0]
}

// Drop has runs with Train set activations to 0, a share Config.Dropout of them. It comes ahead of the sequences. Which ones fall is a
// function of the key, which is the step's own, and of the place of a sequence in the batch of the whole step: first is that of the first
// sequence here, and the others follow. So they do not depend on how the step's batch is divided. context is the model's, by which rows are
// numbered: no two of a step of up to 2³² tokens alike.
func (b *Batch) Drop(key uint64, first, context int) {
	if len(b.tokens) > 0 {
		panic(fmt.Sprintf("model: dropout of a batch that has %d tokens already", len(b.tokens)))
	}
	b.key = append(b.key[:0], int32(key), int32(key>>32))
	b.number, b.stride = uint32(first)*uint32(context), uint32(context)
}

// drops says that activations fall in runs with Train.
func (b *Batch) drops() bool { return len(b.key) > 0 }

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
		if b.drops() {
			b.numbers = append(b.numbers, int32(b.number+uint32(i)))
		}
	}
	b.number += b.stride
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

// check panics where a model of that configuration cannot read the batch: kernels look rows up by these numbers, and attention has room
// for as many keys as the context.
func (b *Batch) check(c Config) {
	for s := range max(0, len(b.offsets)-1) {
		if n := b.offsets[s+1] - b.offsets[s]; int(n) > c.Context {
			panic(fmt.Sprintf("model: sequence %d of the batch has %d tokens, more than the context of %d", s, n, c.Context))
		}
	}
	for i, token := range b.tokens {
		if token < 0 || int(token) >= c.VocabSize {
			panic(fmt.Sprintf("model: token %d of the batch is %d, outside of the vocabulary of %d", i, token, c.VocabSize))
		}
	}
	for i, target := range b.targets {
		if int(target) >= c.VocabSize {
			panic(fmt.Sprintf("model: target %d of the batch is %d, outside of the vocabulary of %d", i, target, c.VocabSize))
		}
	}
}

// inputs is a batch in a shape: what a program of that shape reads.
type inputs struct {
	tokens, positions, offsets, wanted, targets []int32
	weights                                     []float32
	dropoutKey, dropoutRows, dropoutWanted      []int32 // of a shape with Dropout
}

// pad returns the batch filled up to a shape, with the given weight of every prediction in the loss. It lies in the memory of the batch,
// which stays as it is and can be run again.
func (b *Batch) pad(s Shape, weight float32) inputs {
	b.weights = b.weights[:0]
	for range b.wanted {
		b.weights = append(b.weights, weight)
	}
	in := inputs{
		tokens:    filled(&b.tokens, s.Rows, -1),
		positions: filled(&b.positions, s.Rows, 0),
		offsets:   filled(&b.offsets, s.Sequences+1, int32(len(b.tokens))),
		wanted:    filled(&b.wanted, s.predictions(), -1),
		targets:   filled(&b.targets, s.predictions(), -1),
		weights:   filled(&b.weights, s.predictions(), 0),
	}
	if s.Dropout {
		b.wantedNumbers = b.wantedNumbers[:0]
		for _, row := range b.wanted {
			b.wantedNumbers = append(b.wantedNumbers, b.numbers[row])
		}
		in.dropoutKey = b.key
		in.dropoutRows, in.dropoutWanted = filled(&b.numbers, s.Rows, 0), filled(&b.wantedNumbers, s.predictions(), 0)
	}
	return in
}

// filled returns the list with a value appended until it has that size; the list itself gets the memory for it, but no longer.
func filled[T int32 | float32](list *[]T, size int, value T) []T {
	*list = slices.Grow(*list, size-len(*list))
	all := (*list)[:size]
	for i := len(*list); i < size; i++ {
		all[i] = value
	}
	return all
}
