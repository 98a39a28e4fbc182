// Causal attention inside each sequence (ref.Attention) and its gradient (ref.AttentionGrad), in bfloat16 on tensor cores, after
// FlashAttention-2 (Dao 2023): a block keeps a tile of rows of one head and walks over tiles of the rows it meets.
//
// qkv, dqkv, out and dout are laid out as in attention.cu, with rows that begin at multiples of 8 elements; lse and delta [heads, rows] and
// all sums are float32. Probabilities and their gradients are rounded to bfloat16 for their products. As there, tiles are cut from the
// packed rows whatever sequences they belong to, the gradient is two kernels, and entries end in D, the head dimension rounded up. Heads of
// a multiple of 8 columns come and go by 16 bytes, others by one number at a time.
//
// A warp keeps its rows as operands of mma.sync in registers and multiplies them with 16 met rows at a time. The products' results lie
// in registers as the next products want their operand, so that scores never leave them: that is why the kernel of keys and values has keys
// for rows and queries for columns. Met rows come by cp.async into a ring of two tiles: while one is used, the next is on its way.
// A warp leaves out the tiles, or 16 rows of one, which none of its rows meets, and masks only where some do and others do not.
#include <math_constants.h>

#include "common.cuh"
#include "floats.cuh"
#include "sequences.cuh"
#include "tensor_cores.cuh"

constexpr int warps = 4, threads = warps * warp_size;
constexpr float log2_e = 1.4426950408889634f, ln_2 = 0.6931471805599453f;

// What a block shares: a ring of two tiles of rows, in which rows begin at multiples of their size (see Tile::right), and numbers of rows.
extern __shared__ __align__(256) bf16 memory[];

template <int D>
struct Tile {
    static constexpr int kept = D <= 64 ? 128 : 64, met = kept / 2; // rows
    static constexpr int own = kept / warps, bands = own / 16;      // rows of a warp, and how many times 16 these are
    static constexpr int chunks = met / 16;
    static constexpr int pieces = D / piece;           // of a row
    static constexpr int at_once = warp_size / pieces; // rows of which the lanes of a warp have a piece each
    static constexpr int stage = kept * D; // elements of a tile of the ring: the kept rows of one matrix, or the met rows of two
    static constexpr int chunk_bytes = 16 * D * sizeof(bf16), met_bytes = met * D * sizeof(bf16);

    // place is where a piece lies in shared memory: permuted so that the same piece of 8 rows is in different banks.
    static __device__ int place(int row, int p) {
        constexpr int together = pieces < 8 ? 8 / pieces : 1; // rows in 128 bytes
        return (row * pieces + (p ^ row / together % (8 / together))) * piece;
    }

    // right is the address of the piece i pairs of pieces to the right of one of the first two of a row.
    static __device__ unsigned right(unsigned first, int i) { return first ^ i * 2 * piece * (int)sizeof(bf16); }

    // for_dot and for_sums are where a lane reads the 16 rows of a tile from `rows` on: as columns of operand b, and as rows of it.
    static __device__ unsigned for_dot(const bf16 *rows, int lane) {
        return shared_address(rows + place(column_row(lane), column_piece(lane)));
    }
    static __device__ unsigned for_sums(const bf16 *rows, int lane) { return shared_address(rows + place(lane % 16, lane / 16)); }
};

// Columns are those of a head in a matrix.
struct Columns {
    const bf16 *first;
    int pitch, count;

    __device__ const bf16 *at(int row, int column) const { return first + (size_t)row * pitch + column; }

    // whole says that rows are made of whole pieces at multiples of 16 bytes.
    __device__ bool whole() const { return count % piece == 0; }
};

// padded is the number of elements from one row to the next.
__device__ int padded(int columns) { return (columns + piece - 1) / piece * piece; }

// columns_of are those of a head in a matrix of `heads` heads: those of queries, keys and values together in qkv.
__device__ Columns columns_of(const bf16 *matrix, int heads, int head, int head_dim) {
    return {matrix + head * head_dim, padded(heads * head_dim), head_dim};
}

// load_tile starts to bring `count` rows from row0 on to shared memory. Those outside of `rows`, and columns behind the head's, become 0.
template <int D, int count>
__device__ void load_tile(bf16 *to, const Columns &from, int row0, Range rows) {
    using T = Tile<D>;
    if (from.whole()) {
        constexpr int step = threads / T::pieces; // rows at once; a multiple of 8, so that places move evenly
        int r = threadIdx.x / (unsigned)T::pieces, p = threadIdx.x % T::pieces;
        to += T::place(r, p);
        const bf16 *at = from.at(row0 + r, p * piece);
        bool has_piece = p * piece < from.count;
#pragma unroll 1
        for (int round = 0; round < count / step; round++) {
            bool inside = has_piece && rows.has(row0 + r + round * step);
            copy_piece(to + round * step * D, inside ? at : from.first, inside ? 16 : 0);
            at += (size_t)step * from.pitch;
        }
    } else {
        int column = threadIdx.x % D;
        bool has_column = column < from.count;
#pragma unroll 1
        for (int round = 0; round < count * D / threads; round++) {
            int r = threadIdx.x / (unsigned)D + round * (threads / D);
            bool inside = has_column && rows.has(row0 + r);
            to[T::place(r, column / piece) + column % piece] = inside ? *from.at(row0 + r, column) : bf16(0.f);
        }
    }
}

// load_met starts to bring the met rows of two matrices, one behind the other.
template <int D>
__device__ void load_met(bf16 *tile, const Columns &first, const Columns &second, int row0, Range rows) {
    using T = Tile<D>;
    load_tile<D, T::met>(tile, first, row0, rows);
    load_tile<D, T::met>(tile + T::met * D, second, row0, rows);
}

// walk calls use(tile, row0) for each tile of the met rows, in order. fetch(tile, row0) starts to bring one; the first is on its way. All
// threads may use the ring's memory when it returns.
template <int D, typename Fetch, typename Use>
__device__ void walk(bf16 *ring, Range met, Fetch fetch, Use use) {
    using T = Tile<D>;
    int stage = 0;
#pragma unroll 1
    for (int row0 = met.first; row0 < met.last; row0 += T::met) {
        wait_for_copies();
        __syncthreads(); // this tile is here, and the other one is free
        if (row0 + T::met < met.last) fetch(ring + (stage ^ T::stage), row0 + T::met);
        use(ring + stage, row0);
        stage ^= T::stage;
    }
    __syncthreads();
}

// keep loads the warp's rows of a tile as operands a.
template <int D>
__device__ void keep(unsigned kept[Tile<D>::bands][D / 16][4], const bf16 *tile, int own0, int lane) {
    unsigned first = Tile<D>::for_sums(tile + own0 * D, lane); // operand a is read alike
#pragma unroll
    for (int b = 0; b < Tile<D>::bands; b++)
#pragma unroll
        for (int k = 0; k < D / 16; k++) load_fragment(kept[b][k], Tile<D>::right(first, k) + b * Tile<D>::chunk_bytes);
}

// dot adds kept·metᵀ for 16 met rows to s: those of columns 0 to 7, then 8 to 15. The rows lie `offset` bytes behind met, which is the
// lane's address.
template <int D>
__device__ void dot(float s[Tile<D>::bands][2][4], const unsigned kept[Tile<D>::bands][D / 16][4], unsigned met, int offset) {
#pragma unroll
    for (int k = 0; k < D / 16; k++) {
        unsigned x[4];
        load_fragment(x, Tile<D>::right(met, k) + offset);
#pragma unroll
        for (int b = 0; b < Tile<D>::bands; b++) {
            multiply(s[b][0], kept[b][k], x[0], x[1]);
            multiply(s[b][1], kept[b][k], x[2], x[3]);
        }
    }
}

// accumulate adds weights·met for 16 met rows to sum, with weights as dot lays them out, and met and offset likewise.
template <int D>
__device__ void accumulate(float sum[Tile<D>::bands][D / 8][4], const float weights[Tile<D>::bands][2][4], unsigned met, int offset) {
    unsigned w[Tile<D>::bands][4];
#pragma unroll
    for (int b = 0; b < Tile<D>::bands; b++)
#pragma unroll
        for (int i = 0; i < 4; i++) w[b][i] = pack(weights[b][i / 2][i % 2 * 2], weights[b][i / 2][i % 2 * 2 + 1]);
#pragma unroll
    for (int n = 0; n < D / 16; n++) {
        unsigned x[4];
        load_fragment_transposed(x, Tile<D>::right(met, n) + offset);
#pragma unroll
        for (int b = 0; b < Tile<D>::bands; b++) {
            multiply(sum[b][n * 2], w[b], x[0], x[1]);
            multiply(sum[b][n * 2 + 1], w[b], x[2], x[3]);
        }
    }
}

// store writes the warp's rows, through shared memory: what a warp writes at once are whole pieces of few rows.
template <int D>
__device__ void store(bf16 *to, int pitch, int head_dim, const float sum[Tile<D>::bands][D / 8][4], bf16 *tile, int own0, int row0,
                      int rows, int lane) {
    using T = Tile<D>;
#pragma unroll
    for (int b = 0; b < T::bands; b++)
#pragma unroll
        for (int n = 0; n < D / 8; n++)
#pragma unroll
            for (int half = 0; half < 2; half++)
                *(unsigned *)(tile + T::place(own0 + b * 16 + half * 8 + lane / 4, n) + lane % 4 * 2) =
                    pack(sum[b][n][half * 2], sum[b][n][half * 2 + 1]);
    __syncwarp();
#pragma unroll 1
    for (int round = 0; round < T::own / T::at_once; round++) {
        int r = own0 + round * T::at_once + lane / T::pieces, p = lane % T::pieces, column = p * piece;
        if (row0 + r >= rows || column >= head_dim) continue;
        bf16 *row = to + (size_t)(row0 + r) * pitch + column;
        const bf16 *from = tile + T::place(r, p);
        if (head_dim % piece == 0) {
            *(uint4 *)row = *(const uint4 *)from;
        } else {
#pragma unroll 1
            for (int e = 0; e < piece; e++)
                if (column + e < head_dim) row[e] = from[e];
        }
    }
}

// scale_all multiplies all sums of the warp.
template <int D>
__device__ void scale_all(float sum[Tile<D>::bands][D / 8][4], float factor) {
#pragma unroll
    for (int b = 0; b < Tile<D>::bands; b++)
#pragma unroll
        for (int n = 0; n < D / 8; n++)
#pragma unroll
            for (int e = 0; e < 4; e++) sum[b][n][e] *= factor;
}

// Over the 4 lanes that share rows.
__device__ float sum_over_row(float v) {
    v += __shfl_xor_sync(all_lanes, v, 1);
    return v + __shfl_xor_sync(all_lanes, v, 2);
}
__device__ float max_over_row(float v) {
    v = fmaxf(v, __shfl_xor_sync(all_lanes, v, 1));
    return fmaxf(v, __shfl_xor_sync(all_lanes, v, 2));
}

// power is 2^x, and 0 below 2^-126.
__device__ float power(float x) {
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

// anew hides from the compiler where x is from: what follows from it is computed where it stands, and takes no register before.
__device__ int anew(int x) {
    asm volatile("" : "+r"(x));
    return x;
}

// Meeting says which rows the kept rows of a tile meet: a query the keys from the begin of its sequence to itself, a key the queries from
// itself to the end of its sequence. It is noted in shared memory, for each row.
template <int count, bool queries>
struct Meeting {
    int *bounds, row0;
    Range kept; // rows of the tile that have a sequence

    __device__ Meeting(int *bounds, int row0, const int *offsets, int sequences)
        : bounds(bounds), row0(row0), kept(rows_in_sequences(row0, count, offsets, sequences)) {
        if (count < threads && threadIdx.x >= count) return;
        int bound = queries ? none : 0, row = row0 + threadIdx.x;
        if (kept.has(row)) {
            Sequence s = sequence_of(row, offsets, sequences);
            bound = queries ? s.begin : s.end;
        }
        bounds[threadIdx.x] = bound;
    }

    // by_row are the rows that row r of the tile meets.
    __device__ Range by_row(int r) const { return queries ? Range{bounds[r], row0 + r + 1} : Range{row0 + r, bounds[r]}; }

    // by_any are those that some of `n` rows from r on meet.
    __device__ Range by_any(int r, int n) const {
        Range some = {max(kept.first, row0 + r), min(kept.last, row0 + r + n)};
        if (some.empty()) return {0, 0};
        return {by_row(some.first - row0).first, by_row(some.last - 1 - row0).last};
    }

    // by_all are those that each of them meets.
    __device__ Range by_all(int r, int n) const { return {by_row(r + n - 1).first, by_row(r).last}; }
};

// hide sets the scores of the warp's rows with those that they do not meet to -infinity; row0 is the first of those in s.
template <int D, bool queries>
__device__ void hide(float s[Tile<D>::bands][2][4], int row0, int own0, int lane, const Meeting<Tile<D>::kept, queries> &meeting) {
#pragma unroll
    for (int b = 0; b < Tile<D>::bands; b++)
#pragma unroll
        for (int half = 0; half < 2; half++) {
            Range met = meeting.by_row(own0 + b * 16 + half * 8 + lane / 4);
#pragma unroll
            for (int i = 0; i < 4; i++)
                if (!met.has(row0 + i / 2 * 8 + lane % 4 * 2 + i % 2)) s[b][i / 2][half * 2 + i % 2] = -CUDART_INF_F;
        }
}

template <int D>
__device__ void forward(bf16 *out, float *lse, const bf16 *qkv, const int *offsets, int sequences, int rows, int heads, int group,
                        int head_dim) {
    using T = Tile<D>;
    bf16 *ring = memory;
    int *begins = (int *)(ring + 2 * T::stage);
    int lane = threadIdx.x % warp_size, own0 = threadIdx.x / warp_size * T::own, head = blockIdx.y;
    int row0 = (gridDim.x - 1 - blockIdx.x) * T::kept; // the last tiles have the longest way: they start first
    int keys = heads / group, all = heads + 2 * keys, key = heads + head / group;
    Columns q = columns_of(qkv, all, head, head_dim), k = columns_of(qkv, all, key, head_dim);
    Columns v = columns_of(qkv, all, key + keys, head_dim);
    float scale = log2_e * rsqrtf((float)head_dim);

    Meeting<T::kept, true> meeting(begins, row0, offsets, sequences);
    load_tile<D, T::kept>(ring + T::stage, q, row0, meeting.kept);
    __syncthreads();
    Range met = meeting.by_any(0, T::kept), mine = meeting.by_any(own0, T::own), whole = meeting.by_all(own0, T::own);
    auto fetch = [&](bf16 *tile, int j0) { load_met<D>(tile, k, v, j0, met); };
    if (!met.empty()) fetch(ring, met.first);
    wait_for_copies();
    __syncthreads();
    unsigned qs[T::bands][D / 16][4];
    keep<D>(qs, ring + T::stage, own0, lane);
    float largest[T::bands][2], sum[T::bands][2] = {}, o[T::bands][D / 8][4] = {};
#pragma unroll
    for (int b = 0; b < T::bands; b++)
#pragma unroll
        for (int half = 0; half < 2; half++) largest[b][half] = -CUDART_INF_F;

    walk<D>(ring, met, fetch, [&](const bf16 *tile, int j0) {
        if (!mine.meets(j0, T::met)) return;
        float s[T::chunks][T::bands][2][4] = {};
#pragma unroll
        for (int m = 0; m < T::chunks; m++) dot<D>(s[m], qs, T::for_dot(tile, lane), m * T::chunk_bytes);
        if (!whole.holds(j0, T::met))
#pragma unroll
            for (int m = 0; m < T::chunks; m++) hide<D>(s[m], j0 + m * 16, own0, lane, meeting);
#pragma unroll
        for (int b = 0; b < T::bands; b++)
#pragma unroll
            for (int half = 0; half < 2; half++) {
                float most = largest[b][half];
#pragma unroll
                for (int m = 0; m < T::chunks; m++)
#pragma unroll
                    for (int i = 0; i < 4; i++) most = fmaxf(most, s[m][b][i / 2][half * 2 + i % 2]);
                most = max_over_row(most);
                float base = most == -CUDART_INF_F ? 0 : most * scale; // no key of the row was met
                float fade = power(largest[b][half] * scale - base), more = 0;
#pragma unroll
                for (int m = 0; m < T::chunks; m++)
#pragma unroll
                    for (int i = 0; i < 4; i++) {
                        float &p = s[m][b][i / 2][half * 2 + i % 2];
                        p = power(p * scale - base);
                        more += p;
                    }
                largest[b][half] = most;
                sum[b][half] = sum[b][half] * fade + more;
#pragma unroll
                for (int n = 0; n < D / 8; n++) {
                    o[b][n][half * 2] *= fade;
                    o[b][n][half * 2 + 1] *= fade;
                }
            }
#pragma unroll
        for (int m = 0; m < T::chunks; m++) accumulate<D>(o, s[m], T::for_sums(tile, lane), T::met_bytes + m * T::chunk_bytes);
    });

#pragma unroll
    for (int b = 0; b < T::bands; b++)
#pragma unroll
        for (int half = 0; half < 2; half++) {
            int row = row0 + own0 + b * 16 + half * 8 + lane / 4;
            float total = sum_over_row(sum[b][half]), factor = total == 0 ? 0 : __frcp_rn(total);
#pragma unroll
            for (int n = 0; n < D / 8; n++) {
                o[b][n][half * 2] *= factor;
                o[b][n][half * 2 + 1] *= factor;
            }
            if (lane % 4 == 0 && row < rows)
                lse[(size_t)head * rows + row] = total == 0 ? 0 : (largest[b][half] * scale + __log2f(total)) * ln_2;
        }
    store<D>(out + head * head_dim, padded(heads * head_dim), head_dim, o, ring, own0, row0, rows, lane);
}

// delta_of_rows multiplies each of the warp's rows of out with that of dout, which lies in shared memory.
template <int D>
__device__ void delta_of_rows(float *deltas, const Columns &out, const bf16 *dout, int own0, int row0, Range kept, int lane) {
    using T = Tile<D>;
    if (out.whole()) {
        int p = lane % T::pieces;
#pragma unroll 2
        for (int round = 0; round < T::own / T::at_once; round++) {
            int r = own0 + round * T::at_once + lane / T::pieces;
            float product = 0;
            if (kept.has(row0 + r) && p * piece < out.count) {
                Few<piece> x = load<piece>(out.at(row0 + r, p * piece)), y = load<piece>(dout + T::place(r, p));
#pragma unroll
                for (int e = 0; e < piece; e++) product += x.at[e] * y.at[e];
            }
#pragma unroll
            for (int apart = T::pieces / 2; apart > 0; apart /= 2) product += __shfl_xor_sync(all_lanes, product, apart);
            if (p == 0) deltas[r] = product;
        }
    } else {
#pragma unroll 1
        for (int i = 0; i < T::own; i++) {
            int r = own0 + i;
            float product = 0;
#pragma unroll 1
            for (int column0 = 0; column0 < D; column0 += warp_size) {
                int d = column0 + lane;
                if (d < out.count && kept.has(row0 + r))
                    product += __bfloat162float(*out.at(row0 + r, d)) * __bfloat162float(dout[T::place(r, d / piece) + d % piece]);
            }
            product = warp_sum(product);
            if (lane == 0) deltas[r] = product;
        }
    }
}

// The gradient of queries, and delta_i = dout_i·out_i for that of keys and values.
template <int D>
__device__ void grad_queries(bf16 *dqkv, float *delta, const bf16 *qkv, const bf16 *out, const float *lse, const bf16 *dout,
                             const int *offsets, int sequences, int rows, int heads, int group, int head_dim) {
    using T = Tile<D>;
    bf16 *ring = memory;
    int *begins = (int *)(ring + 2 * T::stage);
    float *deltas = (float *)(begins + T::kept);
    int lane = threadIdx.x % warp_size, own0 = threadIdx.x / warp_size * T::own, head = blockIdx.y;
    int row0 = (gridDim.x - 1 - blockIdx.x) * T::kept;
    int keys = heads / group, all = heads + 2 * keys, key = heads + head / group;
    Columns q = columns_of(qkv, all, head, head_dim), k = columns_of(qkv, all, key, head_dim);
    Columns v = columns_of(qkv, all, key + keys, head_dim), o = columns_of(out, heads, head, head_dim);
    Columns grad = columns_of(dout, heads, head, head_dim);
    float scale = log2_e * rsqrtf((float)head_dim);

    Meeting<T::kept, true> meeting(begins, row0, offsets, sequences);
    Range kept = meeting.kept;
    load_tile<D, T::kept>(ring, q, row0, kept);
    load_tile<D, T::kept>(ring + T::stage, grad, row0, kept);
    wait_for_copies();
    __syncthreads();
    Range met = meeting.by_any(0, T::kept), mine = meeting.by_any(own0, T::own), whole = meeting.by_all(own0, T::own);
    delta_of_rows<D>(deltas, o, ring + T::stage, own0, row0, kept, lane);
    __syncwarp();
    if (lane < T::own && row0 + own0 + lane < rows) delta[(size_t)head * rows + row0 + own0 + lane] = deltas[own0 + lane];
    unsigned qs[T::bands][D / 16][4], grads[T::bands][D / 16][4];
    keep<D>(qs, ring, own0, lane);
    keep<D>(grads, ring + T::stage, own0, lane);
    float log_sum[T::bands][2], d[T::bands][2], dq[T::bands][D / 8][4] = {};
#pragma unroll
    for (int b = 0; b < T::bands; b++)
#pragma unroll
        for (int half = 0; half < 2; half++) {
            int r = own0 + b * 16 + half * 8 + lane / 4;
            log_sum[b][half] = kept.has(row0 + r) ? lse[(size_t)head * rows + row0 + r] * log2_e : 0;
            d[b][half] = deltas[r];
        }
    __syncthreads();

    auto fetch = [&](bf16 *tile, int j0) { load_met<D>(tile, k, v, j0, met); };
    if (!met.empty()) fetch(ring, met.first);
    walk<D>(ring, met, fetch, [&](const bf16 *tile, int tile0) {
#pragma unroll 1
        for (int m = 0; m < T::met; m += 16) {
            int j0 = tile0 + m;
            if (!mine.meets(j0, 16)) continue;
            unsigned columns = T::for_dot(tile + m * D, lane), rows = T::for_sums(tile + m * D, lane);
            float s[T::bands][2][4] = {}, dp[T::bands][2][4] = {};
            dot<D>(s, qs, columns, 0);
            dot<D>(dp, grads, columns, T::met_bytes);
            if (!whole.holds(j0, 16)) hide<D>(s, j0, own0, lane, meeting);
#pragma unroll
            for (int b = 0; b < T::bands; b++)
#pragma unroll
                for (int i = 0; i < 8; i++) {
                    int half = i / 2 % 2;
                    float p = power(s[b][i / 4][i % 4] * scale - log_sum[b][half]);
                    s[b][i / 4][i % 4] = p * (dp[b][i / 4][i % 4] - d[b][half]);
                }
            accumulate<D>(dq, s, rows, 0);
        }
    });
    scale_all<D>(dq, scale * ln_2);
    store<D>(dqkv + head * head_dim, q.pitch, head_dim, dq, ring, own0, row0, rows, lane);
}

// The gradients of keys and values: the block keeps keys and values, and meets the queries of one head after the other that share them.
template <int D>
__device__ void grad_keys(bf16 *dqkv, const float *delta, const bf16 *qkv, const float *lse, const bf16 *dout, const int *offsets,
                          int sequences, int rows, int heads, int group, int head_dim) {
    using T = Tile<D>;
    bf16 *ring = memory;
    int *ends = (int *)(ring + 2 * T::stage);
    float *numbers = (float *)(ends + T::kept); // lse and delta of the met queries, of both tiles of the ring
    Range *mine_of = (Range *)(numbers + 4 * T::met), *whole_of = mine_of + warps; // of a warp; here they take no registers,
    int *head_of = (int *)(whole_of + warps);                                      // nor does the head whose queries it meets
    int lane = threadIdx.x % warp_size, own0 = threadIdx.x / warp_size * T::own;
    int row0 = blockIdx.x * T::kept, keys = gridDim.y, all = heads + 2 * keys, key = heads + blockIdx.y;
    Columns k = columns_of(qkv, all, key, head_dim), v = columns_of(qkv, all, key + keys, head_dim);
    float scale = log2_e * rsqrtf((float)head_dim);

    Meeting<T::kept, false> meeting(ends, row0, offsets, sequences);
    load_tile<D, T::kept>(ring, k, row0, meeting.kept);
    load_tile<D, T::kept>(ring + T::stage, v, row0, meeting.kept);
    wait_for_copies();
    __syncthreads();
    Range met = meeting.by_any(0, T::kept);
    if (lane == 0) {
        mine_of[threadIdx.x / warp_size] = meeting.by_any(own0, T::own);
        whole_of[threadIdx.x / warp_size] = meeting.by_all(own0, T::own);
        head_of[threadIdx.x / warp_size] = blockIdx.y * group;
    }
    unsigned ks[T::bands][D / 16][4], vs[T::bands][D / 16][4];
    keep<D>(ks, ring, own0, lane);
    keep<D>(vs, ring + T::stage, own0, lane);
    float dk[T::bands][D / 8][4] = {}, dv[T::bands][D / 8][4] = {};
    __syncthreads();

#pragma unroll 1
    do {
        auto fetch = [=](bf16 *tile, int i0) {
            int head = head_of[threadIdx.x / warp_size], width = anew(head_dim);
            Columns q = columns_of(qkv, heads + 2 * gridDim.y, head, width), grad = columns_of(dout, heads, head, width);
            load_met<D>(tile, q, grad, i0, {i0, met.last});
            int thread = anew(threadIdx.x), which = thread / T::met, i = thread % T::met;
            if (T::met * 2 < threads && which >= 2) return;
            bool inside = i0 + i < met.last;
            const float *from = which ? delta : lse;
            copy_word(numbers + ((tile != ring) * 2 + which) * T::met + i, from + (inside ? (size_t)head * rows + i0 + i : 0), inside ? 4 : 0);
        };
        if (!met.empty()) fetch(ring, met.first);
        walk<D>(ring, met, fetch, [&](const bf16 *tile, int tile0) {
#pragma unroll 1
            for (int m = 0; m < T::met; m += 16) {
                int i0 = tile0 + m;
                if (!mine_of[threadIdx.x / warp_size].meets(i0, 16)) continue;
                unsigned columns = T::for_dot(tile + m * D, lane), rows = T::for_sums(tile + m * D, lane);
                float s[T::bands][2][4] = {}, dp[T::bands][2][4] = {};
                dot<D>(s, ks, columns, 0);
                if (!whole_of[threadIdx.x / warp_size].holds(i0, 16)) hide<D>(s, i0, anew(threadIdx.x) / warp_size * T::own, lane, meeting);
                const float *at = numbers + (tile != ring) * 2 * T::met + m + lane % 4 * 2;
#pragma unroll
                for (int n = 0; n < 2; n++) {
                    float2 log_sum = *(const float2 *)(at + n * 8);
#pragma unroll
                    for (int b = 0; b < T::bands; b++)
#pragma unroll
                        for (int i = 0; i < 4; i++) s[b][n][i] = power(s[b][n][i] * scale - (i % 2 ? log_sum.y : log_sum.x) * log2_e);
                }
                accumulate<D>(dv, s, rows, T::met_bytes);
                dot<D>(dp, vs, columns, T::met_bytes);
#pragma unroll
                for (int n = 0; n < 2; n++) {
                    float2 d = *(const float2 *)(at + T::met + n * 8);
#pragma unroll
                    for (int b = 0; b < T::bands; b++)
#pragma unroll
                        for (int i = 0; i < 4; i++) dp[b][n][i] = s[b][n][i] * (dp[b][n][i] - (i % 2 ? d.y : d.x));
                }
                accumulate<D>(dk, dp, rows, 0);
            }
        });
        if (lane == 0) head_of[threadIdx.x / warp_size]++;
        __syncwarp();
    } while (head_of[threadIdx.x / warp_size] < (blockIdx.y + 1) * group);
    scale_all<D>(dk, scale * ln_2);
    int width = anew(head_dim), pitch = padded((heads + 2 * gridDim.y) * width);
    bf16 *to = dqkv + (heads + anew(blockIdx.y)) * width;
    store<D>(to, pitch, width, dk, ring, own0, row0, rows, lane);
    store<D>(to + gridDim.y * width, pitch, width, dv, ring + T::stage, own0, row0, rows, lane);
}

#define ATTENTION(D)                                                                                                                     \
    extern "C" __global__ void __launch_bounds__(threads, 2)                                                                             \
    attention_bf16_##D(bf16 *out, float *lse, const bf16 *qkv, const int *offsets, int sequences, int rows, int heads, int group,        \
                      int head_dim) {                                                                                                    \
        forward<D>(out, lse, qkv, offsets, sequences, rows, heads, group, head_dim);                                                     \
    }                                                                                                                                    \
    extern "C" __global__ void __launch_bounds__(threads, 2)                                                                             \
    attention_bf16_grad_queries_##D(bf16 *dqkv, float *delta, const bf16 *qkv, const bf16 *out, const float *lse, const bf16 *dout,      \
                                   const int *offsets, int sequences, int rows, int heads, int group, int head_dim) {                    \
        grad_queries<D>(dqkv, delta, qkv, out, lse, dout, offsets, sequences, rows, heads, group, head_dim);                             \
    }                                                                                                                                    \
    extern "C" __global__ void __launch_bounds__(threads, 2)                                                                             \
    attention_bf16_grad_keys_##D(bf16 *dqkv, const float *delta, const bf16 *qkv, const float *lse, const bf16 *dout, const int *offsets,\
                                int sequences, int rows, int heads, int group, int head_dim) {                                           \
        grad_keys<D>(dqkv, delta, qkv, lse, dout, offsets, sequences, rows, heads, group, head_dim);                                     \
    }

ATTENTION(16)
ATTENTION(32)
ATTENTION(64)
ATTENTION(128)
