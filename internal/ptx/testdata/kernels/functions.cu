// y[i] = f(x[i]) for the functions of CUDA's library that take more than an instruction: the f of thread block b is number b.
#include <cuda_bf16.h>
#include <cuda_fp16.h>

__constant__ float coefficients[4] = {0.5f, -1.0f, 2.0f, 0.25f};

// A call, because it may not be inlined.
__device__ __noinline__ float polynomial(float x, int degree) {
    float sum = 0.0f;
    for (int i = degree; i >= 0; i--) sum = sum * x + coefficients[i];
    return sum;
}

__device__ float choose(int f, float x) {
    switch (f) {
    case 0: return tanhf(x);
    case 1: return erff(x);
    case 2: return sinf(x * 1e5f);
    case 3: return cosf(x);
    case 4: return logf(fabsf(x));
    case 5: return powf(fabsf(x), 2.5f);
    case 6: return sqrtf(fabsf(x));
    case 7: return 1.0f / x;
    case 8: return x / 3.0f;
    case 9: return expf(x);
    case 10: return floorf(x) + rintf(x) + truncf(x);
    case 11: return fmodf(x, 0.7f);
    case 12: return (float)exp((double)x);
    case 13: return (float)((double)x / 3.0);
    case 14: return polynomial(x, 3);
    case 15: return __bfloat162float(__float2bfloat16(x) * __float2bfloat16(2.0f));
    case 16: return __half2float(hexp(__float2half(x)));
    case 17: return (float)((long long)(x * 1e10f) / 7);
    case 18: return (float)((unsigned)(int)(x * 1e4f) % 1000u);
    case 19: return log1pf(fabsf(x));
    case 20: return copysignf(fminf(fabsf(x), 1.0f), -x);
    case 21: return isfinite(x / (x - x)) ? 1.0f : 2.0f;
    case 22: return (float)__popc(__float_as_uint(x)) + __clz((int)x & 0xff) + __ffs((int)x);
    default: return 0.0f;
    }
}

extern "C" __global__ void functions(float *y, const float *x, int n) {
    for (int i = threadIdx.x; i < n; i += blockDim.x) y[blockIdx.x * n + i] = choose(blockIdx.x, x[i]);
}
