// Dropout (ref.Dropout) of x [rows, width], with a mask that is computed from key [2], salt, the numbers [rows] of the rows and the column,
// and the residual sum behind it: dst = dropout(x) + addend, if there is one. dst may be x, where their types are the same, or the addend.
// A warp has a row, 4 columns a lane at a time where the width allows.
#include "common.cuh"
#include "floats.cuh"

// mix is a permutation of 32 bits (ref.mix) that takes in 32 more bits on the way.
__device__ inline unsigned mix(unsigned h, unsigned more = 0) {
    h ^= h >> 16;
    h *= 0x7feb352du;
    h ^= more;
    h ^= h >> 15;
    h *= 0x846ca68bu;
    return h ^ h >> 16;
}

// Mask is what decides which elements of a row fall (ref.DropoutRow), and what becomes of the others.
struct Mask {
    unsigned first, second, threshold;
    float scale;

    __device__ Mask(const int *key, int number, unsigned salt, unsigned threshold, float scale) : threshold(threshold), scale(scale) {
        unsigned a = mix((unsigned)key[0] ^ mix(salt + 0x9e3779b9u)), b = mix((unsigned)key[1] + a);
        first = mix((unsigned)number + a);
        second = mix((unsigned)number ^ b);
    }

    __device__ float of(float x, int column) const { return mix(first + (unsigned)column, second) < threshold ? 0 : x * scale; }
};

template <int V, typename To, typename From>
__device__ void drop_row(To *dst, const From *x, const To *addend, const Mask &mask, int width, int lane) {
#pragma unroll 1
    for (int j = lane * V; j < width; j += warp_size * V) {
        Few<V> v = load<V>(x + j);
        for (int e = 0; e < V; e++) v.at[e] = mask.of(v.at[e], j + e);
        if (addend) {
            Few<V> beside = load<V>(addend + j);
            for (int e = 0; e < V; e++) v.at[e] += beside.at[e];
        }
        store(dst + j, v);
    }
}

template <typename To, typename From>
__device__ void dropout(To *dst, const From *x, const To *addend, const int *key, const int *numbers, int rows, int width, unsigned salt,
                        unsigned threshold, float scale) {
    int row = blockIdx.x * (blockDim.x / warp_size) + threadIdx.x / warp_size, lane = threadIdx.x % warp_size;
    if (row >= rows) return;
    Mask mask(key, numbers[row], salt, threshold, scale);
    To *to = row_of(dst, row, width);
    const From *from = row_of(x, row, width);
    const To *beside = addend ? row_of(addend, row, width) : nullptr;
    if (width % 4 == 0)
        drop_row<4>(to, from, beside, mask, width, lane);
    else
        drop_row<1>(to, from, beside, mask, width, lane);
}

#define DROPOUT(name, To, From)                                                                                                       \
    extern "C" __global__ void __launch_bounds__(128)                                                                                 \
    dropout_##name(To *dst, const From *x, const To *addend, const int *key, const int *numbers, int rows, int width, unsigned salt,  \
                   unsigned threshold, float scale) {                                                                                 \
        dropout(dst, x, addend, key, numbers, rows, width, salt, threshold, scale);                                                   \
    }

DROPOUT(f32_f32, float, float)
DROPOUT(f32_bf16, float, bf16)
DROPOUT(bf16_f32, bf16, float)
DROPOUT(bf16_bf16, bf16, bf16)
