/* The command line of a virtual Linux board. */
#ifndef TINYOPS_PORT_NATIVE_OPTIONS_H
#define TINYOPS_PORT_NATIVE_OPTIONS_H

#include <stdint.h>

/* What stands before the model; null: it is not there. */
typedef struct {
  const char *silicon;
  const char *flash;
  const char *fleet; /* "" when it is not there */
  const char *replay;
} options;

/* Returns how many words they are. Ends the program for an option that is none. */
int options_read(int count, char **words, options *found);

/* Copies the board's number to `number`, which has room for TINYOPS_PORT_SILICON_WORDS words: the
 * one that was given, else this machine's. Returns its bytes. */
uint32_t options_silicon(const options *given, uint8_t *number);

/* Ends the program with a sentence, and with status 2. */
void fail(const char *what, const char *why);

#endif
