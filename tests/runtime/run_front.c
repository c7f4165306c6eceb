/* Runs a front end of features on int16 samples from standard input, BLOCK samples of CHANNELS
 * channels a push, with state and scratch of exactly their size, so that the sanitizers see every
 * step outside. Writes rows of ROW values. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frontend.h"

int main(void) {
  tinyops_front_state *state = (tinyops_front_state *)malloc(sizeof(*state));
  tinyops_front_scratch *scratch = (tinyops_front_scratch *)malloc(sizeof(*scratch));
  int16_t *block = (int16_t *)malloc(sizeof(int16_t) * BLOCK * CHANNELS);
  if (state == NULL || scratch == NULL || block == NULL) {
    return 2;
  }
  memset(state, 0xa5, sizeof(*state));
  memset(scratch, 0xa5, sizeof(*scratch));
  tinyops_front_init(state);
  size_t read = 0;
  while ((read = fread(block, sizeof(int16_t) * CHANNELS, BLOCK, stdin)) > 0) {
    const int16_t *at = block;
    int32_t left = (int32_t)read;
    while (left > 0) {
      if (tinyops_front_push(state, scratch, &at, &left)) {
        fwrite(scratch->row, sizeof(int16_t), ROW, stdout);
      }
    }
  }
  free(block);
  free(scratch);
  free(state);
  return 0;
}
