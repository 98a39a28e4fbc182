#include "nccl.h"

#include <stdint.h>

// calls_load loads the library from a file, which dlopen looks up. It returns why it could not, or NULL.
const char *calls_load(const char *file);

int calls_version(void);
const char *calls_status(ncclResult_t result);

// calls_last_error is what the library has said last on this thread's operations, or an empty text.
const char *calls_last_error(void);

ncclResult_t calls_unique_id(ncclUniqueId *id);
ncclResult_t calls_init(ncclComm_t *comm, int ranks, const ncclUniqueId *id, int rank);
ncclResult_t calls_abort(ncclComm_t comm);

// The operations on float32 at addresses in device memory, in place. Bounds are ranks + 1 offsets.
ncclResult_t calls_reduce_scatter(uint64_t values, const int64_t *bounds, int ranks, int rank, ncclComm_t comm, void *stream);
ncclResult_t calls_all_reduce(uint64_t values, int64_t n, ncclComm_t comm, void *stream);
ncclResult_t calls_all_gather(uint64_t values, const int64_t *bounds, int ranks, int rank, ncclComm_t comm, void *stream);
