/* usage: machine_number TEXT: the number of a Linux machine whose /etc/machine-id is TEXT, in hex.
 */
#include <stdio.h>

#include "machine_id.h"

int main(int count, char **words) {
  uint8_t id[MACHINE_ID_BYTES] = {0};
  const uint32_t bytes = count == 2 ? machine_id_from(words[1], id) : 0;
  for (uint32_t i = 0; i < bytes; i++) {
    printf("%02x", id[i]);
  }
  return 0;
}
