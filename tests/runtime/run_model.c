/* Runs a compiled model on vectors from standard input, in an arena of exactly the bytes it asks
 * for, so that the sanitizers see every step outside. Input and output are raw bytes, one vector
 * after another. Exit status: 0, or 3 when the model returns an error. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tinyops/model.h"

int main(void) {
  const tinyops_model_header *h = &tinyops_model;
  uint8_t *arena = (uint8_t *)aligned_alloc(TINYOPS_ARENA_ALIGN, h->arena_bytes);
  uint8_t *input = (uint8_t *)malloc(h->input_bytes);
  if (arena == NULL || input == NULL) {
    return 2;
  }
  memset(arena, 0xa5, h->arena_bytes);
  int status = tinyops_model_init(arena) == TINYOPS_OK ? 0 : 3;
  while (status == 0 && fread(input, 1, h->input_bytes, stdin) == h->input_bytes) {
    memcpy(arena + h->input_offset, input, h->input_bytes);
    const int32_t done = tinyops_model_invoke(arena);
    if (done == TINYOPS_MORE) { /* the input comes by rows */
      memset(arena + h->input_offset, 0xa5, h->input_bytes);
      continue;
    }
    status = done == TINYOPS_OK ? 0 : 3;
    fwrite(arena + h->output_offset, 1, h->output_bytes, stdout);
  }
  free(input);
  free(arena);
  return status;
}
