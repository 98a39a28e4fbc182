// One step of AdamW (ref.AdamW) or SGD (ref.SGD) on all weights, each in one launch over a table of blocks: a block of threads takes the
// stretch of one tensor that its entry names. Before it, the squares of the gradient, and what follows from them: how far the gradient is
// clipped, and whether the step is taken at all. So the host need not wait for the norm before it queues the step.
#include "common.cuh"
#include "floats.cuh"

constexpr int threads = 256;

// Stretch is a part of a tensor of weights, with what belongs to it. kernels.Stretch is the same in Go.
struct Stretch {
    float *weights, *moment1, *moment2; // SGD has no moments
    const float *gradient;
    bf16 *copy; // the weights for products in bfloat16, or null
    int count;
    float weight_decay;
};

// Numbers are those of this step. kernels.Numbers is the same in Go.
struct Numbers {
    float learning_rate, beta1, beta2, epsilon, correction1, correction2, clip;
    int step;
};

// Outcome is what became of this step. kernels.Outcome is the same in Go.
struct Outcome {
    double norm;
    float gradient_scale;
    int failed;
};

// each calls f.take<V>(i) for the elements of a stretch that this thread takes: V = 4 of them from i on, or a single one behind the last
// whole piece.
template <typename F>
__device__ void each(int count, F &f) {
    int whole = count / 4 * 4;
#pragma unroll 1
    for (int i = threadIdx.x * 4; i < whole; i += threads * 4) f.template take<4>(i);
    int i = whole + threadIdx.x;
    if (i < count) f.template take<1>(i);
}

struct Squares {
    const float *gradient;
    float sum;

    template <int V>
    __device__ void take(int i) {
        for (float v : load<V>(gradient + i).at) sum += v * v;
    }
};

// sum_squares: dst[b] = the sum of the squares of the gradient of stretch b (ref.SumSquares).
extern "C" __global__ void __launch_bounds__(threads)
sum_squares(float *dst, const Stretch *table) {
    __shared__ Room<float> room;
    Squares s = {table[blockIdx.x].gradient, 0};
    each(table[blockIdx.x].count, s);
    block_sum(&room, s.sum);
    if (threadIdx.x == 0) dst[blockIdx.x] = s.sum;
}

// judge_step: the norm of the gradient from its squares [count], what the gradient is multiplied by so that its norm is at most clip (as
// PyTorch's clip_grad_norm_ does; 1 where clip is 0), and in `failed`, where it is 0 still, the step's number if the norm or the loss, where
// there is one, is not finite. One block.
extern "C" __global__ void __launch_bounds__(512)
judge_step(Outcome *outcome, const float *squares, const float *loss, const Numbers *numbers, int count) {
    __shared__ Room<double> room;
    double sum = 0;
#pragma unroll 1
    for (int i = threadIdx.x; i < count; i += blockDim.x) sum += squares[i];
    block_sum(&room, sum);
    if (threadIdx.x > 0) return;
    double norm = sqrt(sum);
    outcome->norm = norm;
    outcome->gradient_scale = numbers->clip > 0 ? fmin(1, numbers->clip / (norm + 1e-6)) : 1;
    bool finite = isfinite(norm) && (!loss || isfinite(*loss));
    if (!finite && outcome->failed == 0) outcome->failed = numbers->step;
}

struct AdamW {
    Stretch s;
    Numbers n;
    float scale; // of the gradient

    template <int V>
    __device__ void take(int i) {
        Few<V> g = load<V>(s.gradient + i), m = load<V>(s.moment1 + i), v = load<V>(s.moment2 + i), w = load<V>(s.weights + i);
        for (int e = 0; e < V; e++) {
            float slope = scale * g.at[e];
            m.at[e] = n.beta1 * m.at[e] + (1 - n.beta1) * slope;
            v.at[e] = n.beta2 * v.at[e] + (1 - n.beta2) * slope * slope;
            float step = m.at[e] / n.correction1 / (sqrtf(v.at[e] / n.correction2) + n.epsilon);
            // One subtraction from the weight: 1 - lr·decay would be rounded in the same direction at every step.
            w.at[e] -= n.learning_rate * (s.weight_decay * w.at[e] + step);
        }
        store(s.moment1 + i, m);
        store(s.moment2 + i, v);
        store(s.weights + i, w);
        if (s.copy) store(s.copy + i, w);
    }
};

extern "C" __global__ void __launch_bounds__(threads)
adamw(const Stretch *table, const Numbers *numbers, const Outcome *outcome) {
    if (outcome->failed) return;
    AdamW step = {table[blockIdx.x], *numbers, outcome->gradient_scale};
    each(step.s.count, step);
}

struct SGD {
    Stretch s;
    float rate;

    template <int V>
    __device__ void take(int i) {
        Few<V> g = load<V>(s.gradient + i), w = load<V>(s.weights + i);
        for (int e = 0; e < V; e++) w.at[e] -= rate * g.at[e];
        store(s.weights + i, w);
        if (s.copy) store(s.copy + i, w);
    }
};

extern "C" __global__ void __launch_bounds__(threads)
sgd(const Stretch *table, const Numbers *numbers, const Outcome *outcome) {
    if (outcome->failed) return;
    SGD step = {table[blockIdx.x], numbers->learning_rate * outcome->gradient_scale};
    each(step.s.count, step);
}
