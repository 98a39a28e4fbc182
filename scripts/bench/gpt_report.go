package main

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// gptReport is everything that was measured of a model on random tokens.
type gptReport struct {
	Machine string   `json:"machine"`
	PyTorch string   `json:"pytorch,omitempty"`
	NoPeer  string   `json:"no_pytorch,omitempty"` // why there is no peer
	Model   string   `json:"model"`
	Batch   int      `json:"batch"`
	Rounds  int      `json:"rounds"`
	Rows    []gptRow `json:"rows"`
}

func (r *gptReport) print(w io.Writer) {
	fmt.Fprintln(w, r.Machine)
	if r.NoPeer != "" {
		fmt.Fprintf(w, "Without PyTorch, our side alone: %s\n", r.NoPeer)
	} else {
		fmt.Fprintf(w, "%s; both sides train on the same tokens from the same weights, %d turns each; medians\n", r.PyTorch, r.Rounds)
	}
	fmt.Fprintf(w, "Model %s, batches of %d sequences; times that passed, and in brackets of the processor, all threads together\n\n", r.Model, r.Batch)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	head := "length\tprecision\tours\tmemory\t"
	modes := r.modes()
	for _, mode := range modes {
		head += "PyTorch " + mode + "\tmemory\t"
	}
	if len(modes) > 0 {
		head += "ratio\ttarget\t"
	}
	fmt.Fprintln(t, head+"GFLOP/step\tof the limit\tlimit, GFLOP/s a thread\t")
	for i := range r.Rows {
		row := &r.Rows[i]
		fmt.Fprintf(t, "%d\t%s\t%s\t", row.Length, row.Precision, &row.Ours)
		for _, mode := range modes {
			fmt.Fprintf(t, "%s\t", row.Peer[mode])
		}
		if len(modes) > 0 {
			fmt.Fprintf(t, "%.2fx (%.2fx)\t", row.Ratio, row.CPURatio)
			if row.Target > 0 {
				fmt.Fprintf(t, "%.2fx %s", row.Target, met(row.Ratio >= row.Target))
			}
			fmt.Fprint(t, "\t")
		}
		fmt.Fprintf(t, "%.1f\t%.0f %% (%.0f %%)\t%.0f\t\n", row.GFLOP, 100*row.PeakShare, 100*row.CPUPeakShare, row.Peak)
	}
	t.Flush()
	for i := range r.Rows {
		if row := &r.Rows[i]; row.LLMC != nil {
			const target = 3
			ratio := row.LLMC.Step / row.Ours.Step
			fmt.Fprintf(w, "\nllm.c at length %d: %.1f ms, %s; ratio %.2fx, target %dx %s\n", row.Length, row.LLMC.Step, megabytes(row.LLMC.Memory), ratio, target,
				met(ratio >= target))
		}
	}
}

// modes are those of PyTorch that were timed, in their order.
func (r *gptReport) modes() []string {
	var timed []string
	for _, mode := range modes(&arguments{compiled: true}) {
		if _, ok := r.Rows[0].Peer[mode]; ok {
			timed = append(timed, mode)
		}
	}
	return timed
}

// String prints time and memory, two columns of the table.
func (t *gptTime) String() string {
	return fmt.Sprintf("%.1f ms (%.1f ms)\t%s", t.Step, t.CPU, megabytes(t.Memory))
}
