#include "platform.h"

#ifndef PLATFORM_ARENA_BYTES
#error "the largest arena of all cases"
#endif

static uint8_t arena[PLATFORM_ARENA_BYTES] __attribute__((aligned(16)));

static int run_case(const platform_case *c) {
  const TINYOPS_FLASH uint8_t *from = c->inputs;
  for (uint32_t i = 0; i < c->header->arena_bytes; i++) {
    arena[i] = 0xa5;
  }
  int32_t status = c->init(arena);
  for (uint16_t vector = 0; vector < c->vectors && status == TINYOPS_OK; vector++) {
    for (uint32_t i = 0; i < c->header->input_bytes; i++) {
      arena[c->header->input_offset + i] = *from++;
    }
    status = c->invoke(arena);
    platform_put(arena + c->header->output_offset, c->header->output_bytes);
  }
  return status != TINYOPS_OK;
}

int platform_run(void) {
  int failed = 0;
  for (uint16_t i = 0; i < platform_case_count; i++) {
    failed |= run_case(&platform_cases[i]);
  }
  return failed;
}
