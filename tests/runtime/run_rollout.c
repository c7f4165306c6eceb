/* fetch/rollout.h on the host, a line each way:
 *
 *   P FLEET UNIT                              its position
 *   C REVERTS BASE WAVE0 KNOWN OTHER STATE REACHED POSITION NEW      what is taken
 *
 * KNOWN 0: no progress; OTHER 1: it is of another rollout. */
#include <stdio.h>

#include "tinyops/fetch/rollout.h"

extern const tinyops_boot_table tinyops_boot_own;

static void place(const char *line) {
  char fleet[64], unit[64];
  if (sscanf(line, "P %63s %63s", fleet, unit) == 2) {
    (void)printf("%u\n", tinyops_rollout_position(&tinyops_boot_own, fleet, unit));
  }
}

static void choose(const char *line) {
  unsigned int n[9] = {0};
  (void)sscanf(line, "C %u %u %u %u %u %u %u %u %u", n, n + 1, n + 2, n + 3, n + 4, n + 5, n + 6,
               n + 7, n + 8);
  const tinyops_rollout rollout = {.id = 7,
                                   .wave_count = 2,
                                   .waves = {n[2], 0xffffffffu},
                                   .reverts = (uint8_t)n[0],
                                   .has_base = (uint8_t)n[1]};
  const tinyops_progress progress = {
      .rollout = n[4] != 0 ? 6u : 7u, .sequence = 1, .state = n[5], .waves = n[6]};
  (void)printf("%d\n",
               tinyops_rollout_choose(&rollout, n[3] != 0 ? &progress : 0, n[7], (int32_t)n[8]));
}

int main(void) {
  char line[256];
  while (fgets(line, sizeof(line), stdin) != NULL) {
    if (line[0] == 'P') {
      place(line);
    } else {
      choose(line);
    }
  }
  return 0;
}
