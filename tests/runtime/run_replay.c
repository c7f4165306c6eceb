/* Orders to a replaying sensor, a line each on standard input, its answers on standard output:
 *
 *   start US RATE | poll US COUNT | missed 0 0 | wait US 0 | sample US 0
 *
 * `poll` prints its status, and the frame's values when there is one. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "replay.h"

enum { VALUES_MAX = 64 };

static void print_values(const int16_t *values, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    printf(" %d", values[i]);
  }
  printf("\n");
}

static void poll(replay *sensor, uint64_t now_us, uint32_t count) {
  int16_t values[VALUES_MAX] = {0};
  const int32_t status = replay_poll(sensor, now_us, values, count);
  printf("%" PRId32, status);
  print_values(values, status > 0 ? count : 0);
}

static void sample(const replay *sensor, uint64_t now_us) {
  const int16_t *values = replay_sample(sensor, now_us);
  printf("%d", values != NULL);
  print_values(values, values != NULL ? sensor->sample_values : 0);
}

int main(int count, char **words) {
  replay sensor;
  char what[8];
  uint64_t now_us;
  uint32_t number;
  const char *wrong = count == 2 ? replay_open(&sensor, words[1]) : "usage: run_replay FILE";
  if (wrong != NULL) {
    printf("%s\n", wrong);
    return 1;
  }
  while (scanf("%7s %" SCNu64 " %" SCNu32, what, &now_us, &number) == 3) {
    if (strcmp(what, "start") == 0) {
      printf("%" PRId32 "\n", replay_start(&sensor, now_us, number));
    } else if (strcmp(what, "poll") == 0 && number <= VALUES_MAX) {
      poll(&sensor, now_us, number);
    } else if (strcmp(what, "missed") == 0) {
      printf("%" PRIu32 "\n", replay_missed(&sensor));
    } else if (strcmp(what, "wait") == 0) {
      printf("%" PRId32 "\n", replay_wait_ms(&sensor, now_us));
    } else {
      sample(&sensor, now_us);
    }
  }
  replay_close(&sensor);
  return 0;
}
