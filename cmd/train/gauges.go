package main

import (
	"time"

	"trainer/internal/memory"
	"trainer/internal/metrics"
	"trainer/model"
	"trainer/train"
)

// gauges is the Observer that tells Prometheus. It never waits for a reader.
type gauges struct {
	set metrics.Set

	step, epoch, loss, accuracy, rate, norm, tokens, speed *metrics.Number
	blame                                                  []*metrics.Number
	heldOutLoss, heldOutAccuracy, heldOutPerplexity, bits  *metrics.Number
	saved, savedAt, savedSeconds, savedStall               *metrics.Number
}

// newGauges returns the numbers of a run of so many steps that trains a model of these stages.
func newGauges(steps int, modelStages []model.Stage) *gauges {
	g := &gauges{}
	s := &g.set
	g.step = s.Gauge("trainer_step", "The last training step, from 1.")
	s.Gauge("trainer_steps", "Training steps of the whole run.").Set(float64(steps))
	g.epoch = s.Gauge("trainer_epoch", "Epochs of training data dealt so far.")
	g.loss = s.Gauge("trainer_loss", "Mean -log p of the targets of the last batch, in nats.")
	g.accuracy = s.Gauge("trainer_accuracy", "Share of the answers of the last batch, or of a text's tokens, that were right.")
	g.rate = s.Gauge("trainer_learning_rate", "Learning rate of the last step.")
	g.norm = s.Gauge("trainer_gradient_norm", "Norm of the gradient of the last step, before clipping.")
	g.tokens = s.Counter("trainer_tokens_total", "Tokens that the model has read in training.")
	g.speed = s.Gauge("trainer_tokens_per_second", "Tokens a second of the last step.")
	var stages []string
	for _, stage := range modelStages {
		stages = append(stages, stage.Name)
	}
	g.blame = s.Gauges("trainer_blame", "Share of the squared gradient of the last step, by stage of the model.", "stage", stages)
	g.heldOutLoss = s.Gauge("trainer_held_out_loss", "Mean -log p of the held-out targets, in nats.")
	g.heldOutAccuracy = s.Gauge("trainer_held_out_accuracy", "Share of the held-out answers, or of a text's tokens, that were right.")
	g.heldOutPerplexity = s.Gauge("trainer_held_out_perplexity", "e to the held-out loss.")
	g.bits = s.Gauge("trainer_held_out_bits_per_byte", "Held-out loss in bits for each byte of the text.")
	g.saved = s.Gauge("trainer_checkpoint_step", "Step of the last checkpoint on the disk.")
	g.savedAt = s.Gauge("trainer_checkpoint_timestamp_seconds", "When that was known, in seconds since 1970.")
	g.savedSeconds = s.Gauge("trainer_checkpoint_seconds", "Seconds from its step until it was on the disk.")
	g.savedStall = s.Gauge("trainer_checkpoint_stall_seconds", "Those of them in which training stood still.")
	s.GaugeOf("process_resident_memory_bytes", "Memory of the machine that the process takes.", func() (float64, bool) {
		size, known := memory.Resident()
		return float64(size), known
	})
	s.Gauge("process_start_time_seconds", "When the process began, in seconds since 1970.").Set(now())
	return g
}

// now is the time as Prometheus counts it.
func now() float64 { return float64(time.Now().UnixMilli()) / 1e3 }

// Stepped implements train.Observer.
func (g *gauges) Stepped(m *train.Metrics) {
	g.step.Set(float64(m.Step))
	g.epoch.Set(m.Epoch)
	g.loss.Set(m.Loss)
	g.accuracy.Set(m.Accuracy)
	g.rate.Set(m.LearningRate)
	g.norm.Set(m.GradientNorm)
	g.tokens.Add(float64(m.Tokens))
	g.speed.Set(m.TokensPerSecond)
	for i, share := range m.Blame {
		g.blame[i].Set(share)
	}
}

// Followed implements train.Observer.
func (g *gauges) Followed(*train.Followed) {}

// Evaluated implements train.Observer.
func (g *gauges) Evaluated(_ int, e *train.Evaluation) {
	g.heldOutLoss.Set(e.Loss)
	g.heldOutAccuracy.Set(e.Accuracy())
	g.heldOutPerplexity.Set(e.Perplexity())
	if bits := e.BitsPerByte(); bits > 0 {
		g.bits.Set(bits)
	}
}

// Saved implements train.Observer.
func (g *gauges) Saved(c train.Checkpoint) {
	g.saved.Set(float64(c.Step))
	g.savedAt.Set(now())
	g.savedSeconds.Set(c.Seconds)
	g.savedStall.Set(c.Stall)
}
