/* A virtual Linux board: the application over a socket on file descriptor 0, with a model from a
 * shared object, on a painted stack.
 *
 *   runner [--silicon HEX] [--flash FILE] [--fleet NAME] [--replay FILE] MODEL.SO NAME
 * CONTRACT(64 hex digits) ARENA_BYTES FRAME_VALUES [COUNTER]
 *
 * HEX is the board's own number, up to 16 bytes; without it that of this machine, see machine_id.h.
 * With --flash the board keeps its settings in FILE, see file_flash.h; when power fails in a write,
 * the program starts again. NAME is the fleet that it says it is of.
 * With --replay the board has a sensor that gives the samples of FILE, see port/sim/replay.h.
 *
 * Ends with 0 when the host closes the socket, with 2 when it cannot start. Counts instructions of
 * this process where the kernel lets it, or by the open file COUNTER, in which an emulator counts
 * them (twin/instruction_counter.c); see tick_hz in port.h. */
#include <dlfcn.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "file_flash.h"
#include "options.h"
#include "replay.h"
#include "tinyops/app.h"
#include "tinyops/manage.h"
#include "tinyops/settings_smp.h"

enum { LINE = 0, STACK_BYTES = 1 << 20, GUARD_BYTES = 1 << 16, RED_ZONE_BYTES = 512, PAINT = 0xa5 };

typedef struct {
  uint8_t received[4096];
  size_t received_bytes, taken;
  int counter;                       /* perf event, or -1 */
  const volatile uint64_t *emulated; /* an emulator's count, or null */
  uint64_t started;                  /* where it stood */
  uint64_t counter_cost;             /* instructions that reading either takes */
  uint8_t *stack_low;                /* painted from here ... */
  uint8_t *stack_entered;            /* ... to here, where the application's use begins */
  uint32_t static_bytes;
  uint64_t opened_us;
  replay *sensor; /* null: frames come over the line */
  file_flash flash;
  char **command_line; /* of this program */
} line;

static int32_t read_byte(void *context) {
  line *self = context;
  if (self->taken == self->received_bytes) {
    ssize_t got = recv(LINE, self->received, sizeof(self->received), MSG_DONTWAIT);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
      exit(0);
    }
    self->received_bytes = got > 0 ? (size_t)got : 0;
    self->taken = 0;
  }
  return self->taken < self->received_bytes ? self->received[self->taken++] : TINYOPS_PORT_NO_BYTE;
}

static void write_bytes(void *context, const uint8_t *bytes, uint32_t count) {
  (void)context;
  while (count > 0) {
    ssize_t sent = send(LINE, bytes, count, MSG_NOSIGNAL);
    if (sent < 0 && errno != EINTR) {
      exit(0);
    }
    bytes += sent > 0 ? sent : 0;
    count -= sent > 0 ? (uint32_t)sent : 0;
  }
}

static uint64_t now_us(void) {
  struct timespec now = {0};
  (void)clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

static uint32_t now_ms(void *context) {
  const line *self = context;
  return (uint32_t)((now_us() - self->opened_us) / 1000u);
}

static int32_t start_sensor(void *context, uint32_t rate_millihz) {
  const line *self = context;
  return replay_start(self->sensor, now_us(), rate_millihz);
}

static int32_t poll_sensor(void *context, int16_t *values, uint32_t count) {
  const line *self = context;
  return replay_poll(self->sensor, now_us(), values, count);
}

static uint32_t missed(void *context) {
  const line *self = context;
  return replay_missed(self->sensor);
}

static const tinyops_port_sensor sensor = {
    .start = start_sensor, .poll = poll_sensor, .missed = missed};

static void idle(void *context) {
  const line *self = context;
  struct pollfd wait = {.fd = LINE, .events = POLLIN};
  (void)poll(&wait, 1, self->sensor != NULL ? replay_wait_ms(self->sensor, now_us()) : -1);
}

/* Power fails: the same program from its beginning, on the same line. */
static int32_t survive(const line *self, int32_t status) {
  if (status == TINYOPS_FLASH_POWER_CUT) {
    (void)execv("/proc/self/exe", self->command_line);
    fail("power", "failed, and the program cannot start itself again");
  }
  return status;
}

static int32_t erase_flash(void *context, uint32_t address, uint32_t bytes) {
  line *self = context;
  return survive(self, file_flash_erase(&self->flash, address, bytes));
}

static int32_t program_flash(void *context, uint32_t address, const uint8_t *bytes,
                             uint32_t count) {
  line *self = context;
  return survive(self, file_flash_program(&self->flash, address, bytes, count));
}

static int32_t read_flash(void *context, uint32_t address, uint8_t *bytes, uint32_t count) {
  line *self = context;
  return file_flash_read(&self->flash, address, bytes, count);
}

static const tinyops_port_flash flash = {.erase_bytes = FILE_FLASH_ERASE_BYTES,
                                         .program_bytes = FILE_FLASH_PROGRAM_BYTES,
                                         .erase = erase_flash,
                                         .program = program_flash,
                                         .read = read_flash};

static void start_ticks(void *context) {
  line *self = context;
  if (self->emulated != NULL) {
    self->started = *self->emulated;
  } else if (self->counter >= 0) {
    (void)ioctl(self->counter, PERF_EVENT_IOC_RESET, 0);
    (void)ioctl(self->counter, PERF_EVENT_IOC_ENABLE, 0);
  }
}

static uint64_t count_instructions(const line *self) {
  uint64_t count = 0;
  if (self->emulated != NULL) {
    return *self->emulated - self->started;
  }
  (void)ioctl(self->counter, PERF_EVENT_IOC_DISABLE, 0);
  return read(self->counter, &count, sizeof(count)) == (ssize_t)sizeof(count) ? count : 0;
}

static int counts(const line *self) { return self->emulated != NULL || self->counter >= 0; }

static uint32_t ticks(void *context) {
  const line *self = context;
  uint64_t count = counts(self) ? count_instructions(self) : 0;
  count -= count > self->counter_cost ? self->counter_cost : count;
  return count < UINT32_MAX ? (uint32_t)count : UINT32_MAX;
}

static void open_counter(line *self) {
  struct perf_event_attr wanted = {
      .type = PERF_TYPE_HARDWARE,
      .size = sizeof(wanted),
      .config = PERF_COUNT_HW_INSTRUCTIONS,
      .disabled = 1,
      .exclude_kernel = 1,
      .exclude_hv = 1,
  };
  self->counter = (int)syscall(SYS_perf_event_open, &wanted, 0, -1, -1, 0);
  if (counts(self)) {
    start_ticks(self);
    self->counter_cost = count_instructions(self);
  }
}

static const uint64_t *share_counter(const char *file) {
  void *memory = mmap(NULL, sizeof(uint64_t), PROT_READ, MAP_SHARED, atoi(file), 0);
  if (memory == MAP_FAILED) {
    fail("counter", strerror(errno));
  }
  return memory;
}

static void measure(void *context, tinyops_port_memory *memory) {
  const line *self = context;
  const uint8_t *byte = self->stack_low;
  while (byte < self->stack_entered && *byte == PAINT) {
    byte++;
  }
  memory->stack_used = (uint32_t)(self->stack_entered - byte);
  memory->stack_bytes = (uint32_t)(self->stack_entered - self->stack_low);
  memory->static_bytes = self->static_bytes;
}

typedef struct {
  line *port_line;
  tinyops_app_board board;
  tinyops_app app;
  tinyops_app_management management;
  tinyops_app_release release; /* a program is no image: there is no flash to digest */
  tinyops_settings settings;
  tinyops_smp_settings settings_calls;
  uint8_t unit[32];
  uint8_t message[TINYOPS_SMP_MESSAGE_MAX];
} machine;

static void serve(machine *self) {
  (void)tinyops_app_init(&self->app, &self->board);
  for (;;) {
    if (tinyops_app_poll(&self->app) == 0) {
      self->board.port->idle(self->board.port->context);
    }
  }
}

/* The thread's first function: paints what lies below it, then never returns. */
static void *enter(void *argument) {
  machine *self = argument;
  self->port_line->stack_entered = (uint8_t *)__builtin_frame_address(0);
  for (volatile uint8_t *byte = self->port_line->stack_low;
       byte < self->port_line->stack_entered - RED_ZONE_BYTES; byte++) {
    *byte = PAINT;
  }
  open_counter(self->port_line);
  serve(self);
  return NULL;
}

static void run_on_stack(machine *self) {
  uint8_t *memory = mmap(NULL, GUARD_BYTES + STACK_BYTES, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  if (memory == MAP_FAILED || mprotect(memory, GUARD_BYTES, PROT_NONE) != 0) {
    fail("stack", strerror(errno));
  }
  self->port_line->stack_low = memory + GUARD_BYTES;
  pthread_attr_t attributes;
  pthread_t thread;
  int failed = pthread_attr_init(&attributes);
  failed |= pthread_attr_setstack(&attributes, memory + GUARD_BYTES, STACK_BYTES);
  failed |= pthread_create(&thread, &attributes, enter, self);
  if (failed != 0) {
    fail("thread", strerror(failed));
  }
  (void)pthread_join(thread, NULL);
}

/* dlsym gives an object pointer; POSIX promises that it holds a function's address too. */
static void find(void *object, const char *name, void *function) {
  void *found = dlsym(object, name);
  if (found == NULL) {
    fail("model", dlerror());
  }
  memcpy(function, &found, sizeof(found));
}

static tinyops_app_model load(const char *path) {
  tinyops_app_model model = {0};
  void *object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (object == NULL) {
    fail("model", dlerror());
  }
  find(object, "tinyops_model", &model.header);
  find(object, "tinyops_model_init", &model.init);
  find(object, "tinyops_model_push", &model.push);
  find(object, "tinyops_model_prepare", &model.prepare);
  find(object, "tinyops_model_invoke", &model.invoke);
  return model;
}

static void read_contract(const char *digits, uint8_t *contract) {
  for (int i = 0; i < 32; i++) {
    unsigned value = 0;
    if (sscanf(digits + 2 * i, "%2x", &value) != 1) {
      fail("contract", "not 64 hex digits");
    }
    contract[i] = (uint8_t)value;
  }
}

/* Where the board keeps its settings, if it does. */
static const tinyops_smp_settings *open_settings(machine *self, tinyops_port *port,
                                                 const char *path) {
  if (path == NULL) {
    return NULL;
  }
  const char *wrong = file_flash_open(&self->port_line->flash, path);
  if (wrong != NULL) {
    fail(path, wrong);
  }
  port->flash = &flash;
  self->settings = (tinyops_settings){.origin = FILE_FLASH_ORIGIN,
                                      .bytes = FILE_FLASH_BYTES,
                                      .unit = self->unit,
                                      .unit_bytes = sizeof(self->unit)};
  return tinyops_settings_attach(&self->settings, &self->settings_calls, port);
}

static replay *open_replay(const char *path) {
  static replay opened;
  const char *wrong = replay_open(&opened, path);
  if (wrong != NULL) {
    fail(path, wrong);
  }
  return &opened;
}

int main(int count, char **arguments) {
  const struct rlimit no_core = {0, 0};
  (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
  (void)setrlimit(RLIMIT_CORE, &no_core);
  options given;
  const int before = options_read(count, arguments, &given);
  arguments += before;
  count -= before;
  if (count < 6 || count > 7 || strlen(arguments[3]) != 64) {
    fail("usage", "runner [OPTION]... MODEL.SO NAME CONTRACT ARENA_BYTES FRAME_VALUES [COUNTER]");
  }
  uint8_t contract[32];
  read_contract(arguments[3], contract);
  uint32_t arena_bytes = (uint32_t)strtoul(arguments[4], NULL, 10);
  uint32_t frame_values = (uint32_t)strtoul(arguments[5], NULL, 10);
  void *arena = NULL;
  int16_t *frame = calloc(frame_values + 1, sizeof(*frame));
  if (frame == NULL || posix_memalign(&arena, TINYOPS_ARENA_ALIGN, arena_bytes + 1) != 0) {
    fail("memory", "not enough");
  }
  line *port_line = calloc(1, sizeof(*port_line));
  machine *self = calloc(1, sizeof(*self));
  if (port_line == NULL || self == NULL) {
    fail("memory", "not enough");
  }
  port_line->static_bytes = arena_bytes + frame_values * (uint32_t)sizeof(*frame);
  port_line->emulated = count == 7 ? share_counter(arguments[6]) : NULL;
  port_line->opened_us = now_us();
  port_line->command_line = arguments - before;
  port_line->sensor = given.replay != NULL ? open_replay(given.replay) : NULL;
  open_counter(port_line);
  tinyops_port port = {
      .context = port_line,
      .read_byte = read_byte,
      .write = write_bytes,
      .start_ticks = start_ticks,
      .ticks = ticks,
      .tick_hz = counts(port_line) ? 0 : 1,
      .cycle_bits = 0,
      .idle = idle,
      .measure = measure,
      .now_ms = now_ms,
      .sensor = given.replay != NULL ? &sensor : NULL,
  };
  port.silicon_bytes = options_silicon(&given, (uint8_t *)port.silicon);
  if (port_line->counter >= 0) {
    (void)close(
        port_line->counter); /* counts this thread; the application's thread opens its own */
  }
  self->port_line = port_line;
  self->release = (tinyops_app_release){.fleet = given.fleet,
                                        .version = "0.1.0",
                                        .image_calls = &tinyops_app_running_calls,
                                        .images = &self->management,
                                        .message = self->message,
                                        .message_bytes = sizeof(self->message),
                                        .settings = open_settings(self, &port, given.flash)};
  self->board = (tinyops_app_board){
      .port = &port,
      .name = arguments[2],
      .contract = contract,
      .loaded = load(arguments[1]),
      .arena = arena,
      .arena_bytes = arena_bytes,
      .frame = frame,
      .frame_values = frame_values,
      .rate_millihz = given.replay != NULL ? 1 : 0, /* a recording has its own */
      .smp = tinyops_app_manage(&self->management, &self->app, &port, &self->release),
  };
  run_on_stack(self);
  return 0;
}
