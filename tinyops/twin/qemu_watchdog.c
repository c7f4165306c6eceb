#include "qemu_watchdog.h"

#define FOOD 0x6e524635u

enum {
  START = 0x000,
  RELOAD = 0x504,
  FEEDERS = 0x508,
  SETTINGS = 0x50c,
  FEED = 0x600,
  FEEDERS_MAX = 8,
  COUNTS_IN_SLEEP = 1
};
#define WATCHDOG_HZ 32768
#define S_NS 1000000000

static void lock(int *taken) {
  *taken = !qemu_mutex_iothread_locked();
  if (*taken) {
    qemu_mutex_lock_iothread_impl(__FILE__, __LINE__);
  }
}

static void unlock(int taken) {
  if (taken) {
    qemu_mutex_unlock_iothread();
  }
}

/* Nanoseconds of the board's until it bites. */
static int64_t left(const watchdog *dog) {
  const int64_t executed = icount_get_raw() - dog->fed_instructions;
  const int64_t slept = qemu_clock_get_ns(GUEST_CLOCK) - dog->fed_ns - executed;
  const int64_t limit = ((int64_t)dog->reload + 1) * S_NS / WATCHDOG_HZ;
  const int64_t busy =
      executed / dog->clock_hz * S_NS + executed % dog->clock_hz * S_NS / dog->clock_hz;
  return limit - busy - ((dog->settings & COUNTS_IN_SLEEP) != 0 ? slept : 0);
}

/* To be looked at again when it could bite at the earliest: if all that time is instructions. */
static void arm(watchdog *dog, int64_t board_ns) {
  const int64_t cycles = (int64_t)((double)board_ns * dog->clock_hz / S_NS);
  timer_mod(&dog->alarm, qemu_clock_get_ns(GUEST_CLOCK) + cycles + 1);
}

static void look(void *data) {
  watchdog *dog = data;
  if (!dog->runs) {
    return;
  }
  const int64_t rest = left(dog);
  if (rest > 0) {
    arm(dog, rest);
  } else {
    dog->bite();
  }
}

static void eat(watchdog *dog) {
  dog->fed = 0;
  dog->fed_ns = qemu_clock_get_ns(GUEST_CLOCK);
  dog->fed_instructions = icount_get_raw();
}

static void start(watchdog *dog) {
  int taken;
  dog->runs = 1;
  eat(dog);
  lock(&taken);
  arm(dog, left(dog));
  unlock(taken);
}

static void feed(watchdog *dog, uint32_t feeder, uint32_t value) {
  if (dog->runs && value == FOOD && (dog->feeders >> feeder & 1u) != 0) {
    dog->fed |= 1u << feeder;
    if (dog->fed == dog->feeders) {
      eat(dog);
    }
  }
}

void watchdog_open(watchdog *dog, uint32_t clock_hz, void (*bite)(void)) {
  dog->clock_hz = clock_hz;
  dog->bite = bite;
  timer_init_full(&dog->alarm, 0, GUEST_CLOCK, 1, 0, look, dog);
  watchdog_stop(dog);
}

void watchdog_write(watchdog *dog, uint32_t offset, uint32_t value) {
  if (offset >= FEED && offset < FEED + 4u * FEEDERS_MAX) {
    feed(dog, (offset - FEED) / 4u, value);
  } else if (dog->runs) {
    return; /* what is running takes no settings */
  } else if (offset == START && value == 1) {
    start(dog);
  } else if (offset == RELOAD) {
    dog->reload = value;
  } else if (offset == FEEDERS) {
    dog->feeders = value & 0xffu;
  } else if (offset == SETTINGS) {
    dog->settings = value;
  }
}

void watchdog_stop(watchdog *dog) {
  timer_del(&dog->alarm);
  dog->runs = 0;
  dog->reload = UINT32_MAX;
  dog->feeders = 1;
  dog->settings = COUNTS_IN_SLEEP;
  dog->fed = 0;
}
