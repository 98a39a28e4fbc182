// RMS norm over the columns of a row (ref.RMSNorm) and its gradients (ref.RMSNormGrad).
// x, dx, addend [rows, width] in float32, dst and dy in float32 or bfloat16; gamma [width].
//
// A block takes a run of one or more rows, one after the other, and each of its threads the same columns of all of them. A row is read once
// and held in registers, as is gamma.
#include "norm.cuh"
#include "sums.cuh"

// scale_of returns 1/√(mean square + epsilon) of a row, in every thread.
template <bool held>
__device__ float scale_of(const Row<held, float> &x, int width, float epsilon, Room<float> *room) {
    float squares = 0;
    each<held>(width, [&](int k, int j) {
        for (float v : x.piece(k, j).at) squares += v * v;
    });
    block_sum(room, squares);
    return 1 / sqrtf(squares / width + epsilon);
}

template <bool held, typename T>
__device__ void normalise(T *dst, const float *x, const float *gamma, int rows, int width, int rows_per_block, float epsilon) {
    __shared__ Room<float> room;
    Row<held, float> gains(gamma, width);
    int i = blockIdx.x * rows_per_block, last = min(i + rows_per_block, rows);
#pragma unroll 1
    do {
        Row<held, float> in(row_of(x, i, width), width);
        float scale = scale_of(in, width, epsilon, &room);
        T *out = row_of(dst, i, width);
        each<held>(width, [&](int k, int j) {
            Few<V<held>> v = in.piece(k, j), g = gains.piece(k, j);
            for (int e = 0; e < V<held>; e++) v.at[e] *= scale * g.at[e];
            store(out + j, v);
        });
    } while (++i < last);
}

// dx = the gradient + addend, where there is one; copy = dx in bfloat16, where there is one. parts [blocks, width] gets the sums for dgamma
// over the block's rows. They are made in shared memory, or in parts itself where rows have any width.
template <bool held, typename T>
__device__ void differentiate(float *dx, bf16 *copy, float *parts, const float *x, const float *gamma, const T *dy, const float *addend,
                              int rows, int width, int rows_per_block, float epsilon) {
    extern __shared__ float4 sums[];
    __shared__ Room<float> rooms[2];
    float *part = parts + (size_t)blockIdx.x * width, *dgamma = held ? (float *)sums : part;
    each<held>(width, [&](int, int j) { store(dgamma + j, Few<V<held>>{}); });
    Row<held, float> gains(gamma, width);
    int i = blockIdx.x * rows_per_block, last = min(i + rows_per_block, rows);
#pragma unroll 1
    do {
        Row<held, float> in(row_of(x, i, width), width);
        Row<held, T> up(row_of(dy, i, width), width);
        float scale = scale_of(in, width, epsilon, rooms), gn = 0;
        each<held>(width, [&](int k, int j) {
            Few<V<held>> v = in.piece(k, j), d = up.piece(k, j), g = gains.piece(k, j), gammas = load<V<held>>(dgamma + j);
            for (int e = 0; e < V<held>; e++) {
                float n = v.at[e] * scale;
                gn += d.at[e] * g.at[e] * n;
                gammas.at[e] += d.at[e] * n;
            }
            store(dgamma + j, gammas);
        });
        block_sum(rooms + 1, gn);
        gn /= width;
        each<held>(width, [&](int k, int j) {
            Few<V<held>> v = in.piece(k, j), d = up.piece(k, j), g = gains.piece(k, j), more = {};
            if (addend) more = load<V<held>>(row_of(addend, i, width) + j);
            for (int e = 0; e < V<held>; e++) v.at[e] = scale * (d.at[e] * g.at[e] - v.at[e] * scale * gn) + more.at[e];
            store(row_of(dx, i, width) + j, v);
            if (copy) store(row_of(copy, i, width) + j, v);
        });
    } while (++i < last);
    if constexpr (held) each<held>(width, [&](int, int j) { store(part + j, load<V<held>>(dgamma + j)); });
}

#define RMS_NORM(name, held, T)                                                                                                        \
    extern "C" __global__ void __launch_bounds__(most_threads)                                                                         \
    rms_norm_##name(T *dst, const float *x, const float *gamma, int rows, int width, int rows_per_block, float epsilon) {              \
        normalise<held>(dst, x, gamma, rows, width, rows_per_block, epsilon);                                                          \
    }                                                                                                                                  \
    extern "C" __global__ void __launch_bounds__(most_threads)                                                                         \
    rms_norm_grad_##name(float *dx, bf16 *copy, float *parts, const float *x, const float *gamma, const T *dy, const float *addend,    \
                         int rows, int width, int rows_per_block, float epsilon) {                                                     \
        differentiate<held>(dx, copy, parts, x, gamma, dy, addend, rows, width, rows_per_block, epsilon);                              \
    }

RMS_NORM(f32, true, float)
RMS_NORM(bf16, true, bf16)
RMS_NORM(f32_any, false, float)
RMS_NORM(bf16_any, false, bf16)

// dgamma [width] from its parts [count, width].
extern "C" __global__ void __launch_bounds__(sum_threads)
rms_norm_grad_weights(float *dgamma, const float *parts, int count, int width) {
    sum_columns<1>(dgamma, parts, 0, count, width, width);
}
