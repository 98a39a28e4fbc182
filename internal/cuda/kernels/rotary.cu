// Rotary position embedding (ref.Rotary): the first `heads` head vectors of each row turn by angles that grow with the row's position;
// the columns behind them are copied. inverse is 1 to turn back, which is the gradient.
// dst and x [rows, width], positions [rows], cosine and sine [context, head_dim/2]. dst may be x: then nothing is copied.
//
// A thread turns the same V pairs of columns of all heads of a row, so that it reads their sines once.
#include "floats.cuh"

template <int V, typename T>
__device__ void turn(T *dst, const T *x, const int *positions, const float *cosine, const float *sine, int rows, int width, int heads,
                     int head_dim, int inverse) {
    int half = head_dim / 2, per_row = half / V;
    int thread = blockIdx.x * blockDim.x + threadIdx.x;
    int row = thread / per_row, i = thread % per_row * V;
    if (row >= rows) return;
    const T *in = row_of(x, row, width);
    T *out = row_of(dst, row, width);
    size_t angles = (size_t)positions[row] * half + i;
    Few<V> cos = load<V>(cosine + angles), sin = load<V>(sine + angles);
    if (inverse)
        for (int e = 0; e < V; e++) sin.at[e] = -sin.at[e];
    int j = i;
#pragma unroll 1
    do {
        Few<V> a = load<V>(in + j), b = load<V>(in + j + half), first, second;
        for (int e = 0; e < V; e++) {
            first.at[e] = a.at[e] * cos.at[e] - b.at[e] * sin.at[e];
            second.at[e] = a.at[e] * sin.at[e] + b.at[e] * cos.at[e];
        }
        store(out + j, first);
        store(out + j + half, second);
        j += head_dim;
    } while (j < heads * head_dim);
    if (dst == x) return;
#pragma unroll 1
    for (j = heads * head_dim + i; j < width; j += half) store(out + j, load<V>(in + j));
}

#define ROTARY(name, V, T)                                                                                                            \
    extern "C" __global__ void __launch_bounds__(128)                                                                                 \
    rotary_##name(T *dst, const T *x, const int *positions, const float *cosine, const float *sine, int rows, int width, int heads,   \
                  int head_dim, int inverse) {                                                                                        \
        turn<V>(dst, x, positions, cosine, sine, rows, width, heads, head_dim, inverse);                                              \
    }

// Those ending in _any are for rows and halves of heads that are not multiples of 4 columns.
ROTARY(f32, 4, float)
ROTARY(bf16, 4, bf16)
ROTARY(f32_any, 1, float)
ROTARY(bf16_any, 1, bf16)
