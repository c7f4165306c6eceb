/* Any machine with a C library: outputs go to standard output. */
#include <stdio.h>

#include "platform.h"

void platform_put(const uint8_t *bytes, uint32_t count) { (void)fwrite(bytes, 1, count, stdout); }

int main(void) { return platform_run(); }
