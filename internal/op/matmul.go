package op

import (
	"fmt"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"trainer/internal/ref"
)

// MatMul is op(a)·op(b) [m, n], plus a bias [n] on every row with Bias. a is [m, k], or [k, m] with TransA; b is [k, n], or
// [n, k] with TransB.
type MatMul struct{ TransA, TransB, Bias bool }

// Linear returns x·w + b [N, Out] for x [N, In], w [In, Out] and b [Out]; b may be nil. transposed says that w is stored
// [Out, In], as the table of embeddings is when it serves as the output head.
func Linear(x, w, b *gorgonia.Node, transposed bool) (*gorgonia.Node, error) {
	if b == nil {
		return Apply(MatMul{TransB: transposed}, x, w)
	}
	return Apply(MatMul{TransB: transposed, Bias: true}, x, w, b)
}

func (k MatMul) signature() signature {
	s := signature{in: []value{floats(2), floats(2)}, out: floats(2)}
	if k.Bias {
		s.in = append(s.in, floats(1))
	}
	return s
}

// Sizes returns m, n and k for inputs of shapes a and b.
func (k MatMul) Sizes(a, b tensor.Shape) (m, n, depth int) {
	m, depth, n = a[0], a[1], b[1]
	if k.TransA {
		m, depth = a[1], a[0]
	}
	if k.TransB {
		n = b[0]
	}
	return m, n, depth
}

func (k MatMul) shape(in []tensor.Shape) (tensor.Shape, error) {
	m, n, depth := k.Sizes(in[0], in[1])
	inner := in[1][0]
	if k.TransB {
		inner = in[1][1]
	}
	if inner != depth {
		return nil, mismatch(fmt.Sprintf("an inner size of %d on both sides", depth), in...)
	}
	if k.Bias && in[2][0] != n {
		return nil, mismatch(fmt.Sprintf("a bias of %d", n), in...)
	}
	return tensor.Shape{m, n}, nil
}

func (k MatMul) compute(out []float64, in operands) {
	m, n, depth := k.Sizes(in.shapes[0], in.shapes[1])
	var bias []float64
	if k.Bias {
		bias = in.floats[2]
	}
	ref.MatMul(out, in.floats[0], in.floats[1], bias, m, n, depth, k.TransA, k.TransB)
}

func (k MatMul) wrt() []bool {
	if k.Bias {
		return []bool{true, true, true}
	}
	return []bool{true, true}
}

// derive uses that C = A·B has dA = dC·Bᵀ and dB = Aᵀ·dC; a transposed operand takes the transpose of that.
func (k MatMul) derive(in gorgonia.Nodes, _, grad *gorgonia.Node) (gorgonia.Nodes, error) {
	a, b := in[0], in[1]
	da, err := product(grad, false, b, !k.TransB, k.TransA)
	if err != nil {
		return nil, err
	}
	db, err := product(a, !k.TransA, grad, false, k.TransB)
	if err != nil {
		return nil, err
	}
	grads := gorgonia.Nodes{da, db}
	if k.Bias {
		bias, err := Apply(SumRows{}, grad)
		if err != nil {
			return nil, err
		}
		grads = append(grads, bias)
	}
	return grads, nil
}

// product is op(x)·op(y), or its transpose op(y)ᵀ·op(x)ᵀ.
func product(x *gorgonia.Node, transX bool, y *gorgonia.Node, transY, transposed bool) (*gorgonia.Node, error) {
	if transposed {
		return Apply(MatMul{TransA: !transY, TransB: !transX}, y, x)
	}
	return Apply(MatMul{TransA: transX, TransB: transY}, x, y)
}

// SumRows is the sum over the rows of x [N, C]: the gradient of a bias, [C].
type SumRows struct{}

func (SumRows) signature() signature { return signature{in: []value{floats(2)}, out: floats(1)} }

func (SumRows) shape(in []tensor.Shape) (tensor.Shape, error) { return tensor.Shape{in[0][1]}, nil }

func (SumRows) compute(out []float64, in operands) {
	ref.SumRows(out, in.floats[0], in.shapes[0][0], in.shapes[0][1])
}
