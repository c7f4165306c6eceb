/* WebAssembly without a C library; run_wasm.js calls `run` and collects what it puts out. */
#include "platform.h"

__attribute__((import_module("host"), import_name("put"))) void host_put(const uint8_t *bytes,
                                                                         uint32_t count);

void platform_put(const uint8_t *bytes, uint32_t count) { host_put(bytes, count); }

__attribute__((export_name("run"))) int run(void) { return platform_run(); }
