// SwiGLU (ref.SwiGLU) and its gradient (ref.SwiGLUGrad): a row of x [rows, 2·hidden] holds the gate and then what it multiplies.
// dst and dy are [rows, hidden]; dx may be x. All are float32 or all bfloat16. A thread takes V columns of the gate and those they meet.
#include "floats.cuh"

// Place is where a thread finds its columns.
struct Place {
    int row, column;

    __device__ Place(int columns, int hidden) {
        int thread = blockIdx.x * blockDim.x + threadIdx.x, per_row = hidden / columns;
        row = thread / per_row;
        column = thread % per_row * columns;
    }
};

template <int V, typename T>
__device__ void gate(T *dst, const T *x, int rows, int hidden) {
    Place at(V, hidden);
    if (at.row >= rows) return;
    const T *in = row_of(x, at.row, 2 * hidden) + at.column;
    Few<V> g = load<V>(in), up = load<V>(in + hidden);
    for (int e = 0; e < V; e++) g.at[e] = __fdividef(g.at[e], 1 + expf(-g.at[e])) * up.at[e];
    store(row_of(dst, at.row, hidden) + at.column, g);
}

// With e = exp(-|gate|), which is at most 1, s = 1/(1 + exp(-gate)) and 1 - s are 1/(1 + e) and e/(1 + e), or the other way around.
template <int V, typename T>
__device__ void gate_grad(T *dx, const T *x, const T *dy, int rows, int hidden) {
    Place at(V, hidden);
    if (at.row >= rows) return;
    const T *in = row_of(x, at.row, 2 * hidden) + at.column;
    T *out = row_of(dx, at.row, 2 * hidden) + at.column;
    Few<V> g = load<V>(in), up = load<V>(in + hidden), d = load<V>(row_of(dy, at.row, hidden) + at.column), dgate, dup;
    for (int e = 0; e < V; e++) {
        float tail = expf(-fabsf(g.at[e])), larger = __fdividef(1, 1 + tail), smaller = tail * larger;
        float s = g.at[e] < 0 ? smaller : larger, rest = g.at[e] < 0 ? larger : smaller, silu = g.at[e] * s;
        dgate.at[e] = d.at[e] * up.at[e] * (s + silu * rest);
        dup.at[e] = d.at[e] * silu;
    }
    store(out, dgate);
    store(out + hidden, dup);
}

#define SWIGLU(name, V, T)                                                                               \
    extern "C" __global__ void __launch_bounds__(256)                                                    \
    swiglu_##name(T *dst, const T *x, int rows, int hidden) {                                            \
        gate<V>(dst, x, rows, hidden);                                                                   \
    }                                                                                                    \
    extern "C" __global__ void __launch_bounds__(256)                                                    \
    swiglu_grad_##name(T *dx, const T *x, const T *dy, int rows, int hidden) {                           \
        gate_grad<V>(dx, x, dy, rows, hidden);                                                           \
    }

// Those ending in _any are for numbers of hidden columns that are not multiples of 4.
SWIGLU(f32, 4, float)
SWIGLU(bf16, 4, bf16)
SWIGLU(f32_any, 1, float)
SWIGLU(bf16_any, 1, bf16)
