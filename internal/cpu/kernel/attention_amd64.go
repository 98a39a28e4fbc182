//go:build !noasm

package kernel

// attentionISA runs attention with the block kernels of an instruction set. A sequence is cut into blocks of queries from its
// start; a block is computed against all keys up to its last query.
type attentionISA struct {
	queries  int // of a whole block
	multiple int // headDim must be a multiple of it; others are left to the kernels in Go

	// block and blockGrad take whole blocks; short and shortGrad, those of at most 8 queries.
	block, short func(out, lse, q, k, v *float32, first, queries, width, qStride, kvStride, headDim int,
		scale float32, scratch *float32)
	blockGrad, shortGrad func(dqkv, dout, lse, qkv *float32, first, queries, width, stride, keys, values, headDim, more int,
		scale float32, scratch *float32)

	// For single queries, see attention_single_amd64.go.
	products *gemmTiling
	rows     *elementwise
}

var attentionISA512 = attentionISA{
	queries: 16, multiple: 1,
	block: attentionBlock16AVX512, short: attentionBlock8AVX512,
	blockGrad: attentionGradBlock16AVX512, shortGrad: attentionGradBlock8AVX512,
	products: &gemmTilingAVX512, rows: &elementwiseAVX512,
}

var attentionISA2 = attentionISA{
	queries: 8, multiple: 8,
	block: attentionBlock8AVX2, short: attentionBlock8AVX2,
	blockGrad: attentionGradBlock8AVX2, shortGrad: attentionGradBlock8AVX2,
	products: &gemmTilingAVX2, rows: &elementwiseAVX2,
}

func attentionScratchAVX512(length, headDim int) int { return attentionISA512.scratch(length, headDim) }

func attentionAVX512(a *Attention, lo, hi int, scratch []float32) {
	attentionISA512.forward(a, lo, hi, scratch)
}

func attentionGradAVX512(a *AttentionGrad, lo, hi int, scratch []float32) {
	attentionISA512.backward(a, lo, hi, scratch)
}

func attentionScratchAVX2(length, headDim int) int { return attentionISA2.scratch(length, headDim) }

func attentionAVX2(a *Attention, lo, hi int, scratch []float32) {
	attentionISA2.forward(a, lo, hi, scratch)
}

func attentionGradAVX2(a *AttentionGrad, lo, hi int, scratch []float32) {
	attentionISA2.backward(a, lo, hi, scratch)
}

// lanes are how many queries a block holds at most, of any instruction set.
const lanes = 16

// scratch asks for what a block needs, as _asm/attention/block.go lays it out: 16 floats for reciprocal sums, then columns with
// a lane for each query: headDim of them rounded up to 8 for the transposed rows, and twice the keys rounded up to 4 for scores. In front of
// that is room for the lse of a block where nobody asks for it.
func (isa *attentionISA) scratch(length, headDim int) int {
	if headDim%isa.multiple != 0 {
		return attentionScratchGo(length, headDim)
	}
	return lanes + 16 + isa.queries*((headDim+7)/8*8+2*((length+3)/4*4))
}

func (isa *attentionISA) forward(a *Attention, lo, hi int, scratch []float32) {
	if a.HeadDim%isa.multiple != 0 {
		attentionGo(a, lo, hi, scratch)
		return
	}
	checkScratch(scratch, isa.scratch(a.check(lo, hi, a.Heads), a.HeadDim))
	for p := lo; p < hi; p++ {
		if first, length, h := a.pair(p, a.Heads); length > 0 {
			isa.attend(a.head(first, length, h), scratch)
		}
	}
}

// attend computes the rows of out, block by block.
func (isa *attentionISA) attend(h head, scratch []float32) {
	scale := attentionScale(h.headDim)
	for i := 0; i < h.queries; i += isa.queries {
		queries, block, lse := min(isa.queries, h.queries-i), isa.block, &scratch[0]
		if queries <= 8 {
			block = isa.short
		}
		if h.lse != nil {
			lse = &h.lse[i]
		}
		block(&h.out[i*h.width], lse, &h.q[i*h.qStride], &h.k[0], &h.v[0],
			h.first+i, queries, h.width, h.qStride, h.kvStride, h.headDim, scale, &scratch[lanes])
	}
}

func (isa *attentionISA) backward(a *AttentionGrad, lo, hi int, scratch []float32) {
	if a.HeadDim%isa.multiple != 0 {
		attentionGradGo(a, lo, hi, scratch)
		return
	}
	checkScratch(scratch, isa.scratch(a.check(lo, hi), a.HeadDim))
	for p := lo; p < hi; p++ {
		first, length, shared := a.pair(p, a.KVHeads)
		for more := range a.group() {
			isa.backwardHead(a, first, length, shared*a.group()+more, more, scratch)
		}
	}
}

// backwardHead computes what flows through one head of queries; more is not 0 where an earlier head shares its keys and values.
func (isa *attentionISA) backwardHead(a *AttentionGrad, first, length, head, more int, scratch []float32) {
	width, stride, scale := a.width(), a.stride(), attentionScale(a.HeadDim)
	keys, values := a.shared(head)
	qkv := first*stride + head*a.HeadDim
	for i := 0; i < length; i += isa.queries {
		queries, block := min(isa.queries, length-i), isa.blockGrad
		if queries <= 8 {
			block = isa.shortGrad
		}
		block(&a.DQKV[qkv], &a.DOut[first*width+head*a.HeadDim], &a.LSE[head*a.Rows+first+i], &a.QKV[qkv],
			i, queries, width, stride, keys, values, a.HeadDim, more, scale, &scratch[0])
	}
}
