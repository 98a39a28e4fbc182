// Matrix product in float32 (ref.MatMul): c = op(a)·op(b) + bias, c [m, n]. op(a) [m, k] is a [m, k], or the transpose of a [k, m]; op(b)
// [k, n] is b [k, n], or the transpose of b [n, k]; bias [n] may be null. Entries end in n or t for a and for b, and in the tile.
//
// A block of 256 threads makes a tile of c, tile x tile, from strips of a and b of 16 steps of k, which lie in shared memory k-major.
// While it multiplies one pair of strips it loads the next into registers. A thread makes (tile/16)² elements, in groups of 4 x 4 that
// are 64 apart, so that the 16 threads of a row read 256 bytes in a row from shared memory.

constexpr int depth = 16, threads = 256;

// Strip is 16 steps of k of `tile` rows of op(a), or columns of op(b), on its way from global to shared memory. In memory either k or the
// other index, which is called the span, runs fastest: along_span says which.
template <int tile, bool along_span>
struct Strip {
    static constexpr int pieces = depth * tile / threads / 4; // of 4 elements, for each thread
    float values[pieces][4];

    // place says which steps of k and which elements of the span piece p of this thread is: 4 of the one that runs fastest.
    static __device__ void place(int p, int &step, int &span) {
        int piece = p * threads + threadIdx.x;
        step = along_span ? piece / (tile / 4) : piece % (depth / 4) * 4;
        span = along_span ? piece % (tile / 4) * 4 : piece / (depth / 4);
    }

    // load reads from x the steps from k0 and the elements of the span from span0; what lies outside counts as 0.
    __device__ void load(const float *x, int k0, int k, int span0, int spans) {
        for (int p = 0; p < pieces; p++) {
            int step, span;
            place(p, step, span);
            step += k0;
            span += span0;
            int row = along_span ? step : span, rows = along_span ? k : spans;
            int column = along_span ? span : step, columns = along_span ? spans : k;
            const float *from = x + (size_t)row * columns + column;
            if (columns % 4 == 0) {
                float4 v = row < rows && column < columns ? *(const float4 *)from : float4{};
                values[p][0] = v.x, values[p][1] = v.y, values[p][2] = v.z, values[p][3] = v.w;
            } else {
                for (int e = 0; e < 4; e++) values[p][e] = row < rows && column + e < columns ? from[e] : 0;
            }
        }
    }

    __device__ void store(float to[depth][tile + 4]) const {
        for (int p = 0; p < pieces; p++) {
            int step, span;
            place(p, step, span);
            if (along_span)
                *(float4 *)&to[step][span] = {values[p][0], values[p][1], values[p][2], values[p][3]};
            else
                for (int e = 0; e < 4; e++) to[step + e][span] = values[p][e];
        }
    }
};

// write writes 4 elements of a row of c, as far as they lie in it.
__device__ void write(float *c, const float v[4], const float *bias, int row, int column, int m, int n) {
    if (row >= m || column >= n) return;
    float *to = c + (size_t)row * n + column;
    if (n % 4 == 0) {
        float4 b = bias ? *(const float4 *)(bias + column) : float4{};
        *(float4 *)to = {v[0] + b.x, v[1] + b.y, v[2] + b.z, v[3] + b.w};
        return;
    }
#pragma unroll
    for (int j = 0; j < 4; j++)
        if (column + j < n) to[j] = v[j] + (bias ? bias[column + j] : 0);
}

template <int tile, bool trans_a, bool trans_b>
__device__ void matmul(float *c, const float *a, const float *b, const float *bias, int m, int n, int k) {
    constexpr int groups = tile / 64;
    __shared__ __align__(16) float as[depth][tile + 4], bs[depth][tile + 4];
    int row0 = blockIdx.y * tile, column0 = blockIdx.x * tile, ty = threadIdx.x / 16 * 4, tx = threadIdx.x % 16 * 4;
    float sum[groups][4][groups][4] = {};
    Strip<tile, trans_a> a_strip;
    Strip<tile, !trans_b> b_strip;
    a_strip.load(a, 0, k, row0, m);
    b_strip.load(b, 0, k, column0, n);
#pragma unroll 1
    for (int k0 = 0; k0 < k; k0 += depth) {
        a_strip.store(as);
        b_strip.store(bs);
        __syncthreads();
        if (k0 + depth < k) {
            a_strip.load(a, k0 + depth, k, row0, m);
            b_strip.load(b, k0 + depth, k, column0, n);
        }
#pragma unroll
        for (int step = 0; step < depth; step++) {
            float x[groups][4], y[groups][4];
            for (int g = 0; g < groups; g++) {
                *(float4 *)x[g] = *(const float4 *)&as[step][g * 64 + ty];
                *(float4 *)y[g] = *(const float4 *)&bs[step][g * 64 + tx];
            }
            for (int gi = 0; gi < groups; gi++)
                for (int i = 0; i < 4; i++)
                    for (int gj = 0; gj < groups; gj++)
                        for (int j = 0; j < 4; j++) sum[gi][i][gj][j] = fmaf(x[gi][i], y[gj][j], sum[gi][i][gj][j]);
        }
        __syncthreads();
    }
#pragma unroll
    for (int gi = 0; gi < groups; gi++)
#pragma unroll
        for (int i = 0; i < 4; i++)
#pragma unroll
            for (int gj = 0; gj < groups; gj++)
                write(c, sum[gi][i][gj], bias, row0 + gi * 64 + ty + i, column0 + gj * 64 + tx, m, n);
}

#define MATMUL(name, tile, trans_a, trans_b)                                                                                  \
    extern "C" __global__ void __launch_bounds__(threads, 2)                                                                  \
    name(float *c, const float *a, const float *b, const float *bias, int m, int n, int k) {                                  \
        matmul<tile, trans_a, trans_b>(c, a, b, bias, m, n, k);                                                               \
    }

MATMUL(matmul_f32_nn_64, 64, false, false)
MATMUL(matmul_f32_nt_64, 64, false, true)
MATMUL(matmul_f32_tn_64, 64, true, false)
MATMUL(matmul_f32_tt_64, 64, true, true)
MATMUL(matmul_f32_nn_128, 128, false, false)
MATMUL(matmul_f32_nt_128, 128, false, true)
MATMUL(matmul_f32_tn_128, 128, true, false)
MATMUL(matmul_f32_tt_128, 128, true, true)
