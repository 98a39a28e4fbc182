package floor

import (
	"strconv"
	"sync"

	"trainer/internal/floor/api"
	"trainer/train"
)

// notes are what the training goroutine takes down of a run, until Watch fetches it. The lock is held for moments only, by either of them.
type notes struct {
	mutex sync.Mutex
	taken taken
	spare []float64 // memory of steps that were fetched
}

// taken is what has happened.
type taken struct {
	steps       []float64 // of each step: its number, the numbers of a history, the shares of blame
	evaluations []api.Evaluation
	checkpoints []api.Checkpoint
	samples     []api.Sample
}

// take fetches everything. Its steps are valid until the call after the next one.
func (n *notes) take() taken {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	t := n.taken
	n.taken = taken{steps: n.spare[:0]}
	n.spare = t.steps
	return t
}

// Stepped implements train.Observer.
func (l *Live) Stepped(m *train.Metrics) {
	n := &l.notes
	n.mutex.Lock()
	n.taken.steps = append(n.taken.steps, float64(m.Step), m.Loss, m.Accuracy, m.LearningRate, m.GradientNorm, m.TokensPerSecond, m.Epoch)
	n.taken.steps = append(n.taken.steps, m.Blame...)
	n.mutex.Unlock()
	l.step.Store(int64(m.Step))
}

// Followed implements train.Observer.
func (l *Live) Followed(f *train.Followed) { l.look.Followed(f) }

// Evaluated implements train.Observer.
func (l *Live) Evaluated(step int, e *train.Evaluation) {
	told := api.Evaluation{Step: step, Loss: api.Number(e.Loss), Accuracy: api.Number(e.Accuracy())}
	if bits := api.Number(e.BitsPerByte()); bits > 0 {
		told.BitsPerByte = &bits
	}
	for _, s := range e.ByOperation {
		if told.ByOperation == nil {
			told.ByOperation = make(map[string]api.Number)
		}
		told.ByOperation[s.Operation] = api.Number(s.Accuracy())
	}
	n := &l.notes
	n.mutex.Lock()
	n.taken.evaluations = append(n.taken.evaluations, told)
	n.mutex.Unlock()
}

// Sampled takes down what the model makes of its questions.
func (l *Live) Sampled(list []train.Sample) {
	n := &l.notes
	n.mutex.Lock()
	for _, s := range list {
		n.taken.samples = append(n.taken.samples, api.Sample(s))
	}
	n.mutex.Unlock()
}

// Saved implements train.Observer.
func (l *Live) Saved(c train.Checkpoint) {
	n := &l.notes
	n.mutex.Lock()
	n.taken.checkpoints = append(n.taken.checkpoints, api.Checkpoint{Step: c.Step, Label: strconv.Itoa(c.Step)})
	n.mutex.Unlock()
}
