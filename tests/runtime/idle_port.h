/* What a port in a test need not do: it counts nothing, measures nothing, and its sensor misses no
 * frame. The rest of such a port is the test's own. */
#ifndef TINYOPS_TEST_IDLE_PORT_H
#define TINYOPS_TEST_IDLE_PORT_H

#include "tinyops/port.h"

/* Of a core without a counter: nothing took any time. */
static inline void idle_start_ticks(void *context) { (void)context; }
static inline uint32_t idle_ticks(void *context) {
  (void)context;
  return 0;
}

/* Nothing is known of the memory. */
static inline void idle_measure(void *context, tinyops_port_memory *memory) {
  (void)context;
  *memory = (tinyops_port_memory){0};
}

/* A sensor that starts at any rate and misses nothing. */
static inline int32_t idle_start_sensor(void *context, uint32_t rate_millihz) {
  (void)context;
  (void)rate_millihz;
  return 0;
}
static inline uint32_t idle_missed(void *context) {
  (void)context;
  return 0;
}

#endif
