// What several kernels share: sums over the lanes of a warp and the threads of a block, in an order that depends on nothing
// but the shape, so that results are the same bits on every run.
#pragma once

constexpr int warp_size = 32;
constexpr unsigned all_lanes = 0xffffffffu;

// warp_sum returns the sum over the lanes of a warp, in every lane. All lanes take part.
template <typename F>
__device__ F warp_sum(F v) {
    for (int apart = warp_size / 2; apart > 0; apart /= 2) v += __shfl_xor_sync(all_lanes, v, apart);
    return v;
}

// Room is the shared memory that the sum of one value over a block of at most 32 warps needs.
template <typename F>
using Room = F[warp_size];

// block_sum replaces each value by its sum over the block, in every thread; rooms has one for each value. All threads take part. There is
// one barrier inside: the same rooms may be used again once there was another barrier since.
template <typename F, typename... V>
__device__ void block_sum(Room<F> *rooms, V &...v) {
    int lane = threadIdx.x % warp_size, warp = threadIdx.x / warp_size, warps = blockDim.x / warp_size;
    ((v = warp_sum(v)), ...);
    Room<F> *room = rooms;
    if (lane == 0) (((*room++)[warp] = v), ...);
    __syncthreads();
    room = rooms;
    ((v = warp_sum(lane < warps ? (*room)[lane] : F(0)), room++), ...);
}
