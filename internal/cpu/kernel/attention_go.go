package kernel

import "math"

// attentionScratchGo asks for the scores of one query.
func attentionScratchGo(length, headDim int) int { return length }

// attentionGo is ref.Attention in float32, one query after the other.
func attentionGo(a *Attention, lo, hi int, scratch []float32) {
	checkScratch(scratch, attentionScratchGo(a.check(lo, hi, a.Heads), a.HeadDim))
	for p := lo; p < hi; p++ {
		first, length, head := a.pair(p, a.Heads)
		for i := range length {
			a.attendGo(first, i, head, scratch[:i+1])
		}
	}
}

// attendGo computes the output row of query i of the sequence that starts at row first; scores [i+1] is scratch.
func (a *Attention) attendGo(first, i, head int, scores []float32) {
	stride, scale := a.stride(), a.scale()
	key, value := a.shared(head)
	query := first*stride + head*a.HeadDim // of the sequence's first row
	q := a.QKV[query+i*stride:][:a.HeadDim]
	largest := float32(math.Inf(-1))
	for j := range scores {
		scores[j] = scale * dotRow(q, a.QKV[query+j*stride+key:])
		largest = max(largest, scores[j])
	}
	var sum float32
	for j, score := range scores {
		scores[j] = float32(math.Exp(float64(score - largest)))
		sum += scores[j]
	}
	a.LSE[head*a.Rows+first+i] = largest + float32(math.Log(float64(sum)))
	out := a.Out[(first+i)*a.width()+head*a.HeadDim:][:a.HeadDim]
	clear(out)
	for j, weight := range scores {
		addScaledRow(out, weight/sum, a.QKV[query+j*stride+value:])
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
	width, stride, scale := a.width(), a.stride(), a.scale()
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
