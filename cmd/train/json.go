package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"

	"trainer/train"
)

// jsonView prints one JSON object a line, whose first field is its type.
type jsonView struct {
	out           io.Writer
	session       *session
	line, metrics []byte // reused
}

type fields map[string]any

// print writes an object of a type. Fields that do not encode are a bug.
func (v *jsonView) print(kind string, f fields) {
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false) // "<pad>" is a token, and nothing goes into a page
	if err := e.Encode(finite(f)); err != nil {
		panic(fmt.Sprintf("%s: %v", kind, err))
	}
	v.write(kind, bytes.TrimSpace(text.Bytes()))
}

// finite puts null, as JSON has nothing else for them, in the place of numbers that are not finite: a training can break down.
func finite(v any) any {
	switch v := v.(type) {
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil
		}
	case fields:
		for name, value := range v {
			v[name] = finite(value)
		}
	case []fields:
		for i := range v {
			finite(v[i])
		}
	}
	return v
}

// write puts the type in front of the fields of a JSON object, which has some.
func (v *jsonView) write(kind string, object []byte) {
	v.line = fmt.Appendf(v.line[:0], "{\"type\":%q,%s\n", kind, object[1:])
	v.out.Write(v.line)
}

func (v *jsonView) note(text string) { v.print("note", fields{"text": text}) }

func (v *jsonView) started(s *session) {
	v.session = s
	stages := make([]fields, len(s.trainer.Model.Stages))
	for i, stage := range s.trainer.Model.Stages {
		stages[i] = fields{"name": stage.Name, "weights": stage.Weights}
	}
	v.print("start", fields{
		"device": s.trainer.Device(), "device_reason": s.device.Reason, "stages": stages, "parameters": s.trainer.Model.Config.NumParameters(),
		"examples": s.lessons.trained.Len(), "held_out_examples": s.lessons.heldOut.Len(), "vocabulary": s.tokenizer.VocabSize(),
		"out": s.out, "seed": s.options.Seed, "step": s.trainer.StepsTaken(), "options": s.options,
	})
}

func (v *jsonView) before(list []answer) { v.print("before", fields{"answers": answerFields(list)}) }
func (v *jsonView) Saved(c train.Checkpoint) {
	v.print("checkpoint", fields{"step": c.Step, "seconds": c.Seconds, "stall": c.Stall})
}
func (v *jsonView) stop() {}
func (v *jsonView) Stepped(m *train.Metrics) {
	v.metrics = m.AppendJSON(v.metrics[:0])
	v.write("step", v.metrics)
}
func (v *jsonView) after(list []answer, r *result) {
	v.print("end", fields{"answers": answerFields(list), "result": r})
}

func (v *jsonView) Followed(f *train.Followed) {
	blame := make(fields)
	for i, stage := range v.session.trainer.Model.Stages {
		blame[stage.Name] = f.Blame[i]
	}
	v.print("followed", fields{
		"step": f.Step, "question": f.Question, "target": f.Target, "top": v.session.words(f.Top),
		"probability_before": f.Before, "probability_after": f.After,
		"nll": f.NLL(), "loss": f.Loss, "blame": blame,
		"weight": fields{"parameter": f.Weight.Parameter, "index": f.Weight.Index, "before": f.Weight.Before, "after": f.Weight.After,
			"gradient": f.Weight.Gradient, "clip_scale": f.Weight.Scale, "learning_rate": f.Weight.LearningRate,
			"direction": f.Weight.Direction},
	})
}

func (v *jsonView) Evaluated(step int, e *train.Evaluation) {
	v.print("evaluation", fields{"step": step,
		"held_out_loss": e.Loss, "held_out_accuracy": e.Accuracy(), "held_out_by_operation": byOperation(e)})
}

func answerFields(list []answer) []fields {
	out := make([]fields, len(list))
	for i, a := range list {
		out[i] = fields{"question": a.text, "expected": a.expected, "answer": a.got, "right": a.right, "held_out": a.heldOut, "top": a.top}
	}
	return out
}
