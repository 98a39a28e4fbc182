// What norms have in common: how a block holds a row. Those of a multiple of 4 columns, up to a limit, are read once, into registers; rows of
// any other width, for which the kernels ending in _any are, are read anew for every pass.
#pragma once
#include "common.cuh"
#include "floats.cuh"

// A thread holds 6 pieces of 4 columns: a warp holds a row of 768 columns, 16 warps one of 12288, and the gradient, which holds three rows,
// fits the 128 registers that each of so many threads may have.
constexpr int most_threads = 512, pieces = 6;

// V is the number of columns that a thread takes at a time.
template <bool held>
constexpr int V = held ? 4 : 1;

// each calls f(k, j) for each piece of a row that this thread takes: the k-th, with columns from j on.
template <bool held, typename F>
__device__ void each(int width, F f) {
    if constexpr (held) {
#pragma unroll
        for (int k = 0; k < pieces; k++) {
            int j = (k * blockDim.x + threadIdx.x) * V<held>;
            if (j < width) f(k, j);
        }
    } else {
#pragma unroll 1
        for (int j = threadIdx.x; j < width; j += blockDim.x) f(0, j);
    }
}

// Row gives the pieces of a row that this thread takes, from registers or from memory.
template <bool held, typename T>
struct Row {
    const T *row;
    Packed<T, 4> kept[held ? pieces : 1];

    __device__ Row(const T *row, int width) : row(row) {
        if constexpr (held) each<held>(width, [&](int k, int j) { kept[k] = *(const Packed<T, 4> *)(row + j); });
    }
    __device__ Few<V<held>> piece(int k, int j) const {
        if constexpr (held)
            return unpack(kept[k]);
        else
            return load<1>(row + j);
    }
};
