package vmtest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"trainer/internal/op"
	"trainer/internal/vm"
)

// appending is a program that appends rows of qkv to a cache and hands on what it holds then.
type appending struct {
	vm                     *vm.VM
	cache, qkv, at, result *gorgonia.Node
}

// newAppending returns one for a number of rows, with its cache in the given memory.
func newAppending(t *testing.T, w *vm.Workspace, k op.Append, rows, places, headDim int, memory vm.Memory) *appending {
	g := gorgonia.NewGraph()
	cached := 2 * k.KVHeads * places
	a := &appending{
		cache: gorgonia.NewMatrix(g, tensor.Float32, gorgonia.WithShape(cached, headDim), gorgonia.WithName("cache")),
		qkv:   gorgonia.NewMatrix(g, tensor.Float32, gorgonia.WithShape(rows, (k.Heads+2*k.KVHeads)*headDim), gorgonia.WithName("qkv")),
		at:    gorgonia.NewVector(g, tensor.Int32, gorgonia.WithShape(rows), gorgonia.WithName("at")),
	}
	all := make([]int32, cached)
	for i := range all {
		all[i] = int32(i)
	}
	ids := gorgonia.NewVector(g, tensor.Int32, gorgonia.WithShape(cached), gorgonia.WithName("all"), gorgonia.WithValue(dense(all, cached)))
	a.result = apply(t, op.Gather{}, apply(t, k, a.cache, a.qkv, a.at), ids)
	p, err := vm.Compile(a.result)
	if err != nil {
		t.Fatal(err)
	}
	if a.vm, err = vm.New(p, w, vm.State{Node: a.cache, Memory: memory}); err != nil {
		t.Fatal(err)
	}
	return a
}

// state appends to one cache by two programs in turn: each goes on with what the other has left, and writes no other place.
func (s suite) state(t *testing.T) {
	const places, headDim = 19, 5
	for _, k := range []op.Append{{Heads: 1, KVHeads: 1}, {Heads: 4, KVHeads: 2}} {
		t.Run(fmt.Sprintf("%+v", k), func(t *testing.T) {
			b, c := s.backend(t), &caseList{rng: rand.New(rand.NewPCG(5, 6))}
			w := vm.NewWorkspace(b)
			want := make([]float32, 2*k.KVHeads*places*headDim)
			memory := allocate(t, b, 4*len(want))
			programs := []*appending{newAppending(t, w, k, 1, places, headDim, memory), newAppending(t, w, k, 7, places, headDim, memory)}
			for turn, at := range [][]int32{{3}, {0, 18, -1, 4, 5, -2, 17}, {3}, {-1}, {1, 2, 6, 7, 8, -1, 9}} {
				a := programs[turn%2]
				if len(at) != a.at.Shape()[0] {
					a = programs[1-turn%2]
				}
				qkv := c.floats(a.qkv.Shape()...)
				write(t, a.vm, a.qkv, qkv)
				write(t, a.vm, a.at, dense(at, len(at)))
				run(t, a.vm)
				want = single(reference(k, []*tensor.Dense{dense(want, a.cache.Shape()...), qkv, dense(at, len(at))})[0], len(want)).Float32s()
				if got := read(t, a.vm, a.result); !slices.Equal(got, want) {
					t.Errorf("turn %d: behind places %v the cache is\n%v\nexpected\n%v", turn, at, got, want)
				}
				if got := vm.Float32s(contents(t, memory)); !slices.Equal(got, want) {
					t.Errorf("turn %d: the state is not in the memory that was given", turn)
				}
			}
		})
	}
}
