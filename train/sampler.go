package train

import "math/rand/v2"

// sampler deals the examples of an epoch in an order that the seed and the epoch determine, again and again. Where it stands is two
// numbers, so that a resumed run goes on with the very next example.
type sampler struct {
	seed  uint64
	deck  []int32 // example indices; an example that counts k-fold is there k times
	order []int32 // the deck as shuffled for this epoch
	epoch int
	next  int // position in order
}

// newSampler deals n examples; weight says how often in an epoch each is drawn.
func newSampler(n int, weight func(i int) int, seed uint64) *sampler {
	s := &sampler{seed: seed}
	for i := range n {
		for range weight(i) {
			s.deck = append(s.deck, int32(i))
		}
	}
	s.seek(0, 0)
	return s
}

// seek goes to a position of an epoch.
func (s *sampler) seek(epoch, next int) {
	s.epoch, s.next = epoch, next
	s.order = append(s.order[:0], s.deck...)
	random := rand.New(rand.NewPCG(s.seed, uint64(epoch)+1)) // stream 0 of the seed made the weights
	random.Shuffle(len(s.order), func(i, j int) { s.order[i], s.order[j] = s.order[j], s.order[i] })
}

// draw fills batch with the next examples. A batch at the end of an epoch goes on in the next one.
func (s *sampler) draw(batch []int32) {
	for len(batch) > 0 {
		if s.next == len(s.order) {
			s.seek(s.epoch+1, 0)
		}
		n := copy(batch, s.order[s.next:])
		s.next += n
		batch = batch[n:]
	}
}

// epochs is how many epochs have been dealt, with fractions.
func (s *sampler) epochs() float64 { return float64(s.epoch) + float64(s.next)/float64(len(s.order)) }
