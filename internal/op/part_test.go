package op_test

import (
	"fmt"
	"slices"
	"testing"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"trainer/internal/op"
)

func TestPartAndPartGradAreInverse(t *testing.T) {
	const total = 40
	vector := newFeeds().floats(total).in[0]
	for _, p := range []op.Part{{Rows: 1}, {Rows: 7}, {Offset: 16, Rows: 3, Cols: 5}, {Offset: 32, Rows: 8, Cols: 1}, {Rows: total}} {
		part, err := op.Op{Kernel: p}.Do(vector)
		if err != nil {
			t.Fatal(err)
		}
		if !part.Shape().Eq(p.Shape()) {
			t.Errorf("%#v has shape %v, expected %v", p, part.Shape(), p.Shape())
		}
		back, err := op.Op{Kernel: op.PartGrad{Part: p, Total: total}}.Do(part)
		if err != nil {
			t.Fatal(err)
		}
		want := make([]float64, total)
		n := p.Shape().TotalSize()
		copy(want[p.Offset:p.Offset+n], vector.Data().([]float64)[p.Offset:])
		if got := back.Data().([]float64); !slices.Equal(got, want) {
			t.Errorf("%#v gives back %v, expected %v", p, got, want)
		}
	}
}

// The parts of a result do not overlap, begin at cache lines and end within the packed vector.
func TestResultsAreLaidOutInOrderAndAligned(t *testing.T) {
	for _, c := range []struct {
		kernel op.Kernel
		in     []tensor.Shape
		want   []tensor.Shape
	}{
		{op.Attention{Heads: 2, KVHeads: 2, Context: 8}, []tensor.Shape{{5, 18}, {3}}, []tensor.Shape{{5, 6}, {10}}},
		{op.CrossEntropy{}, []tensor.Shape{{7, 3}, {7}}, []tensor.Shape{{7}, {7}, {7}}},
		{op.LayerNormGrad{}, []tensor.Shape{{1, 17}, {17}, {1, 17}}, []tensor.Shape{{1, 17}, {17}, {17}}},
	} {
		packed, err := op.Op{Kernel: c.kernel}.InferShape(gorgonia.ShapesToDimSizers(c.in)...)
		if err != nil {
			t.Fatal(err)
		}
		parts := op.Results(c.kernel, c.in)
		if len(parts) != len(c.want) {
			t.Fatalf("%#v has results %v, expected shapes %v", c.kernel, parts, c.want)
		}
		end := 0
		for i, p := range parts {
			if !p.Shape().Eq(c.want[i]) {
				t.Errorf("%#v: result %d has shape %v, expected %v", c.kernel, i, p.Shape(), c.want[i])
			}
			if p.Offset < end || p.Offset%16 != 0 {
				t.Errorf("%#v: result %d begins at %d, the one before ends at %d", c.kernel, i, p.Offset, end)
			}
			end = p.Offset + p.Shape().TotalSize()
		}
		if end > packed.TotalSize() {
			t.Errorf("%#v: the results end at %d of %d elements", c.kernel, end, packed.TotalSize())
		}
	}
	if parts := op.Results(op.Add{}, []tensor.Shape{{2, 3}, {2, 3}}); parts != nil {
		t.Errorf("Add has the results %v, expected a single one", parts)
	}
}

func TestOnlyTheFirstPartCanBeDifferentiated(t *testing.T) {
	lossOfPart := func(part int) error {
		g := gorgonia.NewGraph()
		in := newFeeds().floats(3, 4).floats(3).ints(0, 1, 2).nodes(g, "input")
		packed, err := op.Apply(op.CrossEntropy{}, in[0], in[2])
		if err != nil {
			t.Fatal(err)
		}
		p := op.Results(op.CrossEntropy{}, []tensor.Shape{in[0].Shape(), in[2].Shape()})[part]
		x, err := op.Apply(p, packed)
		if err != nil {
			t.Fatal(err)
		}
		loss, err := op.Apply(op.WeightedSum{}, x, in[1])
		if err != nil {
			t.Fatal(err)
		}
		_, err = gorgonia.Grad(loss, in[0])
		return err
	}
	if err := lossOfPart(0); err != nil {
		t.Errorf("the first part cannot be differentiated: %v", err)
	}
	for part := 1; part < 3; part++ {
		err := lossOfPart(part)
		if err == nil {
			t.Errorf("part %d was differentiated", part)
			continue
		}
		wantInError(t, err, "op.CrossEntropy{", "the other parts cannot be differentiated")
	}
}

func TestGradientKernelsHaveNoDerivative(t *testing.T) {
	in := newFeeds().floats(3, 2).floats(3, 2).nodes(gorgonia.NewGraph(), "input")
	n, err := op.Apply(op.GELUGrad{}, in...)
	if err != nil {
		t.Fatal(err)
	}
	o := op.Op{Kernel: op.GELUGrad{}}
	if _, err := o.SymDiff(in, n, in[0]); err == nil || err.Error() != fmt.Sprintf("%v has no derivative", o) {
		t.Errorf("the derivative of %v: %v", o, err)
	}
	if d := o.DiffWRT(2); !slices.Equal(d, []bool{false, false}) {
		t.Errorf("%v says that it is differentiable: %v", o, d)
	}
}
