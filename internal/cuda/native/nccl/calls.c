//go:build gpu && linux && amd64

#include "calls.h"

#include <dlfcn.h>

static struct {
#define FUNCTION(result, name, parameters) result(*name) parameters;
    NCCL_FUNCTIONS
#undef FUNCTION
} nccl;

const char *calls_load(const char *file) {
    void *library = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    if (!library) return dlerror();
#define FUNCTION(result, name, parameters) \
    if (!(nccl.name = (result(*) parameters)dlsym(library, #name))) return "it has no function " #name;
    NCCL_FUNCTIONS
#undef FUNCTION
    return NULL;
}

int calls_version(void) {
    int version = 0;
    nccl.ncclGetVersion(&version);
    return version;
}

const char *calls_status(ncclResult_t result) { return nccl.ncclGetErrorString(result); }

const char *calls_last_error(void) {
    const char *text = nccl.ncclGetLastError(NULL);
    return text ? text : "";
}

ncclResult_t calls_unique_id(ncclUniqueId *id) { return nccl.ncclGetUniqueId(id); }

ncclResult_t calls_init(ncclComm_t *comm, int ranks, const ncclUniqueId *id, int rank) {
    return nccl.ncclCommInitRank(comm, ranks, *id, rank);
}

ncclResult_t calls_abort(ncclComm_t comm) { return nccl.ncclCommAbort(comm); }

static int even(const int64_t *bounds, int ranks) {
    for (int r = 0; r < ranks; r++)
        if (bounds[r + 1] - bounds[r] != bounds[1]) return 0;
    return 1;
}

static void *at(uint64_t values, int64_t element) { return (void *)(values + 4 * (uint64_t)element); }

// The library scatters and gathers parts of one length alone. Others are an operation for each rank, which a group makes one.
ncclResult_t calls_reduce_scatter(uint64_t values, const int64_t *bounds, int ranks, int rank, ncclComm_t comm, void *stream) {
    if (even(bounds, ranks))
        return nccl.ncclReduceScatter(at(values, 0), at(values, bounds[rank]), bounds[1], ncclFloat32, ncclSum, comm, stream);
    ncclResult_t result = nccl.ncclGroupStart();
    for (int r = 0; r < ranks && result == ncclSuccess; r++) {
        void *part = at(values, bounds[r]);
        int64_t count = bounds[r + 1] - bounds[r];
        if (count > 0) result = nccl.ncclReduce(part, part, count, ncclFloat32, ncclSum, r, comm, stream);
    }
    ncclResult_t end = nccl.ncclGroupEnd();
    return result == ncclSuccess ? end : result;
}

ncclResult_t calls_all_reduce(uint64_t values, int64_t n, ncclComm_t comm, void *stream) {
    return nccl.ncclAllReduce(at(values, 0), at(values, 0), n, ncclFloat32, ncclSum, comm, stream);
}

ncclResult_t calls_all_gather(uint64_t values, const int64_t *bounds, int ranks, int rank, ncclComm_t comm, void *stream) {
    if (even(bounds, ranks)) return nccl.ncclAllGather(at(values, bounds[rank]), at(values, 0), bounds[1], ncclFloat32, comm, stream);
    ncclResult_t result = nccl.ncclGroupStart();
    for (int r = 0; r < ranks && result == ncclSuccess; r++) {
        void *part = at(values, bounds[r]);
        int64_t count = bounds[r + 1] - bounds[r];
        if (count > 0) result = nccl.ncclBroadcast(part, part, count, ncclFloat32, r, comm, stream);
    }
    ncclResult_t end = nccl.ncclGroupEnd();
    return result == ncclSuccess ? end : result;
}
