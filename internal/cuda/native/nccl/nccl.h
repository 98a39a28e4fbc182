// What this package uses of NCCL 2, declared here so that a build needs no headers of it. Names, values and layouts are those of nccl.h of NCCL
// 2.27; between versions of one major number they stay.

#include <stddef.h>

typedef int ncclResult_t;
enum { ncclSuccess = 0, ncclUnhandledCudaError = 1, ncclSystemError = 2, ncclInternalError = 3, ncclInvalidArgument = 4, ncclInvalidUsage = 5 };

enum { ncclFloat32 = 7 }; // ncclDataType_t
enum { ncclSum = 0 };     // ncclRedOp_t

enum { NCCL_UNIQUE_ID_BYTES = 128 };
typedef struct {
    char internal[NCCL_UNIQUE_ID_BYTES];
} ncclUniqueId;

typedef void *ncclComm_t;
typedef void *cudaStream_t; // a CUstream

// The functions, as FUNCTION(result, name, (parameters)).
#define NCCL_FUNCTIONS                                                                                                                  \
    FUNCTION(ncclResult_t, ncclGetVersion, (int *version))                                                                              \
    FUNCTION(const char *, ncclGetErrorString, (ncclResult_t result))                                                                   \
    FUNCTION(const char *, ncclGetLastError, (ncclComm_t comm))                                                                         \
    FUNCTION(ncclResult_t, ncclGetUniqueId, (ncclUniqueId * id))                                                                        \
    FUNCTION(ncclResult_t, ncclCommInitRank, (ncclComm_t * comm, int ranks, ncclUniqueId id, int rank))                                 \
    FUNCTION(ncclResult_t, ncclCommAbort, (ncclComm_t comm))                                                                            \
    FUNCTION(ncclResult_t, ncclGroupStart, (void))                                                                                      \
    FUNCTION(ncclResult_t, ncclGroupEnd, (void))                                                                                        \
    FUNCTION(ncclResult_t, ncclReduceScatter,                                                                                           \
             (const void *send, void *receive, size_t received, int type, int op, ncclComm_t comm, cudaStream_t stream))                \
    FUNCTION(ncclResult_t, ncclReduce,                                                                                                  \
             (const void *send, void *receive, size_t count, int type, int op, int root, ncclComm_t comm, cudaStream_t stream))         \
    FUNCTION(ncclResult_t, ncclAllReduce,                                                                                               \
             (const void *send, void *receive, size_t count, int type, int op, ncclComm_t comm, cudaStream_t stream))                   \
    FUNCTION(ncclResult_t, ncclAllGather, (const void *send, void *receive, size_t sent, int type, ncclComm_t comm, cudaStream_t stream)) \
    FUNCTION(ncclResult_t, ncclBroadcast,                                                                                               \
             (const void *send, void *receive, size_t count, int type, int root, ncclComm_t comm, cudaStream_t stream))
