// y[row] = softmax(x[row]): a warp for each row, blocks of 4 warps; width is any number.
extern "C" __global__ void softmax(float *y, const float *x, int rows, int width) {
    int row = blockIdx.x * 4 + threadIdx.x / 32, lane = threadIdx.x % 32;
    if (row >= rows) return;
    x += (size_t)row * width;
    y += (size_t)row * width;
    float top = __int_as_float(0xff800000);
#pragma unroll 1
    for (int i = lane; i < width; i += 32) top = fmaxf(top, x[i]);
    for (int offset = 16; offset > 0; offset /= 2) top = fmaxf(top, __shfl_xor_sync(0xffffffff, top, offset));
    float sum = 0.0f;
#pragma unroll 1
    for (int i = lane; i < width; i += 32) sum += expf(x[i] - top);
    for (int offset = 16; offset > 0; offset /= 2) sum += __shfl_xor_sync(0xffffffff, sum, offset);
#pragma unroll 1
    for (int i = lane; i < width; i += 32) y[i] = expf(x[i] - top) / sum;
}
