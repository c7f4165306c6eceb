/* A plugin for QEMU's emulation of boards: pins, power and rules that QEMU itself does not have.
 *
 *   -plugin file=THIS,orders=FD,ram=ADDRESS:BYTES,vtor=0|1
 *      [,flash=FILE,ranges=ORIGIN:BYTES:ERASE:PROGRAM:PROGRAMS:IN_MEMORY[+...],nvmc=ADDRESS,seed=N]
 *      [,number=ADDRESS:LOW:HIGH] [,watchdog=ADDRESS:HZ] [,cause=ADDRESS] [,replay=FILE]
 *      [,twi=ADDRESS,chip=NAME]
 *
 * With `flash` FILE is what the board's flash holds, kept up to date with every operation, so that
 * nothing is lost however QEMU ends; see qemu_flash.h for its ranges. What lies in memory is
 * written there when power comes. With `nvmc` the board has the flash controller of an nRF5 there;
 * else it calls, see qemu_call.h, and a store into flash breaks a rule. Each operation is held
 * against the rules of runtime/port/sim. `vtor=0`: the core has no vector table register, and
 * whoever touches its address breaks a rule. A broken rule ends QEMU with status 3 and a sentence.
 *
 * `number` are two words that the board finds at ADDRESS, in registers that a reset sets to ones;
 * at 0 it calls for them. `watchdog` are the registers of an nRF5's, HZ its core's clock. `cause`
 * is such a register, too, in which the board finds the bits of an nRF5's RESETREAS. `replay` is a
 * recording, see runtime/port/sim/replay.h: a board that calls for it has a sensor.
 * With `twi` it has none of its own: the accelerometer of that name, which hangs on the two-wire
 * interface there, measures what is recorded.
 *
 * ORDERS takes lines and answers each with one:
 *
 *   reset      pulls the reset pin: RAM keeps what it held
 *   power_cut  RAM holds noise, flash stays
 *   cut_in N [M]   power fails within the Nth operation of flash from now, and within the Mth
 * behind keep_power     it fails in no operation any more operation N    "erase A" or "program A":
 * what the Nth one did, at which address measure    "operations O resets R watchdog W": W of the
 * resets were the watchdog's
 *
 * QEMU's interface for plugins shows accesses to memory and nothing more. What changes the board
 * goes through functions that QEMU exports to its own modules; Debian's builds have them. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "qemu_call.h"
#include "qemu_exports.h"
#include "qemu_flash.h"
#include "qemu_guest.h"
#include "qemu_nvmc.h"
#include "qemu_twi.h"
#include "qemu_watchdog.h"
#include "replay.h"

#define EXPORTED __attribute__((visibility("default")))
EXPORTED int qemu_plugin_version = 1;
EXPORTED int qemu_plugin_install(uint64_t id, const void *about, int count, char **arguments);

enum { VTOR = 0xe000ed08, TAKES_S = 20, ORDER_BYTES = 64 };
enum { BY_POWER = 0, BY_PIN = 1, BY_WATCHDOG = 2, BY_SOFTWARE = 4 }; /* bits of RESETREAS */

/* QEMU passes no data of the plugin's to most callbacks. */
static struct {
  flash_board flash;
  watchdog dog;
  nvmc nvmc;
  uint64_t dog_at;
  uint32_t ram_origin, ram_bytes, ram_noise;
  int orders;
  int has_vtor, has_number, has_sensor;
  replay sensor;
  qemu_twi twi;
  uint64_t twi_at;
  const char *chip; /* on its bus */
  uint64_t called[CALL_BYTES_MAX / sizeof(uint64_t)]; /* the bytes of a call */
  uint32_t number_at, number[2], cause_at, cause;
  int words_are_due; /* number and cause: since the reset nobody has written them */
  int sees_all;      /* every access to memory is watched, not calls alone */
  int sees_flash;    /* and every store: flash lies in memory */
  uint32_t clock_hz;
  atomic_int next_cause; /* of the next reset */
  atomic_uint resets, bites;
} self;

_Noreturn void guest_stop(const char *what, uint32_t address, const char *why) {
  /* What QEMU warned of before is not why it ends: where it is kept in a file, this comes first. */
  if (ftruncate(STDERR_FILENO, 0) == 0) {
    (void)lseek(STDERR_FILENO, 0, SEEK_SET);
  }
  (void)fprintf(stderr, "%s: %#010x %s\n", what, address, why);
  _exit(3);
}

static void *memory(void) { return cpu_get_address_space(qemu_get_cpu(0), 0); }

void guest_read(uint32_t address, void *bytes, uint32_t count) {
  (void)address_space_read_full(memory(), address, (attributes){UNSPECIFIED}, bytes, count);
}

void guest_write(uint32_t address, const void *bytes, uint32_t count) {
  (void)address_space_write_rom(memory(), address, (attributes){UNSPECIFIED}, bytes, count);
}

static void fill_with_noise(void) {
  uint8_t piece[1024];
  for (uint32_t at = 0; at < self.ram_bytes; at += sizeof(piece)) {
    for (uint32_t i = 0; i < sizeof(piece); i++) {
      self.ram_noise = self.ram_noise * 1664525u + 1013904223u;
      piece[i] = (uint8_t)(self.ram_noise >> 24);
    }
    uint32_t left = self.ram_bytes - at;
    guest_write(self.ram_origin + at, piece, left < sizeof(piece) ? left : sizeof(piece));
  }
}

static void reset_by(int cause) {
  self.next_cause = cause;
  qemu_system_reset_request(ASKED_FOR);
}

static void bite(void) {
  self.bites++;
  reset_by(BY_WATCHDOG);
}

static void open_twi(void) {
  if (qemu_twi_open(&self.twi, self.twi_at, self.chip, self.has_sensor ? &self.sensor : NULL) != 0) {
    guest_stop("two-wire interface", (uint32_t)self.twi_at, "is in no machine that it can be put in");
  }
}

/* QEMU's call before each start of the board, the first among them; the core has not read its
 * vectors yet. */
static void start_board(void *data) {
  (void)data;
  const int first = self.resets == 0;
  const int cause = atomic_exchange(&self.next_cause, BY_SOFTWARE);
  self.cause = first ? BY_POWER : (uint32_t)cause;
  nvmc_reset(&self.nvmc);
  if (self.twi_at != 0 && first) {
    open_twi();
  } else if (self.twi_at != 0) {
    qemu_twi_reset(&self.twi, self.cause == BY_POWER);
  }
  self.words_are_due = self.number_at != 0 || self.cause_at != 0;
  if (self.cause == BY_POWER) {
    fill_with_noise();
    flash_power_on(&self.flash);
  }
  if (first && self.dog_at != 0) {
    watchdog_open(&self.dog, self.clock_hz, bite);
  } else if (self.dog_at != 0 && self.cause != BY_SOFTWARE) {
    watchdog_stop(&self.dog);
  }
  if (flash_is_unstable(&self.flash)) {
    tb_flush(qemu_get_cpu(0)); /* reads are watched from now on, see watch() */
  }
  self.resets++;
}

static void judge(int32_t status) {
  if (status == TINYOPS_FLASH_POWER_CUT) {
    reset_by(BY_POWER);
  }
}

static void write_flash(uint32_t address, uint32_t count) {
  uint8_t found[8];
  if (self.nvmc.at == 0) {
    guest_stop("flash", address, "was written by a store: only a call changes it");
  }
  nvmc_check_write(&self.nvmc, address);
  guest_read(address, found, count);
  judge(flash_program(&self.flash, address, found, count));
}

static void write_register(uint32_t address, uint32_t code) {
  const uint32_t in_nvmc = address - (uint32_t)self.nvmc.at,
                 in_dog = address - (uint32_t)self.dog_at;
  if (self.nvmc.at != 0 && in_nvmc < NVMC_BYTES) {
    judge(nvmc_write(&self.nvmc, &self.flash, in_nvmc, nvmc_stored(code, address)));
  } else if (self.dog_at != 0 && in_dog < WATCHDOG_BYTES) {
    watchdog_write(&self.dog, in_dog, nvmc_stored(code, address));
  }
}

static void judge_access(access_info info, uint32_t address, uint32_t code) {
  if (flash_is_off(&self.flash)) {
    return; /* what still runs between the cut and its reset leaves no trace */
  }
  const int stores = qemu_plugin_mem_is_store(info);
  flash_region *region = flash_in_memory(&self.flash, address);
  if (region == NULL && stores) {
    write_register(address, code);
  } else if (region != NULL && stores) {
    write_flash(address, 1u << qemu_plugin_mem_size_shift(info));
  } else if (region != NULL && region->model.unstable > 0) {
    flash_stir(region, address);
  }
}

static void write_word(uint32_t address, uint32_t word) {
  (void)address_space_write(memory(), address, (attributes){UNSPECIFIED}, &word, sizeof(word));
}

/* Devices are reset after `start_board`: the core's first access to memory comes after them. */
static void write_words(void) {
  self.words_are_due = 0;
  for (uint32_t i = 0; i < 2 && self.number_at != 0; i++) {
    write_word(self.number_at + 4u * i, self.number[i]);
  }
  if (self.cause_at != 0) {
    write_word(self.cause_at, self.cause);
  }
}

static void see(unsigned int cpu, access_info info, uint64_t address, void *code) {
  (void)cpu;
  if (self.words_are_due) {
    write_words();
  }
  if (!self.has_vtor && (address & ~3ull) == VTOR) {
    guest_stop("core", VTOR, "was touched: this board has no vector table register");
  }
  judge_access(info, (uint32_t)address, (uint32_t)(uintptr_t)code);
}

/* After the store that is a call, if it is one. */
static void take_call(unsigned int cpu, access_info info, uint64_t address, void *code) {
  const uint32_t at = (uint32_t)address;
  qemu_call asked;
  uint8_t *bytes = (uint8_t *)self.called;
  guest_read(at, &asked, sizeof(asked));
  if (!call_is(&asked, at)) {
    if (self.sees_flash) {
      see(cpu, info, address, code);
    }
    return;
  }
  if (call_brings(&asked)) {
    guest_read(asked.bytes, bytes, asked.count);
  }
  const int was_on = !flash_is_off(&self.flash);
  const call_board board = {.flash = &self.flash,
                            .number = self.has_number ? self.number : NULL,
                            .sensor = self.has_sensor && self.twi_at == 0 ? &self.sensor : NULL};
  asked.status = call_answer(&asked, bytes, &board);
  if (call_gives(&asked, asked.status)) {
    guest_write(asked.bytes, bytes, asked.count);
  }
  guest_write(at + (uint32_t)offsetof(qemu_call, status), &asked.status, sizeof(asked.status));
  if (was_on) {
    judge(asked.status);
  }
}

/* Reads are watched where there is something to see: as fast as it goes. */
static void watch_one(instruction *one) {
  const size_t size = qemu_plugin_insn_size(one);
  uint32_t code = 0;
  memcpy(&code, qemu_plugin_insn_data(one), size < sizeof(code) ? size : sizeof(code));
  void *half = (void *)(uintptr_t)(code & 0xffffu);
  if (self.sees_all) {
    qemu_plugin_register_vcpu_mem_cb(one, see, READ_REGISTERS, ACCESS_BOTH, half);
    return;
  }
  if (call_may_be(code)) {
    qemu_plugin_register_vcpu_mem_cb(one, take_call, READ_REGISTERS, ACCESS_WRITE, half);
  } else if (self.sees_flash) {
    qemu_plugin_register_vcpu_mem_cb(one, see, READ_REGISTERS, ACCESS_WRITE, half);
  }
  if (self.sees_flash && flash_is_unstable(&self.flash)) {
    qemu_plugin_register_vcpu_mem_cb(one, see, READ_REGISTERS, ACCESS_READ, half);
  }
}

static void watch(uint64_t id, block *translated) {
  (void)id;
  const size_t count = qemu_plugin_tb_n_insns(translated);
  for (size_t i = 0; i < count; i++) {
    watch_one(qemu_plugin_tb_get_insn(translated, i));
  }
}

/* Orders come on a thread of their own. */

static int wait_for_reset(unsigned before) {
  const struct timespec pause = {0, 200000};
  for (unsigned waited = 0; waited < TAKES_S * 5000u && self.resets == before; waited++) {
    (void)nanosleep(&pause, NULL);
  }
  return self.resets != before;
}

static void pull(int cause, char *answer, size_t room) {
  const unsigned before = self.resets;
  reset_by(cause);
  if (!wait_for_reset(before)) {
    (void)snprintf(answer, room, "the board does not reset\n");
  }
}

static int tell_operation(unsigned number, char *answer, size_t room) {
  const uint32_t done = flash_operations(&self.flash);
  if (number == 0 || number > done || done - number >= FLASH_KEPT) {
    return 0;
  }
  const uint32_t place = self.flash.places[number % FLASH_KEPT];
  (void)snprintf(answer, room, "%s %u\n", (place & FLASH_ERASES) != 0 ? "erase" : "program",
                 place & ~1u);
  return 1;
}

/* Returns whether it is one of flash that there is. */
static int obey_of_flash(const char *order, char *answer, size_t room) {
  unsigned number = 0, then = 0;
  if (self.flash.count == 0) {
    return 0;
  }
  if (sscanf(order, "operation %u", &number) == 1) {
    return tell_operation(number, answer, room);
  }
  if (strcmp(order, "keep_power") == 0) {
    self.flash.cut_at = self.flash.cut_then = 0;
    return 1;
  }
  if (sscanf(order, "cut_in %u %u", &number, &then) >= 1 && number > 0) {
    self.flash.cut_at = flash_operations(&self.flash) + number;
    self.flash.cut_then = then;
    return 1;
  }
  return 0;
}

static void obey(const char *order, char *answer, size_t room) {
  (void)snprintf(answer, room, "ok\n");
  if (strcmp(order, "power_cut") == 0) {
    pull(BY_POWER, answer, room);
  } else if (strcmp(order, "reset") == 0) {
    pull(BY_PIN, answer, room);
  } else if (strcmp(order, "measure") == 0) {
    int used = snprintf(answer, room, "operations %u resets %u", flash_operations(&self.flash),
                        self.resets - 1);
    used += self.dog_at != 0 ? snprintf(answer + used, room - used, " watchdog %u", self.bites) : 0;
    (void)snprintf(answer + used, room - used, "\n");
  } else if (!obey_of_flash(order, answer, room)) {
    (void)snprintf(answer, room, "unknown\n");
  }
}

static void *take_orders(void *data) {
  char order[ORDER_BYTES], answer[128];
  size_t count = 0;
  (void)wait_for_reset(0); /* there is a board from its first start on */
  while (recv(self.orders, order + count, 1, 0) == 1) {
    if (order[count] != '\n') {
      count += count + 2 < sizeof(order);
      continue;
    }
    order[count] = 0;
    count = 0;
    obey(order, answer, sizeof(answer));
    (void)send(self.orders, answer, strlen(answer), MSG_NOSIGNAL);
  }
  return data;
}

static const char *find(const char *name, int count, char **arguments) {
  size_t length = strlen(name);
  for (int i = 0; i < count; i++) {
    if (strncmp(arguments[i], name, length) == 0 && arguments[i][length] == '=') {
      return arguments[i] + length + 1;
    }
  }
  return "";
}

static uint64_t find_number(const char *name, int count, char **arguments) {
  return strtoul(find(name, count, arguments), NULL, 0);
}

/* Returns 0, or -1 when an argument cannot be read. */
static int read_arguments(int count, char **arguments) {
  const char *number = find("number", count, arguments);
  const char *dog = find("watchdog", count, arguments);
  self.orders = (int)find_number("orders", count, arguments);
  self.has_vtor = (int)find_number("vtor", count, arguments);
  self.nvmc.at = find_number("nvmc", count, arguments);
  self.cause_at = (uint32_t)find_number("cause", count, arguments);
  self.twi_at = find_number("twi", count, arguments);
  self.chip = self.twi_at != 0 ? strdup(find("chip", count, arguments)) : "";
  self.ram_noise = (uint32_t)find_number("seed", count, arguments) + 1;
  if (*number != 0) {
    self.has_number =
        sscanf(number, "%u:%u:%u", &self.number_at, &self.number[0], &self.number[1]) == 3;
  }
  if (*dog != 0 &&
      (sscanf(dog, "%lu:%u", &self.dog_at, &self.clock_hz) != 2 || self.clock_hz == 0)) {
    return -1;
  }
  const char *ram = find("ram", count, arguments);
  return sscanf(ram, "%u:%u", &self.ram_origin, &self.ram_bytes) == 2 ? 0 : -1;
}

/* Returns 0, or -1 when the file cannot be replayed: it has been said why. */
static int open_sensor(const char *path) {
  const char *wrong = *path != 0 ? replay_open(&self.sensor, path) : NULL;
  self.has_sensor = *path != 0 && wrong == NULL;
  if (wrong != NULL) {
    (void)fprintf(stderr, "%s: %s\n", path, wrong);
  }
  return wrong == NULL ? 0 : -1;
}

int qemu_plugin_install(uint64_t id, const void *about, int count, char **arguments) {
  (void)about;
  pthread_t thread;
  const char *flash = find("flash", count, arguments);
  if (open_sensor(find("replay", count, arguments)) != 0) {
    return 1;
  }
  int failed = read_arguments(count, arguments);
  if (*flash != 0) {
    failed |= flash_open(&self.flash, flash, find("ranges", count, arguments), self.ram_noise - 1);
  }
  failed |= (self.nvmc.at != 0 || self.dog_at != 0) && arm_cpu_gdb_read_register == NULL;
  if (failed || pthread_create(&thread, NULL, take_orders, NULL) != 0) {
    (void)fprintf(stderr, "qemu_board: arguments, or a QEMU whose functions it does not find\n");
    return 1;
  }
  qemu_register_reset(start_board, NULL);
  self.sees_all = self.nvmc.at != 0 || self.dog_at != 0 || self.cause_at != 0 || !self.has_vtor ||
                  self.number_at != 0;
  for (uint32_t i = 0; i < self.flash.count; i++) {
    self.sees_flash |= self.flash.regions[i].in_memory;
  }
  qemu_plugin_register_vcpu_tb_trans_cb(id, watch);
  return 0;
}
