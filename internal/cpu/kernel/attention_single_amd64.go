//go:build !noasm

package kernel

// A block of queries has a lane for each. Where a text goes on by one token there is a single query, and its time is that of its keys and
// values on their way from memory. Two products of few rows read these once for all heads that share them: of queries with keys, and of
// weights with values.

func cachedAttentionAVX512(a *CachedAttention, lo, hi int, scratch []float32) {
	attentionISA512.cached(a, lo, hi, scratch)
}

func cachedAttentionScratchAVX512(length, headDim, group int) int {
	return attentionISA512.cachedScratch(length, headDim, group)
}

func cachedAttentionAVX2(a *CachedAttention, lo, hi int, scratch []float32) {
	attentionISA2.cached(a, lo, hi, scratch)
}

func cachedAttentionScratchAVX2(length, headDim, group int) int {
	return attentionISA2.cachedScratch(length, headDim, group)
}

// cachedScratch asks for what blocks need, and for the queries and weights of a group with what their products need.
func (isa *attentionISA) cachedScratch(length, headDim, group int) int {
	products := max(isa.products.scratch(group, length, headDim), isa.products.scratch(group, headDim, length))
	return max(isa.scratch(length, headDim), group*(headDim+length)+products)
}

func (isa *attentionISA) cached(a *CachedAttention, lo, hi int, scratch []float32) {
	if a.HeadDim%isa.multiple != 0 {
		cachedAttentionGo(a, lo, hi, scratch)
		return
	}
	checkScratch(scratch, isa.cachedScratch(a.check(lo, hi), a.HeadDim, a.group()))
	for p := lo; p < hi; p++ {
		h := a.head(p)
		switch {
		case h.queries > 1:
			isa.attend(h, scratch)
		case h.queries == 1:
			if heads := a.together(p, lo, hi); heads > 0 {
				isa.single(h, heads, scratch)
			}
		}
	}
}

// together returns for how many heads, from that of pair p on, their queries go over the keys and values that they share: those between lo and
// hi, or 0 where they do with an earlier one.
func (a *CachedAttention) together(p, lo, hi int) int {
	sequences := len(a.Starts)
	head := p / sequences
	if head%a.group() > 0 && p-sequences >= lo {
		return 0
	}
	return min(a.group()-head%a.group(), (hi-1-p)/sequences+1)
}

// single computes the rows of one query of a head and of those behind it, which share its keys and values.
func (isa *attentionISA) single(h head, heads int, scratch []float32) {
	keys, columns := h.first+1, h.headDim
	q, scratch := scratch[:heads*columns], scratch[heads*columns:]
	weights, scratch := scratch[:heads*keys], scratch[heads*keys:]
	isa.rows.Scale(q, h.q[:heads*columns], attentionScale(columns))
	isa.products.run(&Gemm{M: heads, N: keys, K: columns, A: q, StrideA: columns, B: h.k, StrideB: h.kvStride, TransB: true,
		C: weights, StrideC: keys}, scratch)
	for i := range heads {
		row := at(weights[i*keys:])
		largest := isa.rows.maximum(row, keys)
		isa.rows.scaledExp(row, row, keys, largest, 1/isa.rows.sumExp(row, keys, largest))
	}
	isa.products.run(&Gemm{M: heads, N: columns, K: keys, A: weights, StrideA: keys, B: h.v, StrideB: h.kvStride,
		C: h.out, StrideC: columns}, scratch)
}
