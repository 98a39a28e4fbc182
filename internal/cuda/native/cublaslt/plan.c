//go:build gpu && linux && amd64

#include "plan.h"

#include <dlfcn.h>
#include <stdlib.h>

static struct {
#define FUNCTION(result, name, parameters) result(*name) parameters;
    CUBLASLT_FUNCTIONS
#undef FUNCTION
} lt;

const char *library_load(const char *file) {
    void *library = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    if (!library) return dlerror();
#define FUNCTION(result, name, parameters) \
    if (!(lt.name = (result(*) parameters)dlsym(library, #name))) return "it has no function " #name;
    CUBLASLT_FUNCTIONS
#undef FUNCTION
    return NULL;
}

size_t library_version(void) { return lt.cublasLtGetVersion(); }
const char *library_status(cublasStatus_t status) { return lt.cublasLtGetStatusString(status); }
cublasStatus_t library_create(cublasLtHandle_t *handle) { return lt.cublasLtCreate(handle); }
cublasStatus_t library_destroy(cublasLtHandle_t handle) { return lt.cublasLtDestroy(handle); }

struct plan {
    cublasLtMatmulDesc_t desc;
    cublasLtMatrixLayout_t a, b, c;
    cublasLtMatmulAlgo_t algo;
    size_t workspace;
    int has_bias, has_pre, has_addend;
};

#define TRY(call)                                                \
    do {                                                         \
        cublasStatus_t status_ = (call);                         \
        if (status_ != CUBLAS_STATUS_SUCCESS) return status_;    \
    } while (0)

#define SET(desc, attribute, value) lt.cublasLtMatmulDescSetAttribute(desc, attribute, &(value), sizeof(value))

// describe makes the plan's operation and layouts.
//
// The library's matrices are column-major. A row-major matrix is the column-major one of its transpose, with the pitch as the leading
// dimension, and cᵀ = op(b)ᵀ·op(a)ᵀ: so b is the library's first matrix, a its second, each transposed as it is here, m and n change
// places, and the bias, one number a column of c, is one a row of the library's result, as it demands.
static cublasStatus_t describe(plan *p, const shape *s) {
    TRY(lt.cublasLtMatmulDescCreate(&p->desc, CUBLAS_COMPUTE_32F, CUDA_R_32F));
    int32_t first = s->transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N, second = s->transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N;
    TRY(SET(p->desc, CUBLASLT_MATMUL_DESC_TRANSA, first));
    TRY(SET(p->desc, CUBLASLT_MATMUL_DESC_TRANSB, second));
    uint32_t epilogue = s->epilogue;
    TRY(SET(p->desc, CUBLASLT_MATMUL_DESC_EPILOGUE, epilogue));

    // Of pointers the choice of an algorithm reads the alignment. plan_run sets the true ones.
    void *aligned = (void *)16;
    if (s->has_bias) {
        int32_t type = s->bias_type;
        TRY(SET(p->desc, CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, type));
        TRY(SET(p->desc, CUBLASLT_MATMUL_DESC_BIAS_POINTER, aligned));
    }
    if (s->has_pre) {
        TRY(SET(p->desc, CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD, s->pitch_c));
        TRY(SET(p->desc, CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER, aligned));
    }

    int64_t rows_a = s->transpose_a ? s->k : s->m, columns_a = s->transpose_a ? s->m : s->k;
    int64_t rows_b = s->transpose_b ? s->n : s->k, columns_b = s->transpose_b ? s->k : s->n;
    TRY(lt.cublasLtMatrixLayoutCreate(&p->a, s->in, columns_a, rows_a, s->pitch_a));
    TRY(lt.cublasLtMatrixLayoutCreate(&p->b, s->in, columns_b, rows_b, s->pitch_b));
    return lt.cublasLtMatrixLayoutCreate(&p->c, s->out, s->n, s->m, s->pitch_c);
}

// prefer says what the algorithm may do.
static cublasStatus_t prefer(cublasLtMatmulPreference_t preference, uint64_t workspace) {
    TRY(lt.cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &workspace, sizeof workspace));
    // The parts of a sum that is split between blocks are added in float32, not in the elements of c.
    uint32_t reduction = CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
    TRY(lt.cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &reduction, sizeof reduction));
    uint32_t alignment = 16; // tensors begin at multiples of 16 bytes
    for (int i = CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES; i <= CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES; i++)
        TRY(lt.cublasLtMatmulPreferenceSetAttribute(preference, i, &alignment, sizeof alignment));
    return CUBLAS_STATUS_SUCCESS;
}

// choose asks the library for the algorithm that it thinks fastest.
static cublasStatus_t choose(cublasLtHandle_t handle, plan *p, size_t workspace) {
    cublasLtMatmulPreference_t preference;
    TRY(lt.cublasLtMatmulPreferenceCreate(&preference));
    cublasLtMatmulHeuristicResult_t best = {0};
    int found = 0;
    cublasStatus_t status = prefer(preference, workspace);
    if (status == CUBLAS_STATUS_SUCCESS)
        status = lt.cublasLtMatmulAlgoGetHeuristic(handle, p->desc, p->b, p->a, p->c, p->c, preference, 1, &best, &found);
    lt.cublasLtMatmulPreferenceDestroy(preference);
    if (status != CUBLAS_STATUS_SUCCESS) return status;
    if (found < 1) return CUBLAS_STATUS_NOT_SUPPORTED;
    p->algo = best.algo;
    p->workspace = best.workspaceSize;
    return best.state;
}

cublasStatus_t plan_create(cublasLtHandle_t handle, const shape *s, size_t workspace, plan **prepared) {
    plan *p = calloc(1, sizeof *p);
    p->has_bias = s->has_bias, p->has_pre = s->has_pre, p->has_addend = s->has_addend;
    cublasStatus_t status = describe(p, s);
    if (status == CUBLAS_STATUS_SUCCESS) status = choose(handle, p, workspace);
    if (status != CUBLAS_STATUS_SUCCESS) {
        plan_destroy(p);
        return status;
    }
    *prepared = p;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t plan_run(cublasLtHandle_t handle, const plan *p, const operands *o, void *stream) {
    if (p->has_bias) TRY(SET(p->desc, CUBLASLT_MATMUL_DESC_BIAS_POINTER, o->bias));
    if (p->has_pre) TRY(SET(p->desc, CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER, o->pre));
    float one = 1, beta = p->has_addend ? 1 : 0;
    const void *addend = (const void *)(p->has_addend ? o->addend : o->c);
    return lt.cublasLtMatmul(handle, p->desc, &one, (const void *)o->b, p->b, (const void *)o->a, p->a, &beta, addend, p->c, (void *)o->c,
                             p->c, &p->algo, (void *)o->workspace, p->workspace, stream);
}

void plan_destroy(plan *p) {
    if (p->a) lt.cublasLtMatrixLayoutDestroy(p->a);
    if (p->b) lt.cublasLtMatrixLayoutDestroy(p->b);
    if (p->c) lt.cublasLtMatrixLayoutDestroy(p->c);
    if (p->desc) lt.cublasLtMatmulDescDestroy(p->desc);
    free(p);
}
