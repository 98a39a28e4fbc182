package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// generateReport is everything that was measured of generation.
type generateReport struct {
	Machine string        `json:"machine"`
	Missing []string      `json:"missing,omitempty"` // peers, and why
	Rounds  int           `json:"rounds"`
	Limit   float64       `json:"memory_bytes_per_second"` // that the threads read at best
	Rows    []generateRow `json:"rows"`                    // the peers behind ours with as many bits
}

// compare fills in what ours is to each peer.
func (r *generateReport) compare() {
	var ours generateRow
	for i := range r.Rows {
		row := &r.Rows[i]
		if row.Side == trainerSide {
			ours = *row
			continue
		}
		row.SpeedRatio, row.PrefillRatio = ours.Speed/row.Speed, ours.Prefill/row.Prefill
	}
}

func (r *generateReport) print(w io.Writer) {
	g := gpt2Generation
	fmt.Fprintln(w, r.Machine)
	for _, why := range r.Missing {
		fmt.Fprintln(w, why)
	}
	fmt.Fprintf(w, "GPT-2 of 124 million random weights: the likeliest %d tokens behind %d, and a prompt of %d; %d turns of each side; medians\n",
		g.tokens, g.prompt, g.long, r.Rounds)
	fmt.Fprintf(w, "Limit: all threads together read %.1f GB/s from memory\n\n", r.Limit/1e9)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "\tweights\ttokens/s\tours is\ttarget\tof the limit\tprompt, tokens/s\tours is\ttarget\tmemory\tsame tokens\t")
	for i := range r.Rows {
		row := &r.Rows[i]
		ours := row.Side == trainerSide
		fmt.Fprintf(t, "%s\t%s\t%.1f\t", row.Side, row.Weights, row.Speed)
		printRatio(t, row, row.SpeedRatio, generateTarget)
		if ours {
			fmt.Fprintf(t, "%.0f %%", 100*row.Speed*float64(row.Bytes)/r.Limit)
		}
		fmt.Fprintf(t, "\t%.0f\t", row.Prefill)
		printRatio(t, row, row.PrefillRatio, prefillTarget)
		fmt.Fprintf(t, "%s\t%d of %d\t\n", megabytes(row.Memory), row.Agreeing, g.tokens)
	}
	t.Flush()
}

// printRatio prints two columns: nothing for ours, and the target for llama.cpp.
func printRatio(w io.Writer, row *generateRow, ratio, target float64) {
	switch {
	case ratio == 0:
		fmt.Fprint(w, "\t\t")
	case strings.HasPrefix(row.Side, llamaCpp):
		fmt.Fprintf(w, "%.2fx\t%.2fx %s\t", ratio, target, met(ratio >= target))
	default:
		fmt.Fprintf(w, "%.2fx\t\t", ratio)
	}
}
