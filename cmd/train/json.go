package main

import (
	"encoding/json"
	"io"

	"trainer/train"
)

// jsonView prints one JSON object a line, each with a type.
type jsonView struct {
	encoder *json.Encoder
	stages  []string
	line    []byte
}

func newEncoder(w io.Writer) *json.Encoder {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e
}

type fields = map[string]any

func (v *jsonView) print(kind string, f fields) {
	f["type"] = kind
	v.encoder.Encode(f)
}

func (v *jsonView) note(text string) { v.print("note", fields{"text": text}) }

func (v *jsonView) started(s *session) {
	stages := make([]fields, len(s.trainer.Model.Stages))
	for i, stage := range s.trainer.Model.Stages {
		stages[i] = fields{"name": stage.Name, "weights": stage.Weights}
		v.stages = append(v.stages, stage.Name)
	}
	v.print("start", fields{
		"device": s.trainer.Device(), "device_reason": s.device.Reason, "stages": stages, "parameters": s.config.NumParameters(),
		"examples": len(s.trained), "held_out_examples": len(s.heldOut), "vocabulary": s.tokenizer.VocabSize(),
		"out": s.out, "seed": s.options.Seed, "step": s.trainer.StepsTaken(), "options": s.options,
	})
}

func (v *jsonView) before(list []answer) { v.print("before", fields{"answers": answerFields(list)}) }
func (v *jsonView) Saved(step int)       { v.print("checkpoint", fields{"step": step}) }
func (v *jsonView) stop()                {}
func (v *jsonView) Stepped(m *train.Metrics) {
	v.print("step", fields{"metrics": json.RawMessage(v.metrics(m))})
}
func (v *jsonView) after(list []answer, r *result) {
	v.print("end", fields{"answers": answerFields(list), "result": r})
}

func (v *jsonView) metrics(m *train.Metrics) []byte {
	v.line = m.AppendJSON(v.line[:0])
	return v.line
}

func (v *jsonView) Followed(f *train.Followed) {
	blame := make(fields)
	for i, share := range f.Blame {
		blame[v.stages[i]] = share
	}
	v.print("followed", fields{
		"step": f.Step, "question": f.Question, "target": f.Target, "probability_before": f.Before, "probability_after": f.After,
		"nll": f.NLL(), "loss": f.Loss, "blame": blame,
		"weight": fields{"parameter": f.Weight.Parameter, "index": f.Weight.Index, "before": f.Weight.Before, "after": f.Weight.After,
			"gradient": f.Weight.Gradient, "clip_scale": f.Weight.Scale, "learning_rate": f.Weight.LearningRate},
	})
}

func (v *jsonView) Evaluated(step int, e *train.Evaluation) {
	v.print("evaluation", fields{"step": step, "held_out_loss": e.Loss, "held_out_accuracy": e.Accuracy(), "held_out_by_operation": byOperation(e)})
}

func answerFields(list []answer) []fields {
	out := make([]fields, len(list))
	for i, a := range list {
		out[i] = fields{"question": a.text, "expected": a.expected, "answer": a.got, "right": a.right, "held_out": a.heldOut, "top": a.top}
	}
	return out
}
