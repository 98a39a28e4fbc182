#include "cublaslt.h"

// A shape is driver.Product with the library's constants: c = epilogue(op(a)·op(b) + bias + addend), row-major.
typedef struct {
    int64_t m, n, k, pitch_a, pitch_b, pitch_c;
    int transpose_a, transpose_b; // 0 or 1
    int in, out, bias_type;       // cudaDataType
    int epilogue;                 // cublasLtEpilogue_t
    int has_bias, has_pre, has_addend;
} shape;

// A plan is a prepared product.
typedef struct plan plan;

// operands are addresses in device memory; 0 is none.
typedef struct {
    uint64_t a, b, c, bias, addend, pre, workspace;
} operands;

// library_load loads the library from a file, which dlopen looks up. It returns why it could not, or NULL.
const char *library_load(const char *file);

size_t library_version(void);
const char *library_status(cublasStatus_t status);
cublasStatus_t library_create(cublasLtHandle_t *handle);
cublasStatus_t library_destroy(cublasLtHandle_t handle);

// plan_create prepares a product that uses at most so many bytes of workspace. It chooses the algorithm.
cublasStatus_t plan_create(cublasLtHandle_t handle, const shape *s, size_t workspace, plan **prepared);

// plan_run queues the product on a CUstream.
cublasStatus_t plan_run(cublasLtHandle_t handle, const plan *p, const operands *o, void *stream);

void plan_destroy(plan *p);
