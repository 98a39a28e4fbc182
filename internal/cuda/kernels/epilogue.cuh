// The epilogue of a product of matrices, kernels.Epilogue: what happens to the sums before they are written to c, 4 a thread at a time
// where rows begin at multiples of 4 elements.
#pragma once
#include "floats.cuh"
#include "gelu.cuh"

enum Function { plain, with_gelu, with_gelu_grad }; // as in kernels.Function

// Output is where the sums of a product go, and by which way: c [m, n] = function(sum + bias) + addend.
template <typename T>
struct Output {
    T *c;
    const float *bias; // or null
    const T *addend;   // or null
    T *pre;            // or null
    int function, m, n;

    // Beside is what V sums meet that comes from memory; 0 where nothing does.
    template <int V>
    struct Beside {
        Few<V> bias, addend, pre;
    };

    template <int V>
    __device__ Beside<V> read(int row, int column) const {
        Beside<V> beside = {};
        if (bias) beside.bias = load<V>(bias + column);
        if (addend) beside.addend = load<V>(row_of(addend, row, n) + column);
        if (function == with_gelu_grad) beside.pre = load<V>(row_of(pre, row, n) + column);
        return beside;
    }

    // write writes V sums, which begin at a multiple of V.
    template <int V>
    __device__ void write(Few<V> v, const Beside<V> &beside, int row, int column) const {
        for (int e = 0; e < V; e++) v.at[e] += beside.bias.at[e];
        if (function == with_gelu) {
            if (pre) store(row_of(pre, row, n) + column, v);
            for (int e = 0; e < V; e++) v.at[e] = gelu_of(v.at[e]);
        } else if (function == with_gelu_grad) {
            for (int e = 0; e < V; e++) v.at[e] *= gelu_slope(beside.pre.at[e]);
        }
        for (int e = 0; e < V; e++) v.at[e] += beside.addend.at[e];
        store(row_of(c, row, n) + column, v);
    }

    template <int V>
    __device__ void write(const Few<V> &v, int row, int column) const {
        write(v, read<V>(row, column), row, column);
    }
};
