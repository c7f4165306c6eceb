/* Checks signatures: reads cases from standard input (signature, key, two bytes of length, message)
 * and prints a character for each: 1 when it holds, else 0. With "digest" it prints the SHA-512 of
 * all of standard input, taken in pieces of that many bytes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sha512.h"
#include "tinyops/ed25519.h"

enum { HEAD = 98, MOST = 1 << 16 };

static int print_digest(uint32_t piece) {
  uint8_t bytes[MOST], digest[TINYOPS_SHA512_BYTES];
  tinyops_sha512 hash;
  tinyops_sha512_begin(&hash);
  for (uint32_t n; (n = (uint32_t)fread(bytes, 1, piece, stdin)) > 0;) {
    tinyops_sha512_take(&hash, bytes, n);
  }
  tinyops_sha512_end(&hash, digest);
  for (int i = 0; i < TINYOPS_SHA512_BYTES; i++) {
    (void)printf("%02x", digest[i]);
  }
  return 0;
}

int main(int count, char **arguments) {
  if (count == 3 && strcmp(arguments[1], "digest") == 0) {
    return print_digest((uint32_t)atoi(arguments[2]));
  }
  uint8_t head[HEAD];
  while (fread(head, 1, HEAD, stdin) == HEAD) {
    const uint32_t length = (uint32_t)head[96] | (uint32_t)head[97] << 8;
    uint8_t *message = malloc(length + 1); /* so that ASan sees its end */
    if (message == 0 || fread(message, 1, length, stdin) != length) {
      return 1;
    }
    (void)putchar(tinyops_ed25519_verify(head, head + 64, message, length) == 0 ? '1' : '0');
    free(message);
  }
  return 0;
}
