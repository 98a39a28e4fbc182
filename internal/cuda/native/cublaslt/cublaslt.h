// What this package uses of cuBLASLt 12, declared here so that a build needs no headers of it. Names, values and layouts are those of
// cublasLt.h, cublas_api.h and library_types.h of CUDA 12.9; between versions of one major number they stay.

#include <stddef.h>
#include <stdint.h>

typedef int cublasStatus_t;
enum { CUBLAS_STATUS_SUCCESS = 0, CUBLAS_STATUS_INVALID_VALUE = 7, CUBLAS_STATUS_NOT_SUPPORTED = 15 };

enum { CUDA_R_32F = 0, CUDA_R_16BF = 14 };       // cudaDataType
enum { CUBLAS_COMPUTE_32F = 68 };                // cublasComputeType_t
enum { CUBLAS_OP_N = 0, CUBLAS_OP_T = 1 };       // cublasOperation_t
enum { CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE = 2 }; // a mask of cublasLtReductionScheme_t

// cublasLtMatmulDescAttributes_t.
enum {
    CUBLASLT_MATMUL_DESC_TRANSA = 3,               // int32_t
    CUBLASLT_MATMUL_DESC_TRANSB = 4,               // int32_t
    CUBLASLT_MATMUL_DESC_EPILOGUE = 7,             // uint32_t
    CUBLASLT_MATMUL_DESC_BIAS_POINTER = 8,         // const void *
    CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER = 11, // void *
    CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD = 12,     // int64_t
    CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE = 26,      // int32_t
};

// cublasLtEpilogue_t.
enum {
    CUBLASLT_EPILOGUE_DEFAULT = 1,
    CUBLASLT_EPILOGUE_BIAS = 4,
    CUBLASLT_EPILOGUE_GELU_AUX = 32 | 128,
    CUBLASLT_EPILOGUE_GELU_AUX_BIAS = CUBLASLT_EPILOGUE_GELU_AUX | CUBLASLT_EPILOGUE_BIAS,
    CUBLASLT_EPILOGUE_DGELU = 64 | 128,
};

// cublasLtMatmulPreferenceAttributes_t.
enum {
    CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES = 1,   // uint64_t
    CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK = 3, // uint32_t
    CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES = 5, // uint32_t, as are those of B, C and D that follow
    CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES = 8,
};

typedef struct {
    uint64_t data[8];
} cublasLtMatmulAlgo_t;

typedef struct {
    cublasLtMatmulAlgo_t algo;
    size_t workspaceSize;
    cublasStatus_t state;
    float wavesCount;
    int reserved[4];
} cublasLtMatmulHeuristicResult_t;

typedef void *cublasLtHandle_t, *cublasLtMatmulDesc_t, *cublasLtMatrixLayout_t, *cublasLtMatmulPreference_t;

// The functions, as FUNCTION(result, name, (parameters)).
#define CUBLASLT_FUNCTIONS                                                                                                              \
    FUNCTION(size_t, cublasLtGetVersion, (void))                                                                                        \
    FUNCTION(const char *, cublasLtGetStatusString, (cublasStatus_t status))                                                            \
    FUNCTION(cublasStatus_t, cublasLtCreate, (cublasLtHandle_t * handle))                                                               \
    FUNCTION(cublasStatus_t, cublasLtDestroy, (cublasLtHandle_t handle))                                                                \
    FUNCTION(cublasStatus_t, cublasLtMatmulDescCreate, (cublasLtMatmulDesc_t * desc, int compute, int scale))                           \
    FUNCTION(cublasStatus_t, cublasLtMatmulDescDestroy, (cublasLtMatmulDesc_t desc))                                                    \
    FUNCTION(cublasStatus_t, cublasLtMatmulDescSetAttribute, (cublasLtMatmulDesc_t desc, int attribute, const void *value, size_t size)) \
    FUNCTION(cublasStatus_t, cublasLtMatrixLayoutCreate,                                                                                \
             (cublasLtMatrixLayout_t * layout, int type, uint64_t rows, uint64_t columns, int64_t ld))                                  \
    FUNCTION(cublasStatus_t, cublasLtMatrixLayoutDestroy, (cublasLtMatrixLayout_t layout))                                              \
    FUNCTION(cublasStatus_t, cublasLtMatmulPreferenceCreate, (cublasLtMatmulPreference_t * preference))                                 \
    FUNCTION(cublasStatus_t, cublasLtMatmulPreferenceDestroy, (cublasLtMatmulPreference_t preference))                                  \
    FUNCTION(cublasStatus_t, cublasLtMatmulPreferenceSetAttribute,                                                                      \
             (cublasLtMatmulPreference_t preference, int attribute, const void *value, size_t size))                                    \
    FUNCTION(cublasStatus_t, cublasLtMatmulAlgoGetHeuristic,                                                                            \
             (cublasLtHandle_t handle, cublasLtMatmulDesc_t desc, cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,                   \
              cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d, cublasLtMatmulPreference_t preference, int wanted,                    \
              cublasLtMatmulHeuristicResult_t *results, int *found))                                                                    \
    FUNCTION(cublasStatus_t, cublasLtMatmul,                                                                                            \
             (cublasLtHandle_t handle, cublasLtMatmulDesc_t desc, const void *alpha, const void *a, cublasLtMatrixLayout_t layout_a,     \
              const void *b, cublasLtMatrixLayout_t layout_b, const void *beta, const void *c, cublasLtMatrixLayout_t layout_c, void *d, \
              cublasLtMatrixLayout_t layout_d, const cublasLtMatmulAlgo_t *algo, void *workspace, size_t workspace_size, void *stream))
