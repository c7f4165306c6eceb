/* A device that updates itself, on this machine: what a board's bootloader decides, then the whole
 * application, over slots in a file that has the rules of flash (port/sim).
 *
 *   device FILE [OPTION VALUE]...
 *
 *   --board NAME       its name in the catalogue, "desk"
 *   --fleet NAME       "wrist"
 *   --geometry E:P     bytes of a sector and of a program unit, 4096:4
 *   --buffer BYTES     room for an SMP message, 1024
 *   --line FD          an open file that is its serial line: a socket, a pseudo terminal's far end
 *   --udp PORT         SMP in datagrams on 127.0.0.1; 0: a free one
 *   --tcp PORT         SMP messages back to back, each as long as its header says; 0: a free one
 *   --rate MILLIHZ     it has a sensor: a frame's values are its number, up to FRAME_VALUES of them
 *   --watchdog MS      2000
 *   --erase-ms MS      how long an erase takes, 0
 *
 * Once it serves, it says "ready UDP TCP" on standard output, with the ports; at each start it says
 * on standard error why it started and what runs. FILE begins with the content of flash (layout.h);
 * what stands behind it is the program's own, made new where it is not there.
 *
 * A model is position-independent code for this machine and is run where it lies, as on a board. A
 * firmware is this program: its image holds a text, then a letter that says how it behaves: g well,
 * c crashes when it starts, h hangs, s finds its stack used up. Its contract is that of its image.
 * A crash of a model, a hang and a reset start the program again, on the same line and ports, with
 * what a board's RAM would keep; so does a cut of power, without it. */
#define _GNU_SOURCE
#include "device.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "tinyops/boot.h"

enum { SEED = 1, SIGNAL_STACK = 1 << 16, BROKE_A_RULE = 3, CANNOT_START = 2, NOTHING_RUNS = 4 };

extern const tinyops_boot_table tinyops_boot_own;

device self;

void fail(const char *what, const char *why) {
  (void)fprintf(stderr, "%s: %s\n", what, why);
  exit(CANNOT_START);
}

uint64_t now_us(void) {
  struct timespec now = {0};
  (void)clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

/* Starts the program again, on the same line and sockets. From signal handlers, too. */
static void start_again(void) {
  (void)execv("/proc/self/exe", self.arguments);
  _exit(CANNOT_START);
}

static int32_t end(int32_t status) {
  if (status == TINYOPS_FLASH_BROKEN) {
    (void)fprintf(stderr, "flash: %#x %s\n", self.model.broken_at,
                  tinyops_flash_rule_text(self.model.broken));
    exit(BROKE_A_RULE);
  }
  self.file->operations = self.model.operations;
  if (status == TINYOPS_FLASH_POWER_CUT) {
    self.file->cuts++;
    memset(self.file->keep, 0xa7, sizeof(self.file->keep));
    start_again();
  }
  return status;
}

static int32_t erase(void *context, uint32_t address, uint32_t bytes) {
  (void)context;
  self.model.cut_at = self.file->cut_at;
  (void)usleep(1000u * self.options.erase_ms * (bytes / self.options.erase_bytes));
  return end(tinyops_flash_model_erase(&self.model, address, bytes));
}

static int32_t program(void *context, uint32_t address, const uint8_t *bytes, uint32_t count) {
  (void)context;
  self.model.cut_at = self.file->cut_at;
  return end(tinyops_flash_model_program(&self.model, address, bytes, count));
}

static int32_t read_flash(void *context, uint32_t address, uint8_t *bytes, uint32_t count) {
  (void)context;
  return end(tinyops_flash_model_read(&self.model, address, bytes, count));
}

static void open_flash(const char *path) {
  const tinyops_flash_facts facts = {.origin = FLASH_ORIGIN,
                                     .bytes = FLASH_BYTES,
                                     .erase_bytes = self.options.erase_bytes,
                                     .program_bytes = self.options.program_bytes,
                                     .programs = 1};
  struct stat found = {0};
  const int file = open(path, O_RDWR | O_CLOEXEC);
  if (file < 0 || fstat(file, &found) != 0 || found.st_size < FLASH_BYTES ||
      ftruncate(file, (off_t)sizeof(device_file)) != 0) {
    fail(path, "is no flash of this device");
  }
  /* Flash lies where a core would see it, so that models are run in place. */
  self.file = mmap((void *)(uintptr_t)FLASH_ORIGIN, sizeof(device_file),
                   PROT_READ | PROT_WRITE | PROT_EXEC, MAP_SHARED | MAP_FIXED_NOREPLACE, file, 0);
  (void)close(file);
  if (self.file != (void *)(uintptr_t)FLASH_ORIGIN) {
    fail(path, "cannot be mapped where flash lies");
  }
  const int is_new = found.st_size < (off_t)sizeof(device_file);
  static uint8_t marks[FLASH_BYTES];
  memcpy(marks, self.file->marks, sizeof(marks));
  tinyops_flash_model_open(&self.model, &facts, self.file->content, self.file->marks, SEED);
  self.model.operations = self.file->operations;
  if (!is_new) {
    memcpy(self.file->marks, marks, sizeof(marks));
    for (uint32_t unit = 0; unit < FLASH_BYTES / facts.program_bytes; unit++) {
      self.model.unstable += marks[unit] == TINYOPS_FLASH_UNSTABLE;
    }
  }
}

static void feed(void *context) {
  (void)context;
  const struct itimerval limit = {.it_value = {.tv_sec = self.options.watchdog_ms / 1000,
                                               .tv_usec = self.options.watchdog_ms % 1000 * 1000}};
  (void)setitimer(ITIMER_REAL, &limit, NULL);
}

static void on_watchdog(int signal) {
  (void)signal;
  tinyops_kept_announce(&self.port, TINYOPS_RESET_WATCHDOG);
  start_again();
}

static void on_crash(int signal, siginfo_t *info, void *registers) {
  (void)signal;
  (void)registers;
  const tinyops_crash crash = {.pc = (uint32_t)(uintptr_t)info->si_addr};
  tinyops_kept_fault(&self.port, &crash, TINYOPS_RESET_FAULT);
  start_again();
}

static void catch_faults(void) {
  static uint8_t stack[SIGNAL_STACK];
  static const int faults[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP};
  const stack_t own = {.ss_sp = stack, .ss_size = sizeof(stack)};
  struct sigaction crash = {.sa_sigaction = on_crash, .sa_flags = SA_SIGINFO | SA_ONSTACK};
  struct sigaction watchdog = {.sa_handler = on_watchdog, .sa_flags = SA_ONSTACK};
  sigset_t none;
  (void)sigaltstack(&own, NULL);
  (void)sigaction(SIGALRM, &watchdog, NULL);
  for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
    (void)sigaction(faults[i], &crash, NULL);
  }
  (void)sigemptyset(&none);
  (void)sigprocmask(SIG_SETMASK, &none, NULL); /* that of the handler which started it again */
}

static void reset(void *context) {
  (void)context;
  tinyops_kept_announce(&self.port, TINYOPS_RESET_SOFTWARE);
  start_again();
}

static void measure(void *context, tinyops_port_memory *memory) {
  (void)context;
  *memory = (tinyops_port_memory){.stack_used = self.behaviour == 's' ? STACK_BYTES : 1000,
                                  .stack_bytes = STACK_BYTES,
                                  .static_bytes = sizeof(self)};
}

static void start_ticks(void *context) { (void)context; }

static uint32_t ticks(void *context) {
  (void)context;
  return 0;
}

static uint32_t now_ms(void *context) {
  (void)context;
  return (uint32_t)((now_us() - self.opened_us) / 1000u);
}

static tinyops_port_flash flash = {.erase = erase, .program = program, .read = read_flash};

static void open_port(void) {
  flash.erase_bytes = self.options.erase_bytes;
  flash.program_bytes = self.options.program_bytes;
  self.port = (tinyops_port){.read_byte = links_read_byte,
                             .write = links_write,
                             .start_ticks = start_ticks,
                             .ticks = ticks,
                             .tick_hz = 1,
                             .idle = links_idle,
                             .measure = measure,
                             .now_ms = now_ms,
                             .reset = reset,
                             .feed_watchdog = feed,
                             .flash = &flash,
                             .sensor = self.options.rate_millihz > 0 ? &counting_sensor : NULL,
                             .keep = self.file->keep,
                             .keep_bytes = sizeof(self.file->keep),
                             .silicon_bytes = 8,
                             .silicon = {0x11223344, 0x55667788}};
}

static void open_slots(void) {
  static uint8_t unit[256], step[256], keys[TINYOPS_SLOTS_KEYS_MAX * TINYOPS_SLOTS_KEY_BYTES];
  static const tinyops_app_places places = SLOT_PLACES;
  self.settings = (tinyops_settings){
      .origin = SETTINGS_ORIGIN, .bytes = SETTINGS_BYTES, .unit = unit, .unit_bytes = sizeof(unit)};
  self.kept = tinyops_settings_attach(&self.settings, &self.settings_calls, &self.port);
  self.slots.board = self.options.board;
  self.slots.unit = step;
  self.slots.unit_bytes = sizeof(step);
  if (tinyops_app_attach_updates(&self.updates, &self.slots, &places, &tinyops_boot_own, &self.port,
                                 &self.settings, keys) == NULL) {
    fail("slots", "do not go together with this flash");
  }
}

/* What a bootloader does: it has the log to itself, knows no contract, and starts one firmware. */
static void boot(void) {
  const int32_t slot = tinyops_slots_boot(&self.slots, TINYOPS_IMAGE_FIRMWARE, &self.firmware);
  if (slot < 0) {
    (void)fprintf(stderr, "no firmware can run\n");
    exit(NOTHING_RUNS);
  }
  self.firmware_start =
      (const uint8_t *)(uintptr_t)(self.slots.slots[TINYOPS_IMAGE_FIRMWARE][slot].origin +
                                   self.firmware.header_bytes);
  if (self.firmware.body_bytes <= sizeof(FIRMWARE_TEXT) ||
      memcmp(self.firmware_start, FIRMWARE_TEXT, sizeof(FIRMWARE_TEXT) - 1) != 0) {
    fail("firmware", "is none of this device");
  }
  self.behaviour = (char)self.firmware_start[sizeof(FIRMWARE_TEXT) - 1];
  self.slots.contract = self.firmware.contract;
  (void)fprintf(stderr, "start: firmware %u in slot %d, behaves %c\n", self.firmware.build, slot,
                self.behaviour);
  if (tinyops_slots_open(&self.slots) != TINYOPS_SLOTS_OK) {
    fail("slots", "cannot be opened again");
  }
}

static void misbehave(void) {
  if (self.behaviour == 'c') {
    __builtin_trap();
  }
  while (self.behaviour == 'h') {
    (void)pause();
  }
}

int main(int count, char **arguments) {
  static uint8_t arena[ARENA_BYTES] __attribute__((aligned(TINYOPS_ARENA_ALIGN)));
  static int16_t frame[FRAME_VALUES];
  static uint8_t message[MESSAGE_ROOM];
  (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (count < 2) {
    fail("usage", "device FILE [OPTION VALUE]...");
  }
  self.arguments = arguments;
  self.opened_us = now_us();
  options_read(count - 2, arguments + 2, &self.options);
  catch_faults();
  open_flash(arguments[1]);
  open_port();
  feed(NULL);
  open_slots();
  boot();
  misbehave();
  const tinyops_app_release release = {
      .fleet = self.options.fleet,
      .version = "0.1.0",
      .flash = self.firmware_start,
      .flash_bytes = self.firmware.body_bytes,
      .sha256_of = tinyops_sha256_of,
      .settings = self.kept,
      .image_calls = self.options.deltas != 0 ? tinyops_app_take_deltas(&self.deltas, &self.updates)
                                              : &tinyops_app_update_calls,
      .images = &self.updates,
      .message = message,
      .message_bytes = self.options.buffer_bytes,
  };
  const tinyops_app_board board = {
      .port = &self.port,
      .name = self.options.board,
      .contract = self.firmware.contract,
      .updates = &self.updates,
      .arena = arena,
      .arena_bytes = ARENA_BYTES,
      .frame = frame,
      .frame_values = FRAME_VALUES,
      .rate_millihz = self.options.rate_millihz,
      .smp = tinyops_app_manage(&self.management, &self.app, &self.port, &release),
  };
  (void)tinyops_app_init(&self.app, &board);
  (void)fprintf(stderr, "start: model %d, cause %d\n", self.app.state, self.app.reset_cause);
  links_open();
  for (;;) {
    const int32_t polled = tinyops_app_poll(&self.app);
    if (links_poll() == 0 && polled == 0) {
      links_idle(NULL);
    }
  }
}
