// Matrix product in float32 (ref.MatMul): c [m, n] = function(op(a)·op(b) + bias) + addend; see Output for the rest. op(a) [m, k] is
// a [m, k], or the transpose of a [k, m]; op(b) [k, n] is b [k, n], or the transpose of b [n, k]. Entries end in n or t for a and for b,
// and in the tile.
//
// A block of 256 threads makes a tile of c, side x side, from strips of 16 steps of k of a and of b, which cp.async brings into a ring of
// three: while one pair is multiplied, two are on their way. In shared memory strips are k-major. A thread makes (side/16)² elements, in
// groups of 4 x 4 that are 64 apart; the 32 of a warp are 4 down and 8 across, which read 128 bytes of b in a row, and 4 places of a.
//
// The blocks of a grid's row y make part y of the sums, from k_per_part steps of k; where there are several, c is [parts, m, n], and
// matmul_sum adds them.
#include "product.cuh"

constexpr int depth = 16, stages = 3, threads = 256; // steps of k in a strip; strips in the ring

// Strip is `depth` steps of k of `side` rows of op(a), or columns of op(b): the span. In memory either k or the span runs fastest:
// along_span says which. The pitch lets 8 steps of 4 elements of the span, which a warp copies at once, go to different banks.
template <int side, bool along_span>
struct Strip {
    static constexpr int pitch = side + 4, floats = depth * pitch;

    const float *from; // what this thread copies first
    int columns, step, span, k_end, span_end;
    bool vectors; // copies pieces of 16 bytes: the span runs fastest in both memories, and rows begin at multiples of 16 bytes

    __device__ Strip(const float *x, int columns, int k0, int k_end, int span0, int span_end)
        : columns(columns), k_end(k_end), span_end(span_end), vectors(along_span && columns % 4 == 0) {
        step = k0 + own_step(), span = span0 + own_span();
        from = x + (along_span ? (size_t)step * columns + span : (size_t)span * columns + step);
    }

    // own_step and own_span are the place in a strip of what this thread copies first: of element first() along the span, or of one of
    // 4 elements of 8 steps.
    __device__ int own_step() const { return along_span ? first() / side : threadIdx.x % 8 + threadIdx.x / 32 % 2 * 8; }

    __device__ int own_span() const { return along_span ? first() % side : threadIdx.x / 8 % 4 + threadIdx.x / 64 * 4; }

    __device__ int first() const { return threadIdx.x * (vectors ? 4 : 1); }

    // load starts the copy and goes on to the next strip. What lies behind the end of the steps or the span becomes 0, and is not read.
    __device__ void load(float *to) {
        to += own_step() * pitch + own_span();
        const float *x = from;
        if (vectors) {
#pragma unroll
            for (int r = 0; r < depth; r += threads * 4 / side) {
                copy_piece(to + r * pitch, x, step + r < k_end && span < span_end ? 16 : 0);
                x += (size_t)(threads * 4 / side) * columns;
            }
        } else if (along_span) {
#pragma unroll
            for (int r = 0; r < depth; r += threads / side) {
                copy_word(to + r * pitch, x, step + r < k_end && span < span_end ? 4 : 0);
                x += (size_t)(threads / side) * columns;
            }
        } else {
#pragma unroll
            for (int r = 0; r < side; r += threads / depth) {
                copy_word(to + r, x, step < k_end && span + r < span_end ? 4 : 0);
                x += (size_t)(threads / depth) * columns;
            }
        }
        step += depth;
        from += along_span ? (size_t)depth * columns : depth;
    }
};

template <int side, bool trans_a, bool trans_b>
__device__ void matmul(float *c, const float *a, const float *b, const float *bias, const float *addend, float *pre, int function, int m,
                       int n, int k, int k_per_part) {
    constexpr int groups = side / 64; // 1 or 2
    using A = Strip<side, trans_a>;
    using B = Strip<side, !trans_b>;
    using Rows = Staging<64, side>;
    static_assert(Rows::bytes <= stages * (A::floats + B::floats) * sizeof(float), "64 rows of sums must fit into the ring");
    extern __shared__ __align__(128) float ring[];

    Tile tile(m, n, side, side);
    int lane = threadIdx.x % 32, warp = threadIdx.x / 32, ty = (warp / 2 * 4 + lane / 8) * 4, tx = (warp % 2 * 8 + lane % 8) * 4;
    int k_begin = blockIdx.y * k_per_part, k_end = min(k_begin + k_per_part, k), turns = (k_end - k_begin + depth - 1) / depth;
    A a_strip(a, trans_a ? m : k, k_begin, k_end, tile.row, m);
    B b_strip(b, trans_b ? k : n, k_begin, k_end, tile.column, n);

    // A group of copies is committed in every turn, of zeros behind the end, so that waiting for all but `stages - 2` always means those
    // of this turn.
    auto fetch = [&](int turn) {
        float *to = ring + turn % stages * (A::floats + B::floats);
        a_strip.load(to);
        b_strip.load(to + A::floats);
        commit_copies();
    };
    Few<4> sum[groups][4][groups] = {};
    for (int turn = 0; turn < stages - 1; turn++) fetch(turn);
    int turn = 0;
#pragma unroll 1
    do {
        await_copies<stages - 2>();
        __syncthreads(); // the strips of this turn are here, and those of the turn before are free
        fetch(turn + stages - 1);
        const float *as = ring + turn % stages * (A::floats + B::floats), *bs = as + A::floats;
#pragma unroll
        for (int step = 0; step < depth; step++) {
            Few<4> x[groups], y[groups];
            for (int g = 0; g < groups; g++) {
                x[g] = load<4>(as + step * A::pitch + g * 64 + ty);
                y[g] = load<4>(bs + step * B::pitch + g * 64 + tx);
            }
            for (int gi = 0; gi < groups; gi++)
                for (int i = 0; i < 4; i++)
                    for (int gj = 0; gj < groups; gj++)
                        for (int j = 0; j < 4; j++) sum[gi][i][gj].at[j] = fmaf(x[gi].at[i], y[gj].at[j], sum[gi][i][gj].at[j]);
        }
    } while (++turn < turns);
    await_copies<0>();

    Rows staged{ring};
    Output<float> to{c + (size_t)blockIdx.y * m * n, bias, addend, pre, function, m, n};
#pragma unroll 1
    for (int part = 0; part < groups; part++) {
        __syncthreads();
#pragma unroll
        for (int gi = 0; gi < groups; gi++)
            if ((gi == 0) == (part == 0))
#pragma unroll
                for (int i = 0; i < 4; i++)
#pragma unroll
                    for (int gj = 0; gj < groups; gj++) store(staged.at(ty + i, gj * 64 + tx), sum[gi][i][gj]);
        __syncthreads();
        staged.template write<threads, 64>(to, tile.row + part * 64, tile.column);
    }
}

#define MATMUL(trans, trans_a, trans_b, side, resident)                                                                                 \
    extern "C" __global__ void __launch_bounds__(threads, resident) matmul_f32_##trans##_##side##x##side(                               \
        float *c, const float *a, const float *b, const float *bias, const float *addend, float *pre, int function, int m, int n, int k,\
        int k_per_part) {                                                                                                               \
        matmul<side, trans_a, trans_b>(c, a, b, bias, addend, pre, function, m, n, k, k_per_part);                                      \
    }
#define MATMULS(side, resident)                                                                                                         \
    MATMUL(nn, false, false, side, resident)                                                                                            \
    MATMUL(nt, false, true, side, resident)                                                                                             \
    MATMUL(tn, true, false, side, resident)                                                                                             \
    MATMUL(tt, true, true, side, resident)

MATMULS(64, 3)
MATMULS(128, 2)
