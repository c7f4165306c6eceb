/* Needs nothing that start-up has yet to make: it runs before .data and .bss are there. */
#include "ram.h"

#define PAINT 0xa5c35a3cu
#define SPARED_WORDS 32 /* below this function's frame: what the loop itself may push */

extern uint32_t tinyops_data_start[], tinyops_data_end[], tinyops_data_load[];
extern uint32_t tinyops_bss_start[], tinyops_bss_end[];
extern uint32_t tinyops_static_start[], tinyops_static_end[];
extern uint32_t tinyops_keep_start[], tinyops_keep_end[];

void tinyops_ram_fill(void) {
  uint32_t *here = (uint32_t *)__builtin_frame_address(0);
  for (volatile uint32_t *word = tinyops_stack_low; word < here - SPARED_WORDS; word++) {
    *word = PAINT;
  }
  const uint32_t *from = tinyops_data_load;
  for (volatile uint32_t *to = tinyops_data_start; to < tinyops_data_end; to++) {
    *to = *from++;
  }
  for (volatile uint32_t *to = tinyops_bss_start; to < tinyops_bss_end; to++) {
    *to = 0;
  }
}

void tinyops_ram_measure(void *context, tinyops_port_memory *memory) {
  (void)context;
  const uint32_t *word = tinyops_stack_low;
  while (word < tinyops_stack_top && *word == PAINT) {
    word++;
  }
  memory->stack_used = (uint32_t)tinyops_stack_top - (uint32_t)word;
  memory->stack_bytes = (uint32_t)tinyops_stack_top - (uint32_t)tinyops_stack_low;
  memory->static_bytes = (uint32_t)tinyops_static_end - (uint32_t)tinyops_static_start;
}

void *tinyops_ram_keep(void) { return tinyops_keep_start; }

uint32_t tinyops_ram_keep_bytes(void) {
  return (uint32_t)tinyops_keep_end - (uint32_t)tinyops_keep_start;
}
