package train

import (
	"errors"
	"math"

	"trainer/model"
)

// Followed is one example on its way through one training step: what the model predicts, how wrong that is, which stage is to blame, and
// what happens to the weight that is to blame the most.
type Followed struct {
	Step     int // the step that was taken, from 1
	Question string
	Target   string            // the right next word behind the question
	Top      []model.Candidate // the model's likeliest next words before the step, best first
	Before   float64           // probability of the target before the step
	After    float64           // and after it
	Loss     float64           // mean -log p over the answer's words and the end, before the step
	Blame    []float64         // by stage: its share of the squared norm of this example's gradient alone
	Weight   FollowedWeight
	Metrics  *Metrics // of the whole step
}

// NLL is the loss on the target: -log of its probability before the step.
func (f *Followed) NLL() float64 { return -math.Log(f.Before) }

// FollowedWeight is the weight with the largest gradient of the example, before and after the step on the whole batch.
type FollowedWeight struct {
	Parameter    string
	Index        []int // of the element
	Before       float64
	Gradient     float64 // of the batch's loss, which the step used
	Scale        float64 // factor that clipping put on the gradient
	LearningRate float64
	After        float64
	Direction    float64 // what the optimizer made of the gradient: After = Before - LearningRate × Direction, in float32

	// AdamW's direction is Mean / Size + Decay × Before; with SGD these are 0.
	Mean  float64 // moving mean of the gradient, corrected for its start at 0
	Size  float64 // root of the moving mean of its square, corrected likewise
	Decay float64 // weight decay, 0 for biases and norms
}

// FollowStep takes the next training step, as Step does, and reports what it meant for one example of the training data, the sequence at
// a place. Looking does not change the step.
func (t *Trainer) FollowStep(example int) (*Followed, error) {
	f := &Followed{Blame: make([]float64, len(t.Model.Stages))}
	var first []int32
	var target int32
	f.Question, first, target = t.Prompt(example)
	f.Target = t.Tokenizer.Token(target)

	ranked, err := t.engine.next(first)
	if err != nil {
		return nil, err
	}
	f.Top, f.Before = ranked[:min(3, len(ranked))], probability(ranked, target)

	// The gradient of this example alone.
	if err := t.engine.start(t.Train, job{batch: []int{example}, micro: 1}); err != nil {
		return nil, err
	}
	alone, err := t.engine.finish(f.Blame)
	if err != nil {
		return nil, err
	}
	f.Loss = alone.loss
	gradient, err := t.engine.updater.gradient()
	if err != nil {
		return nil, err
	}
	p, at := t.steepest(gradient)

	w := &f.Weight
	w.Parameter, w.Index = p.Name, indices(at-p.Begin, p.Shape)
	if err := t.engine.updater.fetch(); err != nil {
		return nil, err
	}
	w.Before = float64(t.Model.Weights[at])
	if f.Metrics, err = t.Step(); err != nil {
		return nil, err
	}
	if gradient, err = t.engine.updater.gradient(); err != nil {
		return nil, err
	}
	if err := t.engine.updater.fetch(); err != nil {
		return nil, err
	}
	w.Gradient, w.After = float64(gradient[at]), float64(t.Model.Weights[at])
	w.Scale, w.LearningRate = clipScale(f.Metrics.GradientNorm, t.Options.Clip), f.Metrics.LearningRate
	w.Direction = w.Gradient * w.Scale
	a, _ := t.optimizer.(*AdamW)
	if m, ok := t.optimizer.(*Muon); ok {
		a = &m.AdamW
		if isHidden(p, t.Model.Stages) { // its direction depends on the whole matrix
			a, w.Direction = nil, (w.Before-w.After)/w.LearningRate
		}
	}
	if a != nil {
		if p.IsMatrix() {
			w.Decay = a.WeightDecay
		}
		if w.Mean, w.Size, err = t.moments(a, at); err != nil {
			return nil, err
		}
		w.Direction = w.Mean/w.Size + w.Decay*w.Before
	}
	f.Step = f.Metrics.Step

	if ranked, err = t.engine.next(first); err != nil {
		return nil, err
	}
	f.After = probability(ranked, target)
	return f, nil
}

// Prompt is what is asked of the model when one prediction on an example of the training data is looked at, as text and as tokens, and the
// right token behind it. The example is the sequence at a place.
func (t *Trainer) Prompt(example int) (text string, prompt []int32, target int32) {
	s := t.Train.sequence(example, new(room))
	prompt, target = s.prompt()
	return t.Train.question(example, s, t.Tokenizer), prompt, target
}

// NextExample is the place of the training example that the next step deals first.
func (t *Trainer) NextExample() int { return t.sampler.peek() }

// steepest returns the parameter and the index in the vector of all weights of the element with the largest gradient.
func (t *Trainer) steepest(gradient []float32) (*model.Parameter, int) {
	best, at := &t.Model.Parameters[0], 0
	for i := range t.Model.Parameters {
		p := &t.Model.Parameters[i]
		for j := p.Begin; j < p.Begin+p.Size(); j++ {
			if math.Abs(float64(gradient[j])) > math.Abs(float64(gradient[at])) {
				best, at = p, j
			}
		}
	}
	return best, at
}

// indices turns a position in a row-major tensor into an index a dimension.
func indices(position int, shape []int) []int {
	index := make([]int, len(shape))
	for d := len(shape) - 1; d >= 0; d-- {
		index[d] = position % shape[d]
		position /= shape[d]
	}
	return index
}

// probability is that of a token, NaN where nothing is predicted.
func probability(ranked []model.Candidate, token int32) float64 {
	for _, c := range ranked {
		if c.Token == token {
			return c.Probability
		}
	}
	return math.NaN()
}

// next returns the tokens that may follow a prompt, best first; none where the prediction is not of numbers, which the next step reports.
func (e *engine) next(prompt []int32) ([]model.Candidate, error) {
	w := e.workers[0]
	w.batch.Reset()
	w.batch.AddPrompt(prompt)
	r, err := w.executor.Run(&w.batch, model.Predict, 0)
	if err != nil {
		return nil, err
	}
	ranked, err := model.Rank(r.Logits)
	if errors.Is(err, model.ErrNotNumbers) {
		return nil, nil
	}
	return ranked, err
}
