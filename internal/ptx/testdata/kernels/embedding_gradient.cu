// gradient[token[i]] += blame[i], rows of width values, summed by atomic additions; counts[token[i]] += 1.
extern "C" __global__ void embedding_gradient(float *gradient, int *counts, const float *blame, const int *token, int n, int width) {
    int i = blockIdx.x * blockDim.y + threadIdx.y;
    if (i >= n) return;
    for (int w = threadIdx.x; w < width; w += blockDim.x)
        atomicAdd(&gradient[(size_t)token[i] * width + w], blame[(size_t)i * width + w]);
    if (threadIdx.x == 0) atomicAdd(&counts[token[i]], 1);
}
