package model

import (
	"fmt"
	"slices"

	"trainer/internal/vm"
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

	at              []int32 // [N] places in the cache; empty without one
	starts, lengths []int32 // [S]
}

// Reset empties the batch.
func (b *Batch) Reset() {
	b.key, b.numbers = b.key[:0], b.numbers[:0]
	b.tokens, b.positions, b.offsets = b.tokens[:0], b.positions[:0], append(b.offsets[:0], 0)
	b.wanted, b.targets = b.wanted[:0], b.targets[:0]
	b.at, b.starts, b.lengths = b.at[:0], b.starts[:0], b.lengths[:0]
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
	b.append(tokens, 0)
}

// AddWhole is Add with a prediction of every token: where targets[i] is negative it has no part in the loss.
func (b *Batch) AddWhole(tokens, targets []int32) {
	if len(tokens) != len(targets) {
		panic(fmt.Sprintf("model: %d tokens with %d targets", len(tokens), len(targets)))
	}
	for i, target := range targets {
		b.want(len(b.tokens)+i, max(target, -1))
	}
	b.append(tokens, 0)
}

// AddPrompt appends a sequence of at least one token whose next token is wanted and unknown.
func (b *Batch) AddPrompt(tokens []int32) {
	b.want(len(b.tokens)+len(tokens)-1, -1)
	b.append(tokens, 0)
}

// Extend appends the next tokens, at least one, of a sequence whose first `cached` tokens are in the Executor's cache from place `start` on;
// these come behind. The token behind the last of them may be wanted. All sequences of such a batch are added by Extend.
func (b *Batch) Extend(tokens []int32, start, cached int, wanted bool) {
	if wanted {
		b.want(len(b.tokens)+len(tokens)-1, -1)
	}
	for i := range tokens {
		b.at = append(b.at, int32(start+cached+i))
	}
	b.starts, b.lengths = append(b.starts, int32(start)), append(b.lengths, int32(cached+len(tokens)))
	b.append(tokens, cached)
}

func (b *Batch) want(row int, target int32) {
	b.wanted = append(b.wanted, int32(row))
	b.targets = append(b.targets, target)
}

func (b *Batch) append(tokens []int32, position int) {
	if len(b.offsets) == 0 {
		b.offsets = append(b.offsets, 0)
	}
	for i := range tokens {
		b.positions = append(b.positions, int32(position+i))
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

// cached says that the batch goes on from a cache.
func (b *Batch) cached() bool { return len(b.starts) > 0 }

// shape is the smallest of the shapes that programs are compiled for which holds the batch.
func (b *Batch) shape() Shape {
	round := roundUp
	if b.cached() {
		round = roundUpFew
	}
	s := Shape{Rows: round(len(b.tokens)), Sequences: round(len(b.offsets) - 1), Predictions: round(len(b.wanted))}
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

// roundUpFew is roundUp where a row more is as much work as a row: the powers of 2 up to 16 come before.
func roundUpFew(n int) int {
	for few := 1; few < 16; few *= 2 {
		if n <= few {
			return few
		}
	}
	return roundUp(n)
}

// check panics where a model of that configuration cannot read the batch: kernels look rows up by these numbers, and attention has room
// for as many keys as the context. places is the size of the cache.
func (b *Batch) check(c Config, places int) {
	if b.cached() && len(b.starts) != len(b.offsets)-1 {
		panic(fmt.Sprintf("model: %d of the %d sequences of the batch go on from a cache: expected all or none", len(b.starts), len(b.offsets)-1))
	}
	for s := range max(0, len(b.offsets)-1) {
		n := b.offsets[s+1] - b.offsets[s]
		if b.cached() {
			n = b.lengths[s]
			if end := b.starts[s] + n; int(end) > places {
				panic(fmt.Sprintf("model: sequence %d of the batch ends at place %d of a cache of %d", s, end, places))
			}
		}
		if int(n) > c.Context {
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
	at, starts, lengths                         []int32 // of a shape with Places
}

const inputCount = 12

// data is the memory of the inputs, in the order of Graph.inputs.
func (in inputs) data() [inputCount][]byte {
	return [...][]byte{
		vm.Bytes(in.tokens), vm.Bytes(in.positions), vm.Bytes(in.offsets), vm.Bytes(in.wanted), vm.Bytes(in.targets), vm.Bytes(in.weights),
		vm.Bytes(in.dropoutKey), vm.Bytes(in.dropoutRows), vm.Bytes(in.dropoutWanted),
		vm.Bytes(in.at), vm.Bytes(in.starts), vm.Bytes(in.lengths),
	}
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
	if s.Places > 0 {
		in.at, in.starts, in.lengths = filled(&b.at, s.Rows, -1), filled(&b.starts, s.Sequences, 0), filled(&b.lengths, s.Sequences, 0)
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
