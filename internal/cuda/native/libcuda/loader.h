#include <cuda.h>

// driver_load loads the driver's library from a file, which dlopen looks up, and initializes it: status is what its cuInit returned. It
// returns why the file could not be loaded, or NULL. It is to be called once.
const char *driver_load(const char *file, CUresult *status);

// capture_end ends the capture of a stream, and makes the graph ready for replay.
CUresult capture_end(CUstream stream, CUgraphExec *ready);
