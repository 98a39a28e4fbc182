// Scatter-add, the gradient of gather: dst = 0, then dst[ids[i]] += dy[i] in the order of i (ref.ScatterAdd).
// dst [table_rows, width], dy [rows, width], ids [rows]; negative ids are left out.
//
// First the ids are sorted, by counting, so that each row of dst finds the rows of dy that name it, in their order. Then a warp adds up
// those of a row and writes the sum once.
#include "common.cuh"
#include "floats.cuh"

constexpr int threads = 512, warps = threads / warp_size;

// at_once is how many ids a lane reads, and how many rows of dy it adds, before it waits for memory.
constexpr int at_once = 4;

// each_named goes through a warp's ids, those from `begin` to `end` - 1, and counts in counts[id - first] those in [first, last). It calls
// f(i, before) for each of them, where before is that count without it and those behind it. It returns how many of this lane's ids are
// below first.
template <typename F>
__device__ int each_named(int *counts, const int *ids, int begin, int end, int first, int last, F f) {
    int lane = threadIdx.x % warp_size, below = 0;
#pragma unroll 1
    for (int start = begin; start < end; start += warp_size * at_once) {
        int several[at_once];
        for (int k = 0; k < at_once; k++) {
            int i = start + k * warp_size + lane;
            several[k] = i < end ? ids[i] : -1;
        }
#pragma unroll 1
        for (int k = 0; k < at_once; k++) {
            int id = several[0];
            for (int n = 1; n < at_once; n++) several[n - 1] = several[n];
            below += id >= 0 && id < first;
            bool named = id >= first && id < last;
            if (!__any_sync(all_lanes, named)) continue;
            unsigned peers = __match_any_sync(all_lanes, named ? id : -1), lanes_before = peers & ((1u << lane) - 1);
            int count = named ? counts[id - first] : 0;
            __syncwarp();
            if (named && lanes_before == 0) counts[id - first] = count + __popc(peers);
            __syncwarp();
            if (named) f(start + k * warp_size + lane, count + __popc(lanes_before));
        }
    }
    return below;
}

// starts[r] for r in [0, table_rows] is the number of ids in [0, r), and order the i with ids[i] >= 0, by ids[i] and then by i. A block
// reads all ids, each warp an equal run of them, and sorts those of rows_per_block rows, at most one a thread.
extern "C" __global__ void __launch_bounds__(threads)
scatter_order(int *order, int *starts, const int *ids, int rows, int table_rows, int rows_per_block) {
    __shared__ int counts[warps][threads]; // how many ids of each warp name each row; then where in order the next of them goes
    __shared__ int named_of[warps], below_of[warps]; // how many ids name a row of each warp's threads, or one below first
    int lane = threadIdx.x % warp_size, warp = threadIdx.x / warp_size;
    int first = blockIdx.x * rows_per_block, last = min(first + rows_per_block, table_rows);
    int run = (rows + warps - 1) / warps, begin = min(warp * run, rows), end = min(begin + run, rows);

    for (int w = 0; w < warps; w++) counts[w][threadIdx.x] = 0;
    __syncthreads();
    int below = each_named(counts[warp], ids, begin, end, first, last, [](int, int) {});
    __syncthreads();

    // Each thread has a row. What lies before it are the ids below first and those of the rows before, summed over the threads before.
    int count = 0;
    for (int w = 0; w < warps; w++) count += counts[w][threadIdx.x];
    int until = count; // and of the lanes before
    for (int apart = 1; apart < warp_size; apart *= 2) {
        int other = __shfl_up_sync(all_lanes, until, apart);
        if (lane >= apart) until += other;
    }
    below = warp_sum(below);
    if (lane == warp_size - 1) {
        named_of[warp] = until;
        below_of[warp] = below;
    }
    __syncthreads();
    int at = until - count;
    for (int w = 0; w < warps; w++) at += below_of[w] + (w < warp ? named_of[w] : 0);

    int row = first + threadIdx.x;
    if (row < last) {
        starts[row] = at;
        if (row == table_rows - 1) starts[table_rows] = at + count;
    }
    for (int w = 0; w < warps; w++) {
        int more = counts[w][threadIdx.x];
        counts[w][threadIdx.x] = at;
        at += more;
    }
    __syncthreads();
    each_named(counts[warp], ids, begin, end, first, last, [=](int i, int before) { order[before] = i; });
}

template <int V>
__device__ Few<V> plus(Few<V> a, const Few<V> &b) {
    for (int e = 0; e < V; e++) a.at[e] += b.at[e];
    return a;
}

// sum_named adds the rows of dy that order lists from `begin` to `end` - 1, the V columns of each lane from `column` on. Lanes beyond the
// width read what the last lane within reads.
template <int V, typename To, typename From>
__device__ void sum_named(To *to, const From *dy, const int *order, int begin, int end, int width, int column, int lane) {
    const From *columns = dy + min(column, width - V);
    Few<V> sum = {};
#pragma unroll 1
    for (int start = begin; start < end; start += warp_size) {
        int listed = start + lane < end ? order[start + lane] : 0, count = min(end - start, warp_size), n = 0;
#pragma unroll 1
        for (; n + at_once <= count; n += at_once) {
            Few<V> several[at_once];
            for (int k = 0; k < at_once; k++)
                several[k] = load<V>(row_of(columns, __shfl_sync(all_lanes, listed, n + k), width));
            for (int k = 0; k < at_once; k++) sum = plus(sum, several[k]);
        }
#pragma unroll 1
        for (; n < count; n++) sum = plus(sum, load<V>(row_of(columns, __shfl_sync(all_lanes, listed, n), width)));
    }
    if (column < width) store(to + column, sum);
}

// A warp takes 128 columns of a row of dst, or 32 where the width is not a multiple of 4.
template <typename To, typename From>
__device__ void scatter_add(To *dst, const From *dy, const int *order, const int *starts, int table_rows, int width) {
    int row = blockIdx.x * (blockDim.x / warp_size) + threadIdx.x / warp_size, lane = threadIdx.x % warp_size;
    int per_lane = width % 4 == 0 ? 4 : 1, column = (blockIdx.y * warp_size + lane) * per_lane;
    if (row >= table_rows) return;
    int begin = starts[row], end = starts[row + 1];
    if (per_lane == 4)
        sum_named<4>(row_of(dst, row, width), dy, order, begin, end, width, column, lane);
    else
        sum_named<1>(row_of(dst, row, width), dy, order, begin, end, width, column, lane);
}

#define SCATTER_ADD(name, To, From)                                                                                      \
    extern "C" __global__ void __launch_bounds__(128)                                                                    \
    scatter_add_##name(To *dst, const From *dy, const int *order, const int *starts, int table_rows, int width) {        \
        scatter_add(dst, dy, order, starts, table_rows, width);                                                          \
    }

SCATTER_ADD(f32_f32, float, float)
SCATTER_ADD(f32_bf16, float, bf16)
SCATTER_ADD(bf16_f32, bf16, float)
SCATTER_ADD(bf16_bf16, bf16, bf16)
