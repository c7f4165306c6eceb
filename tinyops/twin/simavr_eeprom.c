/* Facts: ATmega2560 datasheet 8.3 and 8.6 (a byte is written when EEPE follows EEMPE), 8.3.1 (a
 * write that loses power may leave anything). The registers lie where all chips of the board have
 * them. */
#include "simavr_eeprom.h"

#include <errno.h>
#include <simavr/avr_eeprom.h>
#include <simavr/sim_io.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  CONTROL = 0x3f, /* addresses in data memory */
  ADDRESS_LOW = 0x41,
  ADDRESS_HIGH = 0x42,
  READS = 1,
  WRITES = 2,
  ANNOUNCES = 4,
  MULTIPLIER = 1664525,
  INCREMENT = 1013904223
};

static uint32_t size(const eeprom *self) { return self->avr->e2end + 1u; }

static const uint8_t *content(const eeprom *self) {
  avr_eeprom_desc_t wanted = {.ee = NULL, .offset = 0, .size = size(self)};
  if (avr_ioctl(self->avr, AVR_IOCTL_EEPROM_GET, &wanted) != 0 && wanted.ee == NULL) {
    fail(2, self->path, "this chip has no EEPROM");
  }
  return wanted.ee;
}

static void set(eeprom *self, uint32_t at, uint8_t *bytes, uint32_t count) {
  avr_eeprom_desc_t given = {.ee = bytes, .offset = (uint16_t)at, .size = count};
  (void)avr_ioctl(self->avr, AVR_IOCTL_EEPROM_SET, &given);
}

static void stir(eeprom *self) {
  for (uint32_t at = 0; self->unstable_bytes > 0 && at < size(self); at++) {
    if (self->unstable[at]) {
      self->noise = self->noise * MULTIPLIER + INCREMENT;
      uint8_t byte = (uint8_t)(self->noise >> 24);
      set(self, at, &byte, 1);
    }
  }
}

static void note_write(eeprom *self) {
  const uint8_t *data = self->avr->data;
  uint32_t at = (uint32_t)(data[ADDRESS_LOW] | data[ADDRESS_HIGH] << 8) % size(self);
  if (self->power_goes) {
    return;
  }
  self->operations++;
  self->power_goes = self->operations == self->cut_at;
  self->unstable_bytes -= self->unstable[at];
  self->unstable[at] = (uint8_t)self->power_goes;
  self->unstable_bytes += self->unstable[at];
  stir(self);
}

/* Comes after simavr's own: a byte that is read has been read, one that is written lies there. */
static void watch(avr_t *avr, avr_io_addr_t address, uint8_t value, void *parameter) {
  eeprom *self = parameter;
  (void)avr;
  (void)address;
  if ((value & WRITES) != 0 && self->armed) {
    self->armed = 0;
    note_write(self);
  } else if ((value & ANNOUNCES) != 0) {
    self->armed = 1;
  } else if ((value & READS) != 0) {
    stir(self);
  }
}

void eeprom_save(eeprom *self) {
  const uint8_t *now = content(self);
  if (memcmp(now, self->saved, size(self)) == 0) {
    return;
  }
  memcpy(self->saved, now, size(self));
  FILE *file = fopen(self->path, "wb");
  if (file == NULL || fwrite(now, 1, size(self), file) != size(self) || fclose(file) != 0) {
    fail(2, self->path, strerror(errno));
  }
}

void eeprom_open(eeprom *self, avr_t *avr, const char *path) {
  *self = (eeprom){.avr = avr, .path = path, .noise = 1};
  self->saved = malloc(size(self));
  self->unstable = calloc(size(self), 1);
  if (self->saved == NULL || self->unstable == NULL) {
    fail(2, "EEPROM", "not enough memory");
  }
  memset(self->saved, 0xff, size(self));
  FILE *file = fopen(path, "rb");
  if (file != NULL) {
    (void)fread(self->saved, 1, size(self), file);
    (void)fclose(file);
  }
  set(self, 0, self->saved, size(self));
  avr_register_io_write(avr, CONTROL, watch, self);
}
