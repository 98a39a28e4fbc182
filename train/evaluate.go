package train

import (
	"cmp"
	"slices"

	"trainer/internal/team"
	"trainer/model"
)

// Evaluation says how well a model answers a dataset. An answer is right when every token of it, the end token included, is the
// likeliest one behind the tokens before it; that is the same as greedy generation giving the answer.
type Evaluation struct {
	Loss        float64 // mean -log p of the answers' tokens
	Right       int     // examples whose whole answer is right
	Total       int
	ByOperation []Score
	Wrong       []int // indices of the examples that are not right, in order
}

// Score is the accuracy on one operation.
type Score struct {
	Operation    string
	Right, Total int
}

// Accuracy is the exact match: the share of right answers, 0 to 1.
func (e *Evaluation) Accuracy() float64 { return share(e.Right, e.Total) }

// Accuracy is the share of right answers, 0 to 1.
func (s Score) Accuracy() float64 { return share(s.Right, s.Total) }

func share(right, total int) float64 {
	if total == 0 {
		return 0
	}
	return float64(right) / float64(total)
}

// What is evaluated at once: enough to fill the tiles of the matrix products, and no more, since long examples take much memory.
const (
	evaluationExamples = 128
	evaluationTokens   = 4096
)

// evaluationEnd returns the end of the batch of examples that begins with the first one.
func (d *Dataset) evaluationEnd(first int) int {
	tokens := len(d.sequences[first].inputs)
	end := first + 1
	for ; end < min(first+evaluationExamples, d.Len()); end++ {
		if tokens += len(d.sequences[end].inputs); tokens > evaluationTokens {
			break
		}
	}
	return end
}

// evaluate runs all examples of a dataset through the model as it is.
func (e *engine) evaluate(d *Dataset) (*Evaluation, error) {
	e.data = d
	nll, right := make([]float64, d.Len()), make([]bool, d.Len())
	run := func(w, workers int) { e.workers[w].err = e.evaluateShare(w, workers, nll, right) }
	if err := e.everyWorker([]team.Phase{run}); err != nil {
		return nil, err
	}
	return summarize(d, nll, right), nil
}

// evaluateShare evaluates every workers-th batch of examples.
func (e *engine) evaluateShare(w, workers int, nll []float64, right []bool) error {
	me, answers := e.workers[w], &job{}
	var examples []int32
	for number, first := 0, 0; first < e.data.Len(); number++ {
		begin, end := first, e.data.evaluationEnd(first)
		first = end
		if number%workers != w {
			continue
		}
		examples = examples[:0]
		for i := begin; i < end; i++ {
			examples = append(examples, int32(i))
		}
		e.fill(&me.batch, answers, examples)
		r, err := me.executor.Run(&me.batch, model.Evaluate, 1)
		if err != nil {
			return err
		}
		at := 0
		for _, i := range examples {
			end := at + e.data.sequences[i].wanted
			for _, v := range r.NLL[at:end] {
				nll[i] += float64(v)
			}
			right[i] = allHit(r.Hits[at:end])
			at = end
		}
	}
	return nil
}

func summarize(d *Dataset, nll []float64, right []bool) *Evaluation {
	result := &Evaluation{Total: d.Len()}
	targets := 0
	for i := range d.sequences {
		s := &d.sequences[i]
		operation := d.Examples[i].Operation
		result.Loss += nll[i]
		targets += s.wanted
		k := slices.IndexFunc(result.ByOperation, func(score Score) bool { return score.Operation == operation })
		if k < 0 {
			k = len(result.ByOperation)
			result.ByOperation = append(result.ByOperation, Score{Operation: operation})
		}
		result.ByOperation[k].Total++
		if right[i] {
			result.ByOperation[k].Right++
			result.Right++
		} else {
			result.Wrong = append(result.Wrong, i)
		}
	}
	if targets > 0 {
		result.Loss /= float64(targets)
	}
	slices.SortFunc(result.ByOperation, func(a, b Score) int { return cmp.Compare(a.Operation, b.Operation) })
	return result
}
