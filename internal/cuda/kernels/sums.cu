// Sums in a fixed order: over the rows of a matrix (ref.SumRows), and of products of two vectors (ref.Dot).
#include "common.cuh"

constexpr int columns = 32, strips = 8; // of a block of sum_rows

// sum_rows: dst[y, j] = the sum of x[i, j] over the rows i of part y, which has rows_per_part of them. x [rows, width],
// dst [parts, width]. Launched twice it sums any number of rows: first to parts, then the parts to one row.
// Each of the 8 warps of a block adds every 8th row of 32 columns; the first adds up what they found.
extern "C" __global__ void __launch_bounds__(columns * strips)
sum_rows(float *dst, const float *x, int rows, int width, int rows_per_part) {
    __shared__ float sums[strips][columns];
    int lane = threadIdx.x % columns, strip = threadIdx.x / columns, column = blockIdx.x * columns + lane;
    int first = blockIdx.y * rows_per_part, last = min(first + rows_per_part, rows);
    float sum = 0;
    if (column < width)
        for (int i = first + strip; i < last; i += strips) sum += x[(size_t)i * width + column];
    sums[strip][lane] = sum;
    __syncthreads();
    if (strip > 0 || column >= width) return;
    for (int s = 1; s < strips; s++) sum += sums[s][lane];
    dst[(size_t)blockIdx.y * width + column] = sum;
}

// weighted_sum: dst[0] = the sum of x[i]·weight[i], for x and weight [n]. One block.
extern "C" __global__ void __launch_bounds__(1024)
weighted_sum(float *dst, const float *x, const float *weight, int n) {
    float sum = 0;
    for (int i = threadIdx.x; i < n; i += blockDim.x) sum += x[i] * weight[i];
    sum = block_sum<1024>(sum);
    if (threadIdx.x == 0) *dst = sum;
}
