package train

// sampler deals the sequences of an epoch in an order that the seed and the epoch determine, again and again. Where it stands is two
// numbers, so that a resumed run goes on with the very next sequence.
type sampler struct {
	size  int // sequences of an epoch
	deal  func(epoch int) func(i int) int
	order func(i int) int // of this epoch
	epoch int
	next  int // position in order
}

func newSampler(d Data, o *Options) *sampler {
	s := &sampler{}
	s.size, s.deal = d.deal(o)
	s.seek(0, 0)
	return s
}

// seek goes to a position of an epoch.
func (s *sampler) seek(epoch, next int) { s.epoch, s.next, s.order = epoch, next, s.deal(epoch) }

// draw fills batch with the places of the next sequences. A batch at the end of an epoch goes on in the next one.
func (s *sampler) draw(batch []int) {
	for i := range batch {
		if s.next == s.size {
			s.seek(s.epoch+1, 0)
		}
		batch[i] = s.order(s.next)
		s.next++
	}
}

// peek is the place of the next sequence.
func (s *sampler) peek() int {
	if s.next < s.size {
		return s.order(s.next)
	}
	return s.deal(s.epoch + 1)(0) // draw deals that epoch again
}

// epochs is how many epochs have been dealt, with fractions.
func (s *sampler) epochs() float64 { return float64(s.epoch) + float64(s.next)/float64(s.size) }
