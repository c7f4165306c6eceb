/* The guest's memory, and the end of a run. */
#ifndef TINYOPS_TWIN_QEMU_GUEST_H
#define TINYOPS_TWIN_QEMU_GUEST_H

#include <stdint.h>

/* As the core sees it. Writes reach memory that the core may only read, too. */
void guest_read(uint32_t address, void *bytes, uint32_t count);
void guest_write(uint32_t address, const void *bytes, uint32_t count);
/* Ends QEMU: a rule was broken. */
_Noreturn void guest_stop(const char *what, uint32_t address, const char *why);

#endif
