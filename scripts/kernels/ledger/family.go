package main

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"trainer/internal/cuda/kernels"
)

// family says of kernels how to count what a use of them does without running it in full: a launch of a few blocks, or of a few steps of a
// loop, does as much for each as the full one, so that counts lie on a line over the size.
type family struct {
	kernels string // how their names begin
	title   func(u *use) string
	// sizes are those that are run: the line goes through the first and the last, and the one between must lie on it. None: the whole use.
	sizes [3]int
	small func(u *use, size int) (kernels.Launch, map[int]any)
	// full is at which sizes the line is read for the whole use, and how many times that is.
	full  func(u *use) (sizes []float64, times float64)
	least func(u *use) float64 // bytes of all operands and results, each once
	apart bool                 // it could be part of another kernel, and is not
}

const (
	inF32, inBF16 = 4, 2 // bytes
	inInt         = 4
)

// overBlocks completes a family whose size is the blocks along x. numbers are arguments, and how many of what they count a block has.
func overBlocks(f family, numbers func(u *use) map[int]int) family {
	if f.sizes == [3]int{} {
		f.sizes = [3]int{4, 8, 16}
	}
	f.small = func(u *use, size int) (kernels.Launch, map[int]any) {
		scaled := map[int]int{}
		for i, each := range numbers(u) {
			scaled[i] = size * each
		}
		return u.with(size, u.Grid[1], scaled), nil
	}
	f.full = func(u *use) ([]float64, float64) { return []float64{float64(u.Grid[0])}, 1 }
	return f
}

// numbers makes the title of a use from arguments.
func numbers(positions ...int) func(u *use) string {
	return func(u *use) string {
		var parts []string
		for _, i := range positions {
			parts = append(parts, fmt.Sprint(u.int(i)))
		}
		return strings.Join(parts, " x ")
	}
}

// none is for kernels whose blocks find their number in nothing but the grid.
func none(*use) map[int]int { return nil }

// families are all kernels that the step uses. A longer name goes before its beginning.
func families(weights, copied int) []family {
	return []family{
		overBlocks(family{
			kernels: "gather", title: numbers(3, 4),
			least: func(u *use) float64 { return float64(u.int(3) * (2*u.int(4)*inF32 + inInt)) },
		}, func(u *use) map[int]int { return map[int]int{3: 4} }),
		overBlocks(family{
			kernels: "add", title: numbers(3), apart: true,
			least: func(u *use) float64 { return float64(3 * inF32 * u.int(3)) },
		}, func(u *use) map[int]int { return map[int]int{3: 1024} }),
		overBlocks(family{
			kernels: "scale", title: numbers(3), apart: true,
			least: func(u *use) float64 { return float64(2 * inF32 * u.int(3)) },
		}, func(u *use) map[int]int { return map[int]int{3: 1024} }),
		{
			kernels: "weighted_sum", title: numbers(3),
			least: func(u *use) float64 { return float64(2 * inF32 * u.int(3)) },
		},
		{
			kernels: "layer_norm_grad_weights", title: numbers(3, 4),
			least: func(u *use) float64 { return float64(2 * (u.int(3) + 1) * u.int(4) * inF32) },
		},
		overBlocks(family{
			kernels: "layer_norm_grad_bf16",
			title: func(u *use) string {
				return numbers(7, 8)(u) + listed(map[string]bool{"addend": u.has(6), "copy": u.has(1)})
			},
			least: func(u *use) float64 {
				row := inF32 + inF32 + inBF16 // dx, x, dy
				if u.has(6) {
					row += inF32
				}
				if u.has(1) {
					row += inBF16
				}
				return float64(u.int(7)*row*u.int(8) + 3*inF32*u.int(8)) // and dgamma, dbeta, gamma
			},
		}, func(u *use) map[int]int { return map[int]int{7: u.int(9)} }),
		overBlocks(family{
			kernels: "layer_norm_bf16", title: numbers(4, 5),
			least: func(u *use) float64 { return float64((u.int(4)*(inF32+inBF16) + 2*inF32) * u.int(5)) },
		}, func(u *use) map[int]int { return map[int]int{4: u.int(6)} }),
		overBlocks(family{
			kernels: "cross_entropy_with_grad_bf16", sizes: [3]int{2, 4, 6},
			title: func(u *use) string { return fmt.Sprintf("%d x %d", u.Grid[0], u.int(7)) },
			least: func(u *use) float64 { return float64(u.Grid[0] * (2*inBF16*u.int(7) + 5*inF32)) },
		}, none),
		{
			kernels: "sum_rows", title: numbers(2, 3), sizes: [3]int{4, 8, 16},
			small: func(u *use, size int) (kernels.Launch, map[int]any) {
				size = min(size, u.Grid[1])
				return u.with(u.Grid[0], size, map[int]int{2: size * u.int(4)}), nil
			},
			full: func(u *use) ([]float64, float64) { return []float64{float64(u.Grid[1])}, 1 },
			least: func(u *use) float64 {
				element := inF32
				if strings.HasSuffix(u.Kernel, "bf16") {
					element = inBF16
				}
				return float64(u.int(3) * (u.int(2)*element + inF32))
			},
		},
		{
			kernels: "scatter_order", title: numbers(3, 4), sizes: [3]int{1, 2, 4},
			small: func(u *use, size int) (kernels.Launch, map[int]any) {
				ids := make([]int32, u.int(3))
				for i := range ids {
					ids[i] = int32(i * 7919 % u.int(4)) // spread by a prime
				}
				return u.with(size, 1, map[int]int{4: size * u.int(5)}), map[int]any{2: ids}
			},
			full:  func(u *use) ([]float64, float64) { return []float64{float64(u.Grid[0])}, 1 },
			least: func(u *use) float64 { return float64(inInt * (2*u.int(3) + u.int(4) + 1)) },
		},
		{
			kernels: "scatter_add", sizes: [3]int{16, 32, 48},
			title: func(u *use) string { return fmt.Sprintf("%d to %d x %d", u.rows, u.int(4), u.int(5)) },
			small: func(u *use, size int) (kernels.Launch, map[int]any) {
				const rowsPerBlock = 4
				table := size * rowsPerBlock
				starts := make([]int32, table+1)
				for i := range starts {
					starts[i] = int32(i * u.rows / u.int(4))
				}
				order := make([]int32, starts[table]+1)
				for i := range order {
					order[i] = int32(i)
				}
				return u.with(size, u.Grid[1], map[int]int{4: table}), map[int]any{2: order, 3: starts}
			},
			full:  func(u *use) ([]float64, float64) { return []float64{float64(u.int(4)) / 4}, 1 },
			least: func(u *use) float64 { return float64((u.rows + u.int(4)) * (u.int(5)*inF32 + inInt)) },
		},
		attention("attention_bf16_grad_queries", 7, func(matrix, row float64) float64 { return 6*matrix + 2*row }), // q k v out dout dq, lse delta
		attention("attention_bf16_grad_keys", 6, func(matrix, row float64) float64 { return 6*matrix + 2*row }),    // q k v dout dk dv, lse delta
		attention("attention_bf16", 4, func(matrix, row float64) float64 { return 4*matrix + row }),                // q k v out, lse
		{
			kernels: "matmul_sum", sizes: [3]int{8, 16, 24},
			title: func(u *use) string { return fmt.Sprintf("%d parts of %d x %d", u.int(2), u.int(8), u.int(9)) },
			small: func(u *use, size int) (kernels.Launch, map[int]any) {
				const perBlock = 1024
				return u.with(size, 1, map[int]int{8: size, 9: perBlock}), nil
			},
			full:  func(u *use) ([]float64, float64) { return []float64{float64(u.int(8)*u.int(9)) / 1024}, 1 },
			least: func(u *use) float64 { return float64((u.int(2) + 1) * u.int(8) * u.int(9) * inF32) },
		},
		product(),
		overTable("adamw", 0, func() float64 { return float64(7*inF32*weights + inBF16*copied) }),
		overTable("sum_squares", 1, func() float64 { return float64(inF32 * weights) }),
		{
			kernels: "judge_step", title: numbers(4),
			least: func(u *use) float64 { return float64(inF32 * u.int(4)) },
		},
	}
}

// listed are the names whose value is true.
func listed(names map[string]bool) string {
	var all []string
	for name, is := range names {
		if is {
			all = append(all, name)
		}
	}
	if all == nil {
		return ""
	}
	slices.Sort(all)
	return ", " + strings.Join(all, ", ")
}

// overTable is counted on stretches that all are whole and have a copy in bfloat16, as nearly all do. table is the argument with the table.
func overTable(name string, table int, least func() float64) family {
	return family{
		kernels: name, sizes: [3]int{4, 8, 16},
		title: func(u *use) string { return fmt.Sprintf("%d stretches", u.Grid[0]) },
		small: func(u *use, size int) (kernels.Launch, map[int]any) {
			stretches := func(memory func(i int) kernels.Pointer) any {
				one := kernels.Stretch{Weights: memory(4), Moment1: memory(5), Moment2: memory(6), Gradient: memory(7), Copy: memory(8)}
				whole := int(kernels.Stretches(one, 1<<20)[0].Count)
				return kernels.Stretches(one, size*whole)
			}
			return u.with(size, 1, nil), map[int]any{table: stretches, 2: kernels.Outcome{}}
		},
		full:  func(u *use) ([]float64, float64) { return []float64{float64(u.Grid[0])}, 1 },
		least: func(u *use) float64 { return least() },
	}
}

// attention is counted on one head of a few sequences of the step's length; the offsets of the others are there, of empty sequences behind.
// The first of the numbers among the arguments is the count of sequences; then follow rows, heads, heads that share keys, and the columns of
// a head.
func attention(name string, first int, least func(matrix, row float64) float64) family {
	return family{
		kernels: name, sizes: [3]int{1, 2, 3},
		title: func(u *use) string {
			return fmt.Sprintf("%d x %d rows, %d heads of %d", u.int(first), u.int(first+1)/u.int(first), u.int(first+2), u.int(first+4))
		},
		small: func(u *use, size int) (kernels.Launch, map[int]any) {
			count, rows := u.int(first), u.int(first+1)
			length, offsets := rows/count, make([]int32, count+1)
			for i := range offsets {
				offsets[i] = int32(min(i, size) * length)
			}
			l := u.with(u.Grid[0]*size/count, 1, map[int]int{first + 1: size * length, first + 2: 1})
			return l, map[int]any{first - 1: offsets}
		},
		full: func(u *use) ([]float64, float64) { return []float64{float64(u.int(first))}, float64(u.int(first + 2)) },
		least: func(u *use) float64 {
			rows := float64(u.int(first+1) * u.int(first+2))
			return least(rows*float64(u.int(first+4))*inBF16, rows*inF32)
		},
	}
}

// product is counted on few steps of k: on all of c where a's rows are its columns, else on one row of tiles.
func product() family {
	const (
		bias, addend, pre, function, bf16, m, n, k, perPart = 3, 4, 5, 6, 7, 8, 9, 10, 11
		strip                                               = 32 // steps of k in a turn of the loop
	)
	tile := func(u *use) (rows, columns int) {
		if _, err := fmt.Sscanf(u.Kernel[strings.LastIndex(u.Kernel, "_")+1:], "%dx%d", &rows, &columns); err != nil {
			panic(fmt.Sprintf("kernel %s does not end in its tile: %v", u.Kernel, err))
		}
		return rows, columns
	}
	counted := func(u *use) (rows int) {
		rows, _ = tile(u)
		if strings.Contains(u.Kernel, "_t") || u.int(m)%rows != 0 {
			return u.int(m)
		}
		return rows
	}
	return family{
		kernels: "matmul_bf16", sizes: [3]int{4, 5, 7},
		title: func(u *use) string {
			gelu := map[int]string{int(kernels.WithGELU): ", GELU", int(kernels.WithGELUGrad): ", GELU'"}[u.int(function)]
			return numbers(m, n, k)(u) + listed(map[string]bool{"bias": u.has(bias), "addend": u.has(addend)}) + gelu
		},
		small: func(u *use, size int) (kernels.Launch, map[int]any) {
			rows, columns := tile(u)
			x := (counted(u) + rows - 1) / rows * ((u.int(n) + columns - 1) / columns)
			return u.with(x, 1, map[int]int{m: counted(u), k: size * strip, perPart: size * strip}), nil
		},
		full: func(u *use) ([]float64, float64) {
			var turns []float64
			for left := u.int(k); left > 0; left -= u.int(perPart) {
				turns = append(turns, math.Ceil(float64(min(left, u.int(perPart)))/strip))
			}
			return turns, float64(u.int(m)) / float64(counted(u))
		},
		least: func(u *use) float64 {
			out := inF32
			if u.int(bf16) == 1 {
				out = inBF16
			}
			c := float64(u.int(m) * u.int(n) * out)
			bytes := inBF16*float64(u.int(k)*(u.int(m)+u.int(n))) + c*float64(u.Grid[1])
			for _, operand := range []int{addend, pre} {
				if u.has(operand) {
					bytes += c
				}
			}
			return bytes
		},
	}
}
