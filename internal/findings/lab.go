package findings

import (
	"slices"

	"trainer/internal/vm"
	"trainer/model"
	"trainer/train/examples"
)

// maxQuestions is how many questions are asked of each operation: enough that a share is right to some hundredths.
const maxQuestions = 100

// lab is a model on the bench.
type lab struct {
	Subject
	executor  *model.Executor
	copy      *model.Model // the subject's weights, which may be changed and put back
	changed   *model.Executor
	questions []question
	passage   []int32 // of a text
	values    map[string]model.Tensor
}

// question is an example in tokens.
type question struct {
	examples.Example
	examples.Encoded
	row int // of its first token among the rows of values
}

// inputs are the tokens that the model reads, targets what is right behind each, -1 inside the question.
func (q *question) inputs() []int32 { return q.IDs[:len(q.IDs)-1] }

func (q *question) targets() []int32 {
	targets := slices.Clone(q.IDs[1:])
	for i := range q.AnswerStart - 1 {
		targets[i] = -1
	}
	return targets
}

// newLab encodes what is asked and traces the model on it once.
func newLab(s Subject, b vm.Backend) (*lab, error) {
	weights := vm.AlignedFloat32s(len(s.Model.Weights))
	copy(weights, s.Model.Weights)
	l := &lab{Subject: s, executor: model.NewExecutor(s.Model, b), copy: s.Model.Over(weights)}
	l.changed = model.NewExecutor(l.copy, b)
	var err error
	if l.questions, err = l.encode(spread(s.Examples)); err != nil {
		return nil, err
	}
	c := s.Model.Config
	if len(l.questions) == 0 {
		if l.passage, err = s.Tokenizer.Encode(s.Text); err != nil {
			return nil, err
		}
		const most = 256 // tokens: patterns of attention grow with the square
		l.passage = l.passage[:min(len(l.passage), c.Context, most)]
		if len(l.passage) < 2 {
			l.passage = nil
			return l, nil
		}
	}
	return l, l.trace()
}

// spread chooses up to maxQuestions of each operation, evenly over the list.
func spread(list []examples.Example) []examples.Example {
	groups := make(map[string][]examples.Example)
	var order []string
	for _, e := range list {
		if groups[e.Operation] == nil {
			order = append(order, e.Operation)
		}
		groups[e.Operation] = append(groups[e.Operation], e)
	}
	var chosen []examples.Example
	for _, operation := range order {
		chosen = append(chosen, evenly(groups[operation], maxQuestions)...)
	}
	return chosen
}

// evenly chooses up to n of a list, at equal distances.
func evenly[T any](list []T, n int) []T {
	if len(list) <= n {
		return list
	}
	chosen := make([]T, n)
	for i := range chosen {
		chosen[i] = list[(2*i+1)*len(list)/(2*n)]
	}
	return chosen
}

func (l *lab) encode(list []examples.Example) ([]question, error) {
	encoded, err := examples.EncodeAll(l.Tokenizer, list, l.Model.Config.Context)
	if err != nil {
		return nil, err
	}
	questions := make([]question, len(list))
	row := 0
	for i, e := range encoded {
		questions[i] = question{list[i], e, row}
		row += len(e.IDs) - 1
	}
	return questions, nil
}

// trace reads the queries, keys and values of each layer, and the residual stream, in all rows.
func (l *lab) trace() error {
	var b model.Batch
	for i := range l.questions {
		q := &l.questions[i]
		b.AddWhole(q.inputs(), q.targets())
	}
	if l.passage != nil {
		b.AddWhole(l.passage, append(slices.Clone(l.passage[1:]), -1))
	}
	c := l.Model.Config
	names := residuals(c)
	for i := range c.Layers {
		names = append(names, model.TapQKV(i))
	}
	list, err := l.executor.Trace(&b, 1, names...)
	if err != nil {
		return err
	}
	l.values = make(map[string]model.Tensor, len(list))
	for _, v := range list {
		l.values[v.Name] = v
	}
	return nil
}

// rows returns n rows of a traced matrix, from the first on.
func (l *lab) rows(name string, first, n int) []float32 {
	v := l.values[name]
	return v.Value[first*v.Shape[1]:][:n*v.Shape[1]]
}

// right tells which of the questions the model of an executor answers right, in full: every token of the answer is the likeliest behind those
// before it, which is what greedy generation gives.
func right(e *model.Executor, list []question) ([]bool, error) {
	if len(list) == 0 {
		return nil, nil
	}
	var b model.Batch
	for i := range list {
		b.Add(list[i].inputs(), list[i].targets())
	}
	r, err := e.Run(&b, model.Evaluate, 1)
	if err != nil {
		return nil, err
	}
	answers, hits := make([]bool, len(list)), r.Hits
	for i := range list {
		n := len(list[i].IDs) - list[i].AnswerStart
		answers[i] = !slices.Contains(hits[:n], 0)
		hits = hits[n:]
	}
	return answers, nil
}

// share is the part of a list that is true, 0 of an empty one.
func share(list []bool) float64 {
	n := 0
	for _, ok := range list {
		if ok {
			n++
		}
	}
	return float64(n) / float64(max(1, len(list)))
}
