package vm

import (
	"cmp"
	"slices"
)

// Plan says where the values of a program live.
type Plan struct {
	Offset     []int // by value: where it begins in the arena or in the output region, in bytes
	ArenaSize  int   // bytes
	OutputSize int
}

// NewPlan plans the memory of a program. The outputs follow each other in order. A temporary takes the memory of an input that dies with
// its instruction where the kernel allows it; otherwise values that live at the same time do not overlap. Large values are placed
// first, each at the lowest free offset, which is within a few per cent of the least possible arena on our graphs.
func NewPlan(p *Program) *Plan {
	plan := &Plan{Offset: make([]int, len(p.Values))}
	for _, i := range p.Outputs {
		plan.Offset[i] = plan.OutputSize
		plan.OutputSize += Align(p.Values[i].Size())
	}
	l := newLives(p)
	var placed []int // by offset
	for _, i := range l.homes(p) {
		size := p.Values[i].Size()
		for _, j := range placed {
			other, otherSize := plan.Offset[j], p.Values[j].Size()
			if plan.Offset[i]+size <= other {
				break
			}
			if l.first[i] <= l.last[j] && l.first[j] <= l.last[i] {
				plan.Offset[i] = max(plan.Offset[i], other+Align(otherSize))
			}
		}
		at, _ := slices.BinarySearchFunc(placed, plan.Offset[i], func(j, offset int) int { return cmp.Compare(plan.Offset[j], offset) })
		placed = slices.Insert(placed, at, i)
		plan.ArenaSize = max(plan.ArenaSize, plan.Offset[i]+Align(size))
	}
	for i := range p.Values {
		if p.Values[i].Place == Arena {
			plan.Offset[i] = plan.Offset[l.home[i]]
		}
	}
	return plan
}

// lives are the lifetimes of values: first[v] and last[v] are the instructions that write value v and that read it last; home[v] is the
// value whose memory it takes over, or v.
type lives struct{ first, last, home []int }

func newLives(p *Program) *lives {
	n := len(p.Values)
	l := &lives{first: make([]int, n), last: make([]int, n), home: make([]int, n)}
	for t, in := range p.Instructions {
		for _, list := range [][]int{in.Out, in.Scratch} {
			for _, v := range list {
				l.first[v], l.last[v], l.home[v] = t, t, v
			}
		}
		for _, v := range in.In {
			l.last[v] = t
		}
	}
	return l
}

// homes returns the temporaries that need memory of their own, large ones first, after the others have moved in with their inputs.
func (l *lives) homes(p *Program) []int {
	var homes []int
	for t, in := range p.Instructions {
		for i, v := range in.Out {
			if p.Values[v].Place != Arena {
				continue
			}
			if from := l.inPlace(p, t, v); i == 0 && from >= 0 {
				l.home[v] = l.home[from]
				l.last[l.home[v]] = max(l.last[l.home[v]], l.last[v])
			} else {
				homes = append(homes, v)
			}
		}
		homes = append(homes, in.Scratch...)
	}
	slices.SortStableFunc(homes, func(a, b int) int { return cmp.Compare(p.Values[b].Size(), p.Values[a].Size()) })
	return homes
}

// inPlace returns the input of instruction t whose memory its result v takes, or -1.
func (l *lives) inPlace(p *Program, t, v int) int {
	in := &p.Instructions[t]
	for _, k := range in.Overwrites {
		from := in.In[k]
		if p.Values[from].Place == Arena && l.last[from] == t && p.Values[from].Size() == p.Values[v].Size() && count(in.In, from) == 1 {
			return from
		}
	}
	return -1
}

func count(list []int, v int) int {
	n := 0
	for _, w := range list {
		if w == v {
			n++
		}
	}
	return n
}
