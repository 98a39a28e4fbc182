// Tensor cores: how their operands get from global memory to shared memory and on to registers, and the product itself. Matrices are of
// bfloat16; a piece is 16 bytes of a row, which copies and ldmatrix move as one.
#pragma once
#include "floats.cuh"

constexpr int piece = 8; // elements

__device__ inline unsigned shared_address(const void *p) { return (unsigned)__cvta_generic_to_shared(p); }

// copy_piece starts the copy of a piece to shared memory, of which `bytes` are read; the others become 0. copy_word is the same for a word
// of 4 bytes.
__device__ inline void copy_piece(void *to, const void *from, int bytes) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(to)), "l"(from), "r"(bytes) : "memory");
}
__device__ inline void copy_word(void *to, const void *from, int bytes) {
    asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(shared_address(to)), "l"(from), "r"(bytes) : "memory");
}

// wait_for_copies waits until all copies that the thread started have ended. Other threads see them behind a barrier.
__device__ inline void wait_for_copies() { asm volatile("cp.async.wait_all;" ::: "memory"); }

// load_fragment loads 16 x 16 elements for multiply, 4 squares of 8 x 8: the lanes 0 to 7 point to the rows of the first, and so on; r[i]
// is of square i. In the order (row 0, column 0), (8, 0), (0, 8), (8, 8), where the lane points to piece lane / 16 of row lane % 16, they
// are operand a. As operand b, whose columns are the rows here, the columns 0 to 7 are in r[0] and r[2], 8 to 15 in r[1] and r[3].
// column_row and column_piece point to (0, 0), (0, 8), (8, 0), (8, 8): then they are in r[0] and r[1], and in r[2] and r[3]. That
// spares moves: mma reads operand b from neighbouring registers.
__device__ inline void load_fragment(unsigned r[4], unsigned row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(row)
                 : "memory");
}
__device__ inline void load_fragment(unsigned r[4], const bf16 *row) { load_fragment(r, shared_address(row)); }

__device__ inline int column_row(int lane) { return lane / 16 * 8 + lane % 8; }
__device__ inline int column_piece(int lane) { return lane / 8 % 2; }

// load_fragment_transposed loads 16 x 16 elements as operand b of multiply, row for row: columns 0 to 7 in r[0] and r[1], 8 to 15 in r[2]
// and r[3]. The lane points to piece lane / 16 of row lane % 16.
__device__ inline void load_fragment_transposed(unsigned r[4], unsigned row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(row)
                 : "memory");
}
__device__ inline void load_fragment_transposed(unsigned r[4], const bf16 *row) { load_fragment_transposed(r, shared_address(row)); }

// multiply is d += a·b for a [16, 16] and b [16, 8]. The lane has of d the columns lane % 4 · 2 and the next, of the row lane / 4 in d[0]
// and d[1], of the row lane / 4 + 8 in d[2] and d[3].
__device__ inline void multiply(float d[4], const unsigned a[4], unsigned b0, unsigned b1) {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

// pack rounds two neighbours to the nearest.
__device__ inline unsigned pack(float x, float y) {
    __nv_bfloat162 both = __floats2bfloat162_rn(x, y);
    return *(unsigned *)&both;
}
