package findings

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"trainer/internal/cli"
	"trainer/internal/floor/api"
	"trainer/internal/format"
)

// Write prints the findings for people, as wide as the terminal.
func (f *Findings) Write(w io.Writer, terminal cli.Terminal) error {
	p := &printer{terminal: terminal}
	for _, section := range []func(*printer){f.claims, f.writeAttention, f.writeNumbers, f.writeOperations, f.writeLens, f.writeSkipped} {
		section(p)
	}
	_, err := io.WriteString(w, strings.TrimPrefix(p.text.String(), "\n"))
	return err
}

// printer collects text.
type printer struct {
	terminal cli.Terminal
	text     strings.Builder
}

func (p *printer) title(text string) {
	fmt.Fprintf(&p.text, "\n%s\n", p.terminal.Paint(cli.Title, text))
}

// line prints a line without the blanks that columns leave at its end.
func (p *printer) line(layout string, values ...any) {
	p.text.WriteString(strings.TrimRight("  "+fmt.Sprintf(layout, values...), " ") + "\n")
}

// paragraph prints a text in lines that fit.
func (p *printer) paragraph(indent, text string) {
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && len(indent)+len([]rune(line))+1+len([]rune(word)) > p.terminal.Width-2 {
			p.line("%s%s", indent, line)
			line = ""
		}
		line = strings.TrimLeft(line+" "+word, " ")
	}
	p.line("%s%s", indent, line)
}

// bar draws a share beside its number.
func (p *printer) bar(v api.Number) string {
	const width = 20
	return fmt.Sprintf("%9s  %s", percent(v), p.terminal.Paint(cli.Bar, format.Bar(float64(max(0, v)), width)))
}

func (f *Findings) claims(p *printer) {
	p.title(fmt.Sprintf("What it has learned, at step %s", format.Thousands(f.Step)))
	for _, c := range f.Claims {
		mark, style := "✓", cli.Good
		if !c.Holds {
			mark, style = "✗", cli.Bad
		}
		p.line("%s %s", p.terminal.Paint(style, mark), p.terminal.Paint(cli.Bold, c.Claim))
		p.paragraph("    ", c.Says)
		p.line("    %s", p.terminal.Paint(cli.Faint, fmt.Sprintf("%.2f, where %.2f or more bears it out", float64(c.Value), float64(c.Threshold))))
	}
	if len(f.Claims) == 0 {
		p.line("nothing that can be asked of it, see below")
	}
}

func (f *Findings) writeAttention(p *printer) {
	a := f.Attention
	if a == nil {
		return
	}
	p.title("Attention, head by head")
	if a.Asked > 0 {
		p.line("%-8s  %-26s  %s", "", "from the operation on the", "from the last word on")
		p.line("%-8s  %-26s  %-14s  %-14s  %s", "head", "numbers before it", "numbers before", "the operation", "numbers behind")
		row := func(name string, g Gaze) {
			p.line("%-8s  %-26s  %-14s  %-14s  %s", name, percent(g.OperatorBefore), percent(g.LastBefore), percent(g.LastOperator), percent(g.LastAfter))
		}
		for i := range a.Heads {
			row(a.Heads[i].name(), a.Heads[i].Gaze)
		}
		row("uniform", a.Uniform)
		p.line("")
	}
	p.line("%-8s  %-18s  %-10s  %-18s  %s", "head", "tokens looked back", "on itself", "on the one before", "on the first")
	for i := range a.Heads {
		h := &a.Heads[i]
		p.line("%-8s  %-18.2f  %-10s  %-18s  %s", h.name(), float64(h.Distance), percent(h.Self), percent(h.Previous), percent(h.First))
	}
}

func (f *Findings) writeNumbers(p *printer) {
	if n := f.Numbers; n != nil {
		p.title("Numbers, along the direction in which their embeddings differ the most")
		order := make([]int, len(n.Words))
		for i := range order {
			order[i] = i
		}
		slices.SortFunc(order, func(a, b int) int { return cmp.Compare(n.PCA[a][0], n.PCA[b][0]) })
		var words []string
		for _, i := range order {
			words = append(words, n.Words[i])
		}
		p.paragraph("", strings.Join(words, " "))
		p.paragraph("", fmt.Sprintf("distance and difference in value: Spearman %+.2f, Pearson %+.2f; variance along two directions: %s, %s",
			float64(n.Spearman), float64(n.Pearson), percent(n.Explained[0]), percent(n.Explained[1])))
	}
	if len(f.Neighbours) > 0 {
		p.title("Embeddings that are most alike")
		for _, n := range f.Neighbours {
			var near []string
			for _, o := range n.Nearest {
				near = append(near, fmt.Sprintf("%q %.2f", o.Text, float64(o.Cosine)))
			}
			p.line("%-10s  %s", fmt.Sprintf("%q", n.Token), strings.Join(near, "  "))
		}
	}
}

func (f *Findings) writeOperations(p *printer) {
	o := f.Operations
	if o == nil {
		return
	}
	p.title("Operations")
	for _, a := range o.Accuracy {
		p.line("%-18s  %s", a.Operation, p.bar(a.Right))
	}
	if len(o.Swaps) > 0 {
		p.line("")
		p.line("%-18s  %-22s  %s", "the word swapped", "answers as it asks", "as if it had not been")
		for _, s := range o.Swaps {
			p.line("%-18s  %-22s  %s", s.From+" → "+s.To, percent(s.New), percent(s.Old))
		}
	}
	if len(o.Silenced) > 0 {
		p.line("")
		p.line("%-18s  %s", "all answers", p.bar(o.Whole))
		for _, w := range o.Silenced {
			p.line("%-18s  %s", fmt.Sprintf("without head %d.%d", w.Layer, w.Head), p.bar(w.Right))
		}
	}
	if o.Unasked != "" {
		p.paragraph("", o.Unasked)
	}
}

func (f *Findings) writeLens(p *printer) {
	l := f.Lens
	if l == nil {
		return
	}
	what := "The first word of the answer on top"
	if l.Right == nil {
		what = "The next token on top"
	}
	p.title(what + ", if the model ended there")
	for i, top := range l.Top {
		name := "ahead of layer 1"
		if i > 0 {
			name = fmt.Sprintf("behind layer %d", i)
		}
		p.line("%-18s  %s", name, p.bar(top))
	}
}

func (f *Findings) writeSkipped(p *printer) {
	if len(f.Skipped) == 0 {
		return
	}
	p.title("What does not apply")
	for _, s := range f.Skipped {
		p.paragraph("", s.What+": "+s.Why)
	}
}
