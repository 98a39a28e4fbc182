package train

import "trainer/model"

// FLOP returns the number of floating-point operations that a training step on these examples asks for, with the loss on the answers. Of
// the arithmetic only matrix products and attention are counted, forward and twice that backward, for the rows that are there: the tokens
// of the examples and, behind the last attention, those that predict. What is padded, elementwise or computed again is not counted.
func (d *Dataset) FLOP(c model.Config, batch []int32) float64 {
	var tokens, predictions, pairs float64 // pairs of a token with itself or one before it
	for _, i := range batch {
		s := &d.sequences[i]
		n := float64(len(s.inputs))
		tokens, predictions, pairs = tokens+n, predictions+float64(s.wanted), pairs+n*(n+1)/2
	}
	width, hidden := float64(c.Width), float64(c.MLPWidth)
	forward := 2 * predictions * width * float64(c.VocabSize)
	for layer := range c.Layers {
		rows := tokens // behind attention
		if layer == c.Layers-1 {
			rows = predictions
		}
		forward += 2*tokens*width*3*width + 2*rows*width*width + 2*2*rows*width*hidden + // the four matrices of a block
			2*2*pairs*width // queries with keys, weights with values
	}
	return 3 * forward
}
