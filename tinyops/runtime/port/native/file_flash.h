/* A Linux board's settings: a file that stands for flash, with flash's rules (port/sim). */
#ifndef TINYOPS_PORT_NATIVE_FILE_FLASH_H
#define TINYOPS_PORT_NATIVE_FILE_FLASH_H

#include "flash_model.h"
#include "tinyops/port.h"

enum {
  FILE_FLASH_ORIGIN = 0,
  FILE_FLASH_BYTES = 8192, /* two sectors: one for each copy of the settings */
  FILE_FLASH_ERASE_BYTES = 4096,
  FILE_FLASH_PROGRAM_BYTES = 16,
  FILE_FLASH_UNITS = FILE_FLASH_BYTES / FILE_FLASH_PROGRAM_BYTES
};

/* The file, as it lies in memory: whoever has it open sees every change, and may order a power cut.
 */
typedef struct {
  uint8_t content[FILE_FLASH_BYTES];
  uint8_t marks[FILE_FLASH_UNITS]; /* as in flash_model.h */
  uint32_t operations;             /* units programmed and sectors erased, so far */
  uint32_t cut_at;                 /* power fails within the operation of this number; 0: never */
  uint32_t cuts;                   /* how often it has */
} file_flash_image;

typedef struct {
  tinyops_flash_model model;
  file_flash_image *image;
} file_flash;

/* Opens the file, made new where it is not there or empty. Returns null, or what is wrong with it.
 */
const char *file_flash_open(file_flash *self, const char *path);

/* The calls of tinyops_port_flash. A broken rule ends the program with a sentence; returns
 * TINYOPS_FLASH_POWER_CUT when power failed: the caller starts again. */
int32_t file_flash_erase(file_flash *self, uint32_t address, uint32_t bytes);
int32_t file_flash_program(file_flash *self, uint32_t address, const uint8_t *bytes,
                           uint32_t count);
int32_t file_flash_read(file_flash *self, uint32_t address, uint8_t *bytes, uint32_t count);

#endif
