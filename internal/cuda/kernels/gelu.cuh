// GELU of one value. With u = √(2/π)(x + 0.044715x³) and σ the logistic function, ½(1 + tanh u) is σ(2u), which keeps its digits where
// tanh u is close to -1.
#pragma once

constexpr float gelu_scale = 0.7978845608028654f, gelu_cubic = 0.044715f;

__device__ inline float gelu_of(float x) {
    float u = gelu_scale * (x + gelu_cubic * x * x * x);
    return __fdividef(x, 1 + expf(-2 * u));
}

// gelu_slope is σ + 2xσ(1 - σ)·√(2/π)(1 + 3·0.044715x²). Both σ and σ(1 - σ) come from exp(-2|u|), which is at most 1; it is 0 from
// |x| = 20 on, where x² is kept from overflowing.
__device__ inline float gelu_slope(float x) {
    float u = gelu_scale * (x + gelu_cubic * x * x * x);
    float e = expf(-2 * fabsf(u)), whole = 1 + e;
    float bounded = fminf(fmaxf(x, -20), 20);
    float part = __fdividef(1, whole), tail = e * part * part * 2 * bounded * gelu_scale * (1 + 3 * gelu_cubic * bounded * bounded);
    return (u < 0 ? e : 1) * part + tail;
}
