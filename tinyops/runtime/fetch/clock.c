/* Bounds of time; see clock.h. */
#include "tinyops/fetch/clock.h"

enum { DAY_S = 86400, SLACK_S = 60 };

static int32_t is_leap(int32_t year) {
  return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int32_t days_of(int32_t month, int32_t year) {
  static const uint8_t days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  return days[month - 1] + (month == 2 && is_leap(year) ? 1 : 0);
}

static int32_t is_date(const tinyops_date *date) {
  return date->year >= 1970 && date->year <= 9999 && date->month >= 1 && date->month <= 12 &&
         date->day >= 1 && date->day <= days_of(date->month, date->year) && date->hour >= 0 &&
         date->hour <= 23 && date->minute >= 0 && date->minute <= 59 && date->second >= 0 &&
         date->second <= 60; /* a leap second */
}

uint64_t tinyops_clock_seconds(const tinyops_date *date) {
  if (is_date(date) == 0) {
    return 0;
  }
  const int32_t before = date->year - 1;
  /* Days of whole years since the year 1, less those until 1970. */
  int32_t days = 365 * before + before / 4 - before / 100 + before / 400 - 719162;
  for (int32_t month = 1; month < date->month; month++) {
    days += days_of(month, date->year);
  }
  days += date->day - 1;
  return (uint64_t)days * DAY_S + (uint64_t)(date->hour * 3600 + date->minute * 60 + date->second);
}

uint64_t tinyops_clock_now(const tinyops_clock *clock, uint32_t now_ms) {
  if (clock->told_s == 0) {
    return clock->least_s;
  }
  return clock->told_s + (now_ms - clock->told_ms) / 1000u;
}

int32_t tinyops_clock_is_past(const tinyops_clock *clock, uint32_t now_ms, uint64_t until_s) {
  return tinyops_clock_now(clock, now_ms) > until_s;
}

int32_t tinyops_clock_is_future(const tinyops_clock *clock, uint32_t now_ms, uint64_t from_s) {
  if (clock->told_s == 0) {
    return from_s > clock->least_s + TINYOPS_CLOCK_SPAN_S;
  }
  return from_s > tinyops_clock_now(clock, now_ms) + SLACK_S;
}

int32_t tinyops_clock_told(tinyops_clock *clock, uint32_t now_ms, uint64_t seconds) {
  if (seconds + DAY_S < clock->least_s || seconds > clock->least_s + TINYOPS_CLOCK_SPAN_S) {
    return -1;
  }
  clock->told_s = seconds > clock->least_s ? seconds : clock->least_s;
  clock->told_ms = now_ms;
  return 0;
}
