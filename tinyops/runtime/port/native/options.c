#include "options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "machine_id.h"
#include "tinyops/port.h"

void fail(const char *what, const char *why) {
  (void)fprintf(stderr, "%s: %s\n", what, why);
  exit(2);
}

int options_read(int count, char **words, options *found) {
  int at = 1;
  *found = (options){.fleet = ""};
  for (; at + 1 < count && strncmp(words[at], "--", 2) == 0; at += 2) {
    if (strcmp(words[at], "--silicon") == 0) {
      found->silicon = words[at + 1];
    } else if (strcmp(words[at], "--flash") == 0) {
      found->flash = words[at + 1];
    } else if (strcmp(words[at], "--fleet") == 0) {
      found->fleet = words[at + 1];
    } else if (strcmp(words[at], "--replay") == 0) {
      found->replay = words[at + 1];
    } else {
      fail(words[at], "unknown option");
    }
  }
  return at - 1;
}

uint32_t options_silicon(const options *given, uint8_t *number) {
  const char *digits = given->silicon;
  uint32_t count = 0;
  unsigned value = 0;
  if (digits == NULL) {
    return machine_id_read(number);
  }
  while (count < 4u * TINYOPS_PORT_SILICON_WORDS &&
         sscanf(digits + 2 * count, "%2x", &value) == 1) {
    number[count++] = (uint8_t)value;
  }
  return count;
}
