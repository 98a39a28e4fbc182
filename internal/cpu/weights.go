package cpu

import (
	"trainer/internal/cpu/kernel"
	"trainer/internal/op"
	"trainer/internal/team"
	"trainer/internal/vm"
)

// packing is how a backend keeps the weights of products in fewer bits than float32.
type packing struct {
	kind   kernel.WeightType
	copies map[packedKey]*kernel.Weights
}

// packedKey is a matrix of weights in the host's memory and how products read it.
type packedKey struct {
	first *float32
	k, n  int
	trans bool
}

// Pack has every program that is bound from now on multiply by packed copies of its weights, which are the inputs that are bound to memory of the
// host: one copy for all programs of the backend, made when the first of them is bound. They take less memory to read, which is what
// generation spends its time on. Later changes of the weights do not reach the copies, so this is for models that are not trained. The
// kernels' Precision is to be "f32".
func (b *Backend) Pack(kind kernel.WeightType) {
	b.packing = &packing{kind: kind, copies: make(map[packedKey]*kernel.Weights)}
}

// Packed is the memory in bytes that packed copies take, beside that of the weights themselves, of which products no longer read anything.
func (b *Backend) Packed() int {
	if b.packing == nil {
		return 0
	}
	sum := 0
	for _, w := range b.packing.copies {
		sum += w.Bytes()
	}
	return sum
}

// weights returns the packed copy of the second operand of a product, or nil where the product reads the operand itself.
func (c *binding) weights(k op.MatMul) *kernel.Weights {
	v := &c.program.Values[c.In[1]]
	if c.packing == nil || v.Place != vm.Input || v.Node.Value() == nil || k.TransA {
		return nil
	}
	b := c.in(1)
	_, n, depth := k.Sizes(c.dims(0), c.dims(1))
	key := packedKey{&b[0], depth, n, k.TransB}
	w, ok := c.packing.copies[key]
	if !ok {
		w = kernel.NewWeights(c.packing.kind, depth, n)
		c.team.Run([]team.Phase{func(worker, workers int) {
			lo, hi := team.Share(w.Panels(), 1, worker, workers)
			w.Pack(b, k.TransB, lo, hi)
		}})
		c.packing.copies[key] = w
	}
	return w
}
