package op_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/chewxy/hm"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"trainer/internal/op"
)

// kernels is one of each kernel, with no attribute zero.
var kernels = []op.Kernel{
	op.MatMul{TransA: true, TransB: true, Bias: true},
	op.SumRows{},
	op.Add{},
	op.GELU{},
	op.GELUGrad{},
	op.Scale{},
	op.WeightedSum{},
	op.Gather{},
	op.ScatterAdd{Rows: 5},
	op.LayerNorm{Epsilon: 1e-5},
	op.LayerNormGrad{Epsilon: 1e-5},
	op.RMSNorm{Epsilon: 1e-5},
	op.RMSNormGrad{Epsilon: 1e-5},
	op.SwiGLU{},
	op.SwiGLUGrad{},
	op.Dropout{Rate: 0.1, Salt: 1},
	op.Rotary{Heads: 2, KVHeads: 1, Context: 8, Base: 100, Inverse: true},
	op.Attention{Heads: 2, KVHeads: 1, Context: 8},
	op.AttentionGrad{Heads: 2, KVHeads: 1, Context: 8},
	op.Append{Heads: 2, KVHeads: 1},
	op.CachedAttention{Heads: 2, KVHeads: 1, Context: 8},
	op.CrossEntropy{},
	op.CrossEntropyGrad{},
	op.Part{Offset: 16, Rows: 2, Cols: 3},
	op.PartGrad{Part: op.Part{Offset: 16, Rows: 2, Cols: 3}, Total: 32},
}

// variants returns the kernel with one attribute at a time set to zero, which is another kernel.
func variants(k op.Kernel) []op.Kernel {
	var all []op.Kernel
	for _, index := range attributes(reflect.TypeOf(k)) {
		v := reflect.New(reflect.TypeOf(k)).Elem()
		v.Set(reflect.ValueOf(k))
		v.FieldByIndex(index).SetZero()
		all = append(all, v.Interface().(op.Kernel))
	}
	return all
}

// attributes lists the fields of a kernel, also those of embedded kernels.
func attributes(t reflect.Type) (list [][]int) {
	for _, f := range reflect.VisibleFields(t) {
		if !f.Anonymous {
			list = append(list, f.Index)
		}
	}
	return list
}

// Gorgonia takes two nodes with the same hash for one node.
func TestEveryAttributeIsInTheHash(t *testing.T) {
	byString, byHash := map[string]op.Kernel{}, map[uint32]op.Kernel{}
	add := func(k op.Kernel) {
		o := op.Op{Kernel: k}
		if other, ok := byString[o.String()]; ok {
			t.Errorf("%#v and %#v print the same", other, k)
		}
		if other, ok := byHash[o.Hashcode()]; ok {
			t.Errorf("%#v and %#v have the same hash", other, k)
		}
		byString[o.String()], byHash[o.Hashcode()] = k, k
	}
	for _, k := range kernels {
		add(k)
		for _, v := range variants(k) {
			add(v)
		}
	}
}

func TestEqualKernelsOfTheSameInputsAreOneNode(t *testing.T) {
	g := gorgonia.NewGraph()
	in := newFeeds().floats(2, 2).floats(2, 2).nodes(g, "input")
	seen := map[*gorgonia.Node]string{}
	for mask := range 4 {
		k := op.MatMul{TransA: mask&1 != 0, TransB: mask&2 != 0}
		for _, pair := range []gorgonia.Nodes{{in[0], in[1]}, {in[1], in[0]}} {
			n, err := op.Apply(k, pair...)
			if err != nil {
				t.Fatal(err)
			}
			what := fmt.Sprintf("%#v of %v", k, pair)
			if other, ok := seen[n]; ok {
				t.Errorf("%s and %s are one node", what, other)
			}
			seen[n] = what
			if again, err := op.Apply(k, pair...); err != nil || again != n {
				t.Errorf("%s applied twice gives %p and %p, %v", what, n, again, err)
			}
		}
	}
}

// impostor hashes like MatMul and is another op.
type impostor struct{ op.Op }

func TestApplyReportsAnOpWithTheSameHash(t *testing.T) {
	g := gorgonia.NewGraph()
	in := newFeeds().floats(2, 2).floats(2, 2).nodes(g, "input")
	if _, err := gorgonia.ApplyOp(impostor{op.Op{Kernel: op.MatMul{}}}, in...); err != nil {
		t.Fatal(err)
	}
	n, err := op.Apply(op.MatMul{}, in...)
	if err == nil {
		t.Fatalf("MatMul became %v (%T)", n, n.Op())
	}
	wantInError(t, err, "op.MatMul{", "hashes collide")
}

func TestApplyReportsInputsWithTheSameHash(t *testing.T) {
	g := gorgonia.NewGraph()
	input := func(name string) *gorgonia.Node {
		return gorgonia.NewMatrix(g, tensor.Float64, gorgonia.WithShape(2, 2), gorgonia.WithName(name))
	}
	// Among 2^18 random names about 2^35/2^32 = 8 pairs share a hash of 32 bits.
	rng := rand.New(rand.NewPCG(1, 2))
	byHash := map[uint32]string{}
	var pair [2]string
	for range 1 << 18 {
		name := fmt.Sprintf("%x", rng.Uint64())
		hash := gorgonia.NewMatrix(gorgonia.NewGraph(), tensor.Float64, gorgonia.WithShape(2, 2), gorgonia.WithName(name)).Hashcode()
		if other, ok := byHash[hash]; ok {
			pair = [2]string{other, name}
			break
		}
		byHash[hash] = name
	}
	if pair[0] == "" {
		t.Fatal("no two names with the same hash")
	}
	a, b := input(pair[0]), input(pair[1])
	if _, err := op.Apply(op.GELU{}, a); err != nil {
		t.Fatal(err)
	}
	if n, err := op.Apply(op.GELU{}, b); err == nil {
		t.Fatalf("the GELU of %v became the GELU of %v", b, op.Inputs(n)[0])
	} else {
		wantInError(t, err, "op.GELU{", "different inputs", "hashes collide")
	}
}

// Gorgonia's unification writes to the types it is given and returns them to a pool.
func TestTypeIsFreshOnEachCall(t *testing.T) {
	for _, k := range kernels {
		o := op.Op{Kernel: k}
		a, b := o.Type().(*hm.FunctionType), o.Type().(*hm.FunctionType)
		for a != nil {
			if a == b {
				t.Errorf("%v: two calls of Type share %v", o, a)
			}
			if !a.Eq(b) {
				t.Errorf("%v: Type returns %v, then %v", o, a, b)
			}
			a, _ = a.Ret(false).(*hm.FunctionType)
			b, _ = b.Ret(false).(*hm.FunctionType)
		}
	}
}

func TestArityIsTheNumberOfInputsOfType(t *testing.T) {
	for _, k := range kernels {
		o := op.Op{Kernel: k}
		if got := len(o.Type().(*hm.FunctionType).FlatTypes()) - 1; got != o.Arity() {
			t.Errorf("%v: arity %d, type %v", o, o.Arity(), o.Type())
		}
	}
}

func TestShapeErrorsNameTheOpItsInputsAndWhatItExpected(t *testing.T) {
	for _, c := range []struct {
		kernel op.Kernel
		in     []tensor.Shape
		want   string
	}{
		{op.MatMul{}, []tensor.Shape{{2, 3}, {4, 5}}, "inner size of 3"},
		{op.MatMul{TransA: true}, []tensor.Shape{{2, 3}, {3, 5}}, "inner size of 2"},
		{op.MatMul{TransB: true}, []tensor.Shape{{2, 3}, {3, 5}}, "inner size of 3"},
		{op.MatMul{TransA: true, TransB: true}, []tensor.Shape{{2, 3}, {2, 3}}, "inner size of 2"},
		{op.MatMul{Bias: true}, []tensor.Shape{{2, 3}, {3, 5}, {3}}, "bias of 5"},
		{op.Add{}, []tensor.Shape{{2, 3}, {3, 2}}, "equal shapes"},
		{op.Add{}, []tensor.Shape{{1, 3}, {3, 1}}, "equal shapes"},
		{op.GELUGrad{}, []tensor.Shape{{2, 3}, {2, 4}}, "equal shapes"},
		{op.WeightedSum{}, []tensor.Shape{{3}, {4}}, "equal shapes"},
		{op.ScatterAdd{Rows: 5}, []tensor.Shape{{3, 2}, {4}}, "as many ids as rows"},
		{op.LayerNorm{}, []tensor.Shape{{2, 3}, {3}, {2}}, "beta of 3"},
		{op.LayerNorm{}, []tensor.Shape{{2, 3}, {2}, {3}}, "gamma and beta of 3"},
		{op.LayerNormGrad{}, []tensor.Shape{{2, 3}, {2}, {2, 3}}, "gamma [C]"},
		{op.LayerNormGrad{}, []tensor.Shape{{2, 3}, {3}, {3, 3}}, "dy [N, C]"},
		{op.RMSNorm{}, []tensor.Shape{{2, 3}, {2}}, "gamma of 3"},
		{op.RMSNormGrad{}, []tensor.Shape{{2, 3}, {2}, {2, 3}}, "gamma [C]"},
		{op.RMSNormGrad{}, []tensor.Shape{{2, 3}, {3}, {3, 3}}, "dy [N, C]"},
		{op.SwiGLU{}, []tensor.Shape{{2, 3}}, "even number of columns"},
		{op.SwiGLUGrad{}, []tensor.Shape{{2, 6}, {2, 6}}, "dy [N, H]"},
		{op.SwiGLUGrad{}, []tensor.Shape{{2, 6}, {3, 3}}, "dy [N, H]"},
		{op.Dropout{}, []tensor.Shape{{4, 12}, {1}, {4}}, "key [2]"},
		{op.Dropout{}, []tensor.Shape{{4, 12}, {2}, {3}}, "rows [N]"},
		{op.Rotary{Heads: 2, KVHeads: 2}, []tensor.Shape{{4, 12}, {3}}, "positions [N]"},
		{op.Rotary{Heads: 2, KVHeads: 2}, []tensor.Shape{{4, 18}, {4}}, "even"},
		{op.Rotary{Heads: 2, KVHeads: 1}, []tensor.Shape{{4, 12}, {4}}, "4·even"},
		{op.Rotary{}, []tensor.Shape{{4, 12}, {4}}, "0·even"},
		{op.Attention{Heads: 2, KVHeads: 2}, []tensor.Shape{{4, 9}, {2}}, "columns for 6 heads"},
		{op.Attention{Heads: 3, KVHeads: 2}, []tensor.Shape{{4, 7}, {2}}, "KVHeads to be a divisor of the 3 heads"},
		{op.Attention{Heads: 3}, []tensor.Shape{{4, 9}, {2}}, "KVHeads to be a divisor"},
		{op.AttentionGrad{Heads: 2, KVHeads: 2}, []tensor.Shape{{4, 12}, {4, 6}, {8}, {4, 6}, {2}}, "qkv [N, (Heads"},
		{op.AttentionGrad{Heads: 2, KVHeads: 2}, []tensor.Shape{{4, 12}, {3, 4}, {8}, {3, 4}, {2}}, "out [N, Heads·D]"},
		{op.AttentionGrad{Heads: 2, KVHeads: 2}, []tensor.Shape{{4, 12}, {4, 4}, {4}, {4, 4}, {2}}, "lse [Heads·N]"},
		{op.AttentionGrad{Heads: 2, KVHeads: 2}, []tensor.Shape{{4, 12}, {4, 4}, {8}, {4, 5}, {2}}, "dout [N, Heads·D]"},
		{op.Append{Heads: 3, KVHeads: 2}, []tensor.Shape{{8, 3}, {4, 21}, {4}}, "KVHeads to be a divisor of the 3 heads"},
		{op.Append{Heads: 2, KVHeads: 1}, []tensor.Shape{{8, 3}, {4, 13}, {4}}, "qkv [N, 4·D]"},
		{op.Append{Heads: 2, KVHeads: 1}, []tensor.Shape{{7, 3}, {4, 12}, {4}}, "cache [2·L, D]"},
		{op.Append{Heads: 2, KVHeads: 1}, []tensor.Shape{{8, 3}, {4, 12}, {3}}, "a place for each row"},
		{op.CachedAttention{Heads: 2}, []tensor.Shape{{4, 12}, {8, 3}, {3}, {2}, {2}}, "KVHeads to be a divisor"},
		{op.CachedAttention{Heads: 2, KVHeads: 1}, []tensor.Shape{{4, 12}, {8, 4}, {3}, {2}, {2}}, "qkv [N, 4·D]"},
		{op.CachedAttention{Heads: 2, KVHeads: 1}, []tensor.Shape{{4, 12}, {8, 3}, {2}, {2}, {2}}, "offsets [S+1]"},
		{op.CachedAttention{Heads: 2, KVHeads: 1}, []tensor.Shape{{4, 12}, {8, 3}, {3}, {2}, {1}}, "lengths [S]"},
		{op.CrossEntropy{}, []tensor.Shape{{2, 3}, {3}}, "a target for each row"},
		{op.CrossEntropyGrad{}, []tensor.Shape{{2, 3}, {3}, {2}, {2}}, "lse, dnll and a target"},
		{op.CrossEntropyGrad{}, []tensor.Shape{{2, 3}, {2}, {3}, {2}}, "lse, dnll and a target"},
		{op.CrossEntropyGrad{}, []tensor.Shape{{2, 3}, {2}, {2}, {3}}, "lse, dnll and a target"},
		{op.Part{Offset: 16, Rows: 3, Cols: 2}, []tensor.Shape{{21}}, "at least 22"},
		{op.Part{Offset: -1, Rows: 3}, []tensor.Shape{{21}}, "at least"},
		{op.PartGrad{Part: op.Part{Rows: 3}, Total: 16}, []tensor.Shape{{4}}, "(3)"},
	} {
		o := op.Op{Kernel: c.kernel}
		shape, err := o.InferShape(gorgonia.ShapesToDimSizers(c.in)...)
		if err == nil {
			t.Errorf("%v takes inputs of shapes %v and gives %v", o, c.in, shape)
			continue
		}
		wantInError(t, err, append([]string{o.String(), c.want}, printed(c.in)...)...)
	}
}

func printed(shapes []tensor.Shape) (list []string) {
	for _, s := range shapes {
		list = append(list, fmt.Sprint(s))
	}
	return list
}

func TestDoRejectsInputsOfAnotherType(t *testing.T) {
	f := newFeeds().floats(3, 2).floats(3).ints(0, 1, 2)
	matrix, vector, ids := f.in[0], f.in[1], f.in[2]
	whole := tensor.New(tensor.WithShape(3, 2), tensor.WithBacking(make([]int64, 6)))
	for _, c := range []struct {
		kernel op.Kernel
		in     []gorgonia.Value
		want   string
	}{
		{op.GELU{}, []gorgonia.Value{whole}, "input 0 holds int64, expected float32 or float64 of 2 dimensions"},
		{op.GELU{}, []gorgonia.Value{vector}, "input 0 has shape (3), expected float32 or float64 of 2 dimensions"},
		{op.Scale{}, []gorgonia.Value{ids, gorgonia.NewF64(2)}, "input 0 holds int32, expected float32 or float64 of 1 dimensions"},
		{op.Gather{}, []gorgonia.Value{matrix, vector}, "input 1 holds float64, expected int32 of 1 dimensions"},
		{op.Add{}, []gorgonia.Value{matrix}, "1 inputs, expected 2"},
		{op.Add{}, []gorgonia.Value{matrix, tensor.New(tensor.WithShape(2, 3), tensor.Of(tensor.Float64))}, "expected equal shapes"},
	} {
		v, err := op.Op{Kernel: c.kernel}.Do(c.in...)
		if err == nil {
			t.Errorf("%#v of %v is %v", c.kernel, c.in, v)
			continue
		}
		wantInError(t, err, fmt.Sprintf("%#v", c.kernel), c.want)
	}
}

func TestApplyRejectsInputsOfAnotherType(t *testing.T) {
	in := newFeeds().floats(3, 2).floats(3).ints(0, 1, 2).nodes(gorgonia.NewGraph(), "input")
	for _, c := range []struct {
		kernel op.Kernel
		in     gorgonia.Nodes
	}{
		{op.GELU{}, gorgonia.Nodes{in[1]}},
		{op.Gather{}, gorgonia.Nodes{in[0], in[1]}},
		{op.Scale{}, gorgonia.Nodes{in[2], in[1]}},
		{op.MatMul{}, gorgonia.Nodes{in[0], in[1]}},
		{op.LayerNorm{}, gorgonia.Nodes{in[0], in[0], in[1]}},
	} {
		n, err := op.Apply(c.kernel, c.in...)
		if err == nil {
			t.Errorf("%#v takes %v and gives %v", c.kernel, c.in, n)
			continue
		}
		wantInError(t, err, fmt.Sprintf("%#v", c.kernel))
	}
}

// Do computes in float64 and keeps the type of its inputs, so float32 results are the float64 results rounded once.
func TestDoKeepsTheTypeOfItsInputs(t *testing.T) {
	f := newFeeds().floats(5, 3)
	double := f.in[0].Data().([]float64)
	single := make([]float32, len(double))
	for i, x := range double {
		single[i] = float32(x)
		double[i] = float64(single[i])
	}
	o := op.Op{Kernel: op.GELU{}}
	want, err := o.Do(f.in[0])
	if err != nil {
		t.Fatal(err)
	}
	got, err := o.Do(tensor.New(tensor.WithShape(5, 3), tensor.WithBacking(single)))
	if err != nil {
		t.Fatal(err)
	}
	for i, w := range want.Data().([]float64) {
		if g := got.Data().([]float32)[i]; g != float32(w) {
			t.Errorf("element %d is %v in float32, %v in float64", i, g, w)
		}
	}
}

func wantInError(t *testing.T, err error, fragments ...string) {
	t.Helper()
	for _, fragment := range fragments {
		if !strings.Contains(err.Error(), fragment) {
			t.Errorf("the error %q does not say %q", err, fragment)
		}
	}
}
