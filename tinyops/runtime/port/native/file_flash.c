#include "file_flash.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SEED = 1, BROKE_A_RULE = 3 };

static const tinyops_flash_facts FACTS = {.origin = FILE_FLASH_ORIGIN,
                                          .bytes = FILE_FLASH_BYTES,
                                          .erase_bytes = FILE_FLASH_ERASE_BYTES,
                                          .program_bytes = FILE_FLASH_PROGRAM_BYTES,
                                          .programs = 1};

/* The model keeps its marks over a cut of power; a new process finds them in the file. */
static void take_over(file_flash *self, const uint8_t *marks) {
  memcpy(self->image->marks, marks, FILE_FLASH_UNITS);
  for (uint32_t unit = 0; unit < FILE_FLASH_UNITS; unit++) {
    self->model.unstable += marks[unit] == TINYOPS_FLASH_UNSTABLE;
  }
  self->model.operations = self->image->operations;
}

const char *file_flash_open(file_flash *self, const char *path) {
  struct stat found = {0};
  const int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0 || fstat(file, &found) != 0) {
    return "cannot be opened";
  }
  const int is_new = found.st_size == 0;
  if (!is_new && found.st_size != (off_t)sizeof(file_flash_image)) {
    return "is no flash of this board";
  }
  if (is_new && ftruncate(file, (off_t)sizeof(file_flash_image)) != 0) {
    return "has no room";
  }
  void *memory = mmap(NULL, sizeof(file_flash_image), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  (void)close(file);
  if (memory == MAP_FAILED) {
    return "cannot be mapped";
  }
  self->image = memory;
  if (is_new) {
    memset(self->image->content, 0xff, FILE_FLASH_BYTES);
  }
  uint8_t marks[FILE_FLASH_UNITS];
  memcpy(marks, self->image->marks, FILE_FLASH_UNITS);
  tinyops_flash_model_open(&self->model, &FACTS, self->image->content, self->image->marks, SEED);
  take_over(self, marks);
  return NULL;
}

static void begin(file_flash *self) { self->model.cut_at = self->image->cut_at; }

static int32_t end(file_flash *self, int32_t status) {
  self->image->operations = self->model.operations;
  self->image->cuts += status == TINYOPS_FLASH_POWER_CUT;
  if (status == TINYOPS_FLASH_BROKEN) {
    (void)fprintf(stderr, "flash: %#x %s\n", self->model.broken_at,
                  tinyops_flash_rule_text(self->model.broken));
    exit(BROKE_A_RULE);
  }
  return status;
}

int32_t file_flash_erase(file_flash *self, uint32_t address, uint32_t bytes) {
  begin(self);
  return end(self, tinyops_flash_model_erase(&self->model, address, bytes));
}

int32_t file_flash_program(file_flash *self, uint32_t address, const uint8_t *bytes,
                           uint32_t count) {
  begin(self);
  return end(self, tinyops_flash_model_program(&self->model, address, bytes, count));
}

int32_t file_flash_read(file_flash *self, uint32_t address, uint8_t *bytes, uint32_t count) {
  return end(self, tinyops_flash_model_read(&self->model, address, bytes, count));
}
