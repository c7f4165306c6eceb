/* Prints the digest of standard input: of what a pointer reaches ("pointer"), or of what is read
 * piece by piece ("pieces"). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tinyops/sha256.h"

enum { MOST = 1 << 16, DIGEST = 32, PIECE = 64 };

typedef struct {
  const uint8_t *bytes;
  uint32_t expected; /* where the next piece begins */
} source;

static void read_piece(void *context, uint32_t at, uint8_t *bytes, uint32_t count) {
  source *from = context;
  if (at != from->expected || count > PIECE) {
    exit(2);
  }
  memcpy(bytes, from->bytes + at, count);
  from->expected += count;
}

int main(int count, char **arguments) {
  static uint8_t bytes[MOST];
  uint8_t digest[DIGEST];
  const uint32_t given = (uint32_t)fread(bytes, 1, MOST, stdin);
  if (count == 2 && strcmp(arguments[1], "pointer") == 0) {
    tinyops_sha256(bytes, given, digest);
  } else {
    source from = {bytes, 0};
    tinyops_sha256_of(read_piece, &from, given, digest);
  }
  for (int i = 0; i < DIGEST; i++) {
    (void)printf("%02x", digest[i]);
  }
  return 0;
}
