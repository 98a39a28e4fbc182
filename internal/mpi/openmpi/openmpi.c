//go:build mpi && linux

#include "openmpi.h"

#include <dlfcn.h>
#include <stddef.h>

// What mpi.h defines as numbers.
enum { funneled = 1, heartbeat_tag = 1 };
static void *const in_place = (void *)1;

// The functions, by the names that follow MPI_, with the types that mpi.h gives them.
#define FUNCTIONS                                                                                                                   \
    FUNCTION(Init_thread, (int *, char ***, int, int *))                                                                            \
    FUNCTION(Comm_set_errhandler, (mpi_handle, mpi_handle))                                                                         \
    FUNCTION(Comm_rank, (mpi_handle, int *))                                                                                        \
    FUNCTION(Comm_size, (mpi_handle, int *))                                                                                        \
    FUNCTION(Ialltoallv, (const void *, const int *, const int *, mpi_handle, void *, const int *, const int *, mpi_handle,         \
                          mpi_handle, mpi_handle *))                                                                                \
    FUNCTION(Iallgatherv, (const void *, int, mpi_handle, void *, const int *, const int *, mpi_handle, mpi_handle, mpi_handle *))  \
    FUNCTION(Igatherv, (const void *, int, mpi_handle, void *, const int *, const int *, mpi_handle, int, mpi_handle, mpi_handle *)) \
    FUNCTION(Ibcast, (void *, int, mpi_handle, int, mpi_handle, mpi_handle *))                                                      \
    FUNCTION(Isend, (const void *, int, mpi_handle, int, int, mpi_handle, mpi_handle *))                                            \
    FUNCTION(Irecv, (void *, int, mpi_handle, int, int, mpi_handle, mpi_handle *))                                                  \
    FUNCTION(Test, (mpi_handle *, int *, void *))                                                                                   \
    FUNCTION(Finalize, (void))                                                                                                      \
    FUNCTION(Abort, (mpi_handle, int))                                                                                              \
    FUNCTION(Error_string, (int, char *, int *))

#define FUNCTION(name, arguments) static int(*name) arguments;
FUNCTIONS
#undef FUNCTION

static mpi_handle world, of_float, of_bytes, errors_return;

static const struct {
    const char *name;
    void **address;
} symbols[] = {
#define FUNCTION(name, arguments) {"MPI_" #name, (void **)&name},
    FUNCTIONS
#undef FUNCTION
    {"ompi_mpi_comm_world", &world},
    {"ompi_mpi_float", &of_float},
    {"ompi_mpi_byte", &of_bytes},
    {"ompi_mpi_errors_return", &errors_return},
};

// The library's plugins look for its symbols among those of the whole program.
const char *mpi_load(const char *file) {
    void *library = dlopen(file, RTLD_NOW | RTLD_GLOBAL);
    if (!library) return dlerror();
    for (size_t i = 0; i < sizeof symbols / sizeof symbols[0]; i++) {
        *symbols[i].address = dlsym(library, symbols[i].name);
        if (!*symbols[i].address) return dlerror();
    }
    return NULL;
}

int mpi_start(int *rank, int *size) {
    int provided, code = Init_thread(NULL, NULL, funneled, &provided);
    if (!code) code = Comm_set_errhandler(world, errors_return);
    if (!code) code = Comm_rank(world, rank);
    if (!code) code = Comm_size(world, size);
    return !code && provided < funneled ? -1 : code;
}

int mpi_alltoallv(const void *send, const int *counts, const int *offsets, void *receive, const int *receive_counts,
                  const int *receive_offsets, mpi_handle *request) {
    return Ialltoallv(send, counts, offsets, of_float, receive, receive_counts, receive_offsets, of_float, world, request);
}

int mpi_allgatherv(void *data, const int *counts, const int *offsets, mpi_handle *request) {
    return Iallgatherv(in_place, 0, of_bytes, data, counts, offsets, of_bytes, world, request);
}

int mpi_gatherv(const void *part, int count, void *whole, const int *counts, const int *offsets, mpi_handle *request) {
    return Igatherv(part, count, of_bytes, whole, counts, offsets, of_bytes, 0, world, request);
}

int mpi_broadcast(void *data, int count, mpi_handle *request) { return Ibcast(data, count, of_bytes, 0, world, request); }

int mpi_send(const void *byte, int rank, mpi_handle *request) { return Isend(byte, 1, of_bytes, rank, heartbeat_tag, world, request); }

int mpi_receive(void *byte, int rank, mpi_handle *request) { return Irecv(byte, 1, of_bytes, rank, heartbeat_tag, world, request); }

int mpi_test(mpi_handle *request, int *ended) { return Test(request, ended, NULL); }

int mpi_finish(void) { return Finalize(); }

void mpi_abort(int code) { Abort(world, code); }

void mpi_message(int code, char *text) {
    int length;
    if (code < 0 || Error_string(code, text, &length)) text[0] = 0;
}
