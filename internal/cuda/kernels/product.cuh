// What products of matrices have in common: the tile of c that a block makes, asynchronous copies into a ring of strips, and the way of
// the sums from registers through shared memory to the epilogue.
#pragma once
#include "epilogue.cuh"
#include "tensor_cores.cuh"

// commit_copies ends a group of copies.
__device__ inline void commit_copies() { asm volatile("cp.async.commit_group;" ::: "memory"); }

// await_copies waits until no more than the latest `open` groups of this thread's copies are under way.
template <int open>
__device__ inline void await_copies() {
    asm volatile("cp.async.wait_group %0;" ::"n"(open) : "memory");
}

// Tile is where in c the tile of a block begins. Blocks that run at the same time make a patch of c that is 8 tiles high, so that they
// find most of a and b in the second-level cache.
struct Tile {
    int row, column;

    __device__ Tile(int m, int n, int rows, int columns) {
        constexpr int height = 8;
        int down = (m + rows - 1) / rows, across = (n + columns - 1) / columns;
        int patch = blockIdx.x / (height * across), within = blockIdx.x % (height * across);
        int high = min(down - patch * height, height);
        row = (patch * height + within % high) * rows;
        column = within / high * columns;
    }
};

// Staging is a half of a tile's sums in shared memory: rows x columns. The pitch lets the warps' stores, of 4 rows or 8 columns at once,
// and the loads of whole rows go to different banks.
template <int rows, int columns>
struct Staging {
    static constexpr int pitch = columns + 8, bytes = rows * pitch * 4;

    float *memory;

    __device__ float *at(int row, int column) const { return memory + row * pitch + column; }

    // write sends all to the output by way of the epilogue. Staged are runs of `run` rows of c, of which every other one is left out,
    // from row0 on. Each thread has pieces of two rows under way, to wait for memory but once for both.
    template <int threads, int run, typename T>
    __device__ void write(const Output<T> &to, int row0, int column0) const {
        constexpr int pieces = columns / 4, apart = threads / pieces; // of a row; rows between those of a thread
        static_assert(threads % pieces == 0 && rows % (2 * apart) == 0);
        auto row_of_c = [=](int r) { return row0 + r / run * 2 * run + r % run; };
        if (sizeof(T) == sizeof(float) && to.n % 4) { // rows begin anywhere
            int i = threadIdx.x;
#pragma unroll 1
            do {
                int r = i / columns, row = row_of_c(r), column = column0 + i % columns;
                if (row < to.m && column < to.n) to.write(load<1>(at(r, i % columns)), row, column);
            } while ((i += threads) < rows * columns);
            return;
        }
        int column = column0 + threadIdx.x % pieces * 4, r = threadIdx.x / pieces;
#pragma unroll 1
        do {
            int row = row_of_c(r), next = row_of_c(r + apart);
            const float *sums = at(r, column - column0), *next_sums = at(r + apart, column - column0);
            if (row >= to.m) return; // as are all that follow
            if (column + 4 <= to.n) {
                typename Output<T>::template Beside<4> beside, beside_next;
                beside = to.template read<4>(row, column);
                if (next < to.m) beside_next = to.template read<4>(next, column);
                to.write(load<4>(sums), beside, row, column);
                if (next < to.m) to.write(load<4>(next_sums), beside_next, next, column);
            } else if (sizeof(T) == sizeof(bf16)) { // the end of a row
#pragma unroll 1
                for (int e = 0; column + e < to.n; e++) {
                    to.write(load<1>(sums + e), row, column + e);
                    if (next < to.m) to.write(load<1>(next_sums + e), next, column + e);
                }
            }
        } while ((r += 2 * apart) < rows);
    }
};
