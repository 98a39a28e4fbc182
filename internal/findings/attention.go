package findings

import (
	"fmt"
	"slices"
	"strings"

	"trainer/internal/floor/api"
	"trainer/internal/format"
	"trainer/model"
	"trainer/train/examples"
)

// Attention is what the heads read from where, in the mean over all questions, or over the rows of a text.
type Attention struct {
	Heads   []Head `json:"heads"`
	Uniform Gaze   `json:"uniform"` // of a head that reads everything alike
	Asked   int    `json:"asked"`   // questions with one operation, of which the gazes are means
}

// Head is one head, layers and heads being counted from 1.
type Head struct {
	Layer int `json:"layer"`
	Head  int `json:"head"`
	Gaze
	Distance api.Number `json:"distance"` // in tokens, of what all rows read
	Self     api.Number `json:"self"`     // share of attention of all rows on themselves
	Previous api.Number `json:"previous"` // on the token before them
	First    api.Number `json:"first"`    // on the first token
}

// Gaze is where two rows of a question look: that of the operation, and that of its last word, which the answer is predicted from. Each number is
// a share of the row's attention. A row reads itself and what stands before it: from the operation nothing behind it is to be seen.
type Gaze struct {
	OperatorBefore api.Number `json:"operator_before"` // from the operation: on the numbers before it
	LastBefore     api.Number `json:"last_before"`     // from the last word: on the numbers before the operation
	LastOperator   api.Number `json:"last_operator"`   // on the operation
	LastAfter      api.Number `json:"last_after"`      // on the numbers behind it
}

func (g *Gaze) add(o Gaze, weight float64) {
	w := api.Number(weight)
	g.OperatorBefore += w * o.OperatorBefore
	g.LastBefore += w * o.LastBefore
	g.LastOperator += w * o.LastOperator
	g.LastAfter += w * o.LastAfter
}

// attentionThreshold is how many times as much as a head that reads everything alike the best heads have to read of the numbers on either side.
const attentionThreshold = 1.5

func (l *lab) attention(f *Findings) error {
	if l.values == nil {
		f.skip("attention", "there are no questions and no text to look at")
		return nil
	}
	c := l.Model.Config
	a := &Attention{Heads: make([]Head, c.Layers*c.Heads)}
	for i := range a.Heads {
		a.Heads[i].Layer, a.Heads[i].Head = i/c.Heads+1, i%c.Heads+1
	}
	operators := make([]int, len(l.questions)) // the row of each question's operation, -1 where it has none
	for i := range l.questions {
		q := &l.questions[i]
		if operators[i] = l.operator(q); operators[i] >= 0 {
			a.Asked++
		}
	}
	for i, at := range operators {
		if at >= 0 {
			a.Uniform.add(uniform(at, l.questions[i].AnswerStart), 1/float64(a.Asked))
		}
	}
	rows := 0
	for i := range l.questions {
		q := &l.questions[i]
		n := q.AnswerStart
		rows += n
		l.patterns(a, q.row, n, func(h *Head, p []float32) {
			if operators[i] >= 0 {
				h.add(gaze(p, operators[i], n), 1/float64(a.Asked))
			}
		})
	}
	if l.passage != nil {
		rows += len(l.passage)
		l.patterns(a, 0, len(l.passage), func(*Head, []float32) {})
	}
	for i := range a.Heads {
		h := &a.Heads[i]
		for _, v := range []*api.Number{&h.Distance, &h.Self, &h.Previous, &h.First} {
			*v /= api.Number(rows)
		}
	}
	f.Attention = a
	if a.Asked == 0 {
		f.skip("attention at the operation", "no question has one of the words plus, minus and times once, as one token")
		return nil
	}
	f.claim(a.claim())
	return nil
}

// patterns has each head's weights p [n, n] in n rows of one sequence looked at, and adds what all rows read.
func (l *lab) patterns(a *Attention, first, n int, look func(h *Head, p []float32)) {
	c := l.Model.Config
	for layer := range c.Layers {
		all := c.AttentionWeights(l.rows(model.TapQKV(layer), first, n))
		for head := range c.Heads {
			h, p := &a.Heads[layer*c.Heads+head], all.Value[head*n*n:][:n*n]
			for i := range n {
				for j, w := range p[i*n:][:i+1] {
					h.Distance += api.Number(float64(i-j) * float64(w))
				}
				h.Self += api.Number(p[i*n+i])
				h.First += api.Number(p[i*n])
				if i > 0 {
					h.Previous += api.Number(p[i*n+i-1])
				}
			}
			look(h, p)
		}
	}
}

// operator is the row of a question's operation, -1 unless its words are its tokens and it has one operation.
func (l *lab) operator(q *question) int {
	words := strings.Fields(q.Question)
	if q.Operation == examples.Other || len(words) != q.AnswerStart {
		return -1
	}
	at := slices.Index(words, q.Operation)
	if at < 1 || slices.Contains(words[at+1:], q.Operation) {
		return -1
	}
	return at
}

// gaze is where a head with weights p [n, n] looks in a question of n words whose operation is at a row.
func gaze(p []float32, operator, n int) Gaze {
	sum := func(row, from, to int) (s api.Number) {
		for _, w := range p[row*n:][from:to] {
			s += api.Number(w)
		}
		return s
	}
	return Gaze{sum(operator, 0, operator), sum(n-1, 0, operator), sum(n-1, operator, operator+1), sum(n-1, operator+1, n-1)}
}

// uniform is the gaze of a head that reads everything alike.
func uniform(operator, n int) Gaze {
	part := func(of, all int) api.Number { return api.Number(of) / api.Number(all) }
	return Gaze{part(operator, operator+1), part(operator, n), part(1, n), part(n-2-operator, n)}
}

// claim tells whether some heads look at the numbers.
func (a *Attention) claim() Claim {
	best := func(of func(Gaze) api.Number) *Head {
		h := &a.Heads[0]
		for i := range a.Heads {
			if of(a.Heads[i].Gaze) > of(h.Gaze) {
				h = &a.Heads[i]
			}
		}
		return h
	}
	before := best(func(g Gaze) api.Number { return g.LastBefore })
	after := best(func(g Gaze) api.Number { return g.LastAfter })
	operator := best(func(g Gaze) api.Number { return g.OperatorBefore })
	lift := min(before.LastBefore/a.Uniform.LastBefore, after.LastAfter/a.Uniform.LastAfter)
	return Claim{
		ID: "attention", Claim: "Around an operation the model looks at the numbers on both sides of it.",
		Measure: "Attention of the last word of a question, which sees both sides, on the numbers before and behind the operation: that of the " +
			"best head for each side as a multiple of a head's that reads everything alike; the smaller of the two.",
		Value: lift, Threshold: attentionThreshold,
		Says: fmt.Sprintf("From the last word, head %s puts %s of its attention on the numbers before the operation (reading everything alike would be %s), "+
			"and head %s puts %s on those behind it (%s). The operation itself sees only what stands before it, and head %s looks there with %s (%s).",
			before.name(), percent(before.LastBefore), percent(a.Uniform.LastBefore), after.name(), percent(after.LastAfter), percent(a.Uniform.LastAfter),
			operator.name(), percent(operator.OperatorBefore), percent(a.Uniform.OperatorBefore)),
	}
}

// name is layer.head, from 1.
func (h *Head) name() string { return fmt.Sprintf("%d.%d", h.Layer, h.Head) }

func percent(v api.Number) string { return format.Percent(float64(v)) }
