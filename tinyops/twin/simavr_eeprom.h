/* A virtual AVR's EEPROM: a file keeps it, and power may fail in any write of a byte. */
#ifndef TINYOPS_TWIN_SIMAVR_EEPROM_H
#define TINYOPS_TWIN_SIMAVR_EEPROM_H

#include <simavr/sim_avr.h>
#include <stdint.h>

typedef struct {
  avr_t *avr;
  const char *path;
  uint8_t *saved;    /* what the file holds */
  uint8_t *unstable; /* a byte each: 1 since power failed while it was written */
  uint32_t unstable_bytes;
  uint32_t noise;
  unsigned operations; /* bytes written so far */
  unsigned cut_at;     /* power fails within the write of this number; 0: never */
  int armed;           /* the program has announced a write */
  int power_goes;      /* it has failed: the board acts on it after the instruction */
} eeprom;

/* Loads the file, where there is one, and watches the controller from now on. Ends the program when
 * the chip has no EEPROM. `self` outlives the chip. */
void eeprom_open(eeprom *self, avr_t *avr, const char *path);

/* Writes the file when something has changed. */
void eeprom_save(eeprom *self);

/* Of the board: ends the program with a sentence. */
_Noreturn void fail(int status, const char *what, const char *why);

#endif
