/* A virtual AVR board: simavr's core, its first serial line on a socket, orders on another.
 *
 *   simavr_board MCU HZ FLASH EEPROM STACK_LOW START LINE ORDERS
 *
 * FLASH and EEPROM are files of raw bytes: FLASH is what the board was flashed with; EEPROM may be
 * missing and is written back when it changed. STACK_LOW is the first address above static data, 0
 * when it is not known: then nobody watches the stack. START is where a reset leads: 0, or where
 * the bootloader begins, which then writes the chip's flash and, with it, FLASH.
 * LINE and ORDERS are numbers of open sockets. An order is a line of text and is answered by one:
 *
 *   reset      pulls the reset pin; RAM keeps what it held
 *   power_cut  takes the power away and gives it back: RAM holds noise, flash and EEPROM stay
 *   cut_in N   power fails within the write of the Nth byte of EEPROM from now
 *   measure    says "cycles C resets R watchdog W operations O stack S": core cycles since start-up,
 *              among them those slept through; resets, and how many by watchdog; bytes of EEPROM
 *              written; bytes of the deepest stack, where it is watched
 *
 * Time: cycles are counted by instruction, as simavr knows them. A sleeping core waits for its next
 * timer as long as a real one would; one that has bytes to read, or computes, goes as fast as this
 * machine lets it. A bootloader that waits for bytes waits in real time, as its host does. Bytes go
 * in one at a time, at the baud rate, when the receiver is on and the last one was read: a line
 * with flow control, which loses nothing.
 *
 * Ends with 0 when the host closes LINE, with 2 when it cannot start, with 3 when the program did
 * what the chip has no answer to. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <simavr/avr_uart.h>
#include <simavr/sim_avr.h>
#include <simavr/sim_io.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "simavr_eeprom.h"

enum {
  BUFFER = 4096,
  LOOK_EVERY = 4096, /* cycles of a busy core between two looks at the sockets */
  LEAST_WAIT_NS = 4000000,
  BITS_A_BYTE = 12, /* one more than simavr itself takes for a byte */
  NOISE = 0x5a17,
  PAINT = 0xa5, /* as runtime/port/arduino paints */

  STACK_LOW_BYTE = 0x5d, /* addresses in data memory, of all the chips below */
  STACK_HIGH_BYTE = 0x5e,
  SPM_CONTROL = 0x57,
  SPM_ENABLE = 1,
  UART_STATE = 0xc0,
  UART_CONTROL = 0xc1,
  UART_BAUD_LOW = 0xc4,
  UART_BAUD_HIGH = 0xc5,
  UART_RECEIVED = 0x80,
  UART_DOUBLE_SPEED = 0x02,
  UART_RECEIVER_ON = 0x10
};

/* Chips whose registers lie where the numbers above say. */
typedef struct {
  const char *name;
  avr_flashaddr_t bootloader; /* only from here on does SPM do anything */
} chip;

static const chip CHIPS[] = {{"atmega2560", 0x3e000}, {"atmega328p", 0x7e00}};

typedef struct {
  avr_io_t io; /* first: simavr tells the board of resets through it */
  avr_t *avr;
  const chip *kind;
  eeprom memory;
  uint8_t *flash_kept; /* of FLASH, which the bootloader's writes go to; NULL without one */
  int flash_touched;
  int line, orders;
  uint8_t in[BUFFER], out[BUFFER];
  size_t in_bytes, in_taken, out_bytes;
  char order[64];
  size_t order_bytes;
  uint64_t owed_ns;                           /* slept through without waiting */
  uint64_t waits_since_ns, waits_since_cycle; /* the bootloader for its host; 0 when it does not */
  uint16_t stack_low;                         /* 0: not watched */
  int painted;    /* the firmware has painted its stack since it started */
  int just_reset; /* and not yet asked why */
  unsigned resets, watchdog_resets;
} board;

_Noreturn void fail(int status, const char *what, const char *why) {
  (void)fprintf(stderr, "%s: %s\n", what, why);
  exit(status);
}

static _Noreturn void stop_program(const board *self, const char *why) {
  (void)fprintf(stderr, "%s at %#x after %llu cycles\n", why, self->avr->pc,
                (unsigned long long)self->avr->cycle);
  exit(3);
}

static void be_quiet(avr_t *avr, const int level, const char *format, va_list values) {
  (void)avr;
  if (level == LOG_ERROR) {
    (void)vfprintf(stderr, format, values);
  }
}

/* The line. */

static void flush(board *self) {
  size_t done = 0;
  while (done < self->out_bytes) {
    ssize_t sent = send(self->line, self->out + done, self->out_bytes - done, MSG_NOSIGNAL);
    if (sent < 0 && errno != EINTR && errno != EAGAIN) {
      eeprom_save(&self->memory);
      exit(0);
    }
    done += sent > 0 ? (size_t)sent : 0;
  }
  self->out_bytes = 0;
}

static void take_output(avr_irq_t *irq, uint32_t value, void *parameter) {
  board *self = parameter;
  (void)irq;
  self->owed_ns = 0;
  self->waits_since_ns = 0;
  self->out[self->out_bytes++] = (uint8_t)value;
  if (self->out_bytes == BUFFER) {
    flush(self);
  }
}

static avr_cycle_count_t byte_cycles(const board *self) {
  const uint8_t *data = self->avr->data;
  avr_cycle_count_t divider = data[UART_BAUD_LOW] | (data[UART_BAUD_HIGH] & 15u) << 8;
  return (divider + 1) * ((data[UART_STATE] & UART_DOUBLE_SPEED) != 0 ? 8u : 16u) * BITS_A_BYTE;
}

/* simavr's timer while there are bytes to feed: gives one when the receiver is ready. */
static avr_cycle_count_t feed(avr_t *avr, avr_cycle_count_t when, void *parameter) {
  board *self = parameter;
  int ready = (avr->data[UART_CONTROL] & UART_RECEIVER_ON) != 0 &&
              (avr->data[UART_STATE] & UART_RECEIVED) == 0;
  if (ready && self->in_taken < self->in_bytes) {
    avr_irq_t *input = avr_io_getirq(avr, AVR_IOCTL_UART_GETIRQ('0'), UART_IRQ_INPUT);
    avr_raise_irq(input, self->in[self->in_taken++]);
  }
  return self->in_taken < self->in_bytes ? when + byte_cycles(self) : 0;
}

static void start_feeding(board *self) {
  if (self->in_taken < self->in_bytes && avr_cycle_timer_status(self->avr, feed, self) == 0) {
    avr_cycle_timer_register(self->avr, byte_cycles(self), feed, self);
  }
}

static void take_input(board *self) {
  if (self->in_taken == self->in_bytes) {
    ssize_t got = recv(self->line, self->in, sizeof(self->in), MSG_DONTWAIT);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
      eeprom_save(&self->memory);
      exit(0);
    }
    self->in_taken = 0;
    self->in_bytes = got > 0 ? (size_t)got : 0;
  }
  start_feeding(self);
}

/* Orders. */

static void fill_with_noise(board *self) {
  uint32_t state = NOISE;
  for (uint32_t at = self->avr->ioend + 1u; at <= self->avr->ramend; at++) {
    state = state * 1664525u + 1013904223u;
    self->avr->data[at] = (uint8_t)(state >> 24);
  }
}

/* The firmware paints its stack at start-up: what is no paint any more was used. */
static uint16_t unused_end(const board *self) {
  uint16_t at = self->stack_low;
  while (at <= self->avr->ramend && self->avr->data[at] == PAINT) {
    at++;
  }
  return at;
}

static void start_again(board *self, int power_was_cut) {
  if (power_was_cut) {
    eeprom_save(&self->memory);
    fill_with_noise(self);
  }
  self->in_bytes = self->in_taken = self->out_bytes = 0;
  avr_reset(self->avr);
  avr_regbit_set(self->avr,
                 power_was_cut ? self->avr->reset_flags.porf : self->avr->reset_flags.extrf);
}

static void obey(board *self, char *answer, size_t room) {
  if (strcmp(self->order, "measure") == 0) {
    int end = snprintf(answer, room, "cycles %llu resets %u watchdog %u operations %u",
                       (unsigned long long)self->avr->cycle, self->resets, self->watchdog_resets,
                       self->memory.operations);
    if (self->stack_low != 0) {
      end += snprintf(answer + end, room - (size_t)end, " stack %u",
                      self->avr->ramend + 1u - unused_end(self));
    }
    (void)snprintf(answer + end, room - (size_t)end, "\n");
    return;
  }
  unsigned number = 0;
  if (sscanf(self->order, "cut_in %u", &number) == 1 && number > 0) {
    self->memory.cut_at = self->memory.operations + number;
    (void)snprintf(answer, room, "ok\n");
    return;
  }
  int cut = strcmp(self->order, "power_cut") == 0;
  if (!cut && strcmp(self->order, "reset") != 0) {
    (void)snprintf(answer, room, "unknown\n");
    return;
  }
  start_again(self, cut);
  (void)snprintf(answer, room, "ok\n");
}

static void take_orders(board *self) {
  char byte = 0;
  while (recv(self->orders, &byte, 1, MSG_DONTWAIT) == 1) {
    if (byte != '\n') {
      self->order[self->order_bytes] = byte;
      self->order_bytes += self->order_bytes + 1 < sizeof(self->order);
      continue;
    }
    char answer[128];
    self->order[self->order_bytes] = 0;
    self->order_bytes = 0;
    obey(self, answer, sizeof(answer));
    (void)send(self->orders, answer, strlen(answer), MSG_NOSIGNAL);
  }
}

/* The core. */

/* Or an order, but no longer than that. */
static void wait_for_bytes(const board *self, uint64_t ns) {
  struct timespec most = {(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};
  struct pollfd wait[] = {{self->line, POLLIN, 0}, {self->orders, POLLIN, 0}};
  (void)ppoll(wait, 2, &most, NULL);
}

/* simavr's callback of a core that sleeps for `cycles`: waits for a byte or an order meanwhile.
 * Short sleeps are made up for together, as a wait of microseconds takes this machine far longer; a
 * core whose line is busy makes up for none. */
static void sleep_for(avr_t *avr, avr_cycle_count_t cycles) {
  board *self = avr->custom.data;
  flush(self);
  self->owed_ns += cycles * 1000000000u / avr->frequency;
  if (self->in_taken < self->in_bytes) {
    self->owed_ns = 0;
  }
  if (self->owed_ns >= LEAST_WAIT_NS) {
    wait_for_bytes(self, self->owed_ns);
    self->owed_ns = 0;
  }
}

/* Whether the bootloader has nothing to read. It counts time to know when to give up on its host,
 * who lives in real time. */
static int bootloader_waits(const board *self) {
  return self->flash_kept != NULL && self->avr->pc >= self->kind->bootloader &&
         self->in_taken == self->in_bytes;
}

static void keep_flash(board *self) {
  if (self->flash_touched && self->flash_kept != NULL) {
    memcpy(self->flash_kept, self->avr->flash, self->avr->flashend + 1u);
  }
  self->flash_touched = 0;
}

static uint64_t now_ns(void) {
  struct timespec now;
  (void)clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Lets real time catch up with a bootloader that counts how long it waits. */
static void wait_with_host(board *self) {
  uint64_t cycle = self->avr->cycle, now = now_ns();
  if (self->waits_since_ns == 0) {
    self->waits_since_ns = now;
    self->waits_since_cycle = cycle;
  }
  uint64_t counted = (cycle - self->waits_since_cycle) * 1000000000u / self->avr->frequency;
  uint64_t passed = now - self->waits_since_ns;
  if (counted > passed + LEAST_WAIT_NS) {
    wait_for_bytes(self, counted - passed);
  }
}

static void look_around(board *self) {
  flush(self);
  take_input(self);
  take_orders(self);
  keep_flash(self);
  if (bootloader_waits(self)) {
    wait_with_host(self);
  } else {
    self->waits_since_ns = 0;
  }
}

static void count_reset(avr_io_t *io) {
  board *self = (board *)io;
  self->resets++;
  self->just_reset = 1;
  self->painted = 0;
  self->waits_since_ns = 0;
}

/* simavr marks a watchdog's reset only when it has told everybody of the reset. */
static void note_watchdog(board *self) {
  if (self->just_reset) {
    self->just_reset = 0;
    self->watchdog_resets += avr_regbit_get(self->avr, self->avr->reset_flags.wdrf) != 0;
  }
}

static void write_spm(avr_t *avr, avr_io_addr_t address, uint8_t value, void *parameter) {
  board *self = parameter;
  (void)address;
  if ((value & SPM_ENABLE) != 0 && avr->pc < self->kind->bootloader) {
    stop_program(self, "writes flash from outside the bootloader section, which does nothing");
  }
  self->flash_touched = 1;
}

static void watch_stack(board *self) {
  const uint8_t *data = self->avr->data;
  if (self->stack_low == 0) {
    return;
  }
  uint16_t at = (uint16_t)(data[STACK_LOW_BYTE] | data[STACK_HIGH_BYTE] << 8);
  int intact = data[self->stack_low] == PAINT;
  if ((self->painted && !intact) || (self->painted && at < self->stack_low)) {
    stop_program(self, "the stack grew into static data");
  }
  self->painted |= intact && data[self->stack_low + 1] == PAINT;
}

static _Noreturn void run(board *self) {
  avr_cycle_count_t look_at = 0;
  for (;;) {
    int state = avr_run(self->avr);
    if (state == cpu_Crashed) {
      stop_program(self, "the program crashed");
    }
    if (state == cpu_Done) {
      stop_program(self, "the program sleeps with interrupts off");
    }
    if (self->memory.power_goes) {
      self->memory.power_goes = 0;
      start_again(self, 1);
    }
    note_watchdog(self);
    watch_stack(self);
    if (self->avr->cycle >= look_at || state == cpu_Sleeping) {
      look_around(self);
      look_at = self->avr->cycle + LOOK_EVERY;
    }
  }
}

static void load_flash(board *self, const char *path) {
  FILE *file = fopen(path, "rb");
  if (file == NULL) {
    fail(2, path, strerror(errno));
  }
  size_t got = fread(self->avr->flash, 1, self->avr->flashend + 1u, file);
  if (got == 0 || fgetc(file) != EOF) {
    fail(2, path, "empty, or larger than this chip's flash");
  }
  (void)fclose(file);
  self->avr->codeend = self->avr->flashend;
}

/* From here on a reset leads into the bootloader, and what that writes is kept in the file. */
static void start_in_bootloader(board *self, const char *path, avr_flashaddr_t start) {
  int file = open(path, O_RDWR);
  if (start != self->kind->bootloader || file < 0) {
    fail(2, path, file < 0 ? strerror(errno) : "the bootloader of this chip begins elsewhere");
  }
  void *kept = mmap(NULL, self->avr->flashend + 1u, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  (void)close(file);
  if (kept == MAP_FAILED) {
    fail(2, path, strerror(errno));
  }
  self->flash_kept = kept;
  self->avr->reset_pc = start;
}

static const chip *find_chip(const char *name) {
  for (size_t i = 0; i < sizeof(CHIPS) / sizeof(*CHIPS); i++) {
    if (strcmp(CHIPS[i].name, name) == 0) {
      return &CHIPS[i];
    }
  }
  fail(2, name, "a chip that this program does not know");
}

static void connect_board(board *self) {
  static avr_io_t module = {.kind = "tinyops", .reset = count_reset};
  uint32_t no_flags = 0;
  avr_t *avr = self->avr;
  self->io = module;
  avr_register_io(avr, &self->io);
  (void)avr_ioctl(avr, AVR_IOCTL_UART_SET_FLAGS('0'), &no_flags);
  avr_irq_register_notify(avr_io_getirq(avr, AVR_IOCTL_UART_GETIRQ('0'), UART_IRQ_OUTPUT),
                          take_output, self);
  avr_register_io_write(avr, SPM_CONTROL, write_spm, self);
}

int main(int count, char **arguments) {
  (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (count != 9) {
    fail(2, "usage", "simavr_board MCU HZ FLASH EEPROM STACK_LOW START LINE ORDERS");
  }
  static board self;
  avr_global_logger_set(be_quiet);
  self.kind = find_chip(arguments[1]);
  self.avr = avr_make_mcu_by_name(self.kind->name);
  if (self.avr == NULL) {
    fail(2, arguments[1], "simavr does not know this chip");
  }
  self.stack_low = (uint16_t)strtoul(arguments[5], NULL, 0);
  avr_flashaddr_t start = (avr_flashaddr_t)strtoul(arguments[6], NULL, 0);
  self.line = (int)strtol(arguments[7], NULL, 10);
  self.orders = (int)strtol(arguments[8], NULL, 10);
  (void)avr_init(self.avr);
  self.avr->frequency = (uint32_t)strtoul(arguments[2], NULL, 10);
  self.avr->custom.data = &self;
  self.avr->sleep = sleep_for;
  load_flash(&self, arguments[3]);
  if (start != 0) {
    start_in_bootloader(&self, arguments[3], start);
  }
  eeprom_open(&self.memory, self.avr, arguments[4]);
  connect_board(&self);
  fill_with_noise(&self);
  avr_reset(self.avr);
  self.resets = self.watchdog_resets = 0;
  avr_regbit_set(self.avr, self.avr->reset_flags.porf);
  run(&self);
}
