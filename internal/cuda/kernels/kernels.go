// Package kernels holds the transformer's CUDA kernels: their sources in CUDA C, one file an op, the binaries made of them, and a
// description of every launch.
//
// In go pointers to device memory and shapes; out comes a Launch: which kernel of which file, the grid, the block, shared memory and the
// arguments in order. A backend loads Cubin (or PTX, where no cubin fits the GPU), takes the kernel by name and launches it. What a kernel
// computes is defined by the function of package ref that its file names, and the tests hold each to it in the emulator of package ptx.
//
// Every tensor begins at a multiple of 16 bytes and is row-major, dense in float32, with rows padded in bfloat16 (Floats). No
// kernel adds floats in an order that varies: the same inputs give the same bits. Sizes are at least 1.
//
// Start reading at Gather, the simplest, then gather.cu; MatMulF32 and Attention are where the time goes. docs/kernels.md tells how to add
// a kernel.
package kernels

import (
	"embed"
	"fmt"
	"io/fs"
	"strings"
)

//go:generate python3 ../../../scripts/kernels/build.py

//go:embed built
var built embed.FS

// Sources returns the names of the files of kernels, without the ending .cu, in order.
func Sources() []string {
	files, err := fs.Glob(built, "built/*.ptx")
	if err != nil {
		panic(err)
	}
	for i, f := range files {
		files[i] = strings.TrimSuffix(strings.TrimPrefix(f, "built/"), ".ptx")
	}
	return files
}

// PTXVersion is the CUDA version, major·1000 + minor·10, of the oldest drivers that compile the PTX, which is of version 8.8.
const PTXVersion = 12090

// PTX returns the PTX of a source for compute capability 8.0, which the driver compiles for any newer GPU.
func PTX(source string) string {
	text, err := built.ReadFile("built/" + source + ".ptx")
	if err != nil {
		panic(fmt.Sprintf("kernels.PTX(%q): no such source, only %q", source, Sources()))
	}
	return string(text)
}

// Cubin returns the machine code of a source for a GPU of compute capability major·10 + minor: of those built, the latest of the same major
// that is no later. It is nil where there is none: use PTX then.
func Cubin(source string, capability int) []byte {
	for minor := capability % 10; minor >= 0; minor-- {
		code, err := built.ReadFile(fmt.Sprintf("built/%s.sm_%d.cubin", source, capability/10*10+minor))
		if err == nil {
			return code
		}
	}
	return nil
}

// Pointer is an address in the memory of the device. 0 is none.
type Pointer uint64

// Floats is a tensor whose elements are float32 or bfloat16. The rows of one in bfloat16 lie PitchBF16 of their columns apart; what is
// between them is neither read nor written.
type Floats struct {
	At   Pointer
	BF16 bool
}

// name is the type of the elements as the names of kernels have it.
func (f Floats) name() string {
	if f.BF16 {
		return "bf16"
	}
	return "f32"
}

// size is the size of an element in bytes.
func (f Floats) size() int {
	if f.BF16 {
		return 2
	}
	return 4
}

// Launch is one launch of a kernel.
type Launch struct {
	Source string // the file, without .cu
	Kernel string // the entry in it
	Grid   [3]int // blocks in x, y and z
	Block  int    // threads of a block
	Shared int    // bytes of dynamic shared memory of a block; beyond 48 KiB the kernel's limit must be raised first
	Args   []any  // in the order of the kernel's parameters: Pointer, int32, int64 or float32
}

// maxGridY is the most blocks along y of a grid.
const maxGridY = 65535

// grid is a grid of x by y blocks.
func grid(x, y int) [3]int {
	if x < 1 || y < 1 || y > maxGridY {
		panic(fmt.Sprintf("a grid of %d x %d blocks: sizes must be at least 1, and y at most %d", x, y, maxGridY))
	}
	return [3]int{x, y, 1}
}

func ceilDiv(a, b int) int { return (a + b - 1) / b }
