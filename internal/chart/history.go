package chart

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"gonum.org/v1/plot/plotter"

	"trainer/internal/fault"
)

// history is what metrics.jsonl tells: series of a value by step, both axes as numbers.
type history struct {
	loss, accuracy               plotter.XYs // of the batches, accuracy 0 to 1
	heldOutLoss, heldOutAccuracy plotter.XYs
	stages                       []string
	blame                        []plotter.XYs // by stage: its share, 0 to 1
}

// record is a line of metrics.jsonl: a step, which has an accuracy, or an evaluation, which has one of held-out examples. A loss that was
// not finite is null.
type record struct {
	Step            int      `json:"step"`
	Loss            *float64 `json:"loss"`
	Accuracy        *float64 `json:"accuracy"`
	Blame           shares   `json:"blame"`
	HeldOutLoss     *float64 `json:"held_out_loss"`
	HeldOutAccuracy *float64 `json:"held_out_accuracy"`
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
		var r record
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

func (h *history) add(r *record) error {
	point := func(series *plotter.XYs, y *float64) {
		if y != nil {
			*series = append(*series, plotter.XY{X: float64(r.Step), Y: *y})
		}
	}
	if r.HeldOutAccuracy != nil {
		point(&h.heldOutLoss, r.HeldOutLoss)
		point(&h.heldOutAccuracy, r.HeldOutAccuracy)
		return nil
	}
	if r.Accuracy == nil || r.Blame.names == nil {
		return errors.New("expected a step with accuracy and blame, or an evaluation with held_out_accuracy")
	}
	if h.stages == nil {
		h.stages, h.blame = r.Blame.names, make([]plotter.XYs, len(r.Blame.names))
	}
	if !slices.Equal(h.stages, r.Blame.names) {
		return errors.New("the stages of blame are not those of the first step")
	}
	point(&h.loss, r.Loss)
	point(&h.accuracy, r.Accuracy)
	for i := range h.blame {
		point(&h.blame[i], &r.Blame.values[i])
	}
	return nil
}

// begin is the step before the first one, end the last.
func (h *history) begin() float64 { return h.accuracy[0].X - 1 }
func (h *history) end() float64   { return h.accuracy[len(h.accuracy)-1].X }

// shares is a JSON object of numbers that keeps the order of its keys.
type shares struct {
	names  []string
	values []float64
}

func (s *shares) UnmarshalJSON(data []byte) error {
	d := json.NewDecoder(bytes.NewReader(data))
	if token, _ := d.Token(); token != json.Delim('{') {
		return errors.New("blame is not an object")
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return err
		}
		var value float64
		if err := d.Decode(&value); err != nil {
			return err
		}
		if value < 0 || value > 1 {
			return fmt.Errorf("%s has %g of the blame: expected 0 to 1", name, value)
		}
		s.names, s.values = append(s.names, name.(string)), append(s.values, value)
	}
	return nil
}
