//go:build gpu && linux && amd64

#include "loader.h"

#include <dlfcn.h>
#include <stddef.h>

// unavailable stands for every function that the driver's library does not have, and for all of them before it is loaded.
static CUresult unavailable(void) { return CUDA_ERROR_NOT_FOUND; }

// Each function is a jump through a variable of its own. It passes arguments and result on untouched, whatever they are. Hidden names
// are seen by this program's linker alone: another library that looks for the same names finds the driver's.
#define SYMBOL(name)                                                                     \
    __attribute__((visibility("hidden"))) void *trampoline_##name = (void *)unavailable; \
    __asm__(".pushsection .text\n"                                                       \
            ".globl " #name "\n"                                                         \
            ".hidden " #name "\n"                                                        \
            ".type " #name ", @function\n"                                               \
            #name ": jmp *trampoline_" #name "(%rip)\n"                                  \
            ".size " #name ", . - " #name "\n"                                           \
            ".popsection");
#include "symbols.h"
#undef SYMBOL

static const struct {
    const char *name;
    void **address;
} functions[] = {
#define SYMBOL(name) {#name, &trampoline_##name},
#include "symbols.h"
#undef SYMBOL
};

// cuInit is called by package cu before main, and it ends the program where that fails. The library is loaded and initialized later and
// elsewhere, by driver_load: only a program that uses the GPU waits for it.
__attribute__((visibility("hidden"))) CUresult cuInit(unsigned int flags) { return CUDA_SUCCESS; }

const char *driver_load(const char *file, CUresult *status) {
    void *library = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    if (!library) return dlerror();
    CUresult (*initialize)(unsigned int) = (CUresult (*)(unsigned int))dlsym(library, "cuInit");
    if (!initialize) return "it has no function cuInit";
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
        void *address = dlsym(library, functions[i].name);
        if (address) *functions[i].address = address;
    }
    *status = initialize(0);
    return NULL;
}

CUresult capture_end(CUstream stream, CUgraphExec *ready) {
    CUgraph graph = NULL;
    CUresult status = cuStreamEndCapture(stream, &graph);
    if (status == CUDA_SUCCESS) status = cuGraphInstantiateWithFlags(ready, graph, 0);
    if (graph) cuGraphDestroy(graph);
    return status;
}
