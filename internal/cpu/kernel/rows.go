package kernel

import (
	"math"

	"trainer/internal/ref"
)

// The row-wise kernels in plain Go. They differ from package ref where it allocates, computes what can be looked up, or clears
// what a caller wants to add to.

func layerNormGo(dst, x, gamma, beta []float32, rows, c int, eps float32) {
	ref.LayerNorm(dst, x, gamma, beta, rows, c, float64(eps))
}

// layerNormGradGo is ref.LayerNormGrad with the sums of the parameters kept in their float32 destinations.
func layerNormGradGo(dx, dgamma, dbeta, x, gamma, dy []float32, rows, c int, eps float32) {
	for i := range rows {
		row, dyRow, dxRow := x[i*c:(i+1)*c], dy[i*c:(i+1)*c], dx[i*c:(i+1)*c]
		var mean, variance float64
		for _, v := range row {
			mean += float64(v)
		}
		mean /= float64(c)
		for _, v := range row {
			d := float64(v) - mean
			variance += d * d
		}
		rstd := 1 / math.Sqrt(variance/float64(c)+float64(eps))

		var meanG, meanGN float64
		for j, v := range row {
			n := (float64(v) - mean) * rstd
			g := float64(dyRow[j]) * float64(gamma[j])
			meanG += g
			meanGN += g * n
			dgamma[j] += float32(float64(dyRow[j]) * n)
			dbeta[j] += dyRow[j]
		}
		meanG /= float64(c)
		meanGN /= float64(c)
		for j, v := range row {
			n := (float64(v) - mean) * rstd
			g := float64(dyRow[j]) * float64(gamma[j])
			dxRow[j] = float32(rstd * (g - meanG - n*meanGN))
		}
	}
}

func rmsNormGo(dst, x, gamma []float32, rows, c int, eps float32) {
	ref.RMSNorm(dst, x, gamma, rows, c, float64(eps))
}

// rmsNormGradGo is ref.RMSNormGrad with the sums of gamma kept in their float32 destination.
func rmsNormGradGo(dx, dgamma, x, gamma, dy []float32, rows, c int, eps float32) {
	for i := range rows {
		row, dyRow, dxRow := x[i*c:(i+1)*c], dy[i*c:(i+1)*c], dx[i*c:(i+1)*c]
		r := 1 / math.Sqrt(ref.SumSquares(row)/float64(c)+float64(eps))
		var mean float64
		for j, v := range row {
			n := float64(v) * r
			mean += float64(dyRow[j]) * float64(gamma[j]) * n
			dgamma[j] += float32(float64(dyRow[j]) * n)
		}
		mean /= float64(c)
		for j, v := range row {
			dxRow[j] = float32(r * (float64(dyRow[j])*float64(gamma[j]) - float64(v)*r*mean))
		}
	}
}

func sumRowsGo(dst, x []float32, rows, c int) {
	for i := range rows {
		ref.Add(dst[:c], dst, x[i*c:(i+1)*c])
	}
}

func scatterAddGo(dst, dy []float32, ids []int32, c int) {
	for i, id := range ids {
		if id >= 0 {
			row := dst[int(id)*c : (int(id)+1)*c]
			ref.Add(row, row, dy[i*c:(i+1)*c])
		}
	}
}

// rotaryGo reads both components of a pair before it writes them, so dst may be x.
func rotaryGo(dst, x, cos, sin []float32, positions []int32, width, heads, headDim int, inverse bool) {
	half := headDim / 2
	direction := float32(1)
	if inverse {
		direction = -1
	}
	for r, position := range positions {
		in, out := x[r*width:(r+1)*width], dst[r*width:(r+1)*width]
		cosRow, sinRow := cos[int(position)*half:][:half], sin[int(position)*half:][:half]
		for h := range heads {
			for i, c := range cosRow {
				s := direction * sinRow[i]
				a, b := in[h*headDim+i], in[h*headDim+half+i]
				out[h*headDim+i] = a*c - b*s
				out[h*headDim+half+i] = a*s + b*c
			}
		}
		copy(out[heads*headDim:], in[heads*headDim:])
	}
}
