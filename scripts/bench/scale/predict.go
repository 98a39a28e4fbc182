package main

import (
	"fmt"
	"io"
)

// workload is a model and what it is trained with.
type workload struct {
	name    string
	weights float64
	context int     // tokens of a sequence, of which a rank takes one at least
	batch   float64 // tokens of a step, of all ranks together
}

// GPT-2 of two sizes, at the half million tokens of a step that its reproductions take.
var workloads = []workload{
	{"GPT-2 124M", 124e6, 1024, 524288},
	{"GPT-2 1.5B", 1558e6, 1024, 524288},
}

// machines is a kind of group. Nothing of H100s was measured here: see the sources of its numbers.
type machines struct {
	name    string
	ranks   []int
	flops   float64 // of a rank, that training reaches, a second
	overlap float64 // share of the step's computation beside which gradients travel
	host    float64 // seconds that a byte costs beyond the link

	inside       int     // ranks that are joined by the faster link
	insideRate   float64 // bytes a second of a rank in each direction
	betweenRate  float64
	latency      float64 // seconds of a hop from rank to rank
	serialHops   bool    // a ring: N-1 hops one after another
	buckets      float64 // messages of an exchange
	bytesAWeight float64 // of each exchange
}

// h100s are NVIDIA's DGX H100: 989 TFLOP/s dense in bfloat16, of which 40 % is assumed to be reached; NVLink of 450 GB/s in each direction
// among 8; an adapter of 400 Gbit/s for each GPU (data sheets of H100 SXM and DGX H100). A ring of NCCL enters and leaves a machine by all 8
// adapters, so it has 400 GB/s there. Assumed besides: 80 % of the rates is reached, 3 µs a hop of the ring, most of which are inside a
// machine, and gradients travel beside the backward pass, two thirds of the arithmetic.
func h100s() machines {
	return machines{name: "H100", ranks: []int{8, 64, 1024}, flops: 0.4 * 989e12, overlap: 2. / 3, inside: 8, insideRate: 0.8 * 450e9,
		betweenRate: 0.8 * 8 * 50e9, latency: 3e-6, serialHops: true, buckets: 16, bytesAWeight: 4}
}

// hosts are 8 hosts as the one that was measured, each as fast as both of its ranks together were, joined by 10 Gbit/s, 50 µs apart.
func hosts(c *constants) machines {
	return machines{name: "host", ranks: []int{8}, flops: c.flops, overlap: c.Overlap, host: c.HostByte, inside: 1,
		betweenRate: 10 * gigabit, latency: 50e-6, buckets: 16, bytesAWeight: 4}
}

// step predicts the seconds of computation of a rank and of a whole step, with what each rank's tokens are.
//
// It is the model of constants, with C of 6 floating-point operations a weight and token, and latency: each exchange ends with that of its last
// bucket, N-1 hops of a ring. In a ring the slower link carries (N-1)/N of all bytes.
func (m *machines) step(w workload, ranks int, tokens float64) (compute, whole float64) {
	compute = 6 * w.weights * tokens / m.flops
	rate := m.betweenRate
	if ranks <= m.inside {
		rate = m.insideRate
	}
	hops := 1.0
	if m.serialHops {
		hops = float64(ranks - 1)
	}
	n := float64(ranks)
	exchange := (n-1)/n*m.bytesAWeight*w.weights*(1/rate+m.host) + hops*m.latency
	last := exchange / m.buckets // of the gradients, which is final with the backward pass
	return compute, compute + max(last, exchange-m.overlap*compute) + exchange
}

// predict prints efficiencies: at the whole batch divided among the ranks, and at 8 sequences and one for each rank, whatever that makes the
// batch. Hosts are left out where nothing was fitted.
func predict(out io.Writer, fitted *constants) {
	groups := []machines{h100s()}
	if fitted != nil {
		groups = append(groups, hosts(fitted))
	}
	for _, m := range groups {
		for _, w := range workloads {
			for _, ranks := range m.ranks {
				fmt.Fprintf(out, "predicted, %s, %d x %s:", w.name, ranks, m.name)
				tell := func(name string, tokens float64) {
					compute, whole := m.step(w, ranks, tokens)
					fmt.Fprintf(out, " %s: %.4g s a step, efficiency %.2f;", name, whole, compute/whole)
				}
				if divided := w.batch / float64(ranks); divided < float64(w.context) {
					fmt.Fprintf(out, " a batch of %.0f tokens has no sequence for each;", w.batch)
				} else {
					tell(fmt.Sprintf("batch of %.0f tokens", w.batch), divided)
				}
				tell("8 sequences each", 8*float64(w.context))
				tell("one", float64(w.context))
				fmt.Fprintln(out)
			}
		}
	}
}
