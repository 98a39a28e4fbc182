package verify

import (
	"fmt"
	"io"

	"trainer/internal/format"
)

// Print writes the report as a table, one line a tensor, and a verdict in the last line.
func (r *Report) Print(w io.Writer) error {
	t := &table{w: w}
	c := r.Config
	t.line("%s: %s of %d layers, %d heads, width %d, vocabulary %d; %s weights, on %s", r.Dir, c.Architecture, c.Layers, c.Heads, c.Width, c.VocabSize,
		format.Thousands(c.NumParameters()), r.Device)
	group := ""
	for i := range r.Rows {
		row := &r.Rows[i]
		if row.Group != group {
			group = row.Group
			t.line("\n%s", group)
			t.heading(r.Measure, r.Precisions)
		}
		t.row(row)
	}
	t.line("")
	for _, note := range r.Notes {
		t.line("%s", note)
	}
	if failed := r.Failed(); len(failed) > 0 {
		t.line("FAILED: %d of %d tensors deviate by more than their tolerance, first %s", len(failed), len(r.Rows), failed[0].Tensor)
	} else {
		t.line("ok: all %d tensors are within their tolerance", len(r.Rows))
	}
	return t.err
}

// table writes lines until the first error.
type table struct {
	w   io.Writer
	err error
}

func (t *table) line(text string, arguments ...any) {
	if t.err == nil {
		_, t.err = fmt.Fprintf(t.w, text+"\n", arguments...)
	}
}

func (t *table) heading(measure string, precisions []string) {
	text := fmt.Sprintf("  %-52s %10s", "tensor", measure)
	for _, p := range precisions {
		text += fmt.Sprintf(" %12s", "off "+p)
	}
	t.line("%s %10s %10s", text, "relative", "tolerance")
}

func (t *table) row(row *Row) {
	text := fmt.Sprintf("  %-52s %10.4g", row.Tensor, row.Size)
	for _, d := range row.Deviations {
		text += fmt.Sprintf(" %12.1e", d)
	}
	verdict := "ok"
	if !row.OK() {
		verdict = "ABOVE"
	}
	t.line("%s %10.1e %10.1e  %s", text, row.Relative(), row.Tolerance, verdict)
}
