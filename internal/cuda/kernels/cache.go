package kernels

import "fmt"

// Cached is the shape of a cache of keys and values [2·KVHeads·Places, HeadDim] in float32 and of what meets it: Rows of qkv
// [Rows, (Heads + 2·KVHeads)·HeadDim] in float32 or bfloat16, of Count sequences. KVHeads divides Heads, and HeadDim is at most MaxHeadDim.
type Cached struct{ Rows, Count, Heads, KVHeads, HeadDim, Places int }

// Append writes the keys and values of qkv into the cache, those of row i at place at[i] (ref.Append).
func Append(cache Pointer, qkv Floats, at Pointer, c Cached) Launch {
	form := ""
	if c.HeadDim%4 != 0 {
		form = "_any"
	}
	return Launch{
		Source: "cache", Kernel: "append_" + qkv.name() + form, Grid: grid(ceilDiv(2*c.KVHeads*c.Rows, 4), 1), Block: 128,
		Args: []any{cache, qkv.At, at, int32(c.Rows), int32(c.Heads), int32(c.KVHeads), int32(c.HeadDim), int32(c.Places)},
	}
}

// CachedAttention is attention of the latest tokens of sequences with what they have in the cache (ref.CachedAttention): out
// [Rows, Heads·HeadDim] of the type of qkv, offsets [Count+1], starts and lengths [Count].
func CachedAttention(out, qkv Floats, cache, offsets, starts, lengths Pointer, c Cached) Launch {
	sameType("CachedAttention", out, qkv)
	dim := 32
	for dim < c.HeadDim {
		dim *= 2
	}
	return Launch{
		Source: "cache", Kernel: fmt.Sprintf("cached_attention_%s_%d", qkv.name(), dim), Grid: grid(c.Rows, c.Heads), Block: 128,
		Args: []any{out.At, qkv.At, cache, offsets, starts, lengths,
			int32(c.Count), int32(c.Heads), int32(c.KVHeads), int32(c.HeadDim), int32(c.Places)},
	}
}
