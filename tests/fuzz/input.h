/* What a fuzzer gives, taken apart; and what the targets share. */
#ifndef TINYOPS_FUZZ_INPUT_H
#define TINYOPS_FUZZ_INPUT_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* Every target has this; libFuzzer calls it. Returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

typedef struct {
  const uint8_t *at, *end;
} fuzz_input;

static inline uint32_t fuzz_left(const fuzz_input *input) {
  return (uint32_t)(input->end - input->at);
}

/* The next byte; 0 when there is none. */
static inline uint32_t fuzz_byte(fuzz_input *input) {
  return fuzz_left(input) > 0u ? *input->at++ : 0u;
}

/* Little-endian. */
static inline uint32_t fuzz_get16(fuzz_input *input) {
  const uint32_t low = fuzz_byte(input);
  return low | fuzz_byte(input) << 8;
}

static inline uint32_t fuzz_get32(fuzz_input *input) {
  const uint32_t low = fuzz_get16(input);
  return low | fuzz_get16(input) << 16;
}

/* The next bytes, in memory of their own so that a sanitizer sees one too many. At most `*count`;
 * says in it how many. The caller frees them. */
static inline uint8_t *fuzz_bytes(fuzz_input *input, uint32_t *count) {
  *count = *count < fuzz_left(input) ? *count : fuzz_left(input);
  uint8_t *bytes = (uint8_t *)malloc(*count + (*count == 0u));
  for (uint32_t i = 0; bytes != NULL && i < *count; i++) {
    bytes[i] = *input->at++;
  }
  return bytes;
}

/* A find: what must hold does not. */
#define FUZZ_CHECK(holds)                                                              \
  do {                                                                                 \
    if (!(holds)) {                                                                    \
      (void)fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #holds); \
      abort();                                                                         \
    }                                                                                  \
  } while (0)

#endif
