package kernels_test

import (
	"testing"

	"trainer/internal/cuda/kernels"
	"trainer/internal/ref"
)

// cachedHeads fill the columns of a kernel, or not, by fours, or not.
var cachedHeads = []heads{{1, 1, 1}, {2, 2, 13}, {3, 1, 32}, {4, 2, 36}, {2, 2, 64}, {1, 1, 50}, {2, 1, 100}, {1, 1, 128}, {3, 3, 99}, {1, 1, 70}}

func TestAppendWritesKeysAndValuesAtTheirPlaces(t *testing.T) {
	at := []int32{4, -1, 0, 9, 7, -3, 8}
	for _, h := range cachedHeads {
		for _, inBF16 := range types {
			subtest(t, func(t *testing.T) {
				c := kernels.Cached{Rows: len(at), Heads: h.count, KVHeads: h.keys, HeadDim: h.dim, Places: 11}
				s := newSource(h.dim)
				want, qkv := s.normals(2*h.keys*c.Places*h.dim), s.normals(c.Rows*h.columns())
				cache, from := upload(t, want), uploadFloats(t, qkv, h.columns(), inBF16)
				launch(t, kernels.Append(cache, from, upload(t, at), c))
				ref.Append(want, downloadRows(t, from, c.Rows, h.columns()), at, h.count, h.keys, h.dim, c.Places)
				near(t, "cache", downloadFloats(t, cache, len(want)), want, 0, 0)
			}, h, inBF16)
		}
	}
}

// Sequences begin, go on by one token or by several, and have none in this batch; places that no row sees are never written.
func TestCachedAttentionMatchesTheReference(t *testing.T) {
	for i, p := range []struct {
		rows            int
		offsets         []int32
		starts, lengths []int32
	}{
		{1, []int32{0, 1}, []int32{3}, []int32{1}},
		{4, []int32{0, 1, 2, 2, 3}, []int32{0, 20, 0, 30}, []int32{17, 5, 0, 70}},
		{9, []int32{1, 4, 8}, []int32{2, 40}, []int32{19, 4}},
		{2, []int32{0, 0}, []int32{0}, []int32{0}},
	} {
		for _, h := range cachedHeads {
			for _, inBF16 := range types {
				subtest(t, func(t *testing.T) {
					c := kernels.Cached{Rows: p.rows, Count: len(p.starts), Heads: h.count, KVHeads: h.keys, HeadDim: h.dim, Places: 101}
					s, width := newSource(i), h.count*h.dim
					qkv, cache := s.normals(p.rows*h.columns()), make([]float32, 2*h.keys*c.Places*h.dim)
					onDevice := roomForFloats(t, len(cache))
					for q, start := range p.starts {
						keys, at := s.normals(int(p.lengths[q])*h.columns()), make([]int32, p.lengths[q])
						for j := range at {
							at[j] = start + int32(j)
						}
						if len(at) == 0 {
							continue
						}
						ref.Append(cache, keys, at, h.count, h.keys, h.dim, c.Places)
						launch(t, kernels.Append(onDevice, kernels.Floats{At: upload(t, keys)}, upload(t, at),
							kernels.Cached{Rows: len(at), Heads: h.count, KVHeads: h.keys, HeadDim: h.dim, Places: c.Places}))
					}
					from, out := uploadFloats(t, qkv, h.columns(), inBF16), roomFor(t, p.rows, width, inBF16)
					launch(t, kernels.CachedAttention(out, from, onDevice, upload(t, p.offsets), upload(t, p.starts), upload(t, p.lengths), c))
					want := make([]float32, p.rows*width)
					ref.CachedAttention(want, downloadRows(t, from, p.rows, h.columns()), cache, p.offsets, p.starts, p.lengths,
						p.rows, h.count, h.keys, h.dim, c.Places)
					// As in attention without a cache.
					nearRows(t, "out", out, want, width, 2e-6, 1)
				}, p.offsets, h, inBF16)
			}
		}
	}
}
