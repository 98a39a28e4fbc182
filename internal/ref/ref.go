// Package ref holds the arithmetic of the transformer as plain loops: one function an op, written to be read beside its
// formula, in float32 or float64. It is the yardstick of every fast kernel, what an op's Do computes, and the code that
// runs where no assembly does.
//
// Matrices are dense and row-major: x [N, C] has element (i, j) at x[i*C+j]. N counts tokens of all sequences of a
// batch, packed end to end; sequence s is rows offsets[s] to offsets[s+1]. Sums are kept in float64.
package ref

import "math"

// Float is the element type of a tensor.
type Float interface{ ~float32 | ~float64 }

// MatMul computes c = op(a)·op(b) + bias, c [m, n], where op(a) [m, k] is a [m, k] or, with transA, the transpose of
// a [k, m]; op(b) [k, n] likewise. bias [n] is added to every row and may be nil.
func MatMul[F Float](c, a, b, bias []F, m, n, k int, transA, transB bool) {
	for i := range m {
		for j := range n {
			var sum float64
			for p := range k {
				ia, ib := i*k+p, p*n+j
				if transA {
					ia = p*m + i
				}
				if transB {
					ib = j*k + p
				}
				sum += float64(a[ia]) * float64(b[ib])
			}
			if bias != nil {
				sum += float64(bias[j])
			}
			c[i*n+j] = F(sum)
		}
	}
}

// SumRows computes dst[j] = Σ_i x[i, j] for x [rows, c].
func SumRows[F Float](dst, x []F, rows, c int) {
	for j := range c {
		var sum float64
		for i := range rows {
			sum += float64(x[i*c+j])
		}
		dst[j] = F(sum)
	}
}

// Add computes dst = a + b, elementwise; dst may be a or b.
func Add[F Float](dst, a, b []F) {
	for i := range dst {
		dst[i] = a[i] + b[i]
	}
}

// Scale computes dst = s·x; dst may be x.
func Scale[F Float](dst, x []F, s F) {
	for i := range dst {
		dst[i] = s * x[i]
	}
}

// Dot returns Σ x_i·y_i.
func Dot[F Float](x, y []F) F {
	var sum float64
	for i := range x {
		sum += float64(x[i]) * float64(y[i])
	}
	return F(sum)
}

// SumSquares returns Σ x_i².
func SumSquares[F Float](x []F) float64 {
	var sum float64
	for _, v := range x {
		sum += float64(v) * float64(v)
	}
	return sum
}

// Gather copies rows of a table: dst[i] = table[ids[i]], dst [len(ids), c], table [V, c]. A negative id gives a row of
// zeros.
func Gather[F Float](dst, table []F, ids []int32, c int) {
	for i, id := range ids {
		row := dst[i*c : (i+1)*c]
		if id < 0 {
			clear(row)
			continue
		}
		copy(row, table[int(id)*c:(int(id)+1)*c])
	}
}

// ScatterAdd is the gradient of Gather: dst = 0, then dst[ids[i]] += dy[i] in the order of i, dy [len(ids), c]. Negative
// ids are left out.
func ScatterAdd[F Float](dst, dy []F, ids []int32, c int) {
	clear(dst)
	for i, id := range ids {
		if id < 0 {
			continue
		}
		row := dst[int(id)*c : (int(id)+1)*c]
		for j := range row {
			row[j] += dy[i*c+j]
		}
	}
}

// geluScale is √(2/π) and geluCubic the cubic coefficient of the tanh form of GELU.
const (
	geluScale = 0.7978845608028654
	geluCubic = 0.044715
)

// GELU computes dst = ½x(1 + tanh(√(2/π)(x + 0.044715x³))), the tanh form used by GPT-2 (Hendrycks and Gimpel 2016,
// section 2). dst may be x.
func GELU[F Float](dst, x []F) {
	for i, v := range x {
		x := float64(v)
		dst[i] = F(0.5 * x * (1 + math.Tanh(geluScale*(x+geluCubic*x*x*x))))
	}
}

// GELUGrad computes dst = dy·GELU'(x), where with t = tanh(u), u = √(2/π)(x + 0.044715x³):
// GELU'(x) = ½(1 + t) + ½x(1 - t²)·√(2/π)(1 + 3·0.044715x²). dst may be x or dy.
func GELUGrad[F Float](dst, x, dy []F) {
	for i, v := range x {
		x := float64(v)
		t := math.Tanh(geluScale * (x + geluCubic*x*x*x))
		d := 0.5*(1+t) + 0.5*x*(1-t*t)*geluScale*(1+3*geluCubic*x*x)
		dst[i] = F(float64(dy[i]) * d)
	}
}

// moments returns the mean of a row and 1/√(variance + eps).
func moments[F Float](row []F, eps float64) (mean, rstd float64) {
	for _, v := range row {
		mean += float64(v)
	}
	mean /= float64(len(row))
	var variance float64
	for _, v := range row {
		d := float64(v) - mean
		variance += d * d
	}
	return mean, 1 / math.Sqrt(variance/float64(len(row))+eps)
}

// LayerNorm normalises each row of x [rows, c] (Ba et al. 2016, equation 4, over features): dst = (x - mean)·rstd·gamma + beta.
// gamma and beta are [c].
func LayerNorm[F Float](dst, x, gamma, beta []F, rows, c int, eps float64) {
	for i := range rows {
		row := x[i*c : (i+1)*c]
		mean, rstd := moments(row, eps)
		for j, v := range row {
			dst[i*c+j] = F((float64(v)-mean)*rstd*float64(gamma[j]) + float64(beta[j]))
		}
	}
}

// LayerNormGrad computes the gradients of LayerNorm from x and dy [rows, c]; the moments are computed anew, which costs
// less than storing them. With n = (x - mean)·rstd and g = dy·gamma, per row:
// dx = rstd·(g - mean(g) - n·mean(g·n)); dgamma = Σ_rows dy·n; dbeta = Σ_rows dy.
func LayerNormGrad[F Float](dx, dgamma, dbeta, x, gamma, dy []F, rows, c int, eps float64) {
	sumGamma, sumBeta := make([]float64, c), make([]float64, c)
	for i := range rows {
		row, dyRow := x[i*c:(i+1)*c], dy[i*c:(i+1)*c]
		mean, rstd := moments(row, eps)
		var meanG, meanGN float64
		for j, v := range row {
			n := (float64(v) - mean) * rstd
			g := float64(dyRow[j]) * float64(gamma[j])
			meanG += g
			meanGN += g * n
			sumGamma[j] += float64(dyRow[j]) * n
			sumBeta[j] += float64(dyRow[j])
		}
		meanG /= float64(c)
		meanGN /= float64(c)
		for j, v := range row {
			n := (float64(v) - mean) * rstd
			g := float64(dyRow[j]) * float64(gamma[j])
			dx[i*c+j] = F(rstd * (g - meanG - n*meanGN))
		}
	}
	for j := range c {
		dgamma[j], dbeta[j] = F(sumGamma[j]), F(sumBeta[j])
	}
}

// Rotary turns the first `heads` head vectors of each row of x [rows, width] by angles that grow with the row's position
// (Su et al. 2021, equation 34, in the half-split layout of Llama): component i of the first half of a head and component
// i of its second half turn together by positions[row]·base^(-2i/headDim). Columns behind those heads are copied.
// inverse turns back, which is the gradient. dst may be x.
func Rotary[F Float](dst, x []F, positions []int32, width, heads, headDim int, base float64, inverse bool) {
	half := headDim / 2
	for r, position := range positions {
		in, out := x[r*width:(r+1)*width], dst[r*width:(r+1)*width]
		for h := range heads {
			for i := range half {
				sin, cos := math.Sincos(float64(position) * math.Pow(base, -2*float64(i)/float64(headDim)))
				if inverse {
					sin = -sin
				}
				a, b := float64(in[h*headDim+i]), float64(in[h*headDim+half+i])
				out[h*headDim+i] = F(a*cos - b*sin)
				out[h*headDim+half+i] = F(a*sin + b*cos)
			}
		}
		copy(out[heads*headDim:], in[heads*headDim:])
	}
}

// Attention is causal attention with grouped heads inside each sequence (Vaswani et al. 2017, equation 1; Ainslie et al. 2023). A row of
// qkv [rows, (heads + 2·kvHeads)·headDim] holds the queries of a token, head after head, then its keys, then its values. There are kvHeads
// heads of keys and values, and kvHeads divides heads: heads/kvHeads neighbouring heads of queries share one, k and v below. For row i of
// a sequence and each head: out_i = Σ_{j≤i} p_ij·v_j with p_ij = exp(q_i·k_j/√headDim - lse_i) and lse_i the log of the sum that makes
// them a distribution. out is [rows, heads·headDim], lse [heads, rows]; rows of no sequence are zero in both.
func Attention[F Float](out, lse, qkv []F, offsets []int32, rows, heads, kvHeads, headDim int) {
	c := heads * headDim
	clear(out[:rows*c])
	clear(lse[:rows*heads])
	for s := range len(offsets) - 1 {
		for i := int(offsets[s]); i < int(offsets[s+1]); i++ {
			for h := range heads {
				query, key, value := qkvColumns(h, heads, kvHeads, headDim)
				scores, logSum := attentionScores(qkv, int(offsets[s]), i, query, key)
				lse[h*rows+i] = F(logSum)
				for d := range headDim {
					var o float64
					for j, score := range scores {
						o += math.Exp(score-logSum) * float64(headOf(qkv, int(offsets[s])+j, value)[d])
					}
					out[i*c+h*headDim+d] = F(o)
				}
			}
		}
	}
}

// attentionScores returns the scores q_i·k_j/√headDim of row i of a sequence that begins at row first, for each j up to i, and the log of
// the sum of their exponentials.
func attentionScores[F Float](qkv []F, first, i int, query, key columns) (scores []float64, logSum float64) {
	scale := 1 / math.Sqrt(float64(query.count))
	q, largest := headOf(qkv, i, query), math.Inf(-1)
	scores = make([]float64, 0, i-first+1)
	for j := first; j <= i; j++ {
		score := scale * float64dot(q, headOf(qkv, j, key))
		scores = append(scores, score)
		largest = max(largest, score)
	}
	var sum float64
	for _, score := range scores {
		sum += math.Exp(score - largest)
	}
	return scores, largest + math.Log(sum)
}

// AttentionWeights computes the p_ij of Attention for one sequence that fills all rows: p [heads, rows, rows], zero above the diagonal.
func AttentionWeights[F Float](p, qkv []F, rows, heads, kvHeads, headDim int) {
	clear(p[:heads*rows*rows])
	for h := range heads {
		query, key, _ := qkvColumns(h, heads, kvHeads, headDim)
		for i := range rows {
			scores, logSum := attentionScores(qkv, 0, i, query, key)
			for j, score := range scores {
				p[(h*rows+i)*rows+j] = F(math.Exp(score - logSum))
			}
		}
	}
}

// AttentionGrad computes dqkv, of the shape of qkv, from qkv, the results out and lse of Attention, and dout of the shape of out (Dao et
// al. 2022, appendix B): with D_i = dout_i·out_i and ds_ij = p_ij·(dout_i·v_j - D_i)/√headDim,
// dq_i = Σ_j ds_ij·k_j, dk_j = Σ_i ds_ij·q_i, dv_j = Σ_i p_ij·dout_i, the last two summed over all heads that share k and v. Rows of no
// sequence are zero.
func AttentionGrad[F Float](dqkv, qkv, out, lse, dout []F, offsets []int32, rows, heads, kvHeads, headDim int) {
	scale := 1 / math.Sqrt(float64(headDim))
	sum := make([]float64, rows*(heads+2*kvHeads)*headDim)
	for s := range len(offsets) - 1 {
		for i := int(offsets[s]); i < int(offsets[s+1]); i++ {
			for h := range heads {
				query, key, value := qkvColumns(h, heads, kvHeads, headDim)
				row := columns{h * headDim, headDim, heads * headDim}
				q, do := headOf(qkv, i, query), headOf(dout, i, row)
				d := float64dot(do, headOf(out, i, row))
				dq := headOf(sum, i, query)
				for j := int(offsets[s]); j <= i; j++ {
					k, dk, dv := headOf(qkv, j, key), headOf(sum, j, key), headOf(sum, j, value)
					p := math.Exp(scale*float64dot(q, k) - float64(lse[h*rows+i]))
					ds := p * (float64dot(do, headOf(qkv, j, value)) - d) * scale
					for e := range headDim {
						dq[e] += ds * float64(k[e])
						dk[e] += ds * float64(q[e])
						dv[e] += p * float64(do[e])
					}
				}
			}
		}
	}
	for i, v := range sum {
		dqkv[i] = F(v)
	}
}

// columns are `count` columns of a matrix of the given width, from `first` on.
type columns struct{ first, count, width int }

// headOf returns those columns of row i.
func headOf[F Float](matrix []F, i int, c columns) []F { return matrix[i*c.width+c.first:][:c.count] }

// qkvColumns says where a row of qkv holds the query of a head, and the key and the value that it shares.
func qkvColumns(head, heads, kvHeads, headDim int) (query, key, value columns) {
	at := func(n int) columns { return columns{n * headDim, headDim, (heads + 2*kvHeads) * headDim} }
	shared := head / (heads / kvHeads)
	return at(head), at(heads + shared), at(heads + kvHeads + shared)
}

func float64dot[F Float](x, y []F) float64 {
	var sum float64
	for i := range x {
		sum += float64(x[i]) * float64(y[i])
	}
	return sum
}

// CrossEntropy weighs each row of logits [rows, vocab] against its target: nll = lse - logits[target], the negative log of the
// probability of the target; lse = log Σ exp(logits); hit = 1 where the target has the largest logit (the first one of
// equals), else 0. A negative target is masked: nll and hit are zero. nll, lse and hit are [rows].
func CrossEntropy[F Float](nll, lse, hit, logits []F, targets []int32, vocab int) {
	for i, target := range targets {
		row := logits[i*vocab : (i+1)*vocab]
		best := 0
		for j, v := range row {
			if v > row[best] {
				best = j
			}
		}
		var sum float64
		for _, v := range row {
			sum += math.Exp(float64(v) - float64(row[best]))
		}
		logSum := float64(row[best]) + math.Log(sum)
		nll[i], lse[i], hit[i] = 0, F(logSum), 0
		if target >= 0 {
			nll[i] = F(logSum - float64(row[target]))
			if best == int(target) {
				hit[i] = 1
			}
		}
	}
}

// CrossEntropyGrad computes dlogits = dnll·(softmax(logits) - onehot(target)) by rows, from the lse of CrossEntropy; zero where the
// target is masked. dlogits may be logits.
func CrossEntropyGrad[F Float](dlogits, logits, lse, dnll []F, targets []int32, vocab int) {
	for i, target := range targets {
		row, out := logits[i*vocab:(i+1)*vocab], dlogits[i*vocab:(i+1)*vocab]
		if target < 0 {
			clear(out)
			continue
		}
		for j, v := range row {
			p := math.Exp(float64(v) - float64(lse[i]))
			if j == int(target) {
				p--
			}
			out[j] = F(float64(dnll[i]) * p)
		}
	}
}

// AdamW holds the numbers of one AdamW step (Loshchilov and Hutter 2019, algorithm 2, as torch.optim.AdamW computes it).
type AdamW struct {
	LearningRate float32 // lr of this step
	Beta1, Beta2 float32 // decay of the moments
	Epsilon      float32 // added to the root of the second moment
	WeightDecay  float32 // decoupled: the weight shrinks by lr·decay first
	Correction1  float32 // 1 - beta1^t
	Correction2  float32 // 1 - beta2^t
	GradScale    float32 // factor on the gradient, at most 1 when it is clipped
}

// Update takes the step on weights p with gradient g and moments m, v, all of one length, in place:
// g ← GradScale·g; m ← β1·m + (1-β1)g; v ← β2·v + (1-β2)g²;
// p ← p - lr·decay·p - lr·(m/Correction1) / (√(v/Correction2) + ε).
func (a AdamW) Update(p, m, v, g []float32) {
	b1, b2, lr := float64(a.Beta1), float64(a.Beta2), float64(a.LearningRate)
	for i := range p {
		gi := float64(a.GradScale) * float64(g[i])
		mi := b1*float64(m[i]) + (1-b1)*gi
		vi := b2*float64(v[i]) + (1-b2)*gi*gi
		m[i], v[i] = float32(mi), float32(vi)
		step := mi / float64(a.Correction1) / (math.Sqrt(vi/float64(a.Correction2)) + float64(a.Epsilon))
		p[i] = float32(float64(p[i])*(1-lr*float64(a.WeightDecay)) - lr*step)
	}
}

// SGD takes the step p ← p - lr·g, in place; lr includes any factor on the gradient.
func SGD(p, g []float32, lr float32) {
	for i := range p {
		p[i] -= lr * g[i]
	}
}
