package model

import (
	"testing"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// forEachGraph builds the graph with gradients of every kind of model, for all rows and for some, without dropout and with it.
func forEachGraph(t *testing.T, f func(t *testing.T, m *Model, g *Graph, gradients gorgonia.Nodes)) {
	for name, c := range kinds() {
		c.Dropout = 0.3
		for _, s := range []struct {
			name        string
			predictions int
			dropout     bool
		}{{"all rows", 0, false}, {"some rows", 8, false}, {"all rows, dropout", 0, true}, {"some rows, dropout", 8, true}} {
			t.Run(name+", "+s.name, func(t *testing.T) {
				m := newModel(t, c)
				g, err := m.Graph(Shape{Rows: 11, Sequences: 2, Predictions: s.predictions, Dropout: s.dropout})
				if err != nil {
					t.Fatal(err)
				}
				gradients, err := g.Gradients()
				if err != nil {
					t.Fatal(err)
				}
				f(t, m, g, gradients)
			})
		}
	}
}

func TestEveryParameterHasAGradientOfItsShape(t *testing.T) {
	forEachGraph(t, func(t *testing.T, m *Model, g *Graph, gradients gorgonia.Nodes) {
		if len(gradients) != len(m.Parameters) || len(g.Parameters) != len(m.Parameters) {
			t.Fatalf("%d gradients of %d nodes for %d parameters", len(gradients), len(g.Parameters), len(m.Parameters))
		}
		for i, p := range m.Parameters {
			if !gradients[i].Shape().Eq(tensor.Shape(p.Shape)) || g.Parameters[i].Name() != p.Name {
				t.Errorf("parameter %s %v has the gradient %v of %s", p.Name, p.Shape, gradients[i].Shape(), g.Parameters[i].Name())
			}
		}
	})
}

// Gorgonia merges nodes by their 32-bit hash alone: two that collide would be one, and the model a wrong one.
func TestNodesOfAGraphHaveHashesOfTheirOwn(t *testing.T) {
	forEachGraph(t, func(t *testing.T, m *Model, g *Graph, _ gorgonia.Nodes) {
		seen := make(map[uint32]*gorgonia.Node)
		for _, n := range g.Loss.Graph().AllNodes() {
			if other := seen[n.Hashcode()]; other != nil {
				t.Errorf("%v and %v have the hash %#x", n, other, n.Hashcode())
			}
			seen[n.Hashcode()] = n
		}
		// Each layer has at least twelve nodes forward and as many backward.
		if len(seen) < 24*m.Config.Layers {
			t.Errorf("the graph has %d nodes", len(seen))
		}
	})
}

// Gorgonia's own machine runs the ops' plain definitions on the same graph without padding; the Executor its kernels on a padded one.
func TestExecutorAgreesWithGorgoniasTapeMachine(t *testing.T) {
	forEachGraph(t, func(t *testing.T, m *Model, g *Graph, _ gorgonia.Nodes) {
		list := newExamples(m.Config, 8, 3)
		const weight = 0.25
		offsets, positions := []int32{0, 8, 11}, []int32{0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2}
		tokens := append(append([]int32(nil), list[0].tokens...), list[1].tokens...)
		targets := append(append([]int32(nil), list[0].targets...), list[1].targets...)
		var wanted, chosen []int32
		for i, target := range targets {
			if target >= 0 {
				wanted, chosen = append(wanted, int32(i)), append(chosen, target)
			}
		}
		if g.Wanted == nil {
			chosen = targets
		} else if len(wanted) != g.Shape.Predictions {
			t.Fatalf("%d rows are wanted, the graph is for %d", len(wanted), g.Shape.Predictions)
		}
		weights := make([]float32, len(chosen))
		for i, target := range chosen {
			if target >= 0 {
				weights[i] = weight
			}
		}
		batch := batchOf(list...)
		var numbers, wantedNumbers []int32
		if g.Shape.Dropout {
			const first = 5
			batch = dropping(m.Config, 3<<32|7, first, list...)
			for i, position := range positions {
				numbers = append(numbers, int32(first+i/8)*int32(m.Config.Context)+position)
			}
			for _, row := range wanted {
				wantedNumbers = append(wantedNumbers, numbers[row])
			}
		}
		for _, in := range []struct {
			node  *gorgonia.Node
			value any
		}{
			{g.Tokens, tokens}, {g.Positions, positions}, {g.Offsets, offsets}, {g.Wanted, wanted}, {g.Targets, chosen}, {g.Weights, weights},
			{g.DropoutKey, []int32{7, 3}}, {g.DropoutRows, numbers}, {g.DropoutWanted, wantedNumbers},
		} {
			if in.node == nil {
				continue
			}
			if err := gorgonia.Let(in.node, tensor.New(tensor.WithBacking(in.value))); err != nil {
				t.Fatal(err)
			}
		}
		tape := gorgonia.NewTapeMachine(g.Loss.Graph(), gorgonia.BindDualValues(g.Parameters...))
		defer tape.Close()
		if err := tape.RunAll(); err != nil {
			t.Fatal(err)
		}
		want := outcome{Result: Result{Loss: g.Loss.Value().Data().(float32)}, Gradients: make([]float32, len(m.Weights))}
		for i := range m.Parameters {
			gradient, err := g.Parameters[i].Grad()
			if err != nil {
				t.Fatal(err)
			}
			copy(want.Gradients[m.Parameters[i].Begin:], gradient.Data().([]float32))
		}
		sameOutcome(t, m, run(t, newExecutor(t, m), batch, Train, weight), want)
	})
}
