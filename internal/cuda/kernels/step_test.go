package kernels_test

import (
	"encoding/binary"
	"fmt"
	"testing"

	"trainer/internal/cuda/kernels"
	"trainer/internal/ptx"
)

// step is what a training step launches, on a device of its own: the tests' one counts coverage.
type step struct {
	b        *testing.B
	device   *ptx.Device
	half     bool // activations and operands of products are bfloat16
	launches []kernels.Launch
	run      []func() (*ptx.Counters, error)
}

// floats is room for n numbers of 4 bytes that are all 0.5, or twice as many of 2.
func (s *step) floats(n int) kernels.Pointer {
	p, err := s.device.Alloc(4 * n)
	if err == nil {
		err = s.device.Fill(p, 0x3f003f00, n)
	}
	if err != nil {
		s.b.Fatal(err)
	}
	return kernels.Pointer(p)
}

// activations is room for n numbers of the type that activations have.
func (s *step) activations(n int) kernels.Floats {
	return kernels.Floats{At: s.floats(n), BF16: s.half}
}

func (s *step) put(data any) kernels.Pointer {
	raw, err := binary.Append(nil, binary.LittleEndian, data)
	if err != nil {
		s.b.Fatal(err)
	}
	p, err := s.device.Alloc(len(raw))
	if err == nil {
		err = s.device.CopyIn(p, raw)
	}
	if err != nil {
		s.b.Fatal(err)
	}
	return kernels.Pointer(p)
}

func (s *step) add(l ...kernels.Launch) { s.launches = append(s.launches, l...) }

// linear adds a product of x [m, k] with weights [k, n], the gradients of both, and the bias's.
func (s *step) linear(m, k, n int) {
	for i, p := range []kernels.Product{{M: m, N: n, K: k}, {M: m, N: k, K: n, TransB: true}, {M: k, N: n, K: m, TransA: true}} {
		c := s.activations(p.M * p.N)
		c.BF16 = s.half && i < 2 // gradients of weights are float32
		a, b := s.floats(p.M*p.K), s.floats(p.K*p.N)
		if s.half {
			s.add(kernels.MatMulBF16(c, a, b, s.floats(kernels.MatMulBF16Scratch(p)+1), p, kernels.Epilogue{})...)
		} else {
			s.add(kernels.MatMulF32(c.At, a, b, s.floats(kernels.MatMulF32Scratch(p)+1), p, kernels.Epilogue{})...)
		}
	}
	s.add(kernels.SumRows(s.floats(n), s.activations(m*n), s.floats(kernels.RowParts(m)*n), m, n)...)
}

// fill adds the launches of a step of a transformer of 2 layers and 115,000 weights on 8 sequences of 64 tokens of a vocabulary of 40.
func (s *step) fill() {
	const rows, width, vocab, heads, layers = 8 * 64, 64, 40, 4, 2
	ids := s.put(newSource(1).ids(rows, vocab))
	table := func() kernels.Floats { return kernels.Floats{At: s.floats(vocab * width)} }
	stream := func() kernels.Floats { return kernels.Floats{At: s.floats(rows * width)} }
	s.add(kernels.Gather(stream(), table(), ids, rows, width))
	s.add(kernels.ScatterAdd(table(), stream(), ids, s.floats(kernels.ScatterAddScratch(rows, vocab)), rows, vocab, width)...)
	for range 2*layers + 1 {
		x, gain := s.floats(rows*width), s.floats(width)
		s.add(kernels.LayerNorm(s.activations(rows*width), x, gain, gain, rows, width, 1e-5), kernels.Add(x, x, s.floats(rows*width), rows*width))
		s.add(kernels.LayerNormGrad(kernels.LayerNormGradient{
			DX: s.floats(rows * width), DGamma: s.floats(width), DBeta: s.floats(width), X: x, Gamma: gain,
			DY: s.activations(rows * width), Addend: x, Scratch: s.floats(kernels.LayerNormScratch(rows, width)),
		}, rows, width, 1e-5)...)
	}
	shape := kernels.Sequences{Rows: rows, Count: 8, Heads: heads, KVHeads: heads, HeadDim: width / heads}
	offsets := s.put([]int32{0, 64, 128, 192, 256, 320, 384, 448, 512})
	for range layers {
		s.linear(rows, width, 3*width)
		s.linear(rows, width, width)
		s.linear(rows, width, 4*width)
		s.linear(rows, 4*width, width)
		hidden := s.floats(rows * 4 * width)
		s.add(kernels.GELU(s.floats(rows*4*width), hidden, rows*4*width), kernels.GELUGrad(hidden, hidden, hidden, rows*4*width))
		forward, backward := kernels.Attention, kernels.AttentionGrad
		if s.half {
			forward, backward = kernels.AttentionBF16, kernels.AttentionGradBF16
		}
		qkv, out, lse := s.floats(3*rows*width), s.floats(rows*width), s.floats(rows*heads)
		s.add(forward(out, lse, qkv, offsets, shape))
		s.add(backward(s.floats(3*rows*width), qkv, out, lse, s.floats(rows*width), s.floats(rows*heads), offsets, shape)...)
	}
	s.linear(rows, width, vocab)
	logits := s.activations(rows * vocab)
	s.add(kernels.CrossEntropyWithGrad(s.floats(rows), s.floats(rows), s.floats(rows), logits, logits, s.floats(rows), ids, rows, vocab))
	const weights = layers*12*width*width + 2*vocab*width + 64*width
	stretches := kernels.Stretches(kernels.Stretch{
		Weights: s.floats(weights), Moment1: s.floats(weights), Moment2: s.floats(weights), Gradient: s.floats(weights), Copy: s.floats(weights),
	}, weights)
	numbers := s.put(kernels.Numbers{LearningRate: 1e-3, Beta1: 0.9, Beta2: 0.99, Epsilon: 1e-8, Correction1: 1, Correction2: 1, Step: 1})
	tensors, outcome := s.put(stretches), s.put(kernels.Outcome{})
	squares := s.floats(2 * len(stretches))
	s.add(kernels.SumSquares(squares, tensors, len(stretches)), kernels.JudgeStep(outcome, squares, s.floats(1), numbers, len(stretches)),
		kernels.AdamW(tensors, numbers, outcome, len(stretches)))
}

// prepare loads what the launches need.
func (s *step) prepare() {
	modules := map[string]*ptx.Module{}
	for _, l := range s.launches {
		if modules[l.Source] == nil {
			m, err := s.device.Load(l.Source+".ptx", kernels.PTX(l.Source))
			if err != nil {
				s.b.Fatal(err)
			}
			modules[l.Source] = m
		}
		k, err := modules[l.Source].Kernel(l.Kernel)
		if err == nil {
			err = k.AllowShared(l.Shared)
		}
		if err != nil {
			s.b.Fatal(err)
		}
		args := make([]any, len(l.Args))
		for i, a := range l.Args {
			args[i] = a
			if p, ok := a.(kernels.Pointer); ok {
				args[i] = ptx.Address(p)
			}
		}
		s.run = append(s.run, func() (*ptx.Counters, error) {
			return s.device.Launch(k, ptx.Launch{Grid: l.Grid, Block: [3]int{l.Block, 1, 1}, Shared: l.Shared, Args: args})
		})
	}
}

// BenchmarkStep takes a step in the emulator, with and without looking for races.
func BenchmarkStep(b *testing.B) {
	for _, half := range []bool{false, true} {
		for _, ignore := range []bool{true, false} {
			b.Run(fmt.Sprintf("bf16=%v,races=%v", half, !ignore), func(b *testing.B) {
				s := &step{b: b, device: ptx.NewDevice(ptx.Options{IgnoreRaces: ignore}), half: half}
				s.fill()
				s.prepare()
				executed := uint64(0)
				for b.Loop() {
					for _, run := range s.run {
						c, err := run()
						if err != nil {
							b.Fatal(err)
						}
						_, lanes := c.Instructions()
						executed += lanes
					}
				}
				b.ReportMetric(float64(executed)/1e6/float64(b.N), "Mlane-instr/step")
			})
		}
	}
}
