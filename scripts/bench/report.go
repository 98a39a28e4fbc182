package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"text/tabwriter"
	"time"

	"trainer/internal/cpu/kernel"
)

// report is everything that was measured.
type report struct {
	Machine    string   `json:"machine"`
	PyTorch    string   `json:"pytorch,omitempty"`
	NoPeer     string   `json:"no_pytorch,omitempty"` // why there is no peer
	Rounds     int      `json:"rounds"`
	Peak       float64  `json:"peak_gflops_per_thread"`
	Steps      []steps  `json:"steps"`
	PeerMemory int64    `json:"pytorch_memory_bytes,omitempty"`
	Command    *command `json:"command"`
}

// setPeak notes the speed of matrix products on all threads, in operations a second, and how near to it the steps were.
func (r *report) setPeak(best float64, threads int) {
	r.Peak = best / float64(threads) / 1e9
	for i := range r.Steps {
		s := &r.Steps[i]
		s.PeakShare = s.GFLOP / (s.Ours / 1e3) / (best / 1e9)
	}
}

// machine describes what this runs on.
func machine(threads int) string {
	s := fmt.Sprintf("%s/%s, %d threads, %s kernels, %s, %s", runtime.GOOS, runtime.GOARCH, threads, kernel.Best().Name, runtime.Version(),
		time.Now().Format("2006-01-02 15:04"))
	if name := processor(); name != "" {
		s = name + ", " + s
	}
	if load, err := os.ReadFile("/proc/loadavg"); err == nil {
		s += ", load average " + strings.Fields(string(load))[0] + " at the start"
	}
	return s
}

// processor is the processor's name, where the system says it.
func processor() string {
	info, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(info)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func (r *report) print(w io.Writer) {
	fmt.Fprintln(w, r.Machine)
	if r.NoPeer != "" {
		fmt.Fprintf(w, "Without PyTorch, our side alone: %s\n", r.NoPeer)
	} else {
		fmt.Fprintf(w, "%s; both sides train on the same examples from the same weights, %d turns each; medians\n", r.PyTorch, r.Rounds)
	}
	fmt.Fprintf(w, "Limit: %.0f GFLOP/s a thread, the best that matrix products [256, 256]·[256, 256] in the caches did between turns\n\n", r.Peak)
	r.printSteps(w)
	fmt.Fprintf(w, "\nfirst step %.0f ms after the start of the process; memory at most %s", r.Command.FirstStep, megabytes(r.Command.Memory))
	if r.PeerMemory > 0 {
		fmt.Fprintf(w, " (PyTorch, with a model for each column and row: %s)", megabytes(r.PeerMemory))
	}
	fmt.Fprintln(w)
	if f := r.full(); f != nil {
		fmt.Fprintf(w, "the default run: %.1f s for %d steps with evaluations and checkpoints, %.1f s with start and result\n", f.Seconds, f.Steps, f.Wall)
		fmt.Fprintf(w, "its answers: held out %.2f %% right, trained %.2f %%\n", 100*f.HeldOutAccuracy, 100*f.TrainAccuracy)
		if f.PyTorchEstimated > 0 {
			fmt.Fprintf(w, "PyTorch: %.1f s for as many steps and nothing else, extrapolated from its median at batch %d\n",
				f.PyTorchEstimated, r.Steps[0].Batch)
		}
	}
}

func (r *report) printSteps(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', tabwriter.AlignRight)
	head := "batch\tours\t"
	if r.NoPeer == "" {
		for _, mode := range peerModes(r.Steps) {
			head += "PyTorch " + mode + "\t"
		}
		head += "ratio\ttarget\t"
	}
	fmt.Fprintln(t, head+"GFLOP/step\tof the limit\tallocations/step\t")
	for _, s := range r.Steps {
		fmt.Fprintf(t, "%d\t%.3f ms\t", s.Batch, s.Ours)
		if r.NoPeer == "" {
			for _, mode := range peerModes(r.Steps) {
				fmt.Fprintf(t, "%.3f ms\t", s.Peer[mode])
			}
			fmt.Fprintf(t, "%.2fx\t%.1fx %s\t", s.Ratio, s.Target, met(s.Ratio >= s.Target))
		}
		fmt.Fprintf(t, "%.3f\t%.0f %%\t%g\t\n", s.GFLOP, 100*s.PeakShare, s.Allocations)
	}
	t.Flush()
}

// full adds to the summary of the default run what PyTorch would take.
func (r *report) full() *fullSummary {
	f := r.Command.Full
	if f != nil && r.NoPeer == "" {
		f.PyTorchEstimated = r.Steps[0].Ratio * r.Steps[0].Ours / 1e3 * float64(f.Steps)
	}
	return f
}

// peerModes are the modes that were timed, in their order.
func peerModes(list []steps) []string {
	var timed []string
	for _, mode := range modes(&arguments{compiled: true}) {
		if _, ok := list[0].Peer[mode]; ok {
			timed = append(timed, mode)
		}
	}
	return timed
}

func met(yes bool) string {
	if yes {
		return "met"
	}
	return "missed"
}

func megabytes(bytes int64) string { return fmt.Sprintf("%d MB", bytes/1e6) }

// writeJSON writes a report to a file, if one is named.
func writeJSON(path string, report any) error {
	if path == "" {
		return nil
	}
	text, err := json.MarshalIndent(report, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o666)
}
