// Sums in a fixed order: over the rows of a matrix (ref.SumRows), and of products of two vectors (ref.Dot).
#include "sums.cuh"

// dst[y, j] = the sum of x[i, j] over the rows i of part y, which has rows_per_part of them. x [rows, width], dst [parts, width]. Launched
// twice it sums any number of rows: first to parts, then the parts to one row. A lane reads 4 bytes at a time, one column or two.
extern "C" __global__ void __launch_bounds__(sum_threads)
sum_rows_f32(float *dst, const float *x, int rows, int width, int rows_per_part) {
    int first = blockIdx.y * rows_per_part, last = min(first + rows_per_part, rows);
    sum_columns<1>(row_of(dst, blockIdx.y, width), x, first, last, width, width);
}

extern "C" __global__ void __launch_bounds__(sum_threads)
sum_rows_bf16(float *dst, const bf16 *x, int rows, int width, int rows_per_part) {
    int first = blockIdx.y * rows_per_part, last = min(first + rows_per_part, rows);
    sum_columns<2>(row_of(dst, blockIdx.y, width), x, first, last, width, row_of(x, 1, width) - x);
}

// dst[0] = the sum of x[i]·weight[i], for x and weight [n]. One block.
extern "C" __global__ void __launch_bounds__(512)
weighted_sum(float *dst, const float *x, const float *weight, int n) {
    __shared__ Room<float> room;
    float sum = 0;
#pragma unroll 1
    for (int i = threadIdx.x; i < n; i += blockDim.x) sum += x[i] * weight[i];
    block_sum(&room, sum);
    if (threadIdx.x == 0) *dst = sum;
}
