package emulated

import (
	"math/rand/v2"
	"slices"
)

// schedule holds the tasks that did not run yet, and decides which runs next.
type schedule struct {
	random  *rand.Rand
	pending []*task // in the order of queueing, some of them done
	ready   []*task // all that they come after is done
	queued  int     // tasks, ever
}

// strategy is how a schedule treats tasks that nobody waits for while it runs those that somebody does.
type strategy int

const (
	late       strategy = iota // they do not run
	othersNext                 // they run first, as far as they can
	anyNext
	strategies
)

// add queues a task.
func (s *schedule) add(t *task) {
	s.queued++
	t.serial = s.queued
	for _, a := range t.after {
		if !a.done {
			t.blockers++
			a.then = append(a.then, t)
		}
	}
	s.pending = append(s.pending, t)
	if t.blockers == 0 {
		s.ready = append(s.ready, t)
	}
}

// force runs tasks until a task is done.
func (s *schedule) force(target *task, execute func(*task) error) error {
	needed := ancestors(target, func(t *task) bool { return !t.done })
	how := strategy(s.random.IntN(int(strategies)))
	for !target.done {
		t := s.pick(how, needed)
		if err := execute(t); err != nil {
			return err
		}
		t.done = true
		for _, next := range t.then {
			if next.blockers--; next.blockers == 0 {
				s.ready = append(s.ready, next)
			}
		}
		t.then = nil
	}
	s.pending = slices.DeleteFunc(s.pending, func(t *task) bool { return t.done })
	return nil
}

// pick takes one of the tasks that are ready.
func (s *schedule) pick(how strategy, needed map[*task]bool) *task {
	var choice []int
	for i, t := range s.ready {
		if how == anyNext || needed[t] == (how == late) {
			choice = append(choice, i)
		}
	}
	i := s.random.IntN(len(s.ready))
	if len(choice) > 0 {
		i = choice[s.random.IntN(len(choice))]
	}
	t := s.ready[i]
	s.ready = slices.Delete(s.ready, i, i+1)
	return t
}

// ancestors returns a task and all that come before it, as far as within leads.
func ancestors(of *task, within func(*task) bool) map[*task]bool {
	found := map[*task]bool{}
	next := []*task{of}
	for len(next) > 0 {
		t := next[len(next)-1]
		next = next[:len(next)-1]
		if !found[t] && within(t) {
			found[t] = true
			next = append(next, t.after...)
		}
	}
	return found
}
