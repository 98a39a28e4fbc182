// Rotary position embedding (ref.Rotary): the first `heads` head vectors of each row turn by angles that grow with the row's position;
// the columns behind them are copied. inverse is 1 to turn back, which is the gradient.
// dst and x [rows, width], positions [rows], cosine and sine [context, head_dim/2]. dst may be x.
// A warp turns a row.
#include "common.cuh"

extern "C" __global__ void __launch_bounds__(128)
rotary(float *dst, const float *x, const int *positions, const float *cosine, const float *sine, int rows, int width, int heads,
       int head_dim, int inverse) {
    int row = blockIdx.x * (blockDim.x / warp_size) + threadIdx.x / warp_size, lane = threadIdx.x % warp_size;
    if (row >= rows) return;
    const float *in = x + (size_t)row * width;
    float *out = dst + (size_t)row * width;
    int half = head_dim / 2;
    const float *c = cosine + (size_t)positions[row] * half, *s = sine + (size_t)positions[row] * half;
    for (int pair = lane; pair < heads * half; pair += warp_size) {
        int i = pair % half, first = pair / half * head_dim + i, second = first + half;
        float cos = c[i], sin = inverse ? -s[i] : s[i], a = in[first], b = in[second];
        out[first] = a * cos - b * sin;
        out[second] = a * sin + b * cos;
    }
    for (int j = heads * head_dim + lane; j < width; j += warp_size) out[j] = in[j];
}
