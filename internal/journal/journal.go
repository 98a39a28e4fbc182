// Package journal reads metrics.jsonl, the file in which a trainer takes down every step and every evaluation of a run, one JSON object a
// line. Start at Line; Tail follows a file that grows.
package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// Line is a line of metrics.jsonl: a step, which has an accuracy, or an evaluation behind one, which has one of held-out data. A number that
// was not finite is null, and nil here, as is one that the line does not have.
type Line struct {
	Step            int      `json:"step"` // from 1
	Epoch           *float64 `json:"epoch"`
	Loss            *float64 `json:"loss"` // mean -log p, in nats
	Accuracy        *float64 `json:"accuracy"`
	LearningRate    *float64 `json:"lr"`
	GradientNorm    *float64 `json:"gradient_norm"`
	TokensPerSecond *float64 `json:"tokens_per_second"`
	Blame           Shares   `json:"blame"`

	HeldOutLoss        *float64            `json:"held_out_loss"`
	HeldOutAccuracy    *float64            `json:"held_out_accuracy"`
	HeldOutBitsPerByte *float64            `json:"held_out_bits_per_byte"` // of a text
	HeldOutByOperation map[string]*float64 `json:"held_out_by_operation"`  // of examples: accuracy
}

// IsEvaluation says that the line is not of a step but of an evaluation.
func (l *Line) IsEvaluation() bool { return l.HeldOutAccuracy != nil }

// Shares are the stages of a model in their order, each with its share of the squared gradient, 0 to 1.
type Shares struct {
	Names  []string
	Values []float64
}

// UnmarshalJSON reads an object of numbers. The order of its keys is kept.
func (s *Shares) UnmarshalJSON(data []byte) error {
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
		s.Names, s.Values = append(s.Names, name.(string)), append(s.Values, value)
	}
	return nil
}
