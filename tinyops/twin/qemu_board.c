/* A plugin for QEMU's emulation of boards: pins, power and rules that QEMU itself does not have.
 *
 *   -plugin file=THIS,orders=FD,ram=ADDRESS:BYTES,vtor=0|1
 *      [,flash=FILE,facts=ORIGIN:BYTES:ERASE:PROGRAM:PROGRAMS,nvmc=ADDRESS,seed=N]
 *      [,number=ADDRESS:LOW:HIGH]
 *
 * With `flash` FILE is what the board's flash holds, kept up to date with every operation, so that
 * nothing is lost however QEMU ends. With `nvmc` the board has the flash controller of an nRF5
 * there, and flash is loaded into its memory when it starts; else it calls, see qemu_call.h. Each
 * operation is held against the rules of runtime/port/sim. `vtor=0`: the core has no vector table
 * register, and whoever touches its address breaks a rule. A broken rule ends QEMU with status 3
 * and a sentence.
 *
 * `number` are two words that the board finds at ADDRESS, in registers that a reset sets to ones;
 * at 0 it calls for them.
 *
 * ORDERS takes lines and answers each with one:
 *
 *   reset      pulls the reset pin: RAM keeps what it held
 *   power_cut  RAM holds noise, flash stays
 *   cut_in N   power fails within the Nth operation of flash from now
 *   measure    "operations O resets R"
 *
 * QEMU's interface for plugins shows accesses to memory and nothing more. What changes the board
 * goes through functions that QEMU exports to its own modules; Debian's builds have them. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "flash_model.h"
#include "qemu_call.h"

/* QEMU's interface for plugins. */
typedef struct block block;
typedef struct instruction instruction;
typedef uint32_t access_info;
typedef void on_access(unsigned int cpu, access_info info, uint64_t address, void *data);
typedef void on_block(uint64_t id, block *translated);
enum { READ_REGISTERS = 1, ACCESS_READ = 1, ACCESS_WRITE = 2, ACCESS_BOTH = 3 };
void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, on_block *call);
size_t qemu_plugin_insn_size(const instruction *one);
size_t qemu_plugin_tb_n_insns(const block *translated);
instruction *qemu_plugin_tb_get_insn(const block *translated, size_t index);
const void *qemu_plugin_insn_data(const instruction *one);
void qemu_plugin_register_vcpu_mem_cb(instruction *one, on_access *call, int flags, int kinds,
                                      void *data);
unsigned int qemu_plugin_mem_size_shift(access_info info);
_Bool qemu_plugin_mem_is_store(access_info info);

/* What QEMU and its library export beside it. */
typedef struct {
  uint32_t bits;
} attributes;
typedef struct {
  uint8_t *data;
  unsigned int length;
} byte_array;
void qemu_register_reset(void (*call)(void *), void *data);
void qemu_system_reset_request(int reason);
void *qemu_get_cpu(int index);
void *cpu_get_address_space(void *cpu, int index);
void *address_space_map(void *space, uint64_t address, uint64_t *count, _Bool writes,
                        attributes how);
uint32_t address_space_read_full(void *space, uint64_t address, attributes how, void *bytes,
                                 uint64_t count);
uint32_t address_space_write(void *space, uint64_t address, attributes how, const void *bytes,
                             uint64_t count);
uint32_t address_space_write_rom(void *space, uint64_t address, attributes how, const void *bytes,
                                 uint64_t count);
int arm_cpu_gdb_read_register(void *cpu, byte_array *to, int number) __attribute__((weak));
byte_array *g_byte_array_new(void);
byte_array *g_byte_array_set_size(byte_array *array, unsigned int length);

#define EXPORTED __attribute__((visibility("default")))
EXPORTED int qemu_plugin_version = 1;
EXPORTED int qemu_plugin_install(uint64_t id, const void *about, int count, char **arguments);

enum { VTOR = 0xe000ed08, ASKED_FOR = 3, UNSPECIFIED = 1, TAKES_S = 20, ORDER_BYTES = 64 };
enum { NVMC_BYTES = 0x1000, NVMC_CONFIG = 0x504, NVMC_ERASE_PAGE = 0x508, NVMC_ERASE_ALL = 0x50c };
enum { NVMC_READS = 0, NVMC_WRITES = 1, NVMC_ERASES = 2 };

/* QEMU passes no data of the plugin's to most callbacks. */
static struct {
  tinyops_flash_model flash;
  const uint8_t *seen; /* the flash as QEMU holds it; null: no flash here */
  uint64_t nvmc;
  uint32_t nvmc_state;
  uint32_t ram_origin, ram_bytes, ram_noise;
  byte_array *value;
  int orders;
  int has_flash, has_vtor, has_number;
  uint32_t number_at, number[2];
  int number_is_due;     /* since the reset nobody has written it */
  int sees_all;          /* every access to memory is watched, not calls alone */
  atomic_int power_goes; /* the next reset is a power cut */
  atomic_uint resets;
} self;

static _Noreturn void stop(const char *what, uint32_t address, const char *why) {
  (void)fprintf(stderr, "%s: %#010x %s\n", what, address, why);
  _exit(3);
}

/* The memory as the core sees it. */
static void *memory(void) { return cpu_get_address_space(qemu_get_cpu(0), 0); }

static void read_memory(uint32_t address, void *bytes, uint32_t count) {
  (void)address_space_read_full(memory(), address, (attributes){UNSPECIFIED}, bytes, count);
}

static void write_memory(uint32_t address, const void *bytes, uint32_t count) {
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
    write_memory(self.ram_origin + at, piece, left < sizeof(piece) ? left : sizeof(piece));
  }
}

/* Flash as the board finds it when power comes: the file's content. */
static void load_flash(void) {
  const tinyops_flash_facts *facts = &self.flash.facts;
  uint64_t count = facts->bytes;
  self.seen = address_space_map(memory(), facts->origin, &count, 0, (attributes){UNSPECIFIED});
  if (self.seen == NULL || count != facts->bytes) {
    stop("flash", facts->origin, "is no flash of this machine");
  }
  tinyops_flash_model_stir(&self.flash);
  write_memory(facts->origin, self.flash.content, facts->bytes);
}

/* QEMU's call before each start of the board, the first among them; the core has not read its
 * vectors yet. */
static void start_board(void *data) {
  (void)data;
  int first = self.resets == 0;
  int power = atomic_exchange(&self.power_goes, 0);
  self.nvmc_state = NVMC_READS;
  self.number_is_due = self.number_at != 0;
  if (first || power) {
    fill_with_noise();
  }
  if (self.has_flash && (first || power)) {
    tinyops_flash_model_power_on(&self.flash);
    if (self.nvmc != 0) {
      load_flash();
    }
  }
  self.resets++;
}

static void judge(int32_t status) {
  if (status == TINYOPS_FLASH_BROKEN) {
    stop("flash", self.flash.broken_at, tinyops_flash_rule_text(self.flash.broken));
  }
  if (status == TINYOPS_FLASH_POWER_CUT) {
    self.power_goes = 1;
    qemu_system_reset_request(ASKED_FOR);
  }
}

/* The value that a Thumb instruction of an M0 has just stored. */
static uint32_t stored(uint32_t code, uint32_t address) {
  int number = (int)(code & 7u);
  if ((code & 0xf800u) == 0x9000u) { /* relative to the stack pointer */
    number = (int)(code >> 8 & 7u);
  } else if ((code & 0xf800u) != 0x6000u && (code & 0xfe00u) != 0x5000u) {
    stop("flash controller", address,
         "is written by an instruction that this twin does not follow");
  }
  g_byte_array_set_size(self.value, 0);
  uint32_t value = 0;
  if (arm_cpu_gdb_read_register(qemu_get_cpu(0), self.value, number) == 4) {
    memcpy(&value, self.value->data, sizeof(value));
  }
  return value;
}

static void write_nvmc(uint32_t offset, uint32_t value) {
  if (offset == NVMC_CONFIG) {
    self.nvmc_state = value;
  } else if (offset == NVMC_ERASE_PAGE) {
    if (self.nvmc_state != NVMC_ERASES) {
      stop("flash", value, "was to be erased while the controller does not allow it");
    }
    judge(tinyops_flash_model_erase(&self.flash, value, self.flash.facts.erase_bytes));
  } else if (offset == NVMC_ERASE_ALL) {
    stop("flash", value, "was to be erased with all the rest, the program too");
  }
}

static void write_flash(uint32_t address, uint32_t count) {
  if (self.nvmc_state != NVMC_WRITES) {
    stop("flash", address, "was written while the controller does not allow it");
  }
  const uint8_t *found = self.seen + (address - self.flash.facts.origin);
  judge(tinyops_flash_model_program(&self.flash, address, found, count));
}

/* What was read there lost power while it was written: the next read gives something else. */
static void stir_at(uint32_t offset) {
  const tinyops_flash_facts *facts = &self.flash.facts;
  if (self.flash.marks[offset / facts->program_bytes] == TINYOPS_FLASH_UNSTABLE) {
    const uint32_t sector = offset - offset % facts->erase_bytes;
    tinyops_flash_model_stir(&self.flash);
    write_memory(facts->origin + sector, self.flash.content + sector, facts->erase_bytes);
  }
}

static void access_flash(access_info info, uint32_t address, uint32_t code) {
  if (self.flash.is_off) {
    return; /* what still runs between the cut and its reset leaves no trace */
  }
  int stores = qemu_plugin_mem_is_store(info);
  if (address - self.flash.facts.origin < self.flash.facts.bytes) {
    if (stores) {
      write_flash(address, 1u << qemu_plugin_mem_size_shift(info));
    } else if (self.flash.unstable > 0) {
      stir_at(address - self.flash.facts.origin);
    }
  } else if (stores && address - self.nvmc < NVMC_BYTES) {
    write_nvmc(address - (uint32_t)self.nvmc, stored(code, address));
  }
}

/* Devices are reset after `start_board`: the core's first access to memory comes after them. */
static void write_number(void) {
  self.number_is_due = 0;
  for (uint32_t i = 0; i < 2; i++) {
    (void)address_space_write(memory(), self.number_at + 4u * i, (attributes){UNSPECIFIED},
                              &self.number[i], sizeof(self.number[i]));
  }
}

static void see(unsigned int cpu, access_info info, uint64_t address, void *code) {
  (void)cpu;
  if (self.number_is_due) {
    write_number();
  }
  if (!self.has_vtor && (address & ~3ull) == VTOR) {
    stop("core", VTOR, "was touched: this board has no vector table register");
  }
  if (self.has_flash && self.nvmc != 0) {
    access_flash(info, (uint32_t)address, (uint32_t)(uintptr_t)code);
  }
}

/* After the store that is a call, if it is one. */
static void take_call(unsigned int cpu, access_info info, uint64_t address, void *data) {
  (void)cpu;
  (void)info;
  (void)data;
  const uint32_t at = (uint32_t)address;
  const int was_on = self.has_flash && !self.flash.is_off;
  qemu_call asked;
  uint8_t bytes[CALL_BYTES_MAX] = {0};
  read_memory(at, &asked, sizeof(asked));
  if (!call_is(&asked, at)) {
    return;
  }
  if (call_brings(&asked)) {
    read_memory(asked.bytes, bytes, asked.count);
  }
  asked.status = call_answer(&asked, bytes, self.has_flash ? &self.flash : NULL,
                             self.has_number ? self.number : NULL);
  if (call_gives(&asked) && asked.status == 0) {
    write_memory(asked.bytes, bytes, asked.count);
  }
  write_memory(at + (uint32_t)offsetof(qemu_call, status), &asked.status, sizeof(asked.status));
  if (was_on && (self.flash.is_off || self.flash.broken != TINYOPS_FLASH_NO_RULE)) {
    judge(asked.status);
  }
}

static void watch(uint64_t id, block *translated) {
  (void)id;
  size_t count = qemu_plugin_tb_n_insns(translated);
  for (size_t i = 0; i < count; i++) {
    instruction *one = qemu_plugin_tb_get_insn(translated, i);
    size_t size = qemu_plugin_insn_size(one);
    uint32_t code = 0;
    memcpy(&code, qemu_plugin_insn_data(one), size < sizeof(code) ? size : sizeof(code));
    if (self.sees_all) {
      qemu_plugin_register_vcpu_mem_cb(one, see, READ_REGISTERS, ACCESS_BOTH,
                                       (void *)(uintptr_t)(code & 0xffffu));
    } else if (call_may_be(code)) {
      qemu_plugin_register_vcpu_mem_cb(one, take_call, READ_REGISTERS, ACCESS_WRITE, NULL);
    }
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

static void obey(const char *order, char *answer, size_t room) {
  int cut = strcmp(order, "power_cut") == 0;
  unsigned number = 0;
  (void)snprintf(answer, room, "ok\n");
  if (cut || strcmp(order, "reset") == 0) {
    unsigned before = self.resets;
    self.power_goes = cut;
    qemu_system_reset_request(ASKED_FOR);
    if (!wait_for_reset(before)) {
      (void)snprintf(answer, room, "the board does not reset\n");
    }
  } else if (self.has_flash && sscanf(order, "cut_in %u", &number) == 1 && number > 0) {
    self.flash.cut_at = self.flash.operations + number;
  } else if (strcmp(order, "measure") == 0) {
    (void)snprintf(answer, room, "operations %u resets %u\n", self.flash.operations,
                   self.resets - 1);
  } else {
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

static int open_flash(const char *path, const tinyops_flash_facts *facts, uint32_t seed) {
  int file = open(path, O_RDWR | O_CLOEXEC);
  void *content =
      file < 0 ? MAP_FAILED : mmap(NULL, facts->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  uint8_t *marks = malloc(tinyops_flash_marks_bytes(facts));
  self.value = g_byte_array_new();
  if (content == MAP_FAILED || marks == NULL ||
      (self.nvmc != 0 && arm_cpu_gdb_read_register == NULL)) {
    return -1;
  }
  tinyops_flash_model_open(&self.flash, facts, content, marks, seed);
  self.has_flash = 1;
  return 0;
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

int qemu_plugin_install(uint64_t id, const void *about, int count, char **arguments) {
  (void)about;
  tinyops_flash_facts facts = {0};
  pthread_t thread;
  const char *flash = find("flash", count, arguments);
  self.orders = atoi(find("orders", count, arguments));
  self.has_vtor = atoi(find("vtor", count, arguments));
  self.nvmc = strtoul(find("nvmc", count, arguments), NULL, 0);
  uint32_t seed = (uint32_t)strtoul(find("seed", count, arguments), NULL, 0);
  self.ram_noise = seed + 1;
  const char *number = find("number", count, arguments);
  if (*number != 0) {
    self.has_number =
        sscanf(number, "%u:%u:%u", &self.number_at, &self.number[0], &self.number[1]) == 3;
  }
  int failed =
      sscanf(find("ram", count, arguments), "%u:%u", &self.ram_origin, &self.ram_bytes) != 2;
  if (*flash != 0) {
    failed |= sscanf(find("facts", count, arguments), "%u:%u:%u:%u:%u", &facts.origin, &facts.bytes,
                     &facts.erase_bytes, &facts.program_bytes, &facts.programs) != 5;
    failed |= failed || open_flash(flash, &facts, seed) != 0;
  }
  if (failed || pthread_create(&thread, NULL, take_orders, NULL) != 0) {
    (void)fprintf(stderr, "qemu_board: arguments, or a QEMU whose functions it does not find\n");
    return 1;
  }
  qemu_register_reset(start_board, NULL);
  self.sees_all = self.nvmc != 0 || !self.has_vtor || self.number_at != 0;
  qemu_plugin_register_vcpu_tb_trans_cb(id, watch);
  return 0;
}
