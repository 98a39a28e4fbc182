package kernels_test

import (
	"fmt"
	"math"
	"testing"

	"trainer/internal/cuda/kernels"
	"trainer/internal/ref"
)

// products are less than a tile, whole tiles, more than one and ragged in every direction, along which vectors fit or not.
func products() []kernels.Product {
	var all []kernels.Product
	sizes := [][3]int{{1, 1, 1}, {3, 5, 7}, {64, 64, 16}, {128, 128, 32}, {68, 132, 20}, {12, 200, 34}, {131, 67, 37}, {65, 9, 131}}
	for _, size := range sizes {
		for _, transA := range []bool{false, true} {
			for _, transB := range []bool{false, true} {
				all = append(all, kernels.Product{M: size[0], N: size[1], K: size[2], TransA: transA, TransB: transB})
			}
		}
	}
	return all
}

func TestMatMulF32InBothTiles(t *testing.T) {
	for i, p := range products() {
		for _, tile := range []int{64, 128} {
			subtest(t, func(t *testing.T) {
				s := newSource(i)
				a, b, bias := s.normals(p.M*p.K), s.normals(p.K*p.N), s.normals(p.N)
				var pbias kernels.Pointer
				if i/4%2 == 0 {
					pbias = upload(t, bias)
				} else {
					bias = nil
				}
				c, want := roomForFloats(t, p.M*p.N), make([]float32, p.M*p.N)
				launch(t, kernels.MatMulF32InTiles(c, upload(t, a), upload(t, b), pbias, p, tile))
				ref.MatMul(want, a, b, bias, p.M, p.N, p.K, p.TransA, p.TransB)
				// k roundings of 6e-8 of sums near √k, most of which cancel.
				near(t, "c", downloadFloats(t, c, len(want)), want, 1e-6, math.Sqrt(float64(p.K)))
			}, fmt.Sprintf("%+v ", p), tile)
		}
	}
}

func TestMatMulF32TakesLargeTilesForLargeProducts(t *testing.T) {
	small, large := kernels.Product{M: 1024, N: 1024, K: 8}, kernels.Product{M: 2048, N: 1024, K: 8, TransB: true}
	if l := kernels.MatMulF32(1, 1, 1, 0, small); l.Kernel != "matmul_f32_nn_64" || l.Grid != [3]int{16, 16, 1} {
		t.Errorf("a small product is %s on a grid of %v", l.Kernel, l.Grid)
	}
	if l := kernels.MatMulF32(1, 1, 1, 0, large); l.Kernel != "matmul_f32_nt_128" || l.Grid != [3]int{8, 16, 1} {
		t.Errorf("a large product is %s on a grid of %v", l.Kernel, l.Grid)
	}
}
