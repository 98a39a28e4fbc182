// Gather: dst[i] = table[ids[i]], a row of zeros for a negative id (ref.Gather).
// dst [rows, width], table [V, width], ids [rows]. A warp copies a row, in 16-byte pieces where the width allows.
#include "common.cuh"

extern "C" __global__ void __launch_bounds__(128)
gather(float *dst, const float *table, const int *ids, int rows, int width) {
    int row = blockIdx.x * (blockDim.x / warp_size) + threadIdx.x / warp_size, lane = threadIdx.x % warp_size;
    if (row >= rows) return;
    int id = ids[row];
    const float *from = table + (size_t)max(id, 0) * width;
    float *to = dst + (size_t)row * width;
    if (width % 4 == 0) {
        for (int j = lane * 4; j < width; j += warp_size * 4)
            *(float4 *)(to + j) = id < 0 ? float4{} : *(const float4 *)(from + j);
        return;
    }
    for (int j = lane; j < width; j += warp_size) to[j] = id < 0 ? 0 : from[j];
}
