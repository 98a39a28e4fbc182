// GELU in its tanh form (ref.GELU) and its gradient (ref.GELUGrad), over n elements; dst may be an input.
#include "elementwise.cuh"
#include "gelu.cuh"

extern "C" __global__ void __launch_bounds__(256)
gelu(float *dst, const float *x, long long n) {
    elementwise(dst, n, [](float x) { return gelu_of(x); }, x);
}

extern "C" __global__ void __launch_bounds__(256)
gelu_grad(float *dst, const float *x, const float *dy, long long n) {
    elementwise(dst, n, [](float x, float dy) { return dy * gelu_slope(x); }, x, dy);
}
