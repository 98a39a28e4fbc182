package train

import (
	"trainer/model"
	"trainer/tokenizer"
)

// Data is what a model learns from, or is judged by: sequences of tokens, each at a place. It is a *Dataset, examples with a question and an
// answer, or a *Text, windows of one long stream.
type Data interface {
	// Len is the number of sequences.
	Len() int
	// Tokens is the number of tokens that the model reads in one pass over the data.
	Tokens() int

	// place is where sequence i is, in order.
	place(i int) int
	// deal says how many sequences an epoch has, and how those of an epoch are dealt: where the i-th of them is.
	deal(o *Options) (size int, deal func(epoch int) func(i int) int)
	// sequence is what is at a place. It may lie in room, until its next use.
	sequence(at int, room *room) sequence
	// length and wanted are those of the sequence at a place: the tokens that the model reads, and the targets that count in the loss.
	length(at int) int
	wanted(at int, all bool) int
	// right counts what the hits of a sequence's targets make right, of how many: answers, or tokens.
	right(hits []float32) (right, of int)
	// question is the prompt of a sequence, as text.
	question(at int, s sequence, t tokenizer.Tokenizer) string
	// summarize completes an evaluation, from the sum of -log p and what is right of each sequence.
	summarize(e *Evaluation, nll []float64, right []int)
	// fingerprint is a hash by which a resumed run knows its data again.
	fingerprint() string
}

// room is memory for one sequence.
type room struct{ ids []int32 }

// sequence is what goes into a batch: inputs and for each the next token. In answers the targets that count are left, the others are -1.
type sequence struct {
	inputs, targets, answers []int32
	wanted                   int // targets that count in answers: the last ones
	question                 int // tokens of inputs that are asked, when one prediction is looked at: the answer is the next token
}

// prompt is what is asked when one prediction is looked at, and its target.
func (s *sequence) prompt() (tokens []int32, target int32) {
	return s.inputs[:s.question], s.targets[s.question-1]
}

// FLOP returns the number of floating-point operations that a training step on the sequences at these places asks for, with the loss on
// the answers: see model.Config.FLOP. What is padded, elementwise or computed again is not counted.
func FLOP(d Data, c model.Config, batch []int) float64 {
	var tokens, predictions, pairs float64
	for _, at := range batch {
		n := float64(d.length(at))
		tokens, predictions, pairs = tokens+n, predictions+float64(d.wanted(at, false)), pairs+n*(n+1)/2
	}
	const passes = 3 // forward, and twice that backward
	return passes * c.FLOP(tokens, predictions, pairs)
}
