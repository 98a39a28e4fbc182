// Causal attention inside each sequence (ref.Attention) and its gradient (ref.AttentionGrad), in float32, without a matrix of rows x
// rows (Dao et al. 2022): a block keeps a tile of rows of one head in shared memory and walks over tiles of the rows it meets.
//
// qkv and dqkv [rows, (heads + 2·heads/group)·head_dim]: a row holds queries, keys and values, head after head, and `group` neighbouring
// heads of queries share one of keys and values. out and dout [rows, heads·head_dim]; lse and delta [heads, rows]; offsets [sequences + 1],
// where sequence s is rows offsets[s] to offsets[s+1]. Rows of no sequence get zeros.
// Entries end in D, the head dimension rounded up: what lies behind head_dim counts as 0.
//
// Tiles are cut from the packed rows, whatever sequences they belong to, and a mask keeps these apart: a block has work for all its threads
// however short the sequences are, and no table of tiles is needed. The gradient of queries, and that of keys and values, are two
// kernels which compute the scores anew: one kernel would have to add to rows of other blocks, in an order that varies.
#include <math_constants.h>

#include "sequences.cuh"

constexpr int threads = 256, side = 16; // a block is side x side threads: ty for rows it keeps, tx for what they meet
constexpr float log2_e = 1.4426950408889634f, ln_2 = 0.6931471805599453f;

template <int D>
struct Tile {
    static constexpr int kept = D <= 64 ? 64 : 32, met = 32; // rows
    static constexpr int pitch = D + 4;                      // of a row in shared memory: 16 rows' pieces of 16 bytes in different banks
    static constexpr int score_pitch = met + 4;
    static constexpr int rows = kept / side;                 // that a thread has of the kept ones: ty·rows, ty·rows + 1, ...
    static constexpr int columns = D / side;                 // that a thread has of their D columns
    static constexpr int vector = columns < 4 ? columns : 4; // columns in a row
};

// column is the place of the thread's column j.
template <int D>
__device__ int column(int tx, int j) {
    constexpr int vector = Tile<D>::vector;
    return j / vector * side * vector + tx * vector + j % vector;
}

// exists says that the thread's column j is one of head_dim. A head has more than half of D columns, unless D is the least: else the next
// smaller kernel would have been taken.
template <int D>
__device__ bool exists(int tx, int j, int head_dim) {
    constexpr int vector = Tile<D>::vector;
    return (j / vector + 1) * side * vector <= D / 2 || column<D>(tx, j) < head_dim;
}

// load copies `count` rows of head_dim columns to shared memory, from row `row0` on; rows from `end` on and columns behind are 0.
template <int D, int count>
__device__ void load(float *to, const float *from, int stride, int row0, int end, int head_dim) {
    constexpr int pieces = count * D / 4, rounds = (pieces + threads - 1) / threads;
#pragma unroll 2
    for (int round = 0; round < rounds; round++) {
        int i = round * threads + threadIdx.x;
        if (pieces % threads != 0 && i >= pieces) return;
        int r = i / (D / 4), d = i % (D / 4) * 4, row = row0 + r;
        const float *piece = from + (size_t)row * stride + d;
        float4 v = {};
        if (row < end && head_dim % 4 == 0) {
            if (d < head_dim) v = *(const float4 *)piece;
        } else if (row < end) {
            if (d < head_dim) v.x = piece[0];
            if (d + 1 < head_dim) v.y = piece[1];
            if (d + 2 < head_dim) v.z = piece[2];
            if (d + 3 < head_dim) v.w = piece[3];
        }
        *(float4 *)(to + r * Tile<D>::pitch + d) = v;
    }
}

// dot multiplies the thread's kept rows with the met rows tx and tx + 16.
template <int D>
__device__ void dot(float s[Tile<D>::rows][2], const float *kept, const float *met, int ty, int tx) {
    constexpr int rows = Tile<D>::rows, pitch = Tile<D>::pitch;
    for (int r = 0; r < rows; r++) s[r][0] = s[r][1] = 0;
#pragma unroll 4
    for (int d = 0; d < D; d += 4) {
        float4 y[2];
        for (int j = 0; j < 2; j++) y[j] = *(const float4 *)(met + (tx + side * j) * pitch + d);
        for (int r = 0; r < rows; r++) {
            float4 x = *(const float4 *)(kept + (ty * rows + r) * pitch + d);
            for (int j = 0; j < 2; j++) s[r][j] += x.x * y[j].x + x.y * y[j].y + x.z * y[j].z + x.w * y[j].w;
        }
    }
}

// accumulate adds the met rows, weighted by the scores [kept, met], to the thread's part of the kept rows.
template <int D>
__device__ void accumulate(float sum[Tile<D>::rows][Tile<D>::columns], const float *scores, const float *met, int ty, int tx) {
    using T = Tile<D>;
#pragma unroll 2
    for (int m = 0; m < T::met; m += 4) {
        float weight[T::rows][4];
        for (int r = 0; r < T::rows; r++) *(float4 *)weight[r] = *(const float4 *)(scores + (ty * T::rows + r) * T::score_pitch + m);
#pragma unroll
        for (int e = 0; e < 4; e++) {
            float x[T::columns];
            const float *row = met + (m + e) * T::pitch;
            for (int j = 0; j < T::columns; j += T::vector) {
                const float *from = row + column<D>(tx, j);
                if constexpr (T::vector == 4) *(float4 *)(x + j) = *(const float4 *)from;
                else if constexpr (T::vector == 2) *(float2 *)(x + j) = *(const float2 *)from;
                else x[j] = *from;
            }
            for (int r = 0; r < T::rows; r++)
                for (int j = 0; j < T::columns; j++) sum[r][j] += weight[r][e] * x[j];
        }
    }
}

// write writes a row of the thread's part of the kept rows, times a factor.
template <int D>
__device__ void write(float *row, const float sum[Tile<D>::columns], float factor, int head_dim, int tx) {
#pragma unroll
    for (int j = 0; j < Tile<D>::columns; j++)
        if (exists<D>(tx, j, head_dim)) row[column<D>(tx, j)] = sum[j] * factor;
}

// over_row is the sum or the maximum over the 16 threads that share rows.
__device__ float sum_over_row(float v) {
    for (int apart = side / 2; apart > 0; apart /= 2) v += __shfl_xor_sync(0xffffffffu, v, apart);
    return v;
}
__device__ float max_over_row(float v) {
    for (int apart = side / 2; apart > 0; apart /= 2) v = fmaxf(v, __shfl_xor_sync(0xffffffffu, v, apart));
    return v;
}

template <int D>
__device__ void forward(float *out, float *lse, const float *qkv, const int *offsets, int sequences, int rows, int heads, int group,
                        int head_dim) {
    using T = Tile<D>;
    extern __shared__ __align__(16) float shared[];
    float *qs = shared, *ks = qs + T::kept * T::pitch, *vs = ks + T::met * T::pitch, *ps = vs + T::met * T::pitch;
    int tx = threadIdx.x % side, ty = threadIdx.x / side, head = blockIdx.y, c = heads * head_dim;
    int keys = heads / group, pitch = (heads + 2 * keys) * head_dim;
    int row0 = (gridDim.x - 1 - blockIdx.x) * T::kept; // the last tiles have the longest way: they start first
    const float *q = qkv + head * head_dim, *k = qkv + (heads + head / group) * head_dim, *v = k + keys * head_dim;
    float scale = log2_e / sqrtf((float)head_dim);

    Range kept = rows_in_sequences(row0, T::kept, offsets, sequences);
    int begin[T::rows];
    float largest[T::rows], sum[T::rows], o[T::rows][T::columns] = {};
#pragma unroll
    for (int r = 0; r < T::rows; r++) {
        int row = row0 + ty * T::rows + r;
        begin[r] = kept.has(row) ? sequence_of(row, offsets, sequences).begin : none;
        largest[r] = -CUDART_INF_F;
        sum[r] = 0;
    }
    load<D, T::kept>(qs, q, pitch, row0, kept.last, head_dim);
    int j0 = kept.empty() ? kept.last : sequence_of(kept.first, offsets, sequences).begin;
    for (; j0 < kept.last; j0 += T::met) {
        __syncthreads();
        load<D, T::met>(ks, k, pitch, j0, kept.last, head_dim);
        load<D, T::met>(vs, v, pitch, j0, kept.last, head_dim);
        __syncthreads();
        float s[T::rows][2];
        dot<D>(s, qs, ks, ty, tx);
#pragma unroll
        for (int r = 0; r < T::rows; r++) {
            int row = row0 + ty * T::rows + r;
            float most = largest[r];
            for (int j = 0; j < 2; j++) {
                int key = j0 + tx + side * j;
                s[r][j] *= scale;
                if (key >= begin[r] && key <= row) most = fmaxf(most, s[r][j]);
            }
            most = max_over_row(most);
            float fade = most == largest[r] ? 1 : exp2f(largest[r] - most); // both may be -infinity: no key of the row was met
            float more = 0;
            for (int j = 0; j < 2; j++) {
                int key = j0 + tx + side * j;
                float p = key >= begin[r] && key <= row ? exp2f(s[r][j] - most) : 0;
                ps[(ty * T::rows + r) * T::score_pitch + tx + side * j] = p;
                more += p;
            }
            largest[r] = most;
            sum[r] = sum[r] * fade + sum_over_row(more);
            for (int j = 0; j < T::columns; j++) o[r][j] *= fade;
        }
        __syncwarp(); // a row's scores are written and read by one half of a warp
        accumulate<D>(o, ps, vs, ty, tx);
    }
#pragma unroll
    for (int r = 0; r < T::rows; r++) {
        int row = row0 + ty * T::rows + r;
        if (row >= rows) continue;
        bool empty = sum[r] == 0;
        write<D>(out + (size_t)row * c + head * head_dim, o[r], empty ? 0 : 1 / sum[r], head_dim, tx);
        if (tx == 0) lse[(size_t)head * rows + row] = empty ? 0 : (largest[r] + log2f(sum[r])) * ln_2;
    }
}

// The gradient of queries, and delta_i = dout_i·out_i for that of keys and values.
template <int D>
__device__ void grad_queries(float *dqkv, float *delta, const float *qkv, const float *out, const float *lse, const float *dout,
                             const int *offsets, int sequences, int rows, int heads, int group, int head_dim) {
    using T = Tile<D>;
    extern __shared__ __align__(16) float shared[];
    float *qs = shared, *dos = qs + T::kept * T::pitch, *ks = dos + T::kept * T::pitch, *vs = ks + T::met * T::pitch;
    float *dss = vs + T::met * T::pitch;
    int tx = threadIdx.x % side, ty = threadIdx.x / side, head = blockIdx.y, c = heads * head_dim;
    int keys = heads / group, pitch = (heads + 2 * keys) * head_dim;
    int row0 = (gridDim.x - 1 - blockIdx.x) * T::kept;
    const float *q = qkv + head * head_dim, *k = qkv + (heads + head / group) * head_dim, *v = k + keys * head_dim;
    float root = 1 / sqrtf((float)head_dim), scale = root * log2_e;

    Range kept = rows_in_sequences(row0, T::kept, offsets, sequences);
    load<D, T::kept>(qs, q, pitch, row0, kept.last, head_dim);
    load<D, T::kept>(dos, dout + head * head_dim, c, row0, kept.last, head_dim);
    __syncthreads();
    int begin[T::rows];
    float log_sum[T::rows], d[T::rows], dq[T::rows][T::columns] = {};
#pragma unroll
    for (int r = 0; r < T::rows; r++) {
        int row = row0 + ty * T::rows + r;
        bool whole = kept.has(row);
        begin[r] = whole ? sequence_of(row, offsets, sequences).begin : none;
        log_sum[r] = whole ? lse[(size_t)head * rows + row] * log2_e : 0;
        float product = 0;
        if (whole)
            for (int j = 0; j < T::columns; j++) {
                int at = column<D>(tx, j);
                if (exists<D>(tx, j, head_dim)) product += dos[(ty * T::rows + r) * T::pitch + at] * out[(size_t)row * c + head * head_dim + at];
            }
        d[r] = sum_over_row(product);
        if (tx == 0 && row < rows) delta[(size_t)head * rows + row] = d[r];
    }
    int j0 = kept.empty() ? kept.last : sequence_of(kept.first, offsets, sequences).begin;
    for (; j0 < kept.last; j0 += T::met) {
        __syncthreads();
        load<D, T::met>(ks, k, pitch, j0, kept.last, head_dim);
        load<D, T::met>(vs, v, pitch, j0, kept.last, head_dim);
        __syncthreads();
        float s[T::rows][2], dp[T::rows][2];
        dot<D>(s, qs, ks, ty, tx);
        dot<D>(dp, dos, vs, ty, tx);
#pragma unroll
        for (int r = 0; r < T::rows; r++)
            for (int j = 0; j < 2; j++) {
                int key = j0 + tx + side * j;
                bool met = key >= begin[r] && key <= row0 + ty * T::rows + r;
                float p = met ? exp2f(s[r][j] * scale - log_sum[r]) : 0;
                dss[(ty * T::rows + r) * T::score_pitch + tx + side * j] = p * (dp[r][j] - d[r]) * root;
            }
        __syncwarp();
        accumulate<D>(dq, dss, ks, ty, tx);
    }
#pragma unroll
    for (int r = 0; r < T::rows; r++) {
        int row = row0 + ty * T::rows + r;
        if (row < rows) write<D>(dqkv + (size_t)row * pitch + head * head_dim, dq[r], 1, head_dim, tx);
    }
}

// The gradients of keys and values: the block keeps keys and values, and meets the queries of one head after the other that share them.
template <int D>
__device__ void grad_keys(float *dqkv, const float *delta, const float *qkv, const float *lse, const float *dout, const int *offsets,
                          int sequences, int rows, int heads, int group, int head_dim) {
    using T = Tile<D>;
    extern __shared__ __align__(16) float shared[];
    float *ks = shared, *vs = ks + T::kept * T::pitch, *qs = vs + T::kept * T::pitch, *dos = qs + T::met * T::pitch;
    float *ps = dos + T::met * T::pitch, *dss = ps + T::kept * T::score_pitch;
    int tx = threadIdx.x % side, ty = threadIdx.x / side, keys = gridDim.y, c = heads * head_dim, row0 = blockIdx.x * T::kept;
    int key = (heads + blockIdx.y) * head_dim, value = key + keys * head_dim, pitch = (heads + 2 * keys) * head_dim;
    float root = 1 / sqrtf((float)head_dim), scale = root * log2_e;

    Range kept = rows_in_sequences(row0, T::kept, offsets, sequences);
    load<D, T::kept>(ks, qkv + key, pitch, row0, kept.last, head_dim);
    load<D, T::kept>(vs, qkv + value, pitch, row0, kept.last, head_dim);
    int end[T::rows];
    float dk[T::rows][T::columns] = {}, dv[T::rows][T::columns] = {};
#pragma unroll
    for (int r = 0; r < T::rows; r++) {
        int row = row0 + ty * T::rows + r;
        end[r] = kept.has(row) ? sequence_of(row, offsets, sequences).end : 0;
    }
    int last = kept.empty() ? kept.first : sequence_of(kept.last - 1, offsets, sequences).end;
    int head = blockIdx.y * group, behind = head + group;
#pragma unroll 1
    do { // at least one
        for (int i0 = kept.first; i0 < last; i0 += T::met) {
            __syncthreads();
            load<D, T::met>(qs, qkv + head * head_dim, pitch, i0, last, head_dim);
            load<D, T::met>(dos, dout + head * head_dim, c, i0, last, head_dim);
            __syncthreads();
            float s[T::rows][2], dp[T::rows][2];
            dot<D>(s, ks, qs, ty, tx);
            dot<D>(dp, vs, dos, ty, tx);
#pragma unroll
            for (int j = 0; j < 2; j++) {
                int query = i0 + tx + side * j;
                size_t at = (size_t)head * rows + min(query, last - 1);
                float log_sum = lse[at] * log2_e, d = delta[at];
                for (int r = 0; r < T::rows; r++) {
                    bool met = query >= row0 + ty * T::rows + r && query < end[r];
                    float p = met ? exp2f(s[r][j] * scale - log_sum) : 0;
                    int place = (ty * T::rows + r) * T::score_pitch + tx + side * j;
                    ps[place] = p;
                    dss[place] = p * (dp[r][j] - d) * root;
                }
            }
            __syncwarp();
            accumulate<D>(dv, ps, dos, ty, tx);
            accumulate<D>(dk, dss, qs, ty, tx);
        }
    } while (++head < behind);
#pragma unroll
    for (int r = 0; r < T::rows; r++) {
        int row = row0 + ty * T::rows + r;
        if (row >= rows) continue;
        float *to = dqkv + (size_t)row * pitch;
        write<D>(to + key, dk[r], 1, head_dim, tx);
        write<D>(to + value, dv[r], 1, head_dim, tx);
    }
}

#define ATTENTION(D)                                                                                                                     \
    extern "C" __global__ void __launch_bounds__(threads, 2)                                                                             \
    attention_##D(float *out, float *lse, const float *qkv, const int *offsets, int sequences, int rows, int heads, int group,           \
                 int head_dim) {                                                                                                         \
        forward<D>(out, lse, qkv, offsets, sequences, rows, heads, group, head_dim);                                                     \
    }                                                                                                                                    \
    extern "C" __global__ void __launch_bounds__(threads, 2)                                                                             \
    attention_grad_queries_##D(float *dqkv, float *delta, const float *qkv, const float *out, const float *lse, const float *dout,       \
                              const int *offsets, int sequences, int rows, int heads, int group, int head_dim) {                         \
        grad_queries<D>(dqkv, delta, qkv, out, lse, dout, offsets, sequences, rows, heads, group, head_dim);                             \
    }                                                                                                                                    \
    extern "C" __global__ void __launch_bounds__(threads, 2)                                                                             \
    attention_grad_keys_##D(float *dqkv, const float *delta, const float *qkv, const float *lse, const float *dout, const int *offsets,  \
                           int sequences, int rows, int heads, int group, int head_dim) {                                                \
        grad_keys<D>(dqkv, delta, qkv, lse, dout, offsets, sequences, rows, heads, group, head_dim);                                     \
    }

ATTENTION(16)
ATTENTION(32)
ATTENTION(64)
ATTENTION(128)
