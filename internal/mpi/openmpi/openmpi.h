// The part of MPI 3.1 that the trainer calls, as Open MPI's library offers it from version 1.10 to 5: handles are pointers, those of the
// predefined objects the addresses of variables. No header of Open MPI is needed for a build, and the library only where it is used.

typedef void *mpi_handle; // MPI_Comm, MPI_Datatype, MPI_Request ...

// mpi_load loads the library from a file, which dlopen looks up. It returns what went wrong, or NULL. It is to be called once.
const char *mpi_load(const char *file);

// mpi_start initializes MPI for calls of the calling thread alone, and has errors returned.
int mpi_start(int *rank, int *size);

int mpi_alltoallv(const void *send, const int *counts, const int *offsets, void *receive, const int *receive_counts,
                  const int *receive_offsets, mpi_handle *request);                                // of float
int mpi_allgatherv(void *data, const int *counts, const int *offsets, mpi_handle *request);        // of bytes, in place
int mpi_gatherv(const void *part, int count, void *whole, const int *counts, const int *offsets, mpi_handle *request); // of bytes, to rank 0
int mpi_broadcast(void *data, int count, mpi_handle *request);                                     // of bytes, from rank 0
int mpi_send(const void *byte, int rank, mpi_handle *request);
int mpi_receive(void *byte, int rank, mpi_handle *request);

// mpi_test says whether a request has ended, and frees it then.
int mpi_test(mpi_handle *request, int *ended);

int mpi_finish(void);
void mpi_abort(int code);

// mpi_message describes an error, in at most 8192 characters as MPI libraries go.
void mpi_message(int code, char *text);
