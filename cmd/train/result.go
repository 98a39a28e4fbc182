package main

import "trainer/train"

// recentSteps is how many of the last steps the final loss is a mean of: the loss of a single batch jumps about, and in a short run that of
// earlier steps is not final.
func recentSteps(steps int) int { return max(1, min(100, steps/100)) }

// result is summary.json. Accuracies are shares of answers that are right to the last word, or of a text's tokens, 0 to 1; losses are means of -log p, in nats.
type result struct {
	HeldOutAccuracy    *float64           `json:"held_out_accuracy"` // null without held-out examples, like their loss, and that also where it is not finite
	TrainAccuracy      float64            `json:"train_accuracy"`
	HeldOutByOperation map[string]float64 `json:"held_out_by_operation"`
	TrainByOperation   map[string]float64 `json:"train_by_operation"`
	FinalLoss          float64            `json:"final_loss"` // of training, mean of the last recentSteps steps
	HeldOutLoss        *float64           `json:"held_out_loss"`
	HeldOutPerplexity  *float64           `json:"held_out_perplexity,omitempty"`    // of a text
	HeldOutBitsPerByte *float64           `json:"held_out_bits_per_byte,omitempty"` // of a text
	Steps              int                `json:"steps"`
	Seconds            float64            `json:"seconds"`
	Parameters         int                `json:"parameters"`
	Examples           int                `json:"examples"` // of a text: tokens
	HeldOutExamples    int                `json:"held_out_examples"`
	Device             string             `json:"device"`
	Seed               uint64             `json:"seed"`

	trained, heldOut *train.Evaluation
	best             *best
}

// best is the best checkpoint, where -keep-best asks for one.
type best struct {
	path string
	*train.HeldOut
}

func newResult(s *session, trained, heldOut *train.Evaluation, finalLoss float64) *result {
	r := &result{
		TrainAccuracy:      trained.Accuracy(),
		HeldOutByOperation: byOperation(heldOut), TrainByOperation: byOperation(trained),
		FinalLoss: finalLoss,
		Steps:     s.trainer.StepsTaken(), Seconds: s.trainer.Seconds(),
		Parameters: s.trainer.Model.Config.NumParameters(), Examples: trained.Total, HeldOutExamples: heldOut.Total,
		Device: s.trainer.Device(), Seed: s.options.Seed,
		trained: trained, heldOut: heldOut,
	}
	if heldOut.Total > 0 {
		accuracy := heldOut.Accuracy()
		r.HeldOutAccuracy = &accuracy
		if finite(heldOut.Loss) != nil {
			r.HeldOutLoss = &heldOut.Loss
		}
		if heldOut.BytesPerToken > 0 && r.HeldOutLoss != nil {
			perplexity, bits := heldOut.Perplexity(), heldOut.BitsPerByte()
			r.HeldOutPerplexity, r.HeldOutBitsPerByte = &perplexity, &bits
		}
	}
	return r
}

func byOperation(e *train.Evaluation) map[string]float64 {
	accuracy := make(map[string]float64)
	for _, score := range e.ByOperation {
		accuracy[score.Operation] = score.Accuracy()
	}
	return accuracy
}
