package floor

import (
	"encoding/json"
	"math"
	"os"

	"trainer/internal/floor/api"
	"trainer/internal/journal"
	"trainer/train"
)

// chronicle is the history of a run as its folder tells it: of metrics.jsonl and samples.jsonl, which grow while it is trained, and which a
// resumed run replaces by shorter ones.
type chronicle struct {
	stages           []string // of the model; nil takes those of the first step
	history          *history
	metrics, samples journal.Tail
}

// newChronicle follows files of a folder, which open opens by name.
func newChronicle(open func(name string) (*os.File, error), stages []string) *chronicle {
	of := func(name string) journal.Tail {
		return journal.Tail{Open: func() (*os.File, error) { return open(name) }}
	}
	return &chronicle{stages: stages, history: newHistory(stages), metrics: of(train.MetricsFile), samples: of(train.SamplesFile)}
}

// sink is told what a chronicle reads.
type sink struct {
	stepped   func(api.StepEvent)
	evaluated func(api.Evaluation)
	sampled   func(api.Sample)
}

// ignore is for those who look at the history alone.
var ignore = sink{func(api.StepEvent) {}, func(api.Evaluation) {}, func(api.Sample) {}}

// follow reads what has been added since the last call, and tells of it. A line that is damaged is none, and no reason to show nothing.
func (c *chronicle) follow(told sink) error {
	another := false
	read := func(line []byte) {
		var l journal.Line
		if json.Unmarshal(line, &l) == nil {
			c.add(&l, told)
		}
	}
	err := c.metrics.Lines(func() {
		another, c.history = true, newHistory(c.stages)
	}, read)
	if err != nil {
		return err
	}
	if another {
		c.samples.Restart()
	}
	return c.samples.Lines(func() { c.history.samples = nil }, func(line []byte) {
		var s api.Sample
		if json.Unmarshal(line, &s) == nil {
			c.history.sampled(s)
			told.sampled(s)
		}
	})
}

// add adds a line of metrics.
func (c *chronicle) add(l *journal.Line, told sink) {
	if l.IsEvaluation() {
		e := api.Evaluation{Step: l.Step, Loss: number(l.HeldOutLoss), Accuracy: number(l.HeldOutAccuracy)}
		if l.HeldOutBitsPerByte != nil {
			bits := number(l.HeldOutBitsPerByte)
			e.BitsPerByte = &bits
		}
		for operation, share := range l.HeldOutByOperation {
			if e.ByOperation == nil {
				e.ByOperation = make(map[string]api.Number)
			}
			e.ByOperation[operation] = number(share)
		}
		c.history.evaluated(e)
		told.evaluated(e)
		return
	}
	if c.history.stages == nil {
		c.history.stages = l.Blame.Names
	}
	numbers := make([]float64, c.history.width())
	for i, n := range [ownNumbers]*float64{
		loss: l.Loss, accuracy: l.Accuracy, learningRate: l.LearningRate, gradientNorm: l.GradientNorm,
		tokensPerSecond: l.TokensPerSecond, epoch: l.Epoch,
	} {
		numbers[i] = float64(number(n))
	}
	copy(numbers[ownNumbers:], l.Blame.Values)
	c.history.add(l.Step, numbers)
	told.stepped(event(l.Step, numbers))
}

// number is one that may be missing.
func number(n *float64) api.Number {
	if n == nil {
		return api.Number(math.NaN())
	}
	return api.Number(*n)
}
