// c [m, n] = a [m, k] b [k, n], row-major float32, in tiles of 64x64 by 16 of shared memory; 256 threads, each 4x4 sums.
// m, n and k are any numbers.
constexpr int tile = 64, depth = 16;

extern "C" __global__ void __launch_bounds__(256)
sgemm(float *c, const float *__restrict__ a, const float *__restrict__ b, int m, int n, int k) {
    __shared__ float as[depth][tile], bs[depth][tile];
    int row = blockIdx.y * tile, column = blockIdx.x * tile;
    int ty = threadIdx.x / 16 * 4, tx = threadIdx.x % 16 * 4;
    float sum[4][4] = {};
    for (int k0 = 0; k0 < k; k0 += depth) {
#pragma unroll 1
        for (int i = threadIdx.x; i < tile * depth; i += 256) {
            int r = i / depth, d = i % depth;
            as[d][r] = row + r < m && k0 + d < k ? a[(size_t)(row + r) * k + k0 + d] : 0.0f;
        }
#pragma unroll 1
        for (int i = threadIdx.x; i < tile * depth; i += 256) {
            int d = i / tile, col = i % tile;
            bs[d][col] = k0 + d < k && column + col < n ? b[(size_t)(k0 + d) * n + column + col] : 0.0f;
        }
        __syncthreads();
#pragma unroll 2
        for (int d = 0; d < depth; d++) {
            float4 x = *(float4 *)&as[d][ty], y = *(float4 *)&bs[d][tx];
            float xs[4] = {x.x, x.y, x.z, x.w}, ys[4] = {y.x, y.y, y.z, y.w};
            for (int i = 0; i < 4; i++)
                for (int j = 0; j < 4; j++) sum[i][j] += xs[i] * ys[j];
        }
        __syncthreads();
    }
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 4; j++)
            if (row + ty + i < m && column + tx + j < n) c[(size_t)(row + ty + i) * n + column + tx + j] = sum[i][j];
}
