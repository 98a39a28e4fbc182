package cpu

import (
	"testing"

	"trainer/internal/cpu/kernel"
)

func TestRotationsAreSharedByThoseWhoAskForTheSame(t *testing.T) {
	b := New(1, kernel.Go())
	defer b.Close()
	first := b.rotation(5, 4, 100)
	if again := b.rotation(5, 4, 100); &again.cos[0] != &first.cos[0] || &again.sin[0] != &first.sin[0] {
		t.Error("the same table was made twice")
	}
	for what, other := range map[string]rotation{
		"context": b.rotation(6, 4, 100), "head size": b.rotation(5, 2, 100), "base": b.rotation(5, 4, 10),
	} {
		if &other.cos[0] == &first.cos[0] {
			t.Errorf("another %s got the same table", what)
		}
	}
}
