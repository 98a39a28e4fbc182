package train

import (
	"cmp"
	"iter"
	"math"
	"slices"

	"trainer/internal/collective"
	"trainer/internal/team"
	"trainer/model"
)

// Evaluation says how well a model predicts data. An answer is right when every token of it, the end token included, is the
// likeliest one behind the tokens before it; that is the same as greedy generation giving the answer. Of a text each token counts by
// itself.
type Evaluation struct {
	Loss  float64 // mean -log p of the targets, in nats
	Right int     // answers, or tokens of text
	Total int

	ByOperation []Score // of examples
	Wrong       []int   // indices of the examples that are not right, in order

	BytesPerToken float64 // of text; 0 is not known
}

// Perplexity is e^Loss: the number of equally likely tokens among which a choice is as hard.
func (e *Evaluation) Perplexity() float64 { return math.Exp(e.Loss) }

// BitsPerByte is the loss in bits for each byte of the text, which can be compared between tokenizers; 0 where it is not known.
func (e *Evaluation) BitsPerByte() float64 {
	if e.BytesPerToken == 0 {
		return 0
	}
	return e.Loss / math.Ln2 / e.BytesPerToken
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

// evaluationEnd returns the end of the batch of sequences that begins with the first one.
func evaluationEnd(d Data, first int) int {
	tokens := d.length(d.place(first))
	end := first + 1
	for ; end < min(first+evaluationExamples, d.Len()); end++ {
		if tokens += d.length(d.place(end)); tokens > evaluationTokens {
			break
		}
	}
	return end
}

// evaluate runs all sequences through the model as it is.
func (e *engine) evaluate(d Data) (*Evaluation, error) {
	e.data = d
	nll, right := make([]float64, d.Len()), make([]int, d.Len())
	run := func(w, workers int) { e.workers[w].err = e.evaluateShare(w, workers, nll, right) }
	if err := e.everyWorker([]team.Phase{run}); err != nil {
		return nil, err
	}
	if e.together() {
		if err := e.shareResults(nll, right); err != nil {
			return nil, err
		}
	}
	result := &Evaluation{}
	d.summarize(result, nll, right)
	return result, nil
}

// evaluations yields the batches of an evaluation, by their first sequence and the one behind their last, that a worker of a rank has.
func (e *engine) evaluations(rank, w, workers int) iter.Seq2[int, int] {
	ranks := e.group.Size()
	return func(yield func(int, int) bool) {
		for number, first := 0, 0; first < e.data.Len(); number++ {
			begin, end := first, evaluationEnd(e.data, first)
			first = end
			if number%ranks == rank && number/ranks%workers == w && !yield(begin, end) {
				return
			}
		}
	}
}

// shareResults fills in what other ranks have evaluated.
func (e *engine) shareResults(nll []float64, right []int) error {
	var mine packed
	for begin, end := range e.evaluations(e.group.Rank(), 0, 1) {
		for i := begin; i < end; i++ {
			mine.add(nll[i], right[i])
		}
	}
	all, err := collective.Exchange(e.group, mine)
	if err != nil {
		return err
	}
	for rank := range all {
		theirs := packed(all[rank])
		for begin, end := range e.evaluations(rank, 0, 1) {
			for i := begin; i < end; i++ {
				nll[i], right[i] = theirs.take()
			}
		}
	}
	return nil
}

// evaluateShare evaluates a worker's share of the batches.
func (e *engine) evaluateShare(w, workers int, nll []float64, right []int) error {
	me := e.workers[w]
	var places []int
	for begin, end := range e.evaluations(e.group.Rank(), w, workers) {
		places = places[:0]
		for i := begin; i < end; i++ {
			places = append(places, e.data.place(i))
		}
		me.batch.Reset()
		e.fill(me, places, false)
		r, err := me.executor.Run(&me.batch, model.Evaluate, 1)
		if err != nil {
			return err
		}
		from := 0
		for i, at := range places {
			to := from + e.data.wanted(at, false)
			for _, v := range r.NLL[from:to] {
				nll[begin+i] += float64(v)
			}
			right[begin+i], _ = e.data.right(r.Hits[from:to])
			from = to
		}
	}
	return nil
}

func (d *Dataset) summarize(result *Evaluation, nll []float64, right []int) {
	result.Total = d.Len()
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
		result.ByOperation[k].Right += right[i]
		result.Right += right[i]
		if right[i] == 0 {
			result.Wrong = append(result.Wrong, i)
		}
	}
	if targets > 0 {
		result.Loss /= float64(targets)
	}
	slices.SortFunc(result.ByOperation, func(a, b Score) int { return cmp.Compare(a.Operation, b.Operation) })
}
