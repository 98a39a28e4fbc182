//go:build linux && !noasm

package kernel

import "testing"

// A kernel that reads or writes beyond the end of a slice kills the test with a segmentation fault.
func TestAttentionStaysInsideItsSlices(t *testing.T) {
	eachSet(t, func(t *testing.T, s *Set) {
		for _, headDim := range []int{1, 5, 8, 16, 20, 24, 64} {
			for _, length := range []int{1, 5, 8, 12, 17, 33} {
				attentionCase{2, 1, headDim, []int{length}, 1, 0}.check(t, s, gemmGuarded(t))
			}
		}
	})
}

func TestCachedAttentionStaysInsideItsSlices(t *testing.T) {
	eachSet(t, func(t *testing.T, s *Set) {
		for _, headDim := range []int{1, 5, 8, 16, 20, 24, 64} {
			for _, before := range []int{0, 1, 6, 17, 31} {
				for _, rows := range []int{1, 5, 17} {
					cachedCase{2, 1, headDim, []int{before}, []int{rows}}.check(t, s, gemmGuarded(t))
				}
			}
		}
	})
}
