package main

import (
	"fmt"
	"io"
	"text/tabwriter"
)

func (r *tokenizerReport) print(w io.Writer) {
	fmt.Fprintln(w, r.Machine)
	fmt.Fprintf(w, "%s, %s to %d tokens of a vocabulary of %d; all sides on one thread, %d turns each; medians\n",
		r.Text, megabytes(int64(r.Bytes)), r.Tokens, r.Vocabulary, r.Rounds)
	if r.NoPeer != "" {
		fmt.Fprintf(w, "Our side alone: %s\n", r.NoPeer)
	}
	fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, name := range []string{oursNew, oursAgain, tiktoken, tokenizers} {
		if speed := r.Encode[name]; speed > 0 {
			fmt.Fprintf(t, "encode\t%s\t%.1f MB/s\t%s\n", name+" "+r.Versions[name], speed/1e6, r.against(name, speed/r.Encode[oursNew]))
		}
	}
	fmt.Fprintf(t, "encode\ttarget\t%.0f MB/s\t%s\n", encodeTarget/1e6, met(r.Encode[oursNew] >= encodeTarget))
	for _, name := range []string{oursNew, tokenizers} {
		if seconds := r.Learn[name]; seconds > 0 {
			fmt.Fprintf(t, "learn %d\t%s\t%.3f s\t%s\n", learnedVocabulary, name+" "+r.Versions[name], seconds, r.against(name, r.Learn[oursNew]/seconds))
		}
	}
	fmt.Fprintf(t, "learn %d\ttarget\t%.3f s\t%s\n", learnedVocabulary, learnTarget, met(r.Learn[oursNew] <= learnTarget))
	t.Flush()
	for _, s := range r.Shards {
		fmt.Fprintf(w, "cmd/tokenize shards, %s: %.1f s, %.0f MB/s on all cores, memory at most %s\n",
			megabytes(int64(s.Bytes)), s.Seconds, float64(s.Bytes)/1e6/s.Seconds, megabytes(s.Memory))
	}
}

// against says how fast a peer is beside ours.
func (r *tokenizerReport) against(name string, share float64) string {
	if name != tiktoken && name != tokenizers {
		return ""
	}
	return fmt.Sprintf("ours is %.1fx as fast", 1/share)
}
