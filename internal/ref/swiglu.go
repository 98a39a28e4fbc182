package ref

import "math"

// SwiGLU gates each row of x [rows, 2·hidden] (Shazeer 2020, equation 6, without the products): its first half, the gate, becomes
// silu(gate) = gate/(1 + exp(-gate)), which multiplies its second half. dst is [rows, hidden].
func SwiGLU[F Float](dst, x []F, rows, hidden int) {
	for i := range rows {
		gate, up := x[2*i*hidden:][:hidden], x[(2*i+1)*hidden:][:hidden]
		for j := range hidden {
			g := float64(gate[j])
			dst[i*hidden+j] = F(g / (1 + math.Exp(-g)) * float64(up[j]))
		}
	}
}

// SwiGLUGrad computes dx [rows, 2·hidden] from x and dy [rows, hidden]. With s = 1/(1 + exp(-gate)):
// dgate = dy·up·s·(1 + gate·(1 - s)), dup = dy·gate·s. dx may be x.
func SwiGLUGrad[F Float](dx, x, dy []F, rows, hidden int) {
	for i := range rows {
		gate, up := x[2*i*hidden:][:hidden], x[(2*i+1)*hidden:][:hidden]
		dgate, dup := dx[2*i*hidden:][:hidden], dx[(2*i+1)*hidden:][:hidden]
		for j, d := range dy[i*hidden : (i+1)*hidden] {
			g, u, d := float64(gate[j]), float64(up[j]), float64(d)
			s := 1 / (1 + math.Exp(-g))
			rest := 1 / (1 + math.Exp(g)) // 1 - s, which would lose its digits where s is close to 1
			dgate[j], dup[j] = F(d*u*s*(1+g*rest)), F(d*g*s)
		}
	}
}
