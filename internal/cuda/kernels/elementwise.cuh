// Functions of elements: dst[i] = f(in[i]...) for i below n, 4 elements a thread. dst may be an input.
#pragma once

template <typename F, typename... Four>
__device__ float4 of_four(F f, const Four &...v) {
    return {f(v.x...), f(v.y...), f(v.z...), f(v.w...)};
}

template <typename F, typename... In>
__device__ void elementwise(float *dst, long long n, F f, const In *...in) {
    long long i = ((long long)blockIdx.x * blockDim.x + threadIdx.x) * 4;
    if (i + 4 <= n) {
        *(float4 *)(dst + i) = of_four(f, *(const float4 *)(in + i)...);
        return;
    }
#pragma unroll 1
    for (; i < n; i++) dst[i] = f(in[i]...);
}
