package main

import (
	"fmt"
	"strings"

	"trainer/internal/cli"
	"trainer/internal/format"
	"trainer/train"
)

// story follows an example through a step: prediction, loss, blame, and the weight that moves.
func (v *screen) story(f *train.Followed) string {
	var b strings.Builder
	row := func(name, layout string, values ...any) {
		fmt.Fprintf(&b, "  %-12s%s\n", name, fmt.Sprintf(layout, values...))
	}
	room := v.terminal.Width - 14
	b.WriteString(v.title(fmt.Sprintf("Step %s, followed through one example", format.Thousands(f.Step))))
	row("question", "%s", clipped(lastLine(f.Question), room))
	row("prediction", "%s", clipped(wordList(v.session.words(f.Top)), room))
	row("target", "%s, which the model gave %s", v.bold(visible(f.Target)), format.Percent(f.Before))
	row("loss", "%s = -log %.7g   %s", v.bold(lossText(f.NLL())), f.Before, v.faint("how wrong: 0 is sure and right"))
	row("blame", "%s", v.faint("how strongly the loss depends on the weights of each stage,"))
	row("", "%s", v.faint("as its share of the squared gradient"))
	for i, stage := range v.session.trainer.Model.Stages {
		if stage.Weights > 0 {
			row("", "%-12s %8s  %s", stage.Name, format.Percent(f.Blame[i]), v.bar(f.Blame[i], min(40, room-24)))
		}
	}
	v.weight(row, &f.Weight)
	row("now", "%s gets %s", v.bold(visible(f.Target)), v.bold(format.Percent(f.After)))
	return b.String()
}

// weight shows how the step moved a weight. Every number is one that the optimizer used.
func (v *screen) weight(row func(name, layout string, values ...any), w *train.FollowedWeight) {
	row("one weight", "%s%v, the most to blame", strings.TrimPrefix(strings.TrimPrefix(w.Parameter, "transformer."), "model."), w.Index)
	row("", "gradient   %+.4g%s", w.Gradient, v.faint(" of the batch's loss"))
	if w.Scale < 1 {
		row("", "           %+.4g%s", w.Gradient*w.Scale, v.faint(" after clipping the whole gradient"))
	}
	name := "gradient"
	if w.Size > 0 {
		name = "direction"
		row("", "direction  %+.6f%s", w.Direction, v.faint(fmt.Sprintf(" = %+.4g / %.4g + %g × %+.6f", w.Mean, w.Size, w.Decay, w.Before)))
		row("", "%s", v.faint("           AdamW: mean gradient / its usual size + decay × weight"))
	}
	row("", "%s", v.terminal.Paint(cli.Bar, "weight_new = weight_old - learning_rate × "+name))
	row("", "%+.6f  = %+.6f  - %.3g × %+.6f", w.After, w.Before, w.LearningRate, w.Direction)
}
