// Matrix product on tensor cores (ref.MatMul): c = function(op(a)·op(b) + bias) + addend, for a and b in bfloat16, whose rows begin at
// multiples of 8 elements, with sums in float32; see Output for the rest. c, addend and pre are [m, n] in bfloat16, with such rows too,
// or dense in float32. Entries end in n or t for a and for b, and in the tile.
//
// A block makes a tile of c from strips of 32 steps of k of a and of b, which cp.async brings into a ring of four: while one pair is
// multiplied, three are on their way. A warp makes a square part of the tile by mma.sync m16n8k16, from fragments of 16 steps; while it
// multiplies one it reads the next. Strips lie in shared memory as in global memory, whichever index runs fastest; ldmatrix transposes
// those that need it. Their 16-byte pieces are permuted by xor, so that the 8 pieces that ldmatrix reads at once lie in different banks.
//
// The blocks of a grid's row y make part y of the sums, from k_per_part steps of k; where there are several, c is [parts, m, n] in
// float32, and matmul_sum adds them.
#include "product.cuh"

constexpr int depth = 32, stages = 4; // steps of k in a strip; strips in the ring

// Strip is `depth` steps of k of `spans` rows of op(a), or columns of op(b): the span. along_span says that the span runs fastest, not k.
template <int spans, int threads, bool along_span>
struct Strip {
    static constexpr int pieces = (along_span ? spans : depth) / piece; // of a row in shared memory
    static constexpr int rows = threads / pieces;                       // that the threads copy at once

    const bf16 *from; // what this thread copies first
    int pitch, row, column, rows_end, columns_end;

    static __device__ int place(int row, int p) {
        return (row * pieces + (along_span ? p ^ row % 8 : p ^ row / 2 % 4)) * piece;
    }

    __device__ Strip(const bf16 *x, int pitch, int k0, int k_end, int span0, int span_end) : pitch(pitch) {
        row = (along_span ? k0 : span0) + threadIdx.x / pieces, rows_end = along_span ? k_end : span_end;
        column = (along_span ? span0 : k0) + threadIdx.x % pieces * piece, columns_end = along_span ? span_end : k_end;
        from = x + (size_t)row * pitch + column;
    }

    // load starts the copy and goes on to the next strip. What lies behind the end of the steps or the span becomes 0, and is not read.
    __device__ void load(bf16 *to) {
        static_assert(rows % 8 == 0, "a thread's pieces are permuted alike");
        to += place(threadIdx.x / pieces, threadIdx.x % pieces);
        int inside = min(max(columns_end - column, 0), piece) * (int)sizeof(*to);
        const bf16 *x = from;
#pragma unroll
        for (int r = 0; r < (along_span ? depth : spans); r += rows) {
            copy_piece(to + r * pieces * piece, x, row + r < rows_end ? inside : 0);
            x += (size_t)rows * pitch;
        }
        (along_span ? row : column) += depth;
        from += along_span ? (size_t)depth * pitch : depth;
    }
};

// Fragments is where a warp reads its part of a strip, `side` elements of the span from span0 on, in pieces of 16 x 16 as mma.sync wants
// them: of a, registers 0 and 2 are the first 8 of the span, 1 and 3 the others, and 0 and 1 the first 8 steps; of b, registers 0 and 1
// are the first 8 of the span, and 0 and 2 the first 8 steps. What the permutation leaves constant is added to addresses by the
// instruction itself.
template <typename Strip, int side, bool of_b, bool along_span>
struct Fragments {
    static constexpr int next_16 = 16 * Strip::pieces * piece; // rows of the strip, in elements

    int at[along_span ? side / 16 : depth / 16];

    __device__ Fragments(int span0) {
        int lane = threadIdx.x % 32, down = of_b == along_span ? lane % 16 : column_row(lane);
        int right = of_b == along_span ? lane / 16 : column_piece(lane);
        for (int i = 0; i < (along_span ? side / 16 : depth / 16); i++)
            at[i] = along_span ? Strip::place(down, span0 / piece + i * 2 + right) : Strip::place(span0 + down, i * 2 + right);
    }

    // read reads 16 elements of the span, the i-th so many, of one half of the strip's steps.
    __device__ void read(unsigned r[4], const bf16 *strip, int i, int half) const {
        if (along_span) load_fragment_transposed(r, strip + at[i] + half * next_16);
        else load_fragment(r, strip + at[half] + i * next_16);
    }
};

// side is that of the square that a warp makes.
template <int rows>
constexpr int side = rows < 128 ? 32 : 64;

template <int rows, int columns>
constexpr int threads = rows / side<rows> * (columns / side<rows>) * 32;

template <int rows, int columns, bool trans_a, bool trans_b>
__device__ void matmul(void *c, const bf16 *a, const bf16 *b, const float *bias, const void *addend, void *pre,
                       int function, int is_bf16, int m, int n, int k, int k_per_part) {
    constexpr int side = ::side<rows>, threads = ::threads<rows, columns>, across = columns / side, sixteens = side / 16;
    constexpr int strips = (rows + columns) * depth;
    using A = Strip<rows, threads, trans_a>;
    using B = Strip<columns, threads, !trans_b>;
    using Half = Staging<rows / 2, columns>;
    static_assert(Half::bytes <= stages * strips * sizeof(bf16), "a half of the sums must fit into the ring");
    extern __shared__ __align__(128) bf16 ring[];

    Tile tile(m, n, rows, columns);
    int lane = threadIdx.x % 32, warp_row = threadIdx.x / 32 / across, warp_column = threadIdx.x / 32 % across * side;
    int k_begin = blockIdx.y * k_per_part, k_end = min(k_begin + k_per_part, k), turns = (k_end - k_begin + depth - 1) / depth;
    int a_pitch = ((trans_a ? m : k) + piece - 1) / piece * piece, b_pitch = ((trans_b ? k : n) + piece - 1) / piece * piece;
    A a_strip(a, a_pitch, k_begin, k_end, tile.row, m);
    B b_strip(b, b_pitch, k_begin, k_end, tile.column, n);

    Fragments<A, side, false, trans_a> a_part(warp_row * side);
    Fragments<B, side, true, !trans_b> b_part(warp_column);

    // A group of copies is committed in every turn, of zeros behind the end, so that waiting for all but `stages - 2` always means those
    // of the next turn.
    auto fetch = [&](int turn) {
        bf16 *to = ring + turn % stages * strips;
        a_strip.load(to);
        b_strip.load(to + rows * depth);
        commit_copies();
    };
    unsigned x[2][sixteens][4], y[2][sixteens][4];
    auto read = [&](int turn, int half) {
        const bf16 *from = ring + turn % stages * strips;
#pragma unroll
        for (int i = 0; i < sixteens; i++) a_part.read(x[half][i], from, i, half);
#pragma unroll
        for (int j = 0; j < sixteens; j++) b_part.read(y[half][j], from + rows * depth, j, half);
    };
    float sum[sixteens][2 * sixteens][4] = {};
    auto multiply_all = [&](int half) {
#pragma unroll
        for (int i = 0; i < sixteens; i++)
#pragma unroll
            for (int j = 0; j < 2 * sixteens; j++) {
                const unsigned *eight = y[half][j / 2] + j % 2 * 2;
                multiply(sum[i][j], x[half][i], eight[0], eight[1]);
            }
    };
    for (int turn = 0; turn < stages - 1; turn++) fetch(turn);
    await_copies<stages - 2>();
    __syncthreads();
    read(0, 0);
    int turn = 0;
#pragma unroll 1
    do {
        read(turn, 1);
        fetch(turn + stages - 1); // into the place of the turn before, which all had read before the barrier
        multiply_all(0);
        await_copies<stages - 2>();
        __syncthreads();
        read(turn + 1, 0);
        multiply_all(1);
    } while (++turn < turns);
    await_copies<0>();

    Half half{(float *)ring};
    Output<float> in_f32{(float *)c + (size_t)blockIdx.y * m * n, bias, (const float *)addend, (float *)pre, function, m, n};
    Output<bf16> in_bf16{(bf16 *)c, bias, (const bf16 *)addend, (bf16 *)pre, function, m, n};
#pragma unroll 1
    for (int part = 0; part < 2; part++) {
        __syncthreads();
#pragma unroll
        for (int i = 0; i < sixteens; i++)
            if ((i < sixteens / 2) == (part == 0))
#pragma unroll
                for (int j = 0; j < 2 * sixteens; j++) {
                    int row = warp_row * side / 2 + i % (sixteens / 2) * 16 + lane / 4, column = warp_column + j * 8 + lane % 4 * 2;
                    *(float2 *)half.at(row, column) = {sum[i][j][0], sum[i][j][1]};
                    *(float2 *)half.at(row + 8, column) = {sum[i][j][2], sum[i][j][3]};
                }
        __syncthreads();
        int row0 = tile.row + part * side / 2;
        if (is_bf16) half.template write<threads, side / 2>(in_bf16, row0, tile.column);
        else half.template write<threads, side / 2>(in_f32, row0, tile.column);
    }
}

#define MATMUL(trans, trans_a, trans_b, rows, columns, resident)                                                                        \
    extern "C" __global__ void __launch_bounds__(threads<rows, columns>, resident) matmul_bf16_##trans##_##rows##x##columns(            \
        void *c, const bf16 *a, const bf16 *b, const float *bias, const void *addend, void *pre, int function,                          \
        int is_bf16, int m, int n, int k, int k_per_part) {                                                                             \
        matmul<rows, columns, trans_a, trans_b>(c, a, b, bias, addend, pre, function, is_bf16, m, n, k, k_per_part);                    \
    }
#define MATMULS(rows, columns, resident)                                                                                                \
    MATMUL(nn, false, false, rows, columns, resident)                                                                                   \
    MATMUL(nt, false, true, rows, columns, resident)                                                                                    \
    MATMUL(tn, true, false, rows, columns, resident)                                                                                    \
    MATMUL(tt, true, true, rows, columns, resident)

MATMULS(64, 64, 4)
MATMULS(128, 128, 2)
MATMULS(128, 256, 1)
