/* Time for a device that has no clock: bounds instead of a guess.
 *
 * What is certain after every start is the least: the time at which the firmware was built or the
 * device was provisioned, whichever is later. A server whose name was proven may say more, within
 * TINYOPS_CLOCK_SPAN_S of the least; that holds until the next reset and is never kept: one server
 * that lies must not stop a device for good. All times are seconds after 1970, UTC. */
#ifndef TINYOPS_FETCH_CLOCK_H
#define TINYOPS_FETCH_CLOCK_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* No device is believed to run longer than this without being provisioned anew: 20 years. */
#define TINYOPS_CLOCK_SPAN_S (20u * 31557600u)

typedef struct {
  uint64_t least_s; /* this time has passed for certain */
  uint64_t told_s;  /* by a server, 0: none yet */
  uint32_t told_ms; /* of the device's own clock, then */
} tinyops_clock;

/* A day and time of the calendar. */
typedef struct {
  int32_t year, month, day, hour, minute, second; /* month and day from 1 */
} tinyops_date;

/* Seconds after 1970 of a date from 1970 to 9999, 0 for one that is none. */
uint64_t tinyops_clock_seconds(const tinyops_date *date);

/* The least time that is certain and, where a server told one, that time and what went by since. */
uint64_t tinyops_clock_now(const tinyops_clock *clock, uint32_t now_ms);

/* What was valid until `until_s` has expired. */
int32_t tinyops_clock_is_past(const tinyops_clock *clock, uint32_t now_ms, uint64_t until_s);

/* What is valid from `from_s` on is not valid yet: later than told or, while nothing was told,
 * later than this device can be running. */
int32_t tinyops_clock_is_future(const tinyops_clock *clock, uint32_t now_ms, uint64_t from_s);

/* Takes a server's time. Returns 0, or -1 when it is before the least or beyond the span: the clock
 * stays as it was. */
int32_t tinyops_clock_told(tinyops_clock *clock, uint32_t now_ms, uint64_t seconds);

#ifdef __cplusplus
}
#endif

#endif
