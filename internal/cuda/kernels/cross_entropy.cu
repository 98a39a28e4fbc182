// Softmax cross-entropy over a vocabulary (ref.CrossEntropy) and its gradient (ref.CrossEntropyGrad).
// logits and dlogits [rows, vocab]; nll, lse, hit, dnll and targets [rows]. A negative target is masked. A block takes a row.
#include <math_constants.h>

#include "common.cuh"

constexpr int threads = 256;

// Largest is the largest of some logits, where it stands, and the sum of exp(logit - largest) over them.
struct Largest { float value; int index; float sum; };

// merge takes two sets of logits together. Of equal logits the first counts. A set may be empty: value -infinity, sum 0.
__device__ Largest merge(Largest a, Largest b) {
    if (b.value > a.value || (b.value == a.value && b.index < a.index)) {
        Largest c = a;
        a = b;
        b = c;
    }
    // Where the values are equal, both may be -infinity, and their difference is no number.
    a.sum += b.sum == 0 ? 0 : b.value == a.value ? b.sum : b.sum * expf(b.value - a.value);
    return a;
}

extern "C" __global__ void __launch_bounds__(threads)
cross_entropy(float *nll, float *lse, float *hit, const float *logits, const int *targets, int vocab) {
    __shared__ Largest of_warp[threads / warp_size];
    int row = blockIdx.x, lane = threadIdx.x % warp_size, warp = threadIdx.x / warp_size;
    const float *in = logits + (size_t)row * vocab;
    Largest all = {-CUDART_INF_F, 0x7fffffff, 0};
    for (int j = threadIdx.x; j < vocab; j += threads) all = merge(all, {in[j], j, 1});
    for (int apart = warp_size / 2; apart > 0; apart /= 2) {
        Largest other = {__shfl_xor_sync(all_lanes, all.value, apart), __shfl_xor_sync(all_lanes, all.index, apart),
                         __shfl_xor_sync(all_lanes, all.sum, apart)};
        all = merge(all, other);
    }
    if (lane == 0) of_warp[warp] = all;
    __syncthreads();
    if (threadIdx.x > 0) return;
    for (int w = 1; w < threads / warp_size; w++) all = merge(all, of_warp[w]);
    int target = targets[row];
    float log_sum = all.value + logf(all.sum);
    lse[row] = log_sum;
    nll[row] = target < 0 ? 0 : log_sum - in[target];
    hit[row] = target >= 0 && target == all.index ? 1 : 0;
}

// dlogits may be logits.
extern "C" __global__ void __launch_bounds__(threads)
cross_entropy_grad(float *dlogits, const float *logits, const float *lse, const float *dnll, const int *targets, int vocab) {
    int row = blockIdx.x, target = targets[row];
    const float *in = logits + (size_t)row * vocab;
    float *out = dlogits + (size_t)row * vocab;
    float log_sum = lse[row], weight = dnll[row];
    for (int j = threadIdx.x; j < vocab; j += threads) {
        float p = target < 0 ? 0 : expf(in[j] - log_sum);
        out[j] = target < 0 ? 0 : weight * (j == target ? p - 1 : p);
    }
}
