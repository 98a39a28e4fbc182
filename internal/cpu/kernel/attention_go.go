package kernel

import "math"

// attentionScratchGo asks for the scores of one query.
func attentionScratchGo(length, headDim int) int { return length }

// attentionGo is ref.Attention in float32, one query after the other.
func attentionGo(a *Attention, lo, hi int, scratch []float32) {
	checkScratch(scratch, attentionScratchGo(a.check(lo, hi), a.HeadDim))
	for p := lo; p < hi; p++ {
		first, length, head := a.pair(p)
		for i := range length {
			a.attendGo(first, i, head, scratch[:i+1])
		}
	}
}

// attendGo computes the output row of query i of the sequence that starts at row first; scores [i+1] is scratch.
func (a *Attention) attendGo(first, i, head int, scores []float32) {
	c := a.Heads * a.HeadDim
	scale := a.scale()
	q := a.QKV[(first+i)*3*c+head*a.HeadDim:][:a.HeadDim]
	largest := float32(math.Inf(-1))
	for j := range scores {
		scores[j] = scale * dotRow(q, a.QKV[(first+j)*3*c+c+head*a.HeadDim:])
		largest = max(largest, scores[j])
	}
	var sum float32
	for j, score := range scores {
		scores[j] = float32(math.Exp(float64(score - largest)))
		sum += scores[j]
	}
	a.LSE[head*a.Rows+first+i] = largest + float32(math.Log(float64(sum)))
	out := a.Out[(first+i)*c+head*a.HeadDim:][:a.HeadDim]
	clear(out)
	for j, weight := range scores {
		addScaledRow(out, weight/sum, a.QKV[(first+j)*3*c+2*c+head*a.HeadDim:])
	}
}

// attentionGradGo is ref.AttentionGrad in float32. It needs no scratch: the probabilities come back from LSE one by one.
func attentionGradGo(a *AttentionGrad, lo, hi int, _ []float32) {
	a.check(lo, hi)
	c := a.Heads * a.HeadDim
	scale := a.scale()
	for p := lo; p < hi; p++ {
		first, length, head := a.pair(p)
		for i := range length {
			row := (first + i) * 3 * c
			q := a.QKV[row+head*a.HeadDim:][:a.HeadDim]
			dout := a.DOut[(first+i)*c+head*a.HeadDim:][:a.HeadDim]
			d := dotRow(dout, a.Out[(first+i)*c+head*a.HeadDim:])
			lse := a.LSE[head*a.Rows+first+i]

			dq := a.DQKV[row+head*a.HeadDim:][:a.HeadDim]
			clear(dq)
			clear(a.DQKV[row+c+head*a.HeadDim:][:a.HeadDim])
			clear(a.DQKV[row+2*c+head*a.HeadDim:][:a.HeadDim])
			for j := range i + 1 {
				key := (first+j)*3*c + c + head*a.HeadDim
				value := key + c
				prob := float32(math.Exp(float64(scale*dotRow(q, a.QKV[key:]) - lse)))
				dscore := prob * (dotRow(dout, a.QKV[value:]) - d) * scale
				addScaledRow(dq, dscore, a.QKV[key:])
				addScaledRow(a.DQKV[key:][:a.HeadDim], dscore, q)
				addScaledRow(a.DQKV[value:][:a.HeadDim], prob, dout)
			}
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
