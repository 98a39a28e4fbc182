package train

import (
	"testing"

	"trainer/model"
)

func TestFLOPCountsTheProductsOfTheRowsThatAreThere(t *testing.T) {
	// "nine plus nine equals", "eighteen": 5 tokens to read; the fourth and the fifth predict "eighteen" and the end.
	list := sums(t, 9)
	d := dataset(t, calculatorWords(t), list[len(list)-1:], 12)
	c := model.Config{Architecture: model.GPT2, VocabSize: 100, Width: 10, Heads: 1, MLPWidth: 30, Layers: 2}
	const (
		attention = 5*10*30 + // queries, keys, values
			2*(1+2+3+4+5)*10 // scores and what they weigh, of each token with those up to it
		last = 2 * (10*10 + 10*30 + 30*10) // the rest of the last block, for the rows that predict
		rest = 5 * (10*10 + 10*30 + 30*10) // the rest of the block before it
		head = 2 * 10 * 100
	)
	const want = 3 * 2 * (2*attention + rest + last + head) // forward and twice that backward; a multiplication and an addition
	if got := FLOP(d, c, []int{0}); got != want {
		t.Errorf("FLOP of one example = %g, want %d", got, want)
	}
	if got := FLOP(d, c, []int{0, 0, 0}); got != 3*want {
		t.Errorf("FLOP of the same example three times = %g, want %d", got, 3*want)
	}

	llama := c
	llama.Architecture, llama.Heads, llama.KVHeads = model.Llama, 2, 1
	const (
		fewerKeys = 2 * 5 * 10 * 2 * 5 // of keys and values, two heads rather than four, in either layer
		gates     = 5*10*30 + 2*10*30  // what multiplies the hidden units
		other     = 3 * 2 * (gates - fewerKeys)
	)
	if got := FLOP(d, llama, []int{0}); got != want+other {
		t.Errorf("FLOP of one example for a Llama = %g, want %d", got, want+other)
	}
}
