// Layer norm over the columns of a row (ref.LayerNorm) and its gradients (ref.LayerNormGrad).
// x, dst, dx and dy [rows, width]; gamma and beta [width]. The mean and the variance take two passes over the row, as in the reference: the
// short way over the mean of squares loses the variance where the mean is large. The second pass finds the row in the cache.
#include "common.cuh"

struct Moments { float mean, rstd; };

// moments returns the mean of a row and 1/√(variance + epsilon), in every lane of the warp that calls it.
__device__ Moments moments(const float *row, int width, float epsilon, int lane) {
    float sum = 0, squares = 0;
    for (int j = lane; j < width; j += warp_size) sum += row[j];
    float mean = warp_sum(sum) / width;
    for (int j = lane; j < width; j += warp_size) squares += (row[j] - mean) * (row[j] - mean);
    return {mean, 1 / sqrtf(warp_sum(squares) / width + epsilon)};
}

// A warp normalises a row.
extern "C" __global__ void __launch_bounds__(128)
layer_norm(float *dst, const float *x, const float *gamma, const float *beta, int rows, int width, float epsilon) {
    int row = blockIdx.x * (blockDim.x / warp_size) + threadIdx.x / warp_size, lane = threadIdx.x % warp_size;
    if (row >= rows) return;
    const float *in = x + (size_t)row * width;
    float *out = dst + (size_t)row * width;
    Moments m = moments(in, width, epsilon, lane);
    for (int j = lane; j < width; j += warp_size) out[j] = (in[j] - m.mean) * m.rstd * gamma[j] + beta[j];
}

// dx, and the moments [rows] of each row for layer_norm_grad_weights. A warp takes a row.
extern "C" __global__ void __launch_bounds__(128)
layer_norm_grad_input(float *dx, Moments *row_moments, const float *x, const float *gamma, const float *dy, int rows, int width,
                      float epsilon) {
    int row = blockIdx.x * (blockDim.x / warp_size) + threadIdx.x / warp_size, lane = threadIdx.x % warp_size;
    if (row >= rows) return;
    const float *in = x + (size_t)row * width, *up = dy + (size_t)row * width;
    Moments m = moments(in, width, epsilon, lane);
    if (lane == 0) row_moments[row] = m;
    float g = 0, gn = 0;
    for (int j = lane; j < width; j += warp_size) {
        float d = up[j] * gamma[j];
        g += d;
        gn += d * (in[j] - m.mean) * m.rstd;
    }
    g = warp_sum(g) / width;
    gn = warp_sum(gn) / width;
    for (int j = lane; j < width; j += warp_size)
        dx[(size_t)row * width + j] = m.rstd * (up[j] * gamma[j] - g - (in[j] - m.mean) * m.rstd * gn);
}

// Parts of dgamma and dbeta, [parts, width] each: sums over the rows_per_part rows of part y. sum_rows adds the parts up.
// Each of the 8 warps of a block adds every 8th row of 32 columns; the first adds up what they found.
constexpr int columns = 32, strips = 8;

extern "C" __global__ void __launch_bounds__(columns * strips)
layer_norm_grad_weights(float *dgamma, float *dbeta, const Moments *row_moments, const float *x, const float *dy, int rows, int width,
                        int rows_per_part) {
    __shared__ float gammas[strips][columns], betas[strips][columns];
    int lane = threadIdx.x % columns, strip = threadIdx.x / columns, column = blockIdx.x * columns + lane;
    int first = blockIdx.y * rows_per_part, last = min(first + rows_per_part, rows);
    float gamma = 0, beta = 0;
    if (column < width)
        for (int i = first + strip; i < last; i += strips) {
            Moments m = row_moments[i];
            float d = dy[(size_t)i * width + column];
            gamma += d * (x[(size_t)i * width + column] - m.mean) * m.rstd;
            beta += d;
        }
    gammas[strip][lane] = gamma;
    betas[strip][lane] = beta;
    __syncthreads();
    if (strip > 0 || column >= width) return;
    for (int s = 1; s < strips; s++) {
        gamma += gammas[s][lane];
        beta += betas[s][lane];
    }
    dgamma[(size_t)blockIdx.y * width + column] = gamma;
    dbeta[(size_t)blockIdx.y * width + column] = beta;
}
