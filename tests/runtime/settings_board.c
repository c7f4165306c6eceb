/* A board that only keeps settings: the SMP server and the settings of tinyops/runtime over
 * standard input and output, its flash in a file. For tests/build.
 *
 * usage: settings_board FLASH BOARD FLEET CUT
 * FLASH holds the region and is made when it is missing. CUT is the operation on flash (from 1)
 * before which power fails: the process ends; 0: none. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tinyops/settings_smp.h"
#include "tinyops/smp.h"

enum { SECTOR = 4096, UNIT = 256, REGION = 2 * SECTOR, CUT_STATUS = 77 };
#define ORIGIN 0x101fe000u

typedef struct {
  const char *path, *board, *fleet;
  uint8_t bytes[REGION];
  uint32_t count, cut;
} chip;

static void save(const chip *c) {
  FILE *out = fopen(c->path, "wb");
  if (out == NULL || fwrite(c->bytes, 1, REGION, out) != REGION || fclose(out) != 0) {
    exit(74);
  }
}

static void operate(chip *c) {
  if (++c->count == c->cut) {
    _exit(CUT_STATUS);
  }
}

static int32_t erase(void *context, uint32_t address, uint32_t bytes) {
  chip *c = context;
  operate(c);
  memset(c->bytes + (address - ORIGIN), 0xff, bytes);
  save(c);
  return 0;
}

static int32_t program(void *context, uint32_t address, const uint8_t *bytes, uint32_t count) {
  chip *c = context;
  for (uint32_t at = 0; at < count; at += UNIT) {
    operate(c);
    for (uint32_t i = at; i < at + UNIT; i++) {
      if (c->bytes[address - ORIGIN + i] != 0xff) {
        abort();
      }
      c->bytes[address - ORIGIN + i] = bytes[i];
    }
    save(c);
  }
  return 0;
}

static int32_t read_bytes(void *context, uint32_t address, uint8_t *bytes, uint32_t count) {
  memcpy(bytes, ((const chip *)context)->bytes + (address - ORIGIN), count);
  return 0;
}

static void send_bytes(void *context, const uint8_t *bytes, uint32_t count) {
  (void)context;
  while (count != 0u) {
    const ssize_t done = write(STDOUT_FILENO, bytes, count);
    if (done <= 0) {
      exit(0);
    }
    bytes += done;
    count -= (uint32_t)done;
  }
}

static void tell(void *context, tinyops_smp_info *info) {
  static const uint8_t contract[TINYOPS_SMP_DIGEST_BYTES] = {1};
  const chip *c = context;
  info->board = c->board;
  info->fleet = c->fleet;
  info->version = "1.0";
  info->contract = contract;
}

int main(int argc, char **argv) {
  static chip c;
  static uint8_t unit[UNIT], buffer[TINYOPS_SMP_MESSAGE_MAX];
  if (argc != 5) {
    return 64;
  }
  c.path = argv[1];
  c.board = argv[2];
  c.fleet = argv[3];
  c.cut = (uint32_t)atoi(argv[4]);
  memset(c.bytes, 0xff, REGION);
  FILE *in = fopen(c.path, "rb");
  if (in != NULL) {
    if (fread(c.bytes, 1, REGION, in) != REGION) {
      return 65;
    }
    fclose(in);
  }
  const tinyops_port_flash flash = {SECTOR, UNIT, erase, program, read_bytes};
  tinyops_settings settings = {.flash = &flash, .context = &c, .origin = ORIGIN, .bytes = REGION};
  settings.unit = unit;
  settings.unit_bytes = UNIT;
  (void)tinyops_settings_open(&settings);
  tinyops_smp_settings calls;
  tinyops_settings_serve(&settings, &calls);
  const tinyops_smp_board board = {
      .context = &c, .write = send_bytes, .info = tell, .settings = &calls};
  tinyops_smp smp;
  tinyops_smp_open(&smp, &board, TINYOPS_SMP_LOCAL, buffer, sizeof buffer);
  uint8_t byte;
  while (read(STDIN_FILENO, &byte, 1) == 1) {
    if (tinyops_smp_feed(&smp, byte)) {
      tinyops_smp_serve(&smp);
    }
  }
  return 0;
}
