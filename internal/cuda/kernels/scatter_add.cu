// Scatter-add, the gradient of gather: dst = 0, then dst[ids[i]] += dy[i] in the order of i (ref.ScatterAdd).
// dst [table_rows, width], dy [rows, width], ids [rows]; negative ids are left out.
//
// A block owns rows_per_block rows of dst and 256 columns, a thread one of the columns. The block reads all ids, piece by piece, lists
// those of its rows in order, and adds what they name. No other block writes there, so that the order of the sum is that of i.
#include "common.cuh"

constexpr int threads = 256;

extern "C" __global__ void __launch_bounds__(threads)
scatter_add(float *dst, const float *dy, const int *ids, int rows, int table_rows, int width, int rows_per_block) {
    __shared__ int listed[threads], of_warp[threads / warp_size];
    int first = blockIdx.x * rows_per_block, last = min(first + rows_per_block, table_rows);
    int column = blockIdx.y * threads + threadIdx.x, warp = threadIdx.x / warp_size, lane = threadIdx.x % warp_size;
    bool mine = column < width;
    if (mine)
        for (int row = first; row < last; row++) dst[(size_t)row * width + column] = 0;

    // One row stays open in a register until another is named.
    int open = first;
    float sum = 0;
    for (int start = 0; start < rows; start += threads) {
        int i = start + threadIdx.x;
        int id = i < rows ? ids[i] : -1;
        bool wanted = id >= first && id < last;
        unsigned found = __ballot_sync(all_lanes, wanted);
        if (lane == 0) of_warp[warp] = __popc(found);
        __syncthreads();
        int count = 0, before = 0;
        for (int w = 0; w < threads / warp_size; w++) {
            if (w == warp) before = count;
            count += of_warp[w];
        }
        if (wanted) listed[before + __popc(found & ((1u << lane) - 1))] = i;
        __syncthreads();
        if (!mine) continue;
        for (int e = 0; e < count; e++) {
            int from = listed[e], row = ids[from];
            if (row != open) {
                dst[(size_t)open * width + column] = sum;
                open = row;
                sum = dst[(size_t)open * width + column];
            }
            sum += dy[(size_t)from * width + column];
        }
    }
    if (mine) dst[(size_t)open * width + column] = sum;
}
