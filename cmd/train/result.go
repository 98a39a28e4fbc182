package main

import "trainer/train"

// result is summary.json.
type result struct {
	HeldOutAccuracy    float64            `json:"held_out_accuracy"`
	TrainAccuracy      float64            `json:"train_accuracy"`
	HeldOutByOperation map[string]float64 `json:"held_out_by_operation"`
	TrainByOperation   map[string]float64 `json:"train_by_operation"`
	FinalLoss          float64            `json:"final_loss"` // mean of the last 100 steps
	HeldOutLoss        float64            `json:"held_out_loss"`
	Steps              int                `json:"steps"`
	Seconds            float64            `json:"seconds"`
	Parameters         int                `json:"parameters"`
	Examples           int                `json:"examples"`
	HeldOutExamples    int                `json:"held_out_examples"`
	Device             string             `json:"device"`
	Seed               uint64             `json:"seed"`

	trained, heldOut *train.Evaluation
}

func newResult(s *session, trained, heldOut *train.Evaluation) *result {
	return &result{
		HeldOutAccuracy: heldOut.Accuracy(), TrainAccuracy: trained.Accuracy(),
		HeldOutByOperation: byOperation(heldOut), TrainByOperation: byOperation(trained),
		FinalLoss: s.recent.mean(), HeldOutLoss: heldOut.Loss,
		Steps: s.trainer.StepsTaken(), Seconds: s.trainer.Seconds(),
		Parameters: s.config.NumParameters(), Examples: trained.Total, HeldOutExamples: heldOut.Total,
		Device: s.trainer.Device(), Seed: s.options.Seed,
		trained: trained, heldOut: heldOut,
	}
}

func byOperation(e *train.Evaluation) map[string]float64 {
	accuracy := make(map[string]float64)
	for _, score := range e.ByOperation {
		accuracy[score.Operation] = score.Accuracy()
	}
	return accuracy
}

// recentLoss keeps the loss of the last 100 steps of this process.
type recentLoss struct {
	losses [100]float64
	count  int
}

func (r *recentLoss) add(loss float64) {
	r.losses[r.count%len(r.losses)] = loss
	r.count++
}

func (r *recentLoss) mean() float64 {
	n := min(r.count, len(r.losses))
	if n == 0 {
		return 0
	}
	sum := 0.0
	for _, loss := range r.losses[:n] {
		sum += loss
	}
	return sum / float64(n)
}
