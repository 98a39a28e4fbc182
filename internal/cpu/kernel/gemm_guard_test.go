//go:build linux && !noasm

package kernel

import (
	"fmt"
	"syscall"
	"testing"
	"unsafe"
)

// gemmGuarded returns a gemmAlloc whose slices end where a page begins that may be neither read nor written.
func gemmGuarded(t *testing.T) gemmAlloc {
	page := syscall.Getpagesize()
	return func(n int) []float32 {
		if n == 0 {
			return nil
		}
		size := (4*n + page - 1) / page * page
		memory, err := syscall.Mmap(-1, 0, size+page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { syscall.Munmap(memory) })
		if err := syscall.Mprotect(memory[size:], syscall.PROT_NONE); err != nil {
			t.Fatal(err)
		}
		return unsafe.Slice((*float32)(unsafe.Pointer(&memory[size-4*n])), n)
	}
}

// A kernel that reads or writes beyond the end of a matrix, the bias or the scratch kills the test with a segmentation fault.
func TestGemmStaysInsideItsSlices(t *testing.T) {
	for name, tiling := range gemmTilings {
		for _, s := range [][3]int{
			{1, 1, 1}, {5, 9, 7}, {13, 33, 17}, {14, 15, 16}, {15, 47, 33}, {29, 63, 40}, {3, 300, 70}, {1, 128, 3}, {6, 65, 9}, {7, 35, 32},
		} {
			t.Run(name, func(t *testing.T) {
				gemmVariants(s[0], s[1], s[2], func(c gemmCase) { c.check(t, tiling, gemmGuarded(t)) })
			})
		}
	}
	for name, tiling := range gemmBF16Tilings {
		for _, s := range [][3]int{{1, 1, 1}, {13, 33, 17}, {15, 47, 66}, {29, 63, 40}, {3, 300, 71}} {
			t.Run("bf16 "+name, func(t *testing.T) {
				gemmVariants(s[0], s[1], s[2], func(c gemmCase) { c.checkAgainst(t, tiling, gemmGuarded(t), rounded) })
			})
		}
	}
}

// A kernel that reads beyond the end of packed weights, or their scales, does too.
func TestWeightsProductStaysInsideItsSlices(t *testing.T) {
	for name, tiling := range gemmTilings {
		for _, s := range [][3]int{{1, 1, 1}, {2, 64, 64}, {7, 130, 65}, {fewRows + 1, 130, 65}, {20, 64, 64}} {
			for _, kind := range weightTypes {
				t.Run(fmt.Sprint(name, s, kind), func(t *testing.T) {
					weightsCase{gemmCase{m: s[0], n: s[1], k: s[2], pad: 3, bias: true}, kind}.check(t, tiling, gemmGuarded(t))
				})
			}
		}
	}
}
