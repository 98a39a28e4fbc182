package cuda

import (
	"trainer/internal/op"
	"trainer/internal/vm"
)

// rotation is the table of the angles of op.Rotary on the device: see op.Rotary.Angles.
type rotation struct{ cosine, sine *block }

// rotationKey is what a rotation depends on.
type rotationKey struct {
	context, headDim int
	base             float64
}

// rotation returns the table of a Rotary, one for every layer of every program.
func (b *Backend) rotation(k op.Rotary, headDim int) (rotation, error) {
	key := rotationKey{k.Context, headDim, k.Base}
	if r, ok := b.rotations[key]; ok {
		return r, nil
	}
	var r rotation
	cosine, sine := k.Angles(headDim)
	for _, table := range []struct {
		to   **block
		data []float32
	}{{&r.cosine, cosine}, {&r.sine, sine}} {
		m, err := b.allocate(4 * len(table.data))
		if err != nil {
			return r, err
		}
		if err := m.Write(vm.Bytes(table.data)); err != nil {
			return r, err
		}
		*table.to = m
	}
	b.rotations[key] = r
	return r, nil
}
