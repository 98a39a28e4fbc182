// y [width, height] = x [height, width] transposed; a warp for each tile of 32x32, which it alone writes and reads in shared memory:
// __syncwarp is all the order it needs.
extern "C" __global__ void __launch_bounds__(128) transpose(float *y, const float *x, int height, int width) {
    __shared__ float tiles[4][32][33];
    int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    float(*tile)[33] = tiles[warp];
    int row0 = blockIdx.y * 32, column0 = (blockIdx.x * 4 + warp) * 32;
#pragma unroll 1
    for (int r = 0; r < 32; r++)
        if (row0 + r < height && column0 + lane < width) tile[r][lane] = x[(size_t)(row0 + r) * width + column0 + lane];
    __syncwarp();
#pragma unroll 1
    for (int c = 0; c < 32; c++)
        if (column0 + c < width && row0 + lane < height) y[(size_t)(column0 + c) * height + row0 + lane] = tile[lane][c];
}
