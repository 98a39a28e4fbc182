// Add: dst = a + b (ref.Add), and scale: dst = s·x (ref.Scale), over n elements. dst may be an input.
// A thread computes 4 elements; the last thread's may be fewer.

template <typename F>
__device__ void by_fours(long long n, F one_to_four) {
    long long i = ((long long)blockIdx.x * blockDim.x + threadIdx.x) * 4;
    if (i < n) one_to_four(i, (int)min(n - i, 4LL));
}

extern "C" __global__ void __launch_bounds__(256)
add(float *dst, const float *a, const float *b, long long n) {
    by_fours(n, [=](long long i, int count) {
        if (count == 4) {
            float4 x = *(const float4 *)(a + i), y = *(const float4 *)(b + i);
            *(float4 *)(dst + i) = {x.x + y.x, x.y + y.y, x.z + y.z, x.w + y.w};
            return;
        }
        for (int e = 0; e < count; e++) dst[i + e] = a[i + e] + b[i + e];
    });
}

extern "C" __global__ void __launch_bounds__(256)
scale(float *dst, const float *x, float s, long long n) {
    by_fours(n, [=](long long i, int count) {
        if (count == 4) {
            float4 v = *(const float4 *)(x + i);
            *(float4 *)(dst + i) = {s * v.x, s * v.y, s * v.z, s * v.w};
            return;
        }
        for (int e = 0; e < count; e++) dst[i + e] = s * x[i + e];
    });
}
