package main

import (
	"fmt"
	"math"
	"strings"
)

// Peaks of an H100 SXM (NVIDIA H100 Tensor Core GPU data sheet): bfloat16 on tensor cores without sparsity, float32 elsewhere, memory.
const (
	peakTensor = 989e12 // FLOP/s
	peakOther  = 67e12
	peakMemory = 3.35e12 // bytes/s
)

const sector = 32 // bytes

// targets are what kernels are held to; excuses say why a kernel, by the beginning of its name, may miss them.
const mostRatio = 1.15

var excuses = []struct{ kernel, why string }{
	{"attention_bf16", "a tile of 128 rows meets the keys and values, or queries, of all tiles before it, or behind. Those of a head and a " +
		"sequence are 256 KiB, which the second-level cache (50 MB) keeps between tiles; to read them once, one block would have to do a " +
		"whole head by itself."},
	{"scatter_order", "each block reads all ids, which are 128 KiB and stay in the second-level cache. It moves less than a thousandth of " +
		"the step's bytes."},
}

// report writes the ledger as a section of docs/kernels.md.
func report(s *step, all []entry, kernels map[string]resources) (string, error) {
	var out strings.Builder
	p := func(format string, args ...any) { out.WriteString(wrapped(fmt.Sprintf(format, args...))) }
	var total counts
	var least, bound, bare, apart, sums float64
	launches := 0
	for _, e := range all {
		total = total.plus(e.counts, 1)
		least += e.least
		bound += e.seconds(e.least)
		bare += e.seconds(e.moved())
		if e.apart {
			apart += e.moved()
		}
		if strings.HasPrefix(e.Kernel, "sum_rows") {
			sums += e.least
		}
		launches += e.times
	}
	moved := total.sectors * sector
	copies := float64(s.uploaded + s.downloaded + s.within)
	tokens := float64(sequences * length)

	p("A training step of GPT-2 with 124 million weights on %d sequences of %d tokens in bfloat16, with the project's own matrix products: %d "+
		"launches. **These are counts, not times: nothing here was measured on a GPU.** `go run ./scripts/kernels/ledger` writes this section.\n\n",
		sequences, length, launches)
	p("The launches are those that `internal/cuda` queues for the second step of a run, on a device that only writes them down. The emulator " +
		"of `internal/ptx` then runs each kernel with the arguments it has there, but on three smaller sizes: a few blocks, a few sequences, or " +
		"a few steps of a product's K. What it counts lies on a line over the size, which the size in the middle must meet within 1 %%; the line is " +
		"read at the full size.\n\n")
	p("- **FLOP**: on tensor cores, and all others. A multiply-add is 2, exp, rcp and the like 1.\n")
	p("- **moved**: %d bytes for each sector of global memory that a warp's request touches, caches or not. **least**: each operand and each "+
		"result once. Products and attention read operands once a tile, mostly from the second-level cache.\n", sector)
	p("- **sectors**: for each request of a warp; 4 are best for 32 bits a lane, 8 for 64 and 16 for 128. **used**: what lanes asked for, of all " +
		"bytes of the sectors; more than 100 %% where lanes read the same.\n")
	p("- **conflicts**: wavefronts of shared memory that bank conflicts cost. **occupancy**: of the warps that a multiprocessor of capability 9.0 " +
		"holds, by registers, shared memory and threads.\n\n")

	p("| kernel | use | launches | tensor GFLOP | other GFLOP | MB moved | MB least | ratio | sectors | used | conflicts | registers | "+
		"shared KiB | occupancy | of all bytes |\n|---|---|%s\n", strings.Repeat("---:|", 13))
	for _, e := range all {
		r, ok := kernels[e.Kernel]
		if !ok {
			return "", fmt.Errorf("the table of registers lacks %s: run go generate ./internal/cuda/kernels", e.Kernel)
		}
		p("| `%s` | %s | %d | %.4g | %.3g | %.4g | %.4g | %.2f | %.1f | %.0f %% | %.0f | %d | %.1f | %.0f %% | %.2f %% |\n",
			e.Kernel, e.title, e.times, e.tensor/1e9, e.other/1e9, e.moved()/1e6, e.least/1e6, e.moved()/e.least, e.sectors/e.requests,
			100*e.bytes/e.moved(), e.conflicts, r.registers, float64(r.shared+e.Shared)/1024, 100*occupancy(r, e.Block, e.Shared),
			100*e.moved()/moved)
	}
	p("| **all** | | %d | %.4g | %.3g | %.0f | %.0f | %.2f | | | %.0f | | | | |\n\n",
		launches, total.tensor/1e9, total.other/1e9, moved/1e6, least/1e6, moved/least, total.conflicts)

	p("### Against the roofline of an H100\n\n")
	p("At %.0f TFLOP/s on tensor cores, %.0f elsewhere and %.2f TB/s, no step can be faster than the sum over kernels of the longest of their "+
		"three times:\n\n", peakTensor/1e12, peakOther/1e12, peakMemory/1e12)
	p("| | ms | tokens/s | of the peak of tensor cores |\n|---|---:|---:|---:|\n")
	for _, row := range []struct {
		name    string
		seconds float64
	}{
		{"tensor cores alone", total.tensor / peakTensor},
		{"every byte once (least)", bound},
		{"every sector from memory, as if nothing were cached (moved)", bare},
	} {
		p("| %s | %.1f | %.0f | %.0f %% |\n", row.name, 1e3*row.seconds, tokens/row.seconds, 100*total.tensor/peakTensor/row.seconds)
	}
	p("\nA step on a GPU lies above the second line, by what launches, latencies and tails cost. Outside of fused kernels (additions, scaling, "+
		"conversions, copies) it moves %.2f %% of its bytes, and %.2f %% of the least. The gradients of biases (sum_rows) read once more what "+
		"products have written: %.1f %% of the least. The host sends %.0f KB a step and reads %.0f KB.\n\n",
		100*(apart+copies)/moved, 100*(apart+copies)/least, 100*sums/least, float64(s.uploaded)/1e3, float64(s.downloaded)/1e3)

	misses, err := missed(all)
	if err != nil {
		return "", err
	}
	p("Kernels other than products are to move at most %.2f of the least, and nothing may have bank conflicts. What does not:\n\n%s",
		mostRatio, misses)
	return out.String(), nil
}

// wrapped breaks lines of text, but not of tables, behind 140 columns at most. What follows an item of a list is indented.
func wrapped(text string) string {
	const width = 140
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		indent := ""
		if strings.HasPrefix(line, "- ") {
			indent = "  "
		}
		for rest := line; len(rest) > width && !strings.HasPrefix(line, "|"); {
			cut := strings.LastIndex(rest[:width+1], " ")
			line = line[:len(line)-len(rest)+cut] + "\n" + indent + rest[cut+1:]
			rest = indent + rest[cut+1:]
		}
		lines[i] = line
	}
	return strings.Join(lines, "\n")
}

func (e *entry) moved() float64 { return e.sectors * sector }

// seconds is the longest of the times that the work takes at the peaks of the GPU, if it moves so many bytes.
func (e *entry) seconds(bytes float64) float64 {
	return math.Max(math.Max(e.tensor/peakTensor, e.other/peakOther), bytes/peakMemory)
}

// missed lists the kernels that miss a target, with the reason. It is an error if there is none.
func missed(all []entry) (string, error) {
	var list strings.Builder
	for _, x := range excuses {
		var ratios []string
		for _, e := range all {
			if strings.HasPrefix(e.Kernel, x.kernel) && e.moved() > mostRatio*e.least {
				ratios = append(ratios, fmt.Sprintf("`%s` %.2f", e.Kernel, e.moved()/e.least))
			}
		}
		if ratios == nil {
			return "", fmt.Errorf("%s misses no target: take its excuse out of report.go", x.kernel)
		}
		fmt.Fprintf(&list, "- %s: %s\n", strings.Join(ratios, ", "), x.why)
	}
	for _, e := range all {
		excused := strings.HasPrefix(e.Kernel, "matmul_bf16")
		for _, x := range excuses {
			excused = excused || strings.HasPrefix(e.Kernel, x.kernel)
		}
		if e.moved() > mostRatio*e.least && !excused || e.conflicts > 0 {
			return "", fmt.Errorf("%s, %s: %.2f times the least bytes, at most %.2f are allowed; %.0f bank conflicts, none is",
				e.Kernel, e.title, e.moved()/e.least, mostRatio, e.conflicts)
		}
	}
	return list.String(), nil
}
