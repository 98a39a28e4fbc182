// dst = x rounded to bfloat16, to the nearest: the operands of matmul_bf16. x [rows, columns], dst [rows, pitch], where pitch is
// columns rounded up to 8, so that each row begins at a multiple of 16 bytes. What lies between is not written, and nobody reads it. A
// warp takes a row.
#include "common.cuh"
#include "floats.cuh"

extern "C" __global__ void __launch_bounds__(128)
to_bf16(bf16 *dst, const float *x, int rows, int columns, int pitch) {
    int row = blockIdx.x * (blockDim.x / warp_size) + threadIdx.x / warp_size, lane = threadIdx.x % warp_size;
    if (row >= rows) return;
    const float *from = x + (size_t)row * columns;
    bf16 *to = dst + (size_t)row * pitch;
    if (columns % 4 == 0) {
        for (int j = lane * 4; j < columns; j += warp_size * 4) store(to + j, load<4>(from + j));
        return;
    }
    for (int j = lane; j < columns; j += warp_size) store(to + j, load<1>(from + j));
}
