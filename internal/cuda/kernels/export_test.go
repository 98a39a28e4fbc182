package kernels

// MatMulF32InTiles lets a test choose the tile that MatMulF32 chooses by the size of the product.
var MatMulF32InTiles = matMulF32
