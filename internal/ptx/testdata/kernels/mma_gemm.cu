// c [m, n] = a [m, k] b [n, k]^T: bfloat16 in, float32 sums and output, on tensor cores. A block of 4 warps makes 64x64 of c,
// a warp 32x32 of it; tiles of 32 along k come by cp.async into a ring of two. m and n are any numbers, k is a multiple of 8.
#include <cuda_bf16.h>

constexpr int tile = 64, depth = 32, stages = 2;

// Where chunk (8 values, 16 bytes) of row lies in a tile: spread by xor, so that the 8 rows that ldmatrix reads at once lie in
// different banks.
__device__ int place(int row, int chunk) { return row * depth + (chunk ^ (row / 2 % 4)) * 8; }

__device__ unsigned shared_address(const void *p) { return (unsigned)__cvta_generic_to_shared(p); }

__device__ void copy16(void *to, const void *from, bool inside) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(to)), "l"(from), "r"(inside ? 16 : 0) : "memory");
}

__device__ void load_tile(__nv_bfloat16 *to, const __nv_bfloat16 *from, int row0, int rows, int k0, int k) {
#pragma unroll 1
    for (int i = threadIdx.x; i < tile * depth / 8; i += 128) {
        int r = i / (depth / 8), chunk = i % (depth / 8);
        bool inside = row0 + r < rows && k0 + chunk * 8 < k;
        copy16(to + place(r, chunk), inside ? from + (size_t)(row0 + r) * k + k0 + chunk * 8 : from, inside);
    }
}

__device__ void load_matrices(unsigned r[4], const __nv_bfloat16 *p) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(shared_address(p))
                 : "memory");
}

__device__ void multiply(float d[4], const unsigned a[4], unsigned b0, unsigned b1) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

extern "C" __global__ void __launch_bounds__(128)
mma_gemm(float *c, const __nv_bfloat16 *a, const __nv_bfloat16 *b, int m, int n, int k) {
    extern __shared__ __align__(16) __nv_bfloat16 ring[]; // stages of [a tile, b tile]
    int row0 = blockIdx.y * tile, column0 = blockIdx.x * tile;
    int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    int wr = warp / 2 * 32, wc = warp % 2 * 32;
    float sum[2][4][4] = {};
    int steps = (k + depth - 1) / depth;
    load_tile(ring, a, row0, m, 0, k);
    load_tile(ring + tile * depth, b, column0, n, 0, k);
    asm volatile("cp.async.commit_group;" ::: "memory");
#pragma unroll 1
    for (int step = 0; step < steps; step++) {
        if (step + 1 < steps) {
            __nv_bfloat16 *next = ring + (step + 1) % stages * 2 * tile * depth;
            load_tile(next, a, row0, m, (step + 1) * depth, k);
            load_tile(next + tile * depth, b, column0, n, (step + 1) * depth, k);
        }
        asm volatile("cp.async.commit_group;" ::: "memory");
        asm volatile("cp.async.wait_group 1;" ::: "memory");
        __syncthreads();
        const __nv_bfloat16 *as = ring + step % stages * 2 * tile * depth, *bs = as + tile * depth;
        for (int half = 0; half < 2; half++) {
            unsigned x[2][4], y[2][4];
            for (int i = 0; i < 2; i++) load_matrices(x[i], as + place(wr + i * 16 + lane % 16, half * 2 + lane / 16));
            for (int j = 0; j < 2; j++) load_matrices(y[j], bs + place(wc + j * 16 + lane % 16, half * 2 + lane / 16));
            for (int i = 0; i < 2; i++)
                for (int j = 0; j < 4; j++) multiply(sum[i][j], x[i], y[j / 2][j % 2], y[j / 2][j % 2 + 2]);
        }
        __syncthreads();
    }
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < 4; j++)
            for (int v = 0; v < 4; v++) {
                int r = row0 + wr + i * 16 + lane / 4 + v / 2 * 8, col = column0 + wc + j * 8 + lane % 4 * 2 + v % 2;
                if (r < m && col < n) c[(size_t)r * n + col] = sum[i][j][v];
            }
}
