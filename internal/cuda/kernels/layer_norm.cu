// Layer norm over the columns of a row (ref.LayerNorm) and its gradients (ref.LayerNormGrad).
// x, dx, addend [rows, width] in float32, dst and dy in float32 or bfloat16; gamma and beta [width].
//
// A block takes a run of one or more rows, one after the other, and each of its threads the same columns of all of them. A row is read
// once and held in registers, as are gamma and beta; the mean and the variance take two passes over it, as in the reference: the short way
// over the mean of squares loses the variance where the mean is large.
#include "norm.cuh"
#include "sums.cuh"

struct Moments { float mean, rstd; };

// moments returns the mean of a row and 1/√(variance + epsilon), in every thread.
template <bool held>
__device__ Moments moments(const Row<held, float> &x, int width, float epsilon, Room<float> *rooms) {
    float sum = 0, squares = 0;
    each<held>(width, [&](int k, int j) {
        for (float v : x.piece(k, j).at) sum += v;
    });
    block_sum(rooms, sum);
    float mean = sum / width;
    each<held>(width, [&](int k, int j) {
        for (float v : x.piece(k, j).at) squares += (v - mean) * (v - mean);
    });
    block_sum(rooms + 1, squares);
    return {mean, 1 / sqrtf(squares / width + epsilon)};
}

template <bool held, typename T>
__device__ void normalise(T *dst, const float *x, const float *gamma, const float *beta, int rows, int width, int rows_per_block,
                          float epsilon) {
    __shared__ Room<float> rooms[2];
    Row<held, float> scale(gamma, width), shift(beta, width);
    int i = blockIdx.x * rows_per_block, last = min(i + rows_per_block, rows);
#pragma unroll 1
    do {
        Row<held, float> in(row_of(x, i, width), width);
        Moments m = moments(in, width, epsilon, rooms);
        T *out = row_of(dst, i, width);
        each<held>(width, [&](int k, int j) {
            Few<V<held>> v = in.piece(k, j), g = scale.piece(k, j), b = shift.piece(k, j);
            for (int e = 0; e < V<held>; e++) v.at[e] = (v.at[e] - m.mean) * m.rstd * g.at[e] + b.at[e];
            store(out + j, v);
        });
    } while (++i < last);
}

// dx = the gradient + addend, where there is one; copy = dx in bfloat16, where there is one. parts [blocks, 2, width] gets the sums for
// dgamma and for dbeta over the block's rows. They are made in shared memory, or in parts itself where rows have any width.
template <bool held, typename T>
__device__ void differentiate(float *dx, bf16 *copy, float *parts, const float *x, const float *gamma, const T *dy, const float *addend,
                              int rows, int width, int rows_per_block, float epsilon) {
    extern __shared__ float4 sums[];
    __shared__ Room<float> rooms[4];
    float *part = parts + (size_t)blockIdx.x * 2 * width;
    float *dgamma = held ? (float *)sums : part, *dbeta = dgamma + width;
    each<held>(width, [&](int, int j) {
        store(dgamma + j, Few<V<held>>{});
        store(dbeta + j, Few<V<held>>{});
    });
    Row<held, float> scale(gamma, width);
    int i = blockIdx.x * rows_per_block, last = min(i + rows_per_block, rows);
#pragma unroll 1
    do {
        Row<held, float> in(row_of(x, i, width), width);
        Row<held, T> up(row_of(dy, i, width), width);
        Moments m = moments(in, width, epsilon, rooms);
        float g = 0, gn = 0;
        each<held>(width, [&](int k, int j) {
            Few<V<held>> v = in.piece(k, j), d = up.piece(k, j), s = scale.piece(k, j);
            Few<V<held>> gammas = load<V<held>>(dgamma + j), betas = load<V<held>>(dbeta + j);
            for (int e = 0; e < V<held>; e++) {
                float n = (v.at[e] - m.mean) * m.rstd;
                g += d.at[e] * s.at[e];
                gn += d.at[e] * s.at[e] * n;
                gammas.at[e] += d.at[e] * n;
                betas.at[e] += d.at[e];
            }
            store(dgamma + j, gammas);
            store(dbeta + j, betas);
        });
        block_sum(rooms + 2, g, gn);
        g /= width;
        gn /= width;
        each<held>(width, [&](int k, int j) {
            Few<V<held>> v = in.piece(k, j), d = up.piece(k, j), s = scale.piece(k, j), more = {};
            if (addend) more = load<V<held>>(row_of(addend, i, width) + j);
            for (int e = 0; e < V<held>; e++)
                v.at[e] = m.rstd * (d.at[e] * s.at[e] - g - (v.at[e] - m.mean) * m.rstd * gn) + more.at[e];
            store(row_of(dx, i, width) + j, v);
            if (copy) store(row_of(copy, i, width) + j, v);
        });
    } while (++i < last);
    if constexpr (held)
        each<held>(width, [&](int, int j) {
            store(part + j, load<V<held>>(dgamma + j));
            store(part + width + j, load<V<held>>(dbeta + j));
        });
}

#define LAYER_NORM(name, held, T)                                                                                                      \
    extern "C" __global__ void __launch_bounds__(most_threads)                                                                         \
    layer_norm_##name(T *dst, const float *x, const float *gamma, const float *beta, int rows, int width, int rows_per_block,          \
                      float epsilon) {                                                                                                 \
        normalise<held>(dst, x, gamma, beta, rows, width, rows_per_block, epsilon);                                                    \
    }                                                                                                                                  \
    extern "C" __global__ void __launch_bounds__(most_threads)                                                                         \
    layer_norm_grad_##name(float *dx, bf16 *copy, float *parts, const float *x, const float *gamma, const T *dy, const float *addend,  \
                           int rows, int width, int rows_per_block, float epsilon) {                                                   \
        differentiate<held>(dx, copy, parts, x, gamma, dy, addend, rows, width, rows_per_block, epsilon);                              \
    }

LAYER_NORM(f32, true, float)
LAYER_NORM(bf16, true, bf16)
LAYER_NORM(f32_any, false, float)
LAYER_NORM(bf16_any, false, bf16)

// dgamma and dbeta [width] from their parts [count, 2, width]: blocks with y = 0 add up those of gamma, y = 1 those of beta.
extern "C" __global__ void __launch_bounds__(sum_threads)
layer_norm_grad_weights(float *dgamma, float *dbeta, const float *parts, int count, int width) {
    sum_columns<1>(blockIdx.y ? dbeta : dgamma, parts + (size_t)blockIdx.y * width, 0, count, width, 2 * (size_t)width);
}
