// Softmax cross-entropy over a vocabulary (ref.CrossEntropy), its gradient (ref.CrossEntropyGrad), and both in one kernel.
// logits and dlogits [rows, vocab], in float32 or bfloat16; nll, lse, hit, dnll and targets [rows]. A negative target is masked. dlogits
// may be logits. A block takes a row and reads it once for the loss; the kernel that does both keeps the row, as much of it as fits, in
// shared memory for the gradient.
#include "common.cuh"
#include "floats.cuh"

constexpr int most_threads = 1024;

// each calls f(j, logits) for each piece of a row that this thread takes: V logits from j on, or, in bfloat16, a single one behind the last
// whole piece. The first `kept` logits lie in shared memory.
template <int V, typename T, typename F>
__device__ void each(const T *row, const T *shared, int kept, int vocab, F &f) {
    int whole = vocab / V * V;
#pragma unroll 1
    for (int j = threadIdx.x * V; j < whole; j += blockDim.x * V) f(j, j < kept ? load<V>(shared + j) : load<V>(row + j));
    if constexpr (sizeof(T) == sizeof(bf16)) {
        int j = whole + threadIdx.x;
        if (j < vocab) f(j, load<1>(row + j));
    }
}

// Largest is the largest of some logits, where it first stands, and the sum of exp(logit - largest) over them. Of none it is no_logits. Its
// value is finite, the least one, so that differences of values are numbers even where logits are -infinity.
struct Largest { float value; int index; float sum; };

constexpr Largest no_logits = {-0x1.fffffep127f, 0x7fffffff, 0};

// add takes in V logits from j on, which stand behind those before.
template <int V>
__device__ void add(Largest &all, int j, const Few<V> &few) {
    float value = few.at[0];
    int index = 0;
    for (int e = 1; e < V; e++)
        if (few.at[e] > value) {
            value = few.at[e];
            index = e;
        }
    if (value > all.value) all = {value, j + index, all.sum * expf(all.value - value)};
    for (float v : few.at) all.sum += expf(v - all.value);
}

// merge takes two sets of logits together. Of equal logits the first counts. The order of a and b does not matter.
__device__ Largest merge(Largest a, Largest b) {
    bool a_first = a.value > b.value || (a.value == b.value && a.index < b.index);
    float value = a_first ? a.value : b.value;
    return {value, a_first ? a.index : b.index, a.sum * expf(a.value - value) + b.sum * expf(b.value - value)};
}

__device__ Largest warp_merge(Largest all) {
    for (int apart = warp_size / 2; apart > 0; apart /= 2)
        all = merge(all, {__shfl_xor_sync(all_lanes, all.value, apart), __shfl_xor_sync(all_lanes, all.index, apart),
                          __shfl_xor_sync(all_lanes, all.sum, apart)});
    return all;
}

// Loss takes in the pieces of a row. With keep, it keeps the first `kept` logits, in whole pieces of V, in shared memory.
template <int V, bool keep, typename T>
struct Loss {
    T *shared;
    int kept;
    Largest all;

    template <int N>
    __device__ void operator()(int j, const Few<N> &few) {
        add(all, j, few);
        if constexpr (keep && N == V)
            if (j < kept) store(shared + j, few);
    }
};

// loss writes nll, lse and hit of the block's row and returns lse, in every thread.
template <int V, bool keep, typename T>
__device__ float loss(float *nll, float *lse, float *hit, const T *row, T *shared, int kept, int target, int vocab) {
    __shared__ Largest of_warp[most_threads / warp_size];
    int lane = threadIdx.x % warp_size, warp = threadIdx.x / warp_size, warps = blockDim.x / warp_size;
    float logit = 0; // of the target, read before dlogits may overwrite it
    if (threadIdx.x == 0 && target >= 0) logit = load<1>(row + target).at[0];
    Loss<V, keep, T> of_row = {shared, kept, no_logits};
    each<V>(row, row, 0, vocab, of_row);
    Largest all = warp_merge(of_row.all);
    if (lane == 0) of_warp[warp] = all;
    __syncthreads();
    all = warp_merge(lane < warps ? of_warp[lane] : no_logits);
    float log_sum = all.value + logf(all.sum);
    if (threadIdx.x == 0) {
        lse[blockIdx.x] = log_sum;
        nll[blockIdx.x] = target < 0 ? 0 : log_sum - logit;
        hit[blockIdx.x] = target >= 0 && target == all.index ? 1 : 0;
    }
    return log_sum;
}

// Gradient makes dlogits of the pieces of a row.
template <typename T>
struct Gradient {
    T *out;
    float lse, weight;
    int target;

    template <int V>
    __device__ void operator()(int j, Few<V> few) {
        for (int e = 0; e < V; e++)
            few.at[e] = target < 0 ? 0 : weight * (expf(few.at[e] - lse) - (j + e == target ? 1 : 0));
        store(out + j, few);
    }
};

#define CROSS_ENTROPY(name, V, T)                                                                                                    \
    extern "C" __global__ void __launch_bounds__(most_threads)                                                                       \
    cross_entropy_##name(float *nll, float *lse, float *hit, const T *logits, const int *targets, int vocab) {                       \
        loss<V, false>(nll, lse, hit, row_of(logits, blockIdx.x, vocab), (T *)nullptr, 0, targets[blockIdx.x], vocab);               \
    }                                                                                                                                \
    extern "C" __global__ void __launch_bounds__(most_threads)                                                                       \
    cross_entropy_grad_##name(T *dlogits, const T *logits, const float *lse, const float *dnll, const int *targets, int vocab) {     \
        const T *row = row_of(logits, blockIdx.x, vocab);                                                                            \
        Gradient<T> g = {row_of(dlogits, blockIdx.x, vocab), lse[blockIdx.x], dnll[blockIdx.x], targets[blockIdx.x]};                \
        each<V>(row, row, 0, vocab, g);                                                                                              \
    }                                                                                                                                \
    extern "C" __global__ void __launch_bounds__(most_threads)                                                                       \
    cross_entropy_with_grad_##name(float *nll, float *lse, float *hit, T *dlogits, const T *logits, const float *dnll,               \
                                   const int *targets, int vocab, int kept) {                                                        \
        extern __shared__ uint4 shared[];                                                                                            \
        const T *row = row_of(logits, blockIdx.x, vocab);                                                                            \
        int target = targets[blockIdx.x];                                                                                            \
        float log_sum = loss<V, true>(nll, lse, hit, row, (T *)shared, kept, target, vocab);                                         \
        Gradient<T> g = {row_of(dlogits, blockIdx.x, vocab), log_sum, dnll[blockIdx.x], target};                                     \
        each<V>(row, (const T *)shared, kept, vocab, g);                                                                             \
    }

// 16 bytes at a time, where rows begin at multiples of them.
CROSS_ENTROPY(f32, 4, float)
CROSS_ENTROPY(bf16, 8, bf16)
CROSS_ENTROPY(f32_any, 1, float)
