// What several kernels share: sums over the lanes of a warp and the threads of a block, in an order that depends on nothing
// but the shape, so that results are the same bits on every run.
#pragma once

constexpr int warp_size = 32;
constexpr unsigned all_lanes = 0xffffffffu;

// warp_sum returns the sum over the lanes of a warp, in every lane. All lanes take part.
__device__ inline float warp_sum(float v) {
    for (int apart = warp_size / 2; apart > 0; apart /= 2) v += __shfl_xor_sync(all_lanes, v, apart);
    return v;
}

// block_sum returns the sum over a block of `threads` threads, in thread 0. All threads take part, once a kernel.
template <int threads>
__device__ float block_sum(float v) {
    __shared__ float sums[threads / warp_size];
    v = warp_sum(v);
    if (threadIdx.x % warp_size == 0) sums[threadIdx.x / warp_size] = v;
    __syncthreads();
    if (threadIdx.x >= warp_size) return 0;
    return warp_sum(threadIdx.x < threads / warp_size ? sums[threadIdx.x] : 0);
}
