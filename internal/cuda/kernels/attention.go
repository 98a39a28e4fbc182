package kernels

import "fmt"

// MaxHeadDim is the largest head dimension that Attention and AttentionGrad take.
const MaxHeadDim = 128

// Sequences is the shape of attention: Rows of packed sequences, of which there are Count, for Heads heads of queries and KVHeads, which
// divides Heads, of keys and values, all of HeadDim columns.
type Sequences struct{ Rows, Count, Heads, KVHeads, HeadDim int }

// sizes are the last arguments of every kernel.
func (s Sequences) sizes() []any {
	return []any{int32(s.Count), int32(s.Rows), int32(s.Heads), int32(s.Heads / s.KVHeads), int32(s.HeadDim)}
}

// kernelDim is the smallest head dimension that kernels were made for and that HeadDim fits in.
func (s Sequences) kernelDim() int {
	for _, dim := range []int{16, 32, 64, MaxHeadDim} {
		if s.HeadDim <= dim {
			return dim
		}
	}
	panic(fmt.Sprintf("attention over heads of %d columns: the kernels take at most %d", s.HeadDim, MaxHeadDim))
}

// attentionTile is how the kernels divide the work: a block keeps `kept` rows of one head, `met` rows at a time come by; see attention.cu.
type attentionTile struct{ dim, kept, met int }

func (s Sequences) tile() attentionTile {
	dim, kept := s.kernelDim(), 64
	if dim > 64 {
		kept = 32
	}
	return attentionTile{dim: dim, kept: kept, met: 32}
}

// launch is a kernel on a block for each tile of rows and head, with shared memory for tiles of rows and of scores.
func (s Sequences) launch(kernel string, heads, kept, met, scores int, args ...any) Launch {
	t := s.tile()
	return Launch{
		Source: "attention", Kernel: fmt.Sprintf("%s_%d", kernel, t.dim), Grid: grid(ceilDiv(s.Rows, t.kept), heads), Block: 256,
		Shared: 4 * ((kept*t.kept+met*t.met)*(t.dim+4) + scores*t.kept*(t.met+4)),
		Args:   append(args, s.sizes()...),
	}
}

// Attention is causal attention inside each sequence (ref.Attention): out [Rows, Heads·HeadDim], lse [Heads, Rows],
// qkv [Rows, (Heads + 2·KVHeads)·HeadDim], offsets [Count+1].
func Attention(out, lse, qkv, offsets Pointer, s Sequences) Launch {
	return s.launch("attention", s.Heads, 1, 2, 1, out, lse, qkv, offsets)
}

// AttentionGrad computes dqkv (ref.AttentionGrad), of the shape of qkv, from qkv, out and lse of Attention and dout of the shape of out;
// delta is room for Heads·Rows floats.
func AttentionGrad(dqkv, qkv, out, lse, dout, delta, offsets Pointer, s Sequences) []Launch {
	return []Launch{
		s.launch("attention_grad_queries", s.Heads, 2, 2, 1, dqkv, delta, qkv, out, lse, dout, offsets),
		s.launch("attention_grad_keys", s.KVHeads, 2, 2, 2, dqkv, delta, qkv, lse, dout, offsets),
	}
}
