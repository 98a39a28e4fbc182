package main

import (
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"trainer/internal/cli"
	"trainer/internal/format"
	"trainer/model"
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

// print prints text, without the blanks that columns leave at the end of a line.
func (v *screen) print(layout string, values ...any) {
	text := trailingBlanks.ReplaceAllString(fmt.Sprintf(layout, values...), "\n")
	if v.progress == nil || !v.progress.print(text) {
		io.WriteString(v.out, text)
	}
}

var trailingBlanks = regexp.MustCompile(` +\n`)

func (v *screen) title(text string) string { return "\n" + v.terminal.Paint(cli.Title, text) + "\n" }
func (v *screen) faint(text string) string { return v.terminal.Paint(cli.Faint, text) }
func (v *screen) bold(text string) string  { return v.terminal.Paint(cli.Bold, text) }

func (v *screen) note(text string) { v.print("%s\n", text) }

// bar draws a share of width columns.
func (v *screen) bar(share float64, width int) string {
	return v.terminal.Paint(cli.Bar, format.Bar(share, width))
}

// row prints a name and what there is to say, in a style, on as many lines as it takes.
func (v *screen) row(name string, style cli.Style, text string) {
	const indent = 12
	for _, line := range wrapped(text, v.terminal.Width-indent) {
		v.print("  %-*s%s\n", indent-2, name, v.terminal.Paint(style, line))
		name = ""
	}
}

// started says what is going to happen.
func (v *screen) started(s *session) {
	v.session = s
	o, c := s.options, s.config
	v.print("%s", v.title(s.material.title()))
	v.row("device", cli.Plain, s.trainer.Device())
	v.row("", cli.Faint, s.device.Reason)
	name := "data"
	for _, line := range s.material.about() {
		v.row(name, cli.Plain, line)
		name = ""
	}
	v.row("tokens", cli.Plain, fmt.Sprintf("a vocabulary of %s, in sequences of at most %d", count(c.VocabSize, "token"), c.Context))
	if s.base != nil && s.trainer.StepsTaken() == 0 {
		v.row("weights", cli.Plain, "those of "+s.initFrom)
	}
	v.row("training", cli.Plain, fmt.Sprintf("%s of %s, %s, seed %d",
		count(o.Steps, "step"), count(o.Batch*o.Accumulate, "sequence"), optimizerNames[o.Optimizer], o.Seed))
	v.row("", cli.Plain, fmt.Sprintf("learning rate %g after %s of warm-up, then %s", o.LearningRate, count(o.WarmUp, "step"), o.Schedule))
	v.row("folder", cli.Plain, s.out)
	if s.previous != "" {
		v.row("", cli.Faint, "the finished run in it is now "+s.previous)
	}
	if step := s.trainer.StepsTaken(); step > 0 {
		v.row("", cli.Faint, fmt.Sprintf("going on from the checkpoint of step %s", format.Thousands(step)))
	}
	v.stages()
}

// optimizerNames are the names of optimizers in texts.
var optimizerNames = map[string]string{"adamw": "AdamW", "sgd": "plain gradient descent", "muon": "Muon"}

// stages lists the stages of the model with their weights, and explains the first of each kind.
func (v *screen) stages() {
	c := v.session.trainer.Model.Config
	v.print("%s", v.title("The model, stage by stage"))
	explained := make(map[string]bool)
	for _, stage := range v.session.trainer.Model.Stages {
		kind, _, _ := strings.Cut(stage.Name, " ")
		text := ""
		if !explained[kind] {
			text, explained[kind] = stageText(kind, c), true
		}
		bar := format.Bar(float64(stage.Weights)/float64(c.NumParameters()), stageBar)
		pad := strings.Repeat(" ", stageBar-utf8.RuneCountInString(bar))
		v.print("  %-12s %11s  %s%s  %s\n", stage.Name, format.Thousands(stage.Weights), v.terminal.Paint(cli.Bar, bar), pad,
			v.faint(clipped(text, v.terminal.Width-stageBar-30)))
	}
	v.print("  %-12s %s  weights to learn\n", "together", v.bold(fmt.Sprintf("%11s", format.Thousands(c.NumParameters()))))
}

// stageBar is the width of the bars beside the stages.
const stageBar = 8

// stageText explains a kind of stage in half a line.
func stageText(kind string, c model.Config) string {
	switch kind {
	case "embeddings":
		return fmt.Sprintf("%d numbers for each token", c.Width)
	case "positions":
		return "added to them: where the token stands"
	case "attention":
		return "what a token takes from those before it"
	case "mlp":
		return "what it makes of that"
	case "output":
		return "a score for each token to come next"
	}
	return ""
}

// before shows what the model answers before the training.
func (v *screen) before(list []answer) {
	head, text := "Before training", "the weights are random, and so is what the model says"
	if v.session.base != nil {
		text = "what the model of " + v.session.initFrom + " says"
	}
	if step := v.session.trainer.StepsTaken(); step > 0 {
		head, text = "So far", "what the model answers at this step"
	}
	v.print("%s  %s\n", v.title(head), v.faint(text))
	width := questionWidth(list)
	for _, a := range list {
		if !a.graded() {
			v.sample(a)
			continue
		}
		v.print("  %-*s %s %s\n", width, clipped(a.text, width), v.faint("→"), v.verdict(a, v.terminal.Width-width-7))
		v.print("      %s\n", v.faint(clipped("next word: "+wordList(a.top), v.terminal.Width-6)))
	}
}

// sample shows a text that the model has continued.
func (v *screen) sample(a answer) {
	const indent = 4
	bold := a.text
	for _, line := range broken(a.text+a.got, v.terminal.Width-indent) {
		asked := line[:min(len(bold), len(line))]
		bold = strings.TrimLeft(bold[len(asked):], " \n")
		v.print("%*s%s%s\n", indent, "", v.bold(asked), v.faint(line[len(asked):]))
	}
	v.print("\n")
}

// questionWidth is the width of the column of questions.
func questionWidth(list []answer) int {
	width := 0
	for _, a := range list {
		width = max(width, utf8.RuneCountInString(a.text))
	}
	return min(width, 40)
}

// verdict is an answer of at most width columns, marked right or wrong.
func (v *screen) verdict(a answer, width int) string {
	got := clipped(a.got, width)
	if got == "" {
		got = "(nothing)"
	}
	if a.right {
		return v.terminal.Paint(cli.Good, got+" ✓")
	}
	return v.terminal.Paint(cli.Bad, got+" ✗")
}

// Followed prints the first step of the process at once, and keeps the last one of the run for the end.
func (v *screen) Followed(f *train.Followed) {
	if v.progress == nil {
		v.print("%s", v.story(f))
		return
	}
	v.last = v.story(f)
}

// Stepped moves the progress on.
func (v *screen) Stepped(m *train.Metrics) {
	if v.progress == nil {
		v.print("%s", v.title("Training"))
		if v.terminal.Live && v.terminal.Width >= narrowest {
			v.progress = newLiveProgress(v)
		} else {
			v.progress = &lineProgress{screen: v}
		}
	}
	v.progress.stepped(m)
}

// narrowest is the least width of a terminal in which no line of the live progress wraps, which would spoil the drawing.
const narrowest = 70

// Evaluated prints a line that stays.
func (v *screen) Evaluated(step int, e *train.Evaluation) {
	what := "answers right " + v.bold(format.Percent(e.Accuracy()))
	if e.BytesPerToken > 0 {
		what = fmt.Sprintf("perplexity %s, %.3f bits a byte", v.bold(fmt.Sprintf("%.2f", e.Perplexity())), e.BitsPerByte())
	}
	v.print("  step %-8s held out: loss %s, %s\n", format.Thousands(step), lossText(e.Loss), what)
}

// Saved says nothing: checkpoints are frequent.
func (v *screen) Saved(train.Checkpoint) {}

func (v *screen) stop() {
	if v.progress != nil {
		v.progress.stop()
	}
}

// after shows what came out.
func (v *screen) after(list []answer, r *result) {
	v.print("%s%s", v.last, v.title("After training"))
	width := questionWidth(list)
	for _, a := range list {
		if !a.graded() {
			v.sample(a)
			continue
		}
		known := "trained on"
		if a.heldOut {
			known = "never seen before"
		}
		v.print("  %-*s %s %s  %s\n", width, clipped(a.text, width), v.faint("→"),
			v.verdict(a, v.terminal.Width-width-len(known)-9), v.faint(known))
		if !a.right {
			v.print("  %-*s   %s\n", width, "", v.faint(clipped("right is "+a.expected, v.terminal.Width-width-5)))
		}
	}
	if r.trained.BytesPerToken > 0 {
		v.predictions(r)
	} else {
		v.rightAnswers(r)
	}
	v.summary(r)
	v.print("%s  %s\n  %s\n", v.title("Next"), askCommand(v.session.out, shortest(list)), askCommand(v.session.out, ""))
}

// predictions shows how well a text is predicted.
func (v *screen) predictions(r *result) {
	v.print("%s", v.title("Predictions"))
	v.print("  %-22s %s\n", "", v.faint(fmt.Sprintf("%12s  %12s", "held out", "trained on")))
	for _, row := range []struct {
		name  string
		value func(e *train.Evaluation) string
	}{
		{"loss", func(e *train.Evaluation) string { return lossText(e.Loss) }},
		{"perplexity", func(e *train.Evaluation) string { return fmt.Sprintf("%.2f", e.Perplexity()) }},
		{"bits a byte", func(e *train.Evaluation) string { return fmt.Sprintf("%.3f", e.BitsPerByte()) }},
		{"likeliest token right", func(e *train.Evaluation) string { return format.Percent(e.Accuracy()) }},
	} {
		heldOut := "-"
		if r.heldOut.Total > 0 {
			heldOut = row.value(r.heldOut)
		}
		v.print("  %-22s %s  %12s\n", row.name, v.bold(fmt.Sprintf("%12s", heldOut)), row.value(r.trained))
	}
}

// rightAnswers shows how many examples are answered right, by operation.
func (v *screen) rightAnswers(r *result) {
	v.print("%s", v.title("Right answers"))
	v.print("  %-10s  %s\n", "", v.faint(fmt.Sprintf("%-27s  %-27s", "held out", "trained on")))
	operations := operationsOf(r)
	for _, operation := range operations {
		v.scores(operation, operationScore(r.heldOut, operation), operationScore(r.trained, operation))
	}
	if len(operations) > 1 {
		v.scores("together", train.Score{Right: r.heldOut.Right, Total: r.heldOut.Total},
			train.Score{Right: r.trained.Right, Total: r.trained.Total})
	}
}

// summary says how the training ended and where everything is.
func (v *screen) summary(r *result) {
	heldOut := ""
	if r.HeldOutLoss != nil {
		heldOut = fmt.Sprintf(", held out %s", lossText(*r.HeldOutLoss))
	}
	v.print("\n  loss %s over the last %s%s; %s in %.1f s\n", v.bold(lossText(r.FinalLoss)), count(recentSteps(r.Steps), "step"), heldOut,
		count(r.Steps, "step"), r.Seconds)
	v.print("%s", v.title("Files in "+v.session.out))
	for _, line := range [][2]string{
		{model.WeightsFile, "the weights; config.json and tokenizer.json beside them"},
		{"loss.svg, blame.svg", "how the loss fell, and where the blame went"},
		{"summary.json", "these results; metrics.jsonl has every step"},
	} {
		v.print("  %-20s %s\n", line[0], v.faint(line[1]))
	}
	if r.best != nil {
		v.print("  %s\n  %-20s %s\n", r.best.path, "", v.faint(fmt.Sprintf("the best checkpoint: held out loss %s, right %s",
			lossText(r.best.HeldOut.Loss), format.Percent(r.best.HeldOut.Accuracy))))
	}
}

// shortest is the shortest question, if there is one.
func shortest(list []answer) string {
	if len(list) == 0 {
		return ""
	}
	return slices.MinFunc(list, func(a, b answer) int { return len(a.text) - len(b.text) }).text
}

// operationsOf are the operations of all examples, by name.
func operationsOf(r *result) []string {
	operations := make(map[string]bool)
	for _, e := range []*train.Evaluation{r.trained, r.heldOut} {
		for _, s := range e.ByOperation {
			operations[s.Operation] = true
		}
	}
	return slices.Sorted(maps.Keys(operations))
}

// operationScore is the score on an operation, of no examples where there are none.
func operationScore(e *train.Evaluation, operation string) train.Score {
	for _, s := range e.ByOperation {
		if s.Operation == operation {
			return s
		}
	}
	return train.Score{Operation: operation}
}

// scores prints the scores of an operation, on held-out and on trained examples.
func (v *screen) scores(name string, heldOut, trained train.Score) {
	cell := func(s train.Score) string {
		if s.Total == 0 {
			return fmt.Sprintf("%-27s", "-")
		}
		right := fmt.Sprintf("%s of %s", format.Thousands(s.Right), format.Thousands(s.Total))
		return fmt.Sprintf("%-17s %s", right, v.bold(fmt.Sprintf("%9s", format.Percent(s.Accuracy()))))
	}
	v.print("  %-10s  %s  %s\n", name, cell(heldOut), cell(trained))
}
