package kernel

import "fmt"

// check panics unless the slices have the lengths that the shape asks for, 0 ≤ lo ≤ hi ≤ pairs of a head and a sequence, and the
// sequences lie inside the rows and inside the cache. It returns the longest of these sequences.
func (a *CachedAttention) check(lo, hi int) (longest int) {
	sequences := len(a.Starts)
	if a.KVHeads < 1 || a.Heads < 1 || a.Heads%a.KVHeads != 0 || a.HeadDim < 1 || len(a.QKV) < a.Rows*a.stride() ||
		len(a.Cache) < 2*a.KVHeads*a.Places*a.HeadDim || len(a.Out) < a.Rows*a.Heads*a.HeadDim {
		panic(fmt.Sprintf("kernel: cached attention of %d rows, %d heads of %d, %d of keys and values, %d places: "+
			"qkv has %d, cache %d, out %d elements",
			a.Rows, a.Heads, a.HeadDim, a.KVHeads, a.Places, len(a.QKV), len(a.Cache), len(a.Out)))
	}
	if len(a.Lengths) != sequences || len(a.Offsets) != sequences+1 || lo < 0 || lo > hi || hi > sequences*a.Heads {
		panic(fmt.Sprintf("kernel: cached attention pairs %d to %d of %d heads by %d sequences with %d lengths and %d offsets",
			lo, hi, a.Heads, sequences, len(a.Lengths), len(a.Offsets)))
	}
	for s := range sequences {
		first, end, start, length := int(a.Offsets[s]), int(a.Offsets[s+1]), int(a.Starts[s]), int(a.Lengths[s])
		if first < 0 || first > end || end > a.Rows || end-first > length || start < 0 || start+length > a.Places {
			panic(fmt.Sprintf("kernel: cached attention sequence %d is rows %d to %d of %d, and %d places from %d of %d",
				s, first, end, a.Rows, length, start, a.Places))
		}
		longest = max(longest, length)
	}
	return longest
}

// stride is the number of columns of qkv.
func (a *CachedAttention) stride() int { return (a.Heads + 2*a.KVHeads) * a.HeadDim }

// group is the number of neighbouring heads of queries that share keys and values.
func (a *CachedAttention) group() int { return a.Heads / a.KVHeads }

// head returns pair p = head·sequences + sequence. It has no queries where the sequence has no rows.
func (a *CachedAttention) head(p int) head {
	h, s := p/len(a.Starts), p%len(a.Starts)
	first, queries := int(a.Offsets[s]), int(a.Offsets[s+1]-a.Offsets[s])
	if queries == 0 {
		return head{}
	}
	shared, width := h/a.group(), a.Heads*a.HeadDim
	section := func(n int) []float32 { return a.Cache[(n*a.Places+int(a.Starts[s]))*a.HeadDim:] }
	return head{
		out: a.Out[first*width+h*a.HeadDim:], q: a.QKV[first*a.stride()+h*a.HeadDim:], k: section(shared), v: section(a.KVHeads + shared),
		width: width, qStride: a.stride(), kvStride: a.HeadDim, headDim: a.HeadDim, first: int(a.Lengths[s]) - queries, queries: queries,
	}
}
