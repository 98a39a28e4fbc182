package chart

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"os"
	"slices"

	"gonum.org/v1/plot/plotter"

	"trainer/internal/fault"
	"trainer/internal/journal"
)

// history is what metrics.jsonl tells: series of a value by step, both axes as numbers.
type history struct {
	loss, accuracy               plotter.XYs // of the batches, accuracy 0 to 1
	heldOutLoss, heldOutAccuracy plotter.XYs
	stages                       []string
	blame                        []plotter.XYs // by stage: its share, 0 to 1
}

// readHistory reads a metrics file. A last line that is cut off is left out: a run may be writing it.
func readHistory(path string) (*history, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fault.Dataf("%w: expected the metrics of a run", err)
	}
	defer file.Close()
	h := &history{}
	lines := bufio.NewReaderSize(file, 1<<16)
	last := 0 // step of the line before
	for number := 1; ; number++ {
		line, err := lines.ReadBytes('\n')
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, fault.Dataf("%s: %w", path, err)
		}
		var r journal.Line
		if err := json.Unmarshal(line, &r); err != nil {
			return nil, fault.Dataf("%s:%d: not a line of metrics: %w", path, number, err)
		}
		if r.Step < last {
			return nil, fault.Dataf("%s:%d: step %d follows step %d: expected steps in order", path, number, r.Step, last)
		}
		last = r.Step
		if err := h.add(&r); err != nil {
			return nil, fault.Dataf("%s:%d: %w", path, number, err)
		}
	}
	if len(h.loss) == 0 {
		return nil, fault.Dataf("%s: there is no step to draw", path)
	}
	return h, nil
}

func (h *history) add(r *journal.Line) error {
	point := func(series *plotter.XYs, y *float64) {
		if y != nil {
			*series = append(*series, plotter.XY{X: float64(r.Step), Y: *y})
		}
	}
	if r.IsEvaluation() {
		point(&h.heldOutLoss, r.HeldOutLoss)
		point(&h.heldOutAccuracy, r.HeldOutAccuracy)
		return nil
	}
	if r.Accuracy == nil || r.Blame.Names == nil {
		return errors.New("expected a step with accuracy and blame, or an evaluation with held_out_accuracy")
	}
	if h.stages == nil {
		h.stages, h.blame = r.Blame.Names, make([]plotter.XYs, len(r.Blame.Names))
	}
	if !slices.Equal(h.stages, r.Blame.Names) {
		return errors.New("the stages of blame are not those of the first step")
	}
	point(&h.loss, r.Loss)
	point(&h.accuracy, r.Accuracy)
	for i := range h.blame {
		point(&h.blame[i], &r.Blame.Values[i])
	}
	return nil
}

// begin is the step before the first one, end the last.
func (h *history) begin() float64 { return h.accuracy[0].X - 1 }
func (h *history) end() float64   { return h.accuracy[len(h.accuracy)-1].X }
