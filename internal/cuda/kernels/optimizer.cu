// One step of AdamW (ref.AdamW) or SGD (ref.SGD) on all weights, and the squares of their gradient, each in one launch over a table of
// blocks: a block of threads takes the stretch of one tensor that its entry names.
#include <cuda_bf16.h>

#include "common.cuh"

constexpr int threads = 256;

// Stretch is a part of a tensor of weights, with what belongs to it. kernels.Stretch is the same in Go.
struct Stretch {
    float *weights, *moment1, *moment2; // SGD has no moments
    const float *gradient;
    __nv_bfloat16 *copy; // the weights for products in bfloat16, or null
    int count;
    float weight_decay;
};

// Numbers are those of this step. kernels.Numbers is the same in Go.
struct Numbers { float learning_rate, beta1, beta2, epsilon, correction1, correction2, gradient_scale; };

extern "C" __global__ void __launch_bounds__(threads)
adamw(const Stretch *table, const Numbers *numbers) {
    Stretch s = table[blockIdx.x];
    Numbers n = *numbers;
    for (int i = threadIdx.x; i < s.count; i += threads) {
        float g = n.gradient_scale * s.gradient[i];
        float m = n.beta1 * s.moment1[i] + (1 - n.beta1) * g;
        float v = n.beta2 * s.moment2[i] + (1 - n.beta2) * g * g;
        float step = m / n.correction1 / (sqrtf(v / n.correction2) + n.epsilon);
        // One subtraction from the weight: 1 - lr·decay would be rounded in the same direction at every step.
        float w = s.weights[i] - n.learning_rate * (s.weight_decay * s.weights[i] + step);
        s.moment1[i] = m;
        s.moment2[i] = v;
        s.weights[i] = w;
        if (s.copy) s.copy[i] = __float2bfloat16_rn(w);
    }
}

extern "C" __global__ void __launch_bounds__(threads)
sgd(const Stretch *table, const Numbers *numbers) {
    Stretch s = table[blockIdx.x];
    float rate = numbers->learning_rate * numbers->gradient_scale;
    for (int i = threadIdx.x; i < s.count; i += threads) {
        float w = s.weights[i] - rate * s.gradient[i];
        s.weights[i] = w;
        if (s.copy) s.copy[i] = __float2bfloat16_rn(w);
    }
}

// sum_squares: dst[b] = the sum of the squares of the gradient of stretch b (ref.SumSquares). The host adds those of a tensor, which
// is its share of the blame, and of all tensors, which gives the norm.
extern "C" __global__ void __launch_bounds__(threads)
sum_squares(float *dst, const Stretch *table) {
    Stretch s = table[blockIdx.x];
    float sum = 0;
    for (int i = threadIdx.x; i < s.count; i += threads) sum += s.gradient[i] * s.gradient[i];
    sum = block_sum<threads>(sum);
    if (threadIdx.x == 0) dst[blockIdx.x] = sum;
}
