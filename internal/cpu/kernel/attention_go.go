package kernel

import "math"

// attentionScratchGo asks for the scores of one query.
func attentionScratchGo(length, headDim int) int { return length }

// attentionGo is ref.Attention in float32, one query after the other.
func attentionGo(a *Attention, lo, hi int, scratch []float32) {
	checkScratch(scratch, attentionScratchGo(a.check(lo, hi, a.Heads), a.HeadDim))
	for p := lo; p < hi; p++ {
		if first, length, h := a.pair(p, a.Heads); length > 0 {
			attendGo(a.head(first, length, h), scratch)
		}
	}
}

func cachedAttentionScratchGo(length, headDim, group int) int {
	return attentionScratchGo(length, headDim)
}

// cachedAttentionGo is ref.CachedAttention in float32.
func cachedAttentionGo(a *CachedAttention, lo, hi int, scratch []float32) {
	checkScratch(scratch, cachedAttentionScratchGo(a.check(lo, hi), a.HeadDim, a.group()))
	for p := lo; p < hi; p++ {
		if h := a.head(p); h.queries > 0 {
			attendGo(h, scratch)
		}
	}
}

// attendGo computes the rows of out, one after the other; scratch holds the scores of one query.
func attendGo(h head, scratch []float32) {
	scale := attentionScale(h.headDim)
	for i := range h.queries {
		scores, q := scratch[:h.first+i+1], h.q[i*h.qStride:][:h.headDim]
		largest := float32(math.Inf(-1))
		for j := range scores {
			scores[j] = scale * dotRow(q, h.k[j*h.kvStride:])
			largest = max(largest, scores[j])
		}
		var sum float32
		for j, score := range scores {
			scores[j] = float32(math.Exp(float64(score - largest)))
			sum += scores[j]
		}
		if h.lse != nil {
			h.lse[i] = largest + float32(math.Log(float64(sum)))
		}
		out := h.out[i*h.width:][:h.headDim]
		clear(out)
		for j, weight := range scores {
			addScaledRow(out, weight/sum, h.v[j*h.kvStride:])
		}
	}
}

// attentionGradGo is ref.AttentionGrad in float32. It needs no scratch: the probabilities come back from LSE one by one.
func attentionGradGo(a *AttentionGrad, lo, hi int, _ []float32) {
	a.check(lo, hi)
	for p := lo; p < hi; p++ {
		first, length, shared := a.pair(p, a.KVHeads)
		for more := range a.group() {
			a.backwardGo(first, length, shared*a.group()+more, more)
		}
	}
}

// backwardGo computes what flows through one head of queries; more is not 0 where an earlier head shares its keys and values.
func (a *AttentionGrad) backwardGo(first, length, head, more int) {
	width, stride, scale := a.width(), a.stride(), attentionScale(a.HeadDim)
	key, value := a.shared(head)
	query := first*stride + head*a.HeadDim
	for i := range length {
		row := query + i*stride
		q := a.QKV[row:][:a.HeadDim]
		dout := a.DOut[(first+i)*width+head*a.HeadDim:][:a.HeadDim]
		d := dotRow(dout, a.Out[(first+i)*width+head*a.HeadDim:])
		lse := a.LSE[head*a.Rows+first+i]

		dq := a.DQKV[row:][:a.HeadDim]
		clear(dq)
		if more == 0 {
			clear(a.DQKV[row+key:][:a.HeadDim])
			clear(a.DQKV[row+value:][:a.HeadDim])
		}
		for j := range i + 1 {
			earlier := query + j*stride
			k, v := a.QKV[earlier+key:], a.QKV[earlier+value:]
			prob := float32(math.Exp(float64(scale*dotRow(q, k) - lse)))
			dscore := prob * (dotRow(dout, v) - d) * scale
			addScaledRow(dq, dscore, k)
			addScaledRow(a.DQKV[earlier+key:][:a.HeadDim], dscore, q)
			addScaledRow(a.DQKV[earlier+value:][:a.HeadDim], prob, dout)
		}
	}
}

// dotRow returns Σ x_i·y_i over the length of x, in four running sums.
func dotRow(x, y []float32) float32 {
	y = y[:len(x)]
	var s0, s1, s2, s3 float32
	for len(x) >= 4 && len(y) >= 4 {
		s0 += x[0] * y[0]
		s1 += x[1] * y[1]
		s2 += x[2] * y[2]
		s3 += x[3] * y[3]
		x, y = x[4:], y[4:]
	}
	for i := range x {
		s0 += x[i] * y[i]
	}
	return (s0 + s1) + (s2 + s3)
}

// addScaledRow computes dst += s·x over the length of dst.
func addScaledRow(dst []float32, s float32, x []float32) {
	x = x[:len(dst)]
	for i, v := range x {
		dst[i] += s * v
	}
}
