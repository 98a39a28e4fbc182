// y[row] = (x[row] - mean) / sqrt(variance + 1e-5) * gain + bias: one block of 128 threads a row; width is any number.
__device__ float warp_sum(float v) {
    for (int offset = 16; offset > 0; offset /= 2) v += __shfl_xor_sync(0xffffffff, v, offset);
    return v;
}

__device__ float block_sum(float v, float *partial) {
    int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    v = warp_sum(v);
    __syncthreads(); // the sums before this one have been read
    if (lane == 0) partial[warp] = v;
    __syncthreads();
    v = lane < blockDim.x / 32 ? partial[lane] : 0.0f;
    return warp_sum(v);
}

extern "C" __global__ void __launch_bounds__(128)
layer_norm(float *y, const float *x, const float *gain, const float *bias, int width) {
    __shared__ float partial[4];
    x += (size_t)blockIdx.x * width;
    y += (size_t)blockIdx.x * width;
    float sum = 0.0f;
#pragma unroll 1
    for (int i = threadIdx.x; i < width; i += blockDim.x) sum += x[i];
    float mean = block_sum(sum, partial) / width;
    float squares = 0.0f;
#pragma unroll 1
    for (int i = threadIdx.x; i < width; i += blockDim.x) squares += (x[i] - mean) * (x[i] - mean);
    float scale = rsqrtf(block_sum(squares, partial) / width + 1e-5f);
#pragma unroll 1
    for (int i = threadIdx.x; i < width; i += blockDim.x) y[i] = (x[i] - mean) * scale * gain[i] + bias[i];
}
