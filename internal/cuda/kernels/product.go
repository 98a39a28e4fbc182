package kernels

import "fmt"

// Product is the shape of a matrix product: op(a) [M, K] times op(b) [K, N], where op(a) is a [M, K] or with TransA the transpose of
// a [K, M], and op(b) likewise.
type Product struct {
	M, N, K        int
	TransA, TransB bool
}

// suffix names the transpositions as kernels do: n or t for a, then for b.
func (p Product) suffix() string {
	letter := map[bool]string{false: "n", true: "t"}
	return letter[p.TransA] + letter[p.TransB]
}

// Function is what a product does with its sums.
type Function int32

const (
	Plain        Function = iota // f(x) = x
	WithGELU                     // f(x) = GELU(x), in its tanh form (ref.GELU)
	WithGELUGrad                 // f(x) = x·GELU'(pre) (ref.GELUGrad)
)

// Epilogue is what becomes of the sums of a product: c = f(op(a)·op(b) + bias) + addend, all in float32 until it is written.
type Epilogue struct {
	Bias     Pointer // [N] in float32, or 0
	Addend   Pointer // laid out as c and of its type, or 0; may be c itself
	Function Function
	// Pre, of the type of c and laid out as it, holds op(a)·op(b) + bias of the forward pass. WithGELU writes it, where it is not 0, and
	// WithGELUGrad reads it.
	Pre Floats
}

// check panics where an epilogue does not fit a product that is written to c.
func (e Epilogue) check(c Floats, p Product) {
	switch {
	case p.M < 1 || p.N < 1 || p.K < 1:
		panic(fmt.Sprintf("product %+v: sizes must be at least 1", p))
	case e.Function == WithGELUGrad && e.Pre.At == 0:
		panic(fmt.Sprintf("product %+v: WithGELUGrad needs the sums of the forward pass, Pre", p))
	case e.Pre.At != 0 && e.Pre.BF16 != c.BF16:
		panic(fmt.Sprintf("product %+v: Pre is %s and c %s, expected one type", p, e.Pre.name(), c.name()))
	}
}
