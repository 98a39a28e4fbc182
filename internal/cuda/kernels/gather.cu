// Gather: dst[i] = table[ids[i]], a row of zeros for a negative id (ref.Gather).
// dst [rows, width], table [V, width], ids [rows]. A warp copies a row, 4 columns a lane at a time where the width allows.
#include "common.cuh"
#include "floats.cuh"

template <int V, typename To, typename From>
__device__ void copy_row(To *to, const From *from, bool zero, int width, int lane) {
#pragma unroll 1
    for (int j = lane * V; j < width; j += warp_size * V) store(to + j, zero ? Few<V>{} : load<V>(from + j));
}

template <typename To, typename From>
__device__ void gather(To *dst, const From *table, const int *ids, int rows, int width) {
    int row = blockIdx.x * (blockDim.x / warp_size) + threadIdx.x / warp_size, lane = threadIdx.x % warp_size;
    if (row >= rows) return;
    int id = ids[row];
    const From *from = row_of(table, max(id, 0), width);
    To *to = row_of(dst, row, width);
    if (width % 4 == 0)
        copy_row<4>(to, from, id < 0, width, lane);
    else
        copy_row<1>(to, from, id < 0, width, lane);
}

#define GATHER(name, To, From)                                                        \
    extern "C" __global__ void __launch_bounds__(128)                                 \
    gather_##name(To *dst, const From *table, const int *ids, int rows, int width) {  \
        gather(dst, table, ids, rows, width);                                         \
    }

GATHER(f32_f32, float, float)
GATHER(f32_bf16, float, bf16)
GATHER(bf16_f32, bf16, float)
GATHER(bf16_bf16, bf16, bf16)
