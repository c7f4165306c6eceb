#include "tinyops/kernels/bytes.h"
#include "tinyops/kernels/movement.h"

enum { LAST = TINYOPS_COPY_LOOPS - 1 };

/* The innermost loop. */
static void copy_line(const tinyops_copy_params *p, const uint8_t *from, uint8_t *to) {
  const int32_t input_step = p->input_step[LAST];
  const int32_t output_step = p->output_step[LAST];
  int32_t read = 0;
  int32_t written = 0;
  if (p->run == 1) {
    for (int32_t i = p->extent[LAST]; i > 0; --i, read += input_step, written += output_step) {
      to[written] = from[read];
    }
    return;
  }
  if (p->run < 4) {
    for (int32_t i = p->extent[LAST]; i > 0; --i, read += input_step, written += output_step) {
      to[written] = from[read];
      to[written + 1] = from[read + 1];
      if (p->run == 3) {
        to[written + 2] = from[read + 2];
      }
    }
    return;
  }
  for (int32_t i = p->extent[LAST]; i > 0; --i, read += input_step, written += output_step) {
    tinyops_copy_bytes(to + written, from + read, p->run);
  }
}

void tinyops_copy(const tinyops_copy_params *p, const void *input, void *output) {
  int32_t at[LAST] = {0};
  int32_t read = p->input_start;
  int32_t written = p->output_start;
  for (;;) {
    copy_line(p, (const uint8_t *)input + read, (uint8_t *)output + written);
    int32_t loop = LAST - 1;
    for (; loop >= 0; --loop) {
      read += p->input_step[loop];
      written += p->output_step[loop];
      if (++at[loop] < p->extent[loop]) {
        break;
      }
      at[loop] = 0;
      read -= p->extent[loop] * p->input_step[loop];
      written -= p->extent[loop] * p->output_step[loop];
    }
    if (loop < 0) {
      return;
    }
  }
}
