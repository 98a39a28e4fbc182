// sum[i] = a[i] + b[i] for i < n, in strides of the grid.
extern "C" __global__ void vector_add(float *sum, const float *__restrict__ a, const float *__restrict__ b, int n) {
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)
        sum[i] = a[i] + b[i];
}
