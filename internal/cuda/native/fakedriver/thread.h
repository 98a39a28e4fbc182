#include <stdint.h>

// Each thread has a current context, a handle.
void thread_set_current(uintptr_t context);
uintptr_t thread_current(void);
