package kernels

import "fmt"

// attentionBF16 is a kernel on a block for each tile of rows and head. Tiles and shared memory are those of attention_bf16.cu: the ring is
// two tiles of rows that are kept, each row has some words, and there are further bytes.
func (s Sequences) attentionBF16(kernel string, heads, words, bytes int, args ...any) Launch {
	dim, kept := s.kernelDim(), 128
	if dim > 64 {
		kept = 64
	}
	return Launch{
		Source: "attention_bf16", Kernel: fmt.Sprintf("%s_%d", kernel, dim), Grid: grid(ceilDiv(s.Rows, kept), heads), Block: 128,
		Shared: kept*(2*2*dim+4*words) + bytes,
		Args:   append(args, s.sizes()...),
	}
}

// AttentionBF16 is causal attention inside each sequence on tensor cores (ref.Attention): out [Rows, Heads·HeadDim] and
// qkv [Rows, (Heads + 2·KVHeads)·HeadDim] in bfloat16, their rows PitchBF16 of their columns apart, lse [Heads, Rows] in float32,
// offsets [Count+1]. Rows of no sequence are zero in out and lse. Head dimensions that are multiples of 8 are read and written 16 bytes at a time, others one number at
// a time.
func AttentionBF16(out, lse, qkv, offsets Pointer, s Sequences) Launch {
	return s.attentionBF16("attention_bf16", s.Heads, 1, 0, out, lse, qkv, offsets)
}

// AttentionGradBF16 computes dqkv (ref.AttentionGrad) from qkv, out and lse of AttentionBF16 and dout of the shape of out, in bfloat16 but
// for lse; delta is room for Heads·Rows float32. Rows of no sequence are zero in dqkv.
func AttentionGradBF16(dqkv, qkv, out, lse, dout, delta, offsets Pointer, s Sequences) []Launch {
	return []Launch{
		s.attentionBF16("attention_bf16_grad_queries", s.Heads, 2, 0, dqkv, delta, qkv, out, lse, dout, offsets),
		s.attentionBF16("attention_bf16_grad_keys", s.KVHeads, 3, 80, dqkv, delta, qkv, lse, dout, offsets),
	}
}
