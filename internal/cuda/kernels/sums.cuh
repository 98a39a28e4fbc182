// Sums over the rows of a matrix, in a fixed order.
#pragma once
#include "common.cuh"
#include "floats.cuh"

constexpr int strips = 8, sum_threads = strips * warp_size;

// sum_columns: dst[j] = the sum of x[i, j] over the rows i from first to last - 1, for the 32·V columns j of block blockIdx.x. x has `pitch`
// elements from row to row. Each of the 8 warps of a block adds every 8th row; the first warp adds up what they found.
template <int V, typename T>
__device__ void sum_columns(float *dst, const T *x, int first, int last, int width, size_t pitch) {
    __shared__ float sums[V][strips][warp_size];
    int lane = threadIdx.x % warp_size, strip = threadIdx.x / warp_size, column = (blockIdx.x * warp_size + lane) * V;
    float sum[V] = {};
    if (column + V <= width) {
#pragma unroll 1
        for (int i = first + strip; i < last; i += strips) {
            Few<V> v = load<V>(x + i * pitch + column);
            for (int e = 0; e < V; e++) sum[e] += v.at[e];
        }
    } else if (V > 1 && column < width) { // the last column of an odd number of them
#pragma unroll 1
        for (int i = first + strip; i < last; i += strips) sum[0] += load<1>(x + i * pitch + column).at[0];
    }
    for (int e = 0; e < V; e++) sums[e][strip][lane] = sum[e];
    __syncthreads();
    if (strip > 0) return;
    for (int e = 0; e < V; e++) {
        for (int s = 1; s < strips; s++) sum[e] += sums[e][s][lane];
        if (column + e < width) dst[column + e] = sum[e];
    }
}
