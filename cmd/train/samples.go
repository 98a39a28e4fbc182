package main

import (
	"time"

	"trainer/train"
)

// sampler is the Observer that asks the model the run's questions again behind an evaluation, so that one sees later how its answers became what
// they are. It takes no more than a small share of the time, and leaves out evaluations that are too close behind one another for that.
type sampler struct {
	session *session
	next    time.Time   // when it may ask again
	end     func(error) // ends the run, after a save
}

// samplingShare is the share of the time that may be spent on it.
const samplingShare = 0.005

// newSampler returns a sampler of a run whose questions took so long to be answered.
func newSampler(s *session, took time.Duration, end func(error)) *sampler {
	p := &sampler{session: s, end: end}
	p.rest(took)
	return p
}

// rest puts off the next time, as long as the last one has taken.
func (p *sampler) rest(took time.Duration) {
	p.next = time.Now().Add(time.Duration(float64(took) / samplingShare))
}

// Evaluated implements train.Observer.
func (p *sampler) Evaluated(int, *train.Evaluation) {
	begun := time.Now()
	if begun.Before(p.next) {
		return
	}
	list, err := p.session.ask()
	if err == nil {
		err = p.session.told(list)
	}
	if err != nil {
		p.end(err)
	}
	p.rest(time.Since(begun))
}

// Stepped implements train.Observer.
func (p *sampler) Stepped(*train.Metrics) {}

// Followed implements train.Observer.
func (p *sampler) Followed(*train.Followed) {}

// Saved implements train.Observer.
func (p *sampler) Saved(train.Checkpoint) {}
