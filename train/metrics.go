package train

import (
	"encoding/json"
	"math"
	"strconv"

	"trainer/model"
)

// Metrics is what one step tells about itself.
type Metrics struct {
	Step            int     // from 1
	Epoch           float64 // of training data dealt so far
	Loss            float64 // mean -log p of the targets in the batch, before the update
	Accuracy        float64 // share of the batch's answers that were right in full, or of a text's tokens, before the update
	LearningRate    float64
	GradientNorm    float64 // before clipping
	Tokens          int     // read by the model in this step
	TokensPerSecond float64
	Seconds         float64 // since the run began
	Stages          []model.Stage
	Blame           []float64 // by stage: its share of the squared gradient norm
}

// AppendJSON appends the metrics to buffer as one JSON object, a line of metrics.jsonl without its end.
func (m *Metrics) AppendJSON(buffer []byte) []byte {
	b := append(buffer, `{"step":`...)
	b = strconv.AppendInt(b, int64(m.Step), 10)
	for _, field := range [...]struct {
		name  string
		value float64
	}{
		{"epoch", m.Epoch}, {"loss", m.Loss}, {"accuracy", m.Accuracy}, {"lr", m.LearningRate}, {"gradient_norm", m.GradientNorm},
		{"tokens", float64(m.Tokens)}, {"tokens_per_second", math.Round(m.TokensPerSecond)}, {"seconds", m.Seconds},
	} {
		b = append(b, `,"`...)
		b = append(b, field.name...)
		b = append(b, `":`...)
		b = appendNumber(b, field.value)
	}
	b = append(b, `,"blame":{`...)
	for i, share := range m.Blame {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendQuote(b, m.Stages[i].Name)
		b = append(b, ':')
		b = appendNumber(b, share)
	}
	return append(b, "}}"...)
}

// appendJSON appends the evaluation behind a step to buffer as one JSON object.
func (e *Evaluation) appendJSON(buffer []byte, step int) []byte {
	b := append(buffer, `{"step":`...)
	b = strconv.AppendInt(b, int64(step), 10)
	b = append(b, `,"held_out_loss":`...)
	b = appendNumber(b, e.Loss)
	b = append(b, `,"held_out_accuracy":`...)
	b = appendNumber(b, e.Accuracy())
	if bits := e.BitsPerByte(); bits > 0 {
		b = append(b, `,"held_out_bits_per_byte":`...)
		b = appendNumber(b, bits)
	}
	if len(e.ByOperation) > 0 {
		b = append(b, `,"held_out_by_operation":{`...)
		for i, score := range e.ByOperation {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendString(b, score.Operation), ':')
			b = appendNumber(b, score.Accuracy())
		}
		b = append(b, '}')
	}
	return append(b, '}')
}

// appendString writes a text, which a user may have chosen, as JSON does.
func appendString(b []byte, text string) []byte {
	quoted, err := json.Marshal(text)
	if err != nil {
		panic(err) // any string is JSON
	}
	return append(b, quoted...)
}

// appendNumber writes a number with the digits that a chart can show; JSON has no NaN and no infinity, which a null stands for.
func appendNumber(b []byte, v float64) []byte {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return append(b, "null"...)
	}
	if v == math.Trunc(v) && math.Abs(v) < 1e15 {
		return strconv.AppendInt(b, int64(v), 10)
	}
	return strconv.AppendFloat(b, v, 'g', 6, 64)
}
