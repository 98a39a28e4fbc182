package floor

import (
	"slices"

	"trainer/internal/floor/api"
)

// maxPoints is how many points a chart is given: more than it has columns. It is even.
const maxPoints = 2000

// The numbers of a step, in the order in which a history has them; the shares of blame come behind.
const (
	loss = iota
	accuracy
	learningRate
	gradientNorm
	tokensPerSecond
	epoch
	ownNumbers
)

// history is the course of a run, in bounded memory: of more than maxPoints steps it has the means of 2, 4, 8 ... neighbours.
type history struct {
	stages      []string
	every       int       // steps in a point, except the last one
	open        int       // steps in the last point
	steps       []int     // the last step of each point
	values      []float64 // [points][ownNumbers + stages]
	evaluations []api.Evaluation
	samples     []api.Sample
}

func newHistory(stages []string) *history {
	return &history{stages: stages, every: 1, open: 1, steps: []int{}}
}

// width is how many numbers a point has.
func (h *history) width() int { return ownNumbers + len(h.stages) }

// add adds a step, which comes behind all others.
func (h *history) add(step int, numbers []float64) {
	if n := len(h.steps); n > 0 && h.open < h.every {
		h.open++
		h.steps[n-1] = step
		for i, mean := range h.values[(n-1)*h.width():] {
			h.values[(n-1)*h.width()+i] = mean + (numbers[i]-mean)/float64(h.open)
		}
		return
	}
	if len(h.steps) == maxPoints {
		h.halve()
	}
	h.steps = append(h.steps, step)
	h.values = append(h.values, numbers...)
	h.open = 1
}

// evaluated adds an evaluation. Of more than maxPoints every other one stays.
func (h *history) evaluated(e api.Evaluation) { h.evaluations = thinned(append(h.evaluations, e)) }

// sampled adds a sample, likewise.
func (h *history) sampled(s api.Sample) { h.samples = thinned(append(h.samples, s)) }

// last is the last step, 0 where there is none.
func (h *history) last() int {
	if len(h.steps) == 0 {
		return 0
	}
	return h.steps[len(h.steps)-1]
}

// questions are the prompts of all samples, each once.
func (h *history) questions() []string {
	list := []string{}
	for _, s := range h.samples {
		if !slices.Contains(list, s.Prompt) {
			list = append(list, s.Prompt)
		}
	}
	return list
}

func thinned[T any](list []T) []T {
	if len(list) <= maxPoints {
		return list
	}
	for i := range len(list) / 2 {
		list[i] = list[2*i]
	}
	return append(list[:len(list)/2], list[len(list)-1])
}

// halve makes one point of two neighbours, all of which are full.
func (h *history) halve() {
	w := h.width()
	for i := range maxPoints / 2 {
		h.steps[i] = h.steps[2*i+1]
		for j := range w {
			h.values[i*w+j] = (h.values[2*i*w+j] + h.values[(2*i+1)*w+j]) / 2
		}
	}
	h.steps, h.values = h.steps[:maxPoints/2], h.values[:maxPoints/2*w]
	h.every *= 2
}

// metrics are the points behind a step, and behind 0 the samples of the untrained model, too.
func (h *history) metrics(run string, since int) *api.Metrics {
	first, _ := slices.BinarySearch(h.steps, since+1)
	n, w := len(h.steps)-first, h.width()
	m := &api.Metrics{Run: run, Every: h.every, Steps: slices.Clone(h.steps[first:]), Evaluations: []api.Evaluation{}, Samples: []api.Sample{}}
	column := func(number int) []api.Number {
		list := make([]api.Number, n)
		for i := range list {
			list[i] = api.Number(h.values[(first+i)*w+number])
		}
		return list
	}
	m.Loss, m.Accuracy, m.LearningRate = column(loss), column(accuracy), column(learningRate)
	m.GradientNorm, m.TokensPerSecond, m.Epoch = column(gradientNorm), column(tokensPerSecond), column(epoch)
	m.Blame = api.Blame{Stages: slices.Clone(h.stages), Shares: make([][]api.Number, n)}
	for i := range n {
		at := (first + i) * w
		m.Blame.Shares[i] = api.Numbers(h.values[at+ownNumbers : at+w])
	}
	for _, e := range h.evaluations {
		if e.Step > since {
			m.Evaluations = append(m.Evaluations, e)
		}
	}
	for _, s := range h.samples {
		if s.Step > since || since == 0 {
			m.Samples = append(m.Samples, s)
		}
	}
	return m
}

// event is what the last step tells.
func event(step int, numbers []float64) api.StepEvent {
	n := func(i int) api.Number { return api.Number(numbers[i]) }
	return api.StepEvent{Step: step, Loss: n(loss), Accuracy: n(accuracy), LearningRate: n(learningRate), GradientNorm: n(gradientNorm),
		TokensPerSecond: n(tokensPerSecond), Epoch: n(epoch), Blame: api.Numbers(numbers[ownNumbers:])}
}
