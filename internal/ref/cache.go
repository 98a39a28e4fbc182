package ref

import "math"

// A cache of keys and values is [2·kvHeads·places, headDim]: for each head of keys and then for each of values a row at each of its places,
// so that what a head of a sequence reads lies together.

// Append writes the keys and values of rows of qkv [len(at), (heads + 2·kvHeads)·headDim] into a cache, those of row i at place at[i].
// Rows with a negative place are left out.
func Append[F Float](cache, qkv []F, at []int32, heads, kvHeads, headDim, places int) {
	width := (heads + 2*kvHeads) * headDim
	for i, place := range at {
		if place < 0 {
			continue
		}
		row := qkv[i*width+heads*headDim : (i+1)*width]
		for h := range 2 * kvHeads {
			copy(cache[(h*places+int(place))*headDim:][:headDim], row[h*headDim:])
		}
	}
}

// CachedAttention is Attention of the latest tokens of sequences whose keys and values, their own included, are in a cache. The queries of
// sequence s are rows offsets[s] to offsets[s+1] of qkv [rows, (heads + 2·kvHeads)·headDim]; its keys are at places starts[s] to
// starts[s]+lengths[s], and its last query sees all of them. out is [rows, heads·headDim]; rows of no sequence are zero.
func CachedAttention[F Float](out, qkv, cache []F, offsets, starts, lengths []int32, rows, heads, kvHeads, headDim, places int) {
	clear(out[:rows*heads*headDim])
	for s := range starts {
		first, end := int(offsets[s]), int(offsets[s+1])
		for i := first; i < end; i++ {
			seen := int(lengths[s]) - (end - 1 - i)
			for h := range heads {
				shared := h / (heads / kvHeads)
				keys := cache[(shared*places+int(starts[s]))*headDim:]
				values := cache[((kvHeads+shared)*places+int(starts[s]))*headDim:]
				attend(out[(i*heads+h)*headDim:][:headDim], qkv[i*(heads+2*kvHeads)*headDim+h*headDim:], keys, values, seen)
			}
		}
	}
}

// attend computes one head of one row: the mean of `seen` values, weighed by the softmax of the products of a query with their keys.
func attend[F Float](out, query, keys, values []F, seen int) {
	headDim := len(out)
	weights := make([]float64, seen)
	largest, sum := math.Inf(-1), 0.0
	for j := range weights {
		weights[j] = float64dot(query[:headDim], keys[j*headDim:]) / math.Sqrt(float64(headDim))
		largest = max(largest, weights[j])
	}
	for j, score := range weights {
		weights[j] = math.Exp(score - largest)
		sum += weights[j]
	}
	for d := range out {
		var o float64
		for j, w := range weights {
			o += w * float64(values[j*headDim+d])
		}
		out[d] = F(o / sum)
	}
}
