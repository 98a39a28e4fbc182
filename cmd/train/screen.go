package main

import (
	"fmt"
	"io"
	"strings"

	"trainer/internal/cli"
	"trainer/internal/format"
	"trainer/train"
)

// screen tells about a run in text for people: what is going to happen, a live progress bar, and what came out. Into a file or a pipe it
// prints plain lines.
type screen struct {
	out      io.Writer
	terminal cli.Terminal
	session  *session
	progress progress
	last     string // the story of the last step, which waits for the end
}

func (v *screen) print(layout string, values ...any) {
	text := fmt.Sprintf(layout, values...)
	if v.progress == nil || !v.progress.print(text) {
		io.WriteString(v.out, text)
	}
}

func (v *screen) title(text string) string { return "\n" + v.terminal.Paint(cli.Title, text) + "\n" }
func (v *screen) faint(text string) string { return v.terminal.Paint(cli.Faint, text) }
func (v *screen) bold(text string) string  { return v.terminal.Paint(cli.Bold, text) }

func (v *screen) note(text string) { v.print("%s\n", text) }

// bar draws a share of width columns.
func (v *screen) bar(share float64, width int) string {
	return v.terminal.Paint(cli.Bar, format.Bar(share, width))
}

func (v *screen) started(s *session) {
	v.session = s
	head := "Training the word calculator"
	data := "arithmetic over 0 to 99, in words"
	if s.data != "" {
		head, data = "Training on "+s.data, s.data
	}
	v.print("%s", v.title(head))
	row := func(name, text string) { v.print("  %-8s %s\n", name, text) }
	row("device", s.trainer.Device())
	row("", v.faint(s.device.Reason))
	row("data", fmt.Sprintf("%s: %s examples to train on, %s held out", data, format.Thousands(len(s.trained)), format.Thousands(len(s.heldOut))))
	row("words", fmt.Sprintf("%d tokens in the vocabulary, sequences of at most %d", s.tokenizer.VocabSize(), s.config.Context))
	o := s.options
	row("training", fmt.Sprintf("%s steps of %s examples, %s, learning rate %g, seed %d", format.Thousands(o.Steps), format.Thousands(o.Batch*o.Accumulate), o.Optimizer, o.LearningRate, o.Seed))
	row("folder", s.out)
	if s.replaced {
		row("", v.faint("the finished run in it is replaced"))
	}
	if step := s.trainer.StepsTaken(); step > 0 {
		row("", fmt.Sprintf("going on from the checkpoint of step %s", format.Thousands(step)))
	}

	v.print("%s", v.title("The stages of the model, and their weights"))
	for _, stage := range s.trainer.Model.Stages {
		v.print("  %-14s %10s  %s\n", stage.Name, format.Thousands(stage.Weights), v.bar(float64(stage.Weights)/float64(s.config.NumParameters()), 30))
	}
	v.print("  %-14s %10s\n", "together", v.bold(fmt.Sprintf("%10s", format.Thousands(s.config.NumParameters()))))
}

func (v *screen) before(list []answer) {
	head, text := "Before training", "the weights are random, and so are the answers"
	if v.session.trainer.StepsTaken() > 0 {
		head, text = "So far", "what the model answers at this step"
	}
	v.print("%s  %s\n", v.title(head), v.faint(text))
	for _, a := range list {
		v.print("  %s %s %s\n", a.text, v.faint("→"), v.verdict(a))
		v.print("      %s %s\n", v.faint("next word:"), v.words(a.top))
	}
}

// verdict is an answer, marked right or wrong.
func (v *screen) verdict(a answer) string {
	got := clipped(a.got, 40)
	if got == "" {
		got = "(nothing)"
	}
	if a.right {
		return v.terminal.Paint(cli.Good, got+" ✓")
	}
	return v.terminal.Paint(cli.Bad, got+" ✗")
}

// clipped shortens a text to so many characters.
func clipped(text string, size int) string {
	if runes := []rune(text); len(runes) > size {
		return string(runes[:size-1]) + "…"
	}
	return text
}

func (v *screen) words(list []word) string {
	var parts []string
	for _, w := range list {
		parts = append(parts, fmt.Sprintf("%s %s", w.Text, format.Percent(w.Probability)))
	}
	return strings.Join(parts, ", ")
}

// Followed prints the first step of the process at once, and keeps the last one of the run for the end.
func (v *screen) Followed(f *train.Followed) {
	if v.progress == nil {
		v.print("%s", v.story(f))
		return
	}
	v.last = v.story(f)
}

// story follows an example through a step.
func (v *screen) story(f *train.Followed) string {
	var b strings.Builder
	row := func(name, layout string, values ...any) {
		fmt.Fprintf(&b, "  %-12s %s\n", name, fmt.Sprintf(layout, values...))
	}
	b.WriteString(v.title(fmt.Sprintf("Step %s, seen from one example", format.Thousands(f.Step))))
	row("question", "%s", f.Question)
	row("prediction", "%s", v.words(v.session.words(f.Top)))
	row("target", "%s, which got %s", v.bold(f.Target), format.Percent(f.Before))
	row("loss", "%.4g = -log %.6g   %s", f.NLL(), f.Before, v.faint("0 would be a sure and right prediction"))
	row("blame", "%s", v.faint("each stage's share of the squared gradient"))
	for i, stage := range v.session.trainer.Model.Stages {
		if stage.Weights > 0 {
			row("", "%-14s %7s  %s", stage.Name, format.Percent(f.Blame[i]), v.bar(f.Blame[i], 30))
		}
	}
	w := f.Weight
	row("one weight", "%s%v, which the example blames most", strings.TrimPrefix(w.Parameter, "transformer."), w.Index)
	row("", "before   %+.6f", w.Before)
	clip := ""
	if w.Scale < 1 {
		clip = fmt.Sprintf(", clipped to %.2f of that", w.Scale)
	}
	row("", "gradient %+.6f  %s", w.Gradient, v.faint("of the batch's loss"+clip))
	if v.session.options.Optimizer == "sgd" {
		row("", "after    %+.6f = %+.6f - %g × %+.6f", w.After, w.Before, w.LearningRate, w.Gradient*w.Scale)
	} else {
		row("", "step     %+.6f  %s", w.After-w.Before, v.faint(fmt.Sprintf("by AdamW, at a learning rate of %.3g", w.LearningRate)))
		row("", "after    %+.6f", w.After)
	}
	row("now", "%s gets %s", v.bold(f.Target), format.Percent(f.After))
	return b.String()
}

func (v *screen) Stepped(m *train.Metrics) {
	if v.progress == nil {
		v.print("%s", v.title("Training"))
		if v.terminal.Live {
			v.progress = newLiveProgress(v.out, v.terminal, v.session)
		} else {
			v.progress = &lineProgress{out: v.out, session: v.session}
		}
	}
	v.progress.stepped(m)
}

func (v *screen) Evaluated(step int, e *train.Evaluation) {
	v.print("  step %-7s held-out loss %.4f, answers right %s\n", format.Thousands(step), e.Loss, v.bold(format.Percent(e.Accuracy())))
}

func (v *screen) Saved(int) {}

func (v *screen) stop() {
	if v.progress != nil {
		v.progress.stop()
	}
}

func (v *screen) after(list []answer, r *result) {
	v.print("%s%s\n", v.last, v.title("After training"))
	width := 0
	for _, a := range list {
		width = max(width, len(a.text))
	}
	for _, a := range list {
		seen := "trained on"
		if a.heldOut {
			seen = "never seen in training"
		}
		v.print("  %-*s %s %s  %s\n", width, a.text, v.faint("→"), v.verdict(a), v.faint(seen))
	}
	v.print("\n  %-16s %12s %10s %12s %10s\n", "right answers", "held out", "", "trained", "")
	for _, score := range r.trained.ByOperation {
		v.scores(score.Operation, operationScore(r.heldOut, score.Operation), score)
	}
	v.scores("together", train.Score{Right: r.heldOut.Right, Total: r.heldOut.Total}, train.Score{Right: r.trained.Right, Total: r.trained.Total})
	v.print("\n  final loss %.3g, held out %.3g; %s steps in %.1f s\n", r.FinalLoss, r.HeldOutLoss, format.Thousands(r.Steps), r.Seconds)
	v.print("  %s\n", v.faint(v.session.out+": the model, metrics.jsonl, summary.json, loss.svg, blame.svg"))
	v.print("%s  %s\n  %s\n", v.title("Next"), askCommand(v.session.out, list[0].text), askCommand(v.session.out, ""))
}

func operationScore(e *train.Evaluation, operation string) train.Score {
	for _, s := range e.ByOperation {
		if s.Operation == operation {
			return s
		}
	}
	return train.Score{Operation: operation}
}

func (v *screen) scores(name string, heldOut, trained train.Score) {
	cell := func(s train.Score) (string, string) {
		if s.Total == 0 {
			return "-", ""
		}
		return fmt.Sprintf("%s/%s", format.Thousands(s.Right), format.Thousands(s.Total)), format.Percent(s.Accuracy())
	}
	a, b := cell(heldOut)
	c, d := cell(trained)
	v.print("  %-16s %12s %s %12s %s\n", name, a, v.bold(fmt.Sprintf("%10s", b)), c, v.bold(fmt.Sprintf("%10s", d)))
}
