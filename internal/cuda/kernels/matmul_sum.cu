// c = function(Σ parts + bias) + addend, the end of a product that was made in parts of k; see Output. parts [count, m, n] in float32 are
// added in their order. A thread makes 4 elements, or 1 where rows do not begin at multiples of 4. m·n is below 2³¹.
#include "epilogue.cuh"

constexpr int threads = 256;

template <int V, typename T>
__device__ void sum(const Output<T> &to, const float *parts, int count) {
    unsigned i = (blockIdx.x * threads + threadIdx.x) * V, all = (unsigned)to.m * to.n;
    if (i >= all) return;
    Few<V> sum = {};
    int p = 0;
#pragma unroll 4
    do {
        Few<V> part = load<V>(parts + (size_t)p * all + i);
        for (int e = 0; e < V; e++) sum.at[e] += part.at[e];
    } while (++p < count);
    to.write(sum, i / to.n, i % to.n);
}

template <typename T>
__device__ void sum(const Output<T> &to, const float *parts, int count) {
    if (to.n % 4 == 0) sum<4>(to, parts, count);
    else sum<1>(to, parts, count);
}

extern "C" __global__ void __launch_bounds__(threads)
matmul_sum(void *c, const float *parts, int count, const float *bias, const void *addend, void *pre, int function, int is_bf16, int m,
           int n) {
    if (is_bf16)
        sum(Output<bf16>{(bf16 *)c, bias, (const bf16 *)addend, (bf16 *)pre, function, m, n}, parts, count);
    else sum(Output<float>{(float *)c, bias, (const float *)addend, (float *)pre, function, m, n}, parts, count);
}
