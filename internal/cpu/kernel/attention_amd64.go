//go:build !noasm

package kernel

// A block of queries is what one call of an assembly kernel computes: the short one holds up to 8, the long one up to 16.
// Sequences are cut into blocks from their start.

// attentionScratchBlocks asks for what a block needs, as _asm/attention/block.go lays it out: reciprocal sums, the transposed
// queries, and two columns of scores for each key.
func attentionScratchBlocks(length, headDim, queries int) int {
	return 16 + queries*((headDim+7)/8*8+2*((length+3)/4*4))
}

func attentionScratchAVX512(length, headDim int) int {
	return attentionScratchBlocks(length, headDim, 16)
}

func attentionAVX512(a *Attention, lo, hi int, scratch []float32) {
	checkScratch(scratch, attentionScratchAVX512(a.check(lo, hi), a.HeadDim))
	width, scale := a.Heads*a.HeadDim, a.scale()
	for p := lo; p < hi; p++ {
		first, length, head := a.pair(p)
		for i := 0; i < length; i += 16 {
			out, qkv := &a.Out[first*width+head*a.HeadDim], &a.QKV[first*3*width+head*a.HeadDim]
			lse := &a.LSE[head*a.Rows+first+i]
			if queries := min(16, length-i); queries <= 8 {
				attentionBlock8AVX512(out, lse, qkv, i, queries, width, a.HeadDim, scale, &scratch[0])
			} else {
				attentionBlock16AVX512(out, lse, qkv, i, queries, width, a.HeadDim, scale, &scratch[0])
			}
		}
	}
}

func attentionGradAVX512(a *AttentionGrad, lo, hi int, scratch []float32) {
	checkScratch(scratch, attentionScratchAVX512(a.check(lo, hi), a.HeadDim))
	width, scale := a.Heads*a.HeadDim, a.scale()
	for p := lo; p < hi; p++ {
		first, length, head := a.pair(p)
		for i := 0; i < length; i += 16 {
			dqkv, qkv := &a.DQKV[first*3*width+head*a.HeadDim], &a.QKV[first*3*width+head*a.HeadDim]
			dout, lse := &a.DOut[first*width+head*a.HeadDim], &a.LSE[head*a.Rows+first+i]
			if queries := min(16, length-i); queries <= 8 {
				attentionGradBlock8AVX512(dqkv, dout, lse, qkv, i, queries, width, a.HeadDim, scale, &scratch[0])
			} else {
				attentionGradBlock16AVX512(dqkv, dout, lse, qkv, i, queries, width, a.HeadDim, scale, &scratch[0])
			}
		}
	}
}

// fillsAVX2 reports whether heads of headDim columns fill vectors; others are left to the kernels in Go.
func fillsAVX2(headDim int) bool { return headDim%8 == 0 }

func attentionScratchAVX2(length, headDim int) int {
	if !fillsAVX2(headDim) {
		return attentionScratchGo(length, headDim)
	}
	return attentionScratchBlocks(length, headDim, 8)
}

func attentionAVX2(a *Attention, lo, hi int, scratch []float32) {
	if !fillsAVX2(a.HeadDim) {
		attentionGo(a, lo, hi, scratch)
		return
	}
	checkScratch(scratch, attentionScratchAVX2(a.check(lo, hi), a.HeadDim))
	width, scale := a.Heads*a.HeadDim, a.scale()
	for p := lo; p < hi; p++ {
		first, length, head := a.pair(p)
		for i := 0; i < length; i += 8 {
			out, qkv := &a.Out[first*width+head*a.HeadDim], &a.QKV[first*3*width+head*a.HeadDim]
			lse := &a.LSE[head*a.Rows+first+i]
			attentionBlock8AVX2(out, lse, qkv, i, min(8, length-i), width, a.HeadDim, scale, &scratch[0])
		}
	}
}

func attentionGradAVX2(a *AttentionGrad, lo, hi int, scratch []float32) {
	if !fillsAVX2(a.HeadDim) {
		attentionGradGo(a, lo, hi, scratch)
		return
	}
	checkScratch(scratch, attentionScratchAVX2(a.check(lo, hi), a.HeadDim))
	width, scale := a.Heads*a.HeadDim, a.scale()
	for p := lo; p < hi; p++ {
		first, length, head := a.pair(p)
		for i := 0; i < length; i += 8 {
			dqkv, qkv := &a.DQKV[first*3*width+head*a.HeadDim], &a.QKV[first*3*width+head*a.HeadDim]
			dout, lse := &a.DOut[first*width+head*a.HeadDim], &a.LSE[head*a.Rows+first+i]
			attentionGradBlock8AVX2(dqkv, dout, lse, qkv, i, min(8, length-i), width, a.HeadDim, scale, &scratch[0])
		}
	}
}
