/* Compiled models with their inputs, and what each platform brings so that they can run on it. */
#ifndef PLATFORM_H
#define PLATFORM_H

#include <stdint.h>

#include "tinyops/internal.h"
#include "tinyops/model.h"

typedef struct {
  const tinyops_model_header *header;
  tinyops_model_init_fn init;
  tinyops_model_invoke_fn invoke;
  const TINYOPS_FLASH uint8_t *inputs; /* input_bytes of the header, for each vector */
  uint16_t vectors;
} platform_case;

/* Generated: what is run. */
extern const platform_case platform_cases[];
extern const uint16_t platform_case_count;

/* Runs all cases, each from a cleared state, and puts every output out. Returns 0, or 1 when a
 * model gave an error. */
int platform_run(void);

/* The platform's: takes `count` output bytes. */
void platform_put(const uint8_t *bytes, uint32_t count);

#endif
