package cpu

import (
	"fmt"

	"trainer/internal/cpu/kernel"
	"trainer/internal/op"
	"trainer/internal/ref"
	"trainer/internal/team"
	"trainer/internal/vm"
)

// executable is a program bound to a backend: the phases of all instructions, and where those of each begin.
type executable struct {
	team   *team.Team
	phases []team.Phase
	begin  []int        // by instruction; one more for the end
	run    []team.Phase // what Run goes through: phases, with calls of a watcher in between
}

var _ vm.Watcher = (*executable)(nil)

func (e *executable) Run() error {
	e.team.Run(e.run)
	return nil
}

// Watch puts a phase behind each instruction that is watched, in which worker 0 calls passed.
func (e *executable) Watch(after []int, passed func(i int)) {
	e.run = nil
	from := 0
	for at := range len(e.begin) - 1 {
		for i, instruction := range after {
			if instruction == at {
				e.run = append(e.run, e.phases[from:e.begin[at+1]]...)
				e.run = append(e.run, alone(func() { passed(i) })...)
				from = e.begin[at+1]
			}
		}
	}
	e.run = append(e.run, e.phases[from:]...)
}

func (e *executable) Step(i int) error {
	e.team.Run(e.phases[e.begin[i]:e.begin[i+1]])
	return nil
}

func (e *executable) Close() error { return nil }

// Bind turns each instruction into phases. Everything that a run needs is allocated here.
func (b *Backend) Bind(p *vm.Program, mem []vm.Memory) (vm.Executable, error) {
	e := &executable{team: b.team}
	for _, in := range p.Instructions {
		c := binding{Backend: b, program: p, memory: mem, Instruction: in}
		phases, err := c.phases()
		if err != nil {
			return nil, err
		}
		e.begin = append(e.begin, len(e.phases))
		e.phases = append(e.phases, phases...)
	}
	e.begin = append(e.begin, len(e.phases))
	e.run = e.phases
	return e, nil
}

// binding is an instruction on its way to phases.
type binding struct {
	*Backend
	vm.Instruction
	program *vm.Program
	memory  []vm.Memory
}

// in, ints and out are the memory of an operand; dims is the shape of an input.
func (c *binding) in(i int) []float32  { return vm.Float32s(c.memory[c.In[i]].Host()) }
func (c *binding) ints(i int) []int32  { return vm.Int32s(c.memory[c.In[i]].Host()) }
func (c *binding) out(i int) []float32 { return vm.Float32s(c.memory[c.Out[i]].Host()) }
func (c *binding) dims(i int) []int    { return c.program.Values[c.In[i]].Shape }

// phases returns the calls of kernels that compute the instruction.
func (c *binding) phases() ([]team.Phase, error) {
	set := c.kernels
	switch k := c.Kernel.(type) {
	case op.MatMul:
		return c.matMul(k), nil
	case op.SumRows:
		return c.sumRows(), nil
	case op.Gather:
		return c.gather(), nil
	case op.ScatterAdd:
		return c.scatterAdd(k), nil
	case op.Add:
		dst, x, y := c.out(0), c.in(0), c.in(1)
		return elements(len(dst), func(lo, hi int) { set.Add(dst[lo:hi], x[lo:hi], y[lo:hi]) }), nil
	case op.GELU:
		dst, x := c.out(0), c.in(0)
		return elements(len(dst), func(lo, hi int) { set.GELU(dst[lo:hi], x[lo:hi]) }), nil
	case op.GELUGrad:
		dst, x, dy := c.out(0), c.in(0), c.in(1)
		return elements(len(dst), func(lo, hi int) { set.GELUGrad(dst[lo:hi], x[lo:hi], dy[lo:hi]) }), nil
	case op.SwiGLU:
		return c.swiGLU(), nil
	case op.SwiGLUGrad:
		return c.swiGLUGrad(), nil
	case op.Scale:
		dst, x, s := c.out(0), c.in(0), c.in(1)
		return elements(len(dst), func(lo, hi int) { set.Scale(dst[lo:hi], x[lo:hi], s[0]) }), nil
	case op.WeightedSum:
		dst, x, y := c.out(0), c.in(0), c.in(1)
		return alone(func() { dst[0] = set.Dot(x, y) }), nil
	case op.LayerNorm:
		return c.layerNorm(k), nil
	case op.LayerNormGrad:
		return c.layerNormGrad(k), nil
	case op.RMSNorm:
		return c.rmsNorm(k), nil
	case op.RMSNormGrad:
		return c.rmsNormGrad(k), nil
	case op.Dropout:
		return c.dropout(k), nil
	case op.Rotary:
		return c.rotary(k), nil
	case op.Attention:
		return c.attention(k), nil
	case op.AttentionGrad:
		return c.attentionGrad(k), nil
	case op.Append:
		return c.append(k), nil
	case op.CachedAttention:
		return c.cachedAttention(k), nil
	case op.CrossEntropy:
		return c.crossEntropy(), nil
	case op.CrossEntropyGrad:
		return c.crossEntropyGrad(), nil
	}
	return nil, fmt.Errorf("the CPU backend has no kernel for %#v", c.Kernel)
}

// elements divides n independent elements by cache lines.
func elements(n int, f func(lo, hi int)) []team.Phase { return split(n, vm.Alignment/4, f) }

// rows divides n independent rows.
func rows(n int, f func(lo, hi int)) []team.Phase { return split(n, 1, f) }

func split(n, grain int, f func(lo, hi int)) []team.Phase {
	return []team.Phase{func(worker, workers int) {
		if lo, hi := team.Share(n, grain, worker, workers); lo < hi {
			f(lo, hi)
		}
	}}
}

// alone is work too small to divide.
func alone(f func()) []team.Phase {
	return []team.Phase{func(worker, _ int) {
		if worker == 0 {
			f()
		}
	}}
}

// sumOverRows divides n rows whose results are also summed into totals: each worker sums into memory of its own, and worker 0 adds those
// up in order.
func (c *binding) sumOverRows(n int, totals [][]float32, f func(lo, hi int, sums [][]float32)) []team.Phase {
	sums := make([][][]float32, c.team.Size())
	sums[0] = totals
	for w := 1; w < len(sums); w++ {
		for _, t := range totals {
			sums[w] = append(sums[w], make([]float32, len(t)))
		}
	}
	partial := func(worker, workers int) {
		for _, s := range sums[worker] {
			clear(s)
		}
		if lo, hi := team.Share(n, 1, worker, workers); lo < hi {
			f(lo, hi, sums[worker])
		}
	}
	if len(sums) == 1 {
		return []team.Phase{partial}
	}
	return append([]team.Phase{partial}, alone(func() {
		for _, s := range sums[1:] {
			for i, t := range totals {
				c.kernels.Add(t, t, s[i])
			}
		}
	})...)
}

func (c *binding) sumRows() []team.Phase {
	x, width := c.in(0), c.dims(0)[1]
	return c.sumOverRows(c.dims(0)[0], [][]float32{c.out(0)}, func(lo, hi int, sums [][]float32) {
		c.kernels.SumRows(sums[0], x[lo*width:hi*width], hi-lo, width)
	})
}

func (c *binding) gather() []team.Phase {
	dst, table, ids, width := c.out(0), c.in(0), c.ints(1), c.dims(0)[1]
	return rows(len(ids), func(lo, hi int) { c.kernels.Gather(dst[lo*width:hi*width], table, ids[lo:hi], width) })
}

func (c *binding) scatterAdd(k op.ScatterAdd) []team.Phase {
	dst, dy, ids, width := c.out(0), c.in(0), c.ints(1), c.dims(0)[1]
	if c.team.Size() == 1 {
		return alone(func() {
			clear(dst)
			c.kernels.ScatterAdd(dst, dy, ids, width)
		})
	}
	// Each worker owns rows of the table and picks what belongs to them, so the order of sums does not depend on the team.
	return rows(k.Rows, func(lo, hi int) {
		clear(dst[lo*width : hi*width])
		for i, id := range ids {
			if int(id) >= lo && int(id) < hi {
				row := dst[int(id)*width : (int(id)+1)*width]
				c.kernels.Add(row, row, dy[i*width:(i+1)*width])
			}
		}
	})
}

func (c *binding) layerNorm(k op.LayerNorm) []team.Phase {
	dst, x, gamma, beta, width := c.out(0), c.in(0), c.in(1), c.in(2), c.dims(0)[1]
	return rows(c.dims(0)[0], func(lo, hi int) {
		c.kernels.LayerNorm(dst[lo*width:hi*width], x[lo*width:hi*width], gamma, beta, hi-lo, width, float32(k.Epsilon))
	})
}

func (c *binding) layerNormGrad(k op.LayerNormGrad) []team.Phase {
	dx, x, gamma, dy, width := c.out(0), c.in(0), c.in(1), c.in(2), c.dims(0)[1]
	return c.sumOverRows(c.dims(0)[0], [][]float32{c.out(1), c.out(2)}, func(lo, hi int, sums [][]float32) {
		c.kernels.LayerNormGrad(dx[lo*width:hi*width], sums[0], sums[1], x[lo*width:hi*width], gamma, dy[lo*width:hi*width],
			hi-lo, width, float32(k.Epsilon))
	})
}

func (c *binding) rmsNorm(k op.RMSNorm) []team.Phase {
	dst, x, gamma, width := c.out(0), c.in(0), c.in(1), c.dims(0)[1]
	return rows(c.dims(0)[0], func(lo, hi int) {
		c.kernels.RMSNorm(dst[lo*width:hi*width], x[lo*width:hi*width], gamma, hi-lo, width, float32(k.Epsilon))
	})
}

func (c *binding) rmsNormGrad(k op.RMSNormGrad) []team.Phase {
	dx, x, gamma, dy, width := c.out(0), c.in(0), c.in(1), c.in(2), c.dims(0)[1]
	return c.sumOverRows(c.dims(0)[0], [][]float32{c.out(1)}, func(lo, hi int, sums [][]float32) {
		c.kernels.RMSNormGrad(dx[lo*width:hi*width], sums[0], x[lo*width:hi*width], gamma, dy[lo*width:hi*width], hi-lo, width, float32(k.Epsilon))
	})
}

func (c *binding) swiGLU() []team.Phase {
	dst, x, width := c.out(0), c.in(0), c.dims(0)[1]
	return rows(c.dims(0)[0], func(lo, hi int) {
		c.kernels.SwiGLU(dst[lo*width/2:hi*width/2], x[lo*width:hi*width], hi-lo, width/2)
	})
}

func (c *binding) swiGLUGrad() []team.Phase {
	dx, x, dy, width := c.out(0), c.in(0), c.in(1), c.dims(0)[1]
	return rows(c.dims(0)[0], func(lo, hi int) {
		c.kernels.SwiGLUGrad(dx[lo*width:hi*width], x[lo*width:hi*width], dy[lo*width/2:hi*width/2], hi-lo, width/2)
	})
}

func (c *binding) dropout(k op.Dropout) []team.Phase {
	dst, x, key, numbers, width := c.out(0), c.in(0), c.ints(1), c.ints(2), c.dims(0)[1]
	return rows(len(numbers), func(lo, hi int) {
		c.kernels.Dropout(dst[lo*width:hi*width], x[lo*width:hi*width], key, numbers[lo:hi], width, k.Salt, k.Rate)
	})
}

func (c *binding) rotary(k op.Rotary) []team.Phase {
	width := c.dims(0)[1]
	headDim := k.HeadDim(width)
	r := c.rotation(k.Context, headDim, k.Base)
	dst, x, positions := c.out(0), c.in(0), c.ints(1)
	return rows(len(positions), func(lo, hi int) {
		c.kernels.Rotary(dst[lo*width:hi*width], x[lo*width:hi*width], r.cos, r.sin, positions[lo:hi], width, k.Turned(), headDim, k.Inverse)
	})
}

// attended returns what Attention and its gradient share.
func (c *binding) attended(k op.Attention, offsets []int32) kernel.Attention {
	rows, width := c.dims(0)[0], c.dims(0)[1]
	a := kernel.Attention{Rows: rows, Heads: k.Heads, KVHeads: k.KVHeads, HeadDim: k.HeadDim(width), QKV: c.in(0), Offsets: offsets}
	c.reserve(c.kernels.AttentionScratch(min(k.Context, rows), a.HeadDim))
	return a
}

// attention divides pairs of a sequence and a head of queries.
func (c *binding) attention(k op.Attention) []team.Phase {
	a := c.attended(k, c.ints(1))
	a.Out, a.LSE = c.out(0), c.out(1)
	pairs := (len(a.Offsets) - 1) * k.Heads
	return []team.Phase{func(worker, workers int) {
		if worker == workers-1 {
			end := int(a.Offsets[len(a.Offsets)-1])
			clear(a.Out[end*k.Heads*a.HeadDim:])
			for h := range k.Heads {
				clear(a.LSE[h*a.Rows+end : (h+1)*a.Rows])
			}
		}
		if lo, hi := team.Share(pairs, 1, worker, workers); lo < hi {
			c.kernels.Attention(&a, lo, hi, c.scratch[worker])
		}
	}}
}

// attentionGrad divides pairs of a sequence and a head of keys and values, whose gradients are sums over the queries that share it.
func (c *binding) attentionGrad(k op.AttentionGrad) []team.Phase {
	g := kernel.AttentionGrad{Attention: c.attended(op.Attention(k), c.ints(4)), DOut: c.in(3), DQKV: c.out(0)}
	g.Out, g.LSE = c.in(1), c.in(2)
	pairs, width := (len(g.Offsets)-1)*k.KVHeads, c.dims(0)[1]
	return []team.Phase{func(worker, workers int) {
		if worker == workers-1 {
			clear(g.DQKV[int(g.Offsets[len(g.Offsets)-1])*width:])
		}
		if lo, hi := team.Share(pairs, 1, worker, workers); lo < hi {
			c.kernels.AttentionGrad(&g, lo, hi, c.scratch[worker])
		}
	}}
}

// append writes to the cache in place.
func (c *binding) append(k op.Append) []team.Phase {
	cache, qkv, at, width, headDim := c.out(0), c.in(1), c.ints(2), c.dims(1)[1], c.dims(0)[1]
	places := op.Places(c.dims(0), k.KVHeads)
	return rows(len(at), func(lo, hi int) {
		ref.Append(cache, qkv[lo*width:hi*width], at[lo:hi], k.Heads, k.KVHeads, headDim, places)
	})
}

// cachedAttention divides pairs of a head of queries and a sequence.
func (c *binding) cachedAttention(k op.CachedAttention) []team.Phase {
	a := kernel.CachedAttention{Rows: c.dims(0)[0], Heads: k.Heads, KVHeads: k.KVHeads, HeadDim: c.dims(1)[1],
		Places: op.Places(c.dims(1), k.KVHeads), QKV: c.in(0), Cache: c.in(1), Offsets: c.ints(2), Starts: c.ints(3), Lengths: c.ints(4), Out: c.out(0)}
	c.reserve(c.kernels.CachedAttentionScratch(min(k.Context, a.Places), a.HeadDim, k.Heads/k.KVHeads))
	pairs, width := k.Heads*len(a.Starts), k.Heads*a.HeadDim
	return []team.Phase{func(worker, workers int) {
		if worker == workers-1 {
			clear(a.Out[int(a.Offsets[len(a.Offsets)-1])*width:])
		}
		if lo, hi := team.Share(pairs, 1, worker, workers); lo < hi {
			c.kernels.CachedAttention(&a, lo, hi, c.scratch[worker])
		}
	}}
}

func (c *binding) crossEntropy() []team.Phase {
	nll, lse, hit, logits, targets, vocab := c.out(0), c.out(1), c.out(2), c.in(0), c.ints(1), c.dims(0)[1]
	return rows(len(targets), func(lo, hi int) {
		c.kernels.CrossEntropy(nll[lo:hi], lse[lo:hi], hit[lo:hi], logits[lo*vocab:hi*vocab], targets[lo:hi], vocab)
	})
}

func (c *binding) crossEntropyGrad() []team.Phase {
	dlogits, logits, lse, dnll, targets, vocab := c.out(0), c.in(0), c.in(1), c.in(2), c.ints(3), c.dims(0)[1]
	return rows(len(targets), func(lo, hi int) {
		c.kernels.CrossEntropyGrad(dlogits[lo*vocab:hi*vocab], logits[lo*vocab:hi*vocab], lse[lo:hi], dnll[lo:hi], targets[lo:hi], vocab)
	})
}
