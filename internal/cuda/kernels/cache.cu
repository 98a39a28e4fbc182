// A cache of keys and values (ref.Append) and attention to it (ref.CachedAttention).
//
// qkv [rows, (heads + 2·keys)·head_dim]: a row holds queries, keys and values, head after head, and heads/keys neighbouring heads of queries
// share one of keys and values. cache [2·keys, places, head_dim] in float32: heads of keys, then of values. at [rows] is the place of a
// row's keys and values, negative for none. offsets [sequences + 1], starts and lengths [sequences]: the rows of a sequence are its last
// tokens, and its keys are at places starts to starts + lengths. out [rows, heads·head_dim]; rows of no sequence get zeros.
#include <math_constants.h>

#include "common.cuh"
#include "floats.cuh"
#include "sequences.cuh"

constexpr int max_head_dim = 128;

// append copies a head of a row with each warp.
template <int V, typename T>
__device__ void append(float *cache, const T *qkv, const int *at, int rows, int heads, int keys, int head_dim, int places) {
    int warp = blockIdx.x * (blockDim.x / warp_size) + threadIdx.x / warp_size, lane = threadIdx.x % warp_size;
    int row = warp / (2 * keys), head = warp % (2 * keys);
    if (row >= rows) return;
    int place = at[row];
    if (place < 0) return;
    const T *from = row_of(qkv, row, (heads + 2 * keys) * head_dim) + (heads + head) * head_dim;
    float *to = cache + ((size_t)head * places + place) * head_dim;
#pragma unroll
    for (int j = lane * V; j < max_head_dim; j += warp_size * V)
        if (j < head_dim) store(to + j, load<V>(from + j));
}

#define APPEND(name, V, T)                                                                                                     \
    extern "C" __global__ void __launch_bounds__(128)                                                                          \
    append_##name(float *cache, const T *qkv, const int *at, int rows, int heads, int keys, int head_dim, int places) {        \
        append<V>(cache, qkv, at, rows, heads, keys, head_dim, places);                                                        \
    }

// Those ending in _any are for heads that are not multiples of 4 columns.
APPEND(f32, 4, float)
APPEND(bf16, 4, bf16)
APPEND(f32_any, 1, float)
APPEND(bf16_any, 1, bf16)

constexpr int warps = max_head_dim / warp_size, at_once = 4; // warps of a block, and keys that a warp takes together, so that their loads overlap
constexpr float log2_e = 1.4426950408889634f;

// exists says that a column of D is one of head_dim. A head has more than half of D columns, unless D is the least: else the next smaller
// kernel would have been taken.
template <int D>
__device__ bool exists(int column, int lane, int head_dim) {
    return warp_size * (column + 1) <= D / 2 || lane + warp_size * column < head_dim;
}

// attend is one head of one row: each warp takes every fourth group of keys with a running softmax of its own (Milakov and Gimelshein 2018,
// algorithm 3), a lane having every 32nd of the D columns, and at the end the warps' sums are brought to one scale. In a last group that is
// not full the last key stands again, without weight.
template <int D, typename T>
__device__ void attend(T *out, const T *qkv, const float *cache, const int *offsets, const int *starts, const int *lengths, int sequences,
                       int heads, int keys, int head_dim, int places) {
    constexpr int columns = D / warp_size;
    __shared__ float largests[warps], sums[warps], partial[warps][D];
    int row = blockIdx.x, head = blockIdx.y, lane = threadIdx.x % warp_size, warp = threadIdx.x / warp_size;
    T *to = row_of(out, row, heads * head_dim) + head * head_dim + threadIdx.x;
    if (row < offsets[0] || row >= offsets[sequences]) {
        if (threadIdx.x < head_dim) store(to, Few<1>{});
        return;
    }
    Sequence s = sequence_of(row, offsets, sequences);
    int seen = lengths[s.number] - (s.end - 1 - row), shared_head = head / (heads / keys);
    const T *from = row_of(qkv, row, (heads + 2 * keys) * head_dim) + head * head_dim + lane;
    const float *k = cache + ((size_t)shared_head * places + starts[s.number]) * head_dim + lane, *v = k + (size_t)keys * places * head_dim;
    float scale = log2_e / sqrtf((float)head_dim);

    float q[columns], o[columns] = {}, largest = -CUDART_INF_F, sum = 0;
#pragma unroll
    for (int c = 0; c < columns; c++) q[c] = exists<D>(c, lane, head_dim) ? scale * load<1>(from + warp_size * c).at[0] : 0;
#pragma unroll 1
    for (int j0 = warp * at_once; j0 < seen; j0 += warps * at_once) {
        float score[at_once], before = largest;
        unsigned at[at_once];
#pragma unroll
        for (int i = 0; i < at_once; i++) {
            at[i] = (unsigned)min(j0 + i, seen - 1) * head_dim;
            score[i] = 0;
            for (int c = 0; c < columns; c++)
                if (exists<D>(c, lane, head_dim)) score[i] += q[c] * k[at[i] + warp_size * c];
        }
#pragma unroll
        for (int i = 0; i < at_once; i++) {
            score[i] = warp_sum(score[i]);
            largest = fmaxf(largest, score[i]);
        }
        float shrink = exp2f(before - largest);
        sum *= shrink;
        for (int c = 0; c < columns; c++) o[c] *= shrink;
#pragma unroll
        for (int i = 0; i < at_once; i++) {
            float p = i == 0 || j0 + i < seen ? exp2f(score[i] - largest) : 0; // a group has a first key
            sum += p;
            for (int c = 0; c < columns; c++)
                if (exists<D>(c, lane, head_dim)) o[c] += p * v[at[i] + warp_size * c];
        }
    }
    if (lane == 0) largests[warp] = largest, sums[warp] = sum;
#pragma unroll
    for (int c = 0; c < columns; c++) partial[warp][lane + warp_size * c] = o[c];
    __syncthreads();
    if (threadIdx.x >= head_dim) return;
    float most = largests[0], total = 0, result = 0; // the first warp has a key
    for (int w = 1; w < warps; w++) most = fmaxf(most, largests[w]);
    for (int w = 0; w < warps; w++) {
        float factor = exp2f(largests[w] - most);
        total += factor * sums[w];
        result += factor * partial[w][threadIdx.x];
    }
    store(to, Few<1>{result / total});
}

#define CACHED_ATTENTION(name, D, T)                                                                                                      \
    extern "C" __global__ void __launch_bounds__(warps * warp_size)                                                                       \
    cached_attention_##name##_##D(T *out, const T *qkv, const float *cache, const int *offsets, const int *starts, const int *lengths,    \
                                  int sequences, int heads, int keys, int head_dim, int places) {                                         \
        attend<D>(out, qkv, cache, offsets, starts, lengths, sequences, heads, keys, head_dim, places);                                   \
    }

CACHED_ATTENTION(f32, 32, float)
CACHED_ATTENTION(f32, 64, float)
CACHED_ATTENTION(f32, 128, float)
CACHED_ATTENTION(bf16, 32, bf16)
CACHED_ATTENTION(bf16, 64, bf16)
CACHED_ATTENTION(bf16, 128, bf16)
