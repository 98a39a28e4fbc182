package ref

import "math"

// inverseRootMeanSquare returns 1/√(mean of squares + eps) of a row.
func inverseRootMeanSquare[F Float](row []F, eps float64) float64 {
	return 1 / math.Sqrt(SumSquares(row)/float64(len(row))+eps)
}

// RMSNorm divides each row of x [rows, c] by the root of its mean square (Zhang and Sennrich 2019, equation 4): dst = x·r·gamma with
// r = 1/√(mean(x²) + eps). gamma is [c].
func RMSNorm[F Float](dst, x, gamma []F, rows, c int, eps float64) {
	for i := range rows {
		row := x[i*c : (i+1)*c]
		r := inverseRootMeanSquare(row, eps)
		for j, v := range row {
			dst[i*c+j] = F(float64(v) * r * float64(gamma[j]))
		}
	}
}

// RMSNormGrad computes the gradients of RMSNorm from x and dy [rows, c]. With n = x·r and g = dy·gamma, per row:
// dx = r·(g - n·mean(g·n)); dgamma = Σ_rows dy·n.
func RMSNormGrad[F Float](dx, dgamma, x, gamma, dy []F, rows, c int, eps float64) {
	sum := make([]float64, c)
	for i := range rows {
		row, dyRow := x[i*c:(i+1)*c], dy[i*c:(i+1)*c]
		r := inverseRootMeanSquare(row, eps)
		var mean float64
		for j, v := range row {
			n := float64(v) * r
			mean += float64(dyRow[j]) * float64(gamma[j]) * n
			sum[j] += float64(dyRow[j]) * n
		}
		mean /= float64(c)
		for j, v := range row {
			dx[i*c+j] = F(r * (float64(dyRow[j])*float64(gamma[j]) - float64(v)*r*mean))
		}
	}
	for j := range c {
		dgamma[j] = F(sum[j])
	}
}
