// Matrix product on tensor cores (ref.MatMul): c = op(a)·op(b) + bias, for a and b in bfloat16, sums and c [m, n] in float32, and on
// the way activated = GELU(c) in bfloat16, the operand of the next product. bias [n] and activated may be null. Rows of a, b and
// activated begin at multiples of 8 elements. Entries end in n or t for a and for b, and in the tile.
//
// A block makes a tile of c, tile x tile, from strips of 32 steps of k of a and of b, which cp.async brings into a ring of three: while
// one pair is multiplied, two are on their way. A warp makes its part of the tile by mma.sync m16n8k16. Strips lie in shared
// memory as in global memory, whichever index runs fastest; ldmatrix transposes those that need it. Their 16-byte pieces are permuted
// by xor, so that the 8 pieces that ldmatrix reads at once lie in different banks.
#include <cuda_bf16.h>

#include "common.cuh"
#include "gelu.cuh"

constexpr int depth = 32, stages = 3, piece = 8; // steps of k in a strip; strips in the ring; elements in 16 bytes

// threads is how many a block has: 8 warps that make 64 x 32 each of a tile of 128, or 4 that make 32 x 32 of one of 64.
template <int tile>
constexpr int threads = 2 * tile;

__device__ unsigned shared_address(const void *p) { return (unsigned)__cvta_generic_to_shared(p); }

// Strip is `depth` steps of k of `tile` rows of op(a), or columns of op(b): the span. along_span says that the span runs fastest, not k.
template <int tile, bool along_span>
struct Strip {
    static constexpr int pieces = (along_span ? tile : depth) / piece; // of a row in shared memory

    static __device__ int place(int row, int p) {
        return (row * pieces + (along_span ? p ^ row % 8 : p ^ row / 2 % 4)) * piece;
    }

    // load starts the copy of the steps from k0 and the elements of the span from span0; what lies outside becomes 0.
    static __device__ void load(__nv_bfloat16 *to, const __nv_bfloat16 *x, int k0, int k, int span0, int spans) {
        int row0 = along_span ? k0 : span0, rows = along_span ? k : spans;
        int column0 = along_span ? span0 : k0, columns = along_span ? spans : k;
        int pitch = (columns + piece - 1) / piece * piece;
#pragma unroll
        for (int round = 0; round < tile * depth / piece / threads<tile>; round++) {
            int i = round * threads<tile> + threadIdx.x;
            int r = i / pieces, p = i % pieces, row = row0 + r, column = column0 + p * piece;
            int inside = row < rows ? min(max(columns - column, 0), piece) : 0;
            const __nv_bfloat16 *from = inside ? x + (size_t)row * pitch + column : x;
            asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(to + place(r, p))), "l"(from), "r"(inside * 2)
                         : "memory");
        }
    }

    // fragment reads steps k0 to k0 + 16 of 16 elements of the span as mma.sync wants them: registers 0 and 2 are the first 8 of the span,
    // 1 and 3 the others; 0 and 1 the first 8 steps.
    static __device__ void fragment(unsigned r[4], const __nv_bfloat16 *strip, int k0, int span0, int lane) {
        if (along_span)
            asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                         : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                         : "r"(shared_address(strip + place(k0 + lane / 16 * 8 + lane % 8, span0 / piece + lane / 8 % 2)))
                         : "memory");
        else
            asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                         : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                         : "r"(shared_address(strip + place(span0 + lane % 16, k0 / piece + lane / 16)))
                         : "memory");
    }
};

__device__ void multiply(float d[4], const unsigned a[4], unsigned b0, unsigned b1) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

// write writes the elements at column and column + 1 of a row, as far as they lie in it; column is even.
__device__ void write(float *c, __nv_bfloat16 *activated, const float *bias, float v0, float v1, int row, int column, int m, int n) {
    if (row >= m || column >= n) return;
    bool both = column + 1 < n;
    if (bias) {
        v0 += bias[column];
        if (both) v1 += bias[column + 1];
    }
    float *to = c + (size_t)row * n + column;
    if (n % 2 == 0) {
        *(float2 *)to = {v0, v1};
    } else {
        to[0] = v0;
        if (both) to[1] = v1;
    }
    if (!activated) return;
    __nv_bfloat16 *h = activated + (size_t)row * ((n + piece - 1) / piece * piece) + column;
    if (both) *(__nv_bfloat162 *)h = __floats2bfloat162_rn(gelu_of(v0), gelu_of(v1));
    else *h = __float2bfloat16_rn(gelu_of(v0));
}

template <int tile, bool trans_a, bool trans_b>
__device__ void matmul(float *c, __nv_bfloat16 *activated, const __nv_bfloat16 *a, const __nv_bfloat16 *b, const float *bias, int m, int n,
                       int k) {
    using A = Strip<tile, trans_a>;
    using B = Strip<tile, !trans_b>;
    constexpr int strip = tile * depth, warps_across = tile / 32, warp_rows = tile / 2;
    extern __shared__ __align__(16) __nv_bfloat16 ring[]; // stages of a strip of a and one of b
    int row0 = blockIdx.y * tile, column0 = blockIdx.x * tile, lane = threadIdx.x % warp_size, warp = threadIdx.x / warp_size;
    int warp_row = warp / warps_across * warp_rows, warp_column = warp % warps_across * 32;
    float sum[warp_rows / 16][4][4] = {};

    // A group of copies is committed at every step, empty behind the end, so that waiting for all but one always means this step's.
    int steps = (k + depth - 1) / depth;
    auto fetch = [=](int step) {
        if (step < steps) {
            __nv_bfloat16 *to = ring + step % stages * 2 * strip;
            A::load(to, a, step * depth, k, row0, m);
            B::load(to + strip, b, step * depth, k, column0, n);
        }
        asm volatile("cp.async.commit_group;" ::: "memory");
    };
    for (int step = 0; step < stages - 1; step++) fetch(step);
#pragma unroll 1
    for (int step = 0; step < steps; step++) {
        asm volatile("cp.async.wait_group %0;" ::"n"(stages - 2) : "memory");
        __syncthreads(); // the strips of this step are here, and those of the step before are free
        fetch(step + stages - 1);
        const __nv_bfloat16 *as = ring + step % stages * 2 * strip, *bs = as + strip;
#pragma unroll
        for (int k0 = 0; k0 < depth; k0 += 16) {
            unsigned x[warp_rows / 16][4], y[2][4];
#pragma unroll
            for (int i = 0; i < warp_rows / 16; i++) A::fragment(x[i], as, k0, warp_row + i * 16, lane);
#pragma unroll
            for (int j = 0; j < 2; j++) B::fragment(y[j], bs, k0, warp_column + j * 16, lane);
#pragma unroll
            for (int i = 0; i < warp_rows / 16; i++)
#pragma unroll
                for (int j = 0; j < 4; j++) multiply(sum[i][j], x[i], y[j / 2][j % 2], y[j / 2][j % 2 + 2]);
        }
    }
#pragma unroll
    for (int i = 0; i < warp_rows / 16; i++)
#pragma unroll
        for (int j = 0; j < 4; j++) {
            int row = row0 + warp_row + i * 16 + lane / 4, column = column0 + warp_column + j * 8 + lane % 4 * 2;
            write(c, activated, bias, sum[i][j][0], sum[i][j][1], row, column, m, n);
            write(c, activated, bias, sum[i][j][2], sum[i][j][3], row + 8, column, m, n);
        }
}

#define MATMUL(name, tile, trans_a, trans_b)                                                                                             \
    extern "C" __global__ void __launch_bounds__(threads<tile>)                                                                          \
    name(float *c, __nv_bfloat16 *activated, const __nv_bfloat16 *a, const __nv_bfloat16 *b, const float *bias, int m, int n, int k) {   \
        matmul<tile, trans_a, trans_b>(c, activated, a, b, bias, m, n, k);                                                               \
    }

MATMUL(matmul_bf16_nn_64, 64, false, false)
MATMUL(matmul_bf16_nt_64, 64, false, true)
MATMUL(matmul_bf16_tn_64, 64, true, false)
MATMUL(matmul_bf16_tt_64, 64, true, true)
MATMUL(matmul_bf16_nn_128, 128, false, false)
MATMUL(matmul_bf16_nt_128, 128, false, true)
MATMUL(matmul_bf16_tn_128, 128, true, false)
MATMUL(matmul_bf16_tt_128, 128, true, true)
