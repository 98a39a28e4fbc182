//go:build gpu && cgo && linux && amd64

#include "thread.h"

static __thread uintptr_t current;

void thread_set_current(uintptr_t context) { current = context; }
uintptr_t thread_current(void) { return current; }
