#include "qemu_flash.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "qemu_guest.h"

static int read_range(const char *text, flash_region *region) {
  tinyops_flash_facts *facts = &region->model.facts;
  return sscanf(text, "%u:%u:%u:%u:%u:%d", &facts->origin, &facts->bytes, &facts->erase_bytes,
                &facts->program_bytes, &facts->programs, &region->in_memory) == 6;
}

static int read_ranges(flash_board *flash, const char *ranges) {
  for (const char *at = ranges; at != NULL; at = strchr(at, '+')) {
    at += *at == '+';
    if (flash->count == FLASH_REGIONS_MAX || !read_range(at, &flash->regions[flash->count])) {
      return -1;
    }
    flash->count++;
  }
  return 0;
}

static uint64_t bytes_of(const flash_board *flash) {
  uint64_t total = 0;
  for (uint32_t i = 0; i < flash->count; i++) {
    total += flash->regions[i].model.facts.bytes;
  }
  return total;
}

int flash_open(flash_board *flash, const char *file, const char *ranges, uint32_t seed) {
  struct stat about;
  const int opened = open(file, O_RDWR | O_CLOEXEC);
  if (read_ranges(flash, ranges) != 0 || opened < 0 || fstat(opened, &about) != 0 ||
      (uint64_t)about.st_size != bytes_of(flash)) {
    return -1;
  }
  uint8_t *content = mmap(NULL, bytes_of(flash), PROT_READ | PROT_WRITE, MAP_SHARED, opened, 0);
  if (content == MAP_FAILED) {
    return -1;
  }
  for (uint32_t i = 0; i < flash->count; i++) {
    tinyops_flash_model *model = &flash->regions[i].model;
    const tinyops_flash_facts facts = model->facts;
    uint8_t *marks = malloc(tinyops_flash_marks_bytes(&facts));
    if (marks == NULL) {
      return -1;
    }
    tinyops_flash_model_open(model, &facts, content, marks, seed + i);
    content += facts.bytes;
  }
  return 0;
}

/* Writes a piece of a range's content into memory, where code that was translated from there is
 * forgotten. */
static void show(const flash_region *region, uint32_t address, uint32_t count) {
  const tinyops_flash_model *model = &region->model;
  if (region->in_memory && address - model->facts.origin < model->facts.bytes) {
    const uint32_t offset = address - model->facts.origin;
    const uint32_t left = model->facts.bytes - offset;
    guest_write(address, model->content + offset, count < left ? count : left);
  }
}

/* Whether memory took what was written there last. */
static int is_shown(const flash_region *region) {
  const tinyops_flash_facts *facts = &region->model.facts;
  uint8_t found[2];
  guest_read(facts->origin, &found[0], 1);
  guest_read(facts->origin + facts->bytes - 1u, &found[1], 1);
  return found[0] == region->model.content[0] &&
         found[1] == region->model.content[facts->bytes - 1u];
}

void flash_power_on(flash_board *flash) {
  for (uint32_t i = 0; i < flash->count; i++) {
    flash_region *region = &flash->regions[i];
    tinyops_flash_model_power_on(&region->model);
    tinyops_flash_model_stir(&region->model);
    show(region, region->model.facts.origin, region->model.facts.bytes);
    if (region->in_memory && !is_shown(region)) {
      guest_stop("flash", region->model.facts.origin, "is no flash of this machine");
    }
  }
}

flash_region *flash_in_memory(flash_board *flash, uint32_t address) {
  for (uint32_t i = 0; i < flash->count; i++) {
    const tinyops_flash_facts *facts = &flash->regions[i].model.facts;
    if (flash->regions[i].in_memory && address - facts->origin < facts->bytes) {
      return &flash->regions[i];
    }
  }
  return NULL;
}

/* The range that an address lies in; outside of all the first one, whose model says so. */
static flash_region *find(flash_board *flash, uint32_t address) {
  for (uint32_t i = 0; i < flash->count; i++) {
    const tinyops_flash_facts *facts = &flash->regions[i].model.facts;
    if (address - facts->origin < facts->bytes) {
      return &flash->regions[i];
    }
  }
  return &flash->regions[0];
}

uint32_t flash_operations(const flash_board *flash) {
  uint32_t total = 0;
  for (uint32_t i = 0; i < flash->count; i++) {
    total += flash->regions[i].model.operations;
  }
  return total;
}

int flash_is_off(const flash_board *flash) {
  return flash->count > 0 && flash->regions[0].model.is_off;
}

int flash_is_unstable(const flash_board *flash) {
  uint32_t units = 0;
  for (uint32_t i = 0; i < flash->count; i++) {
    units += flash->regions[i].model.unstable;
  }
  return units > 0;
}

/* Tells a range's model which of its own operations the one is that power is to fail in. */
static void arm(flash_board *flash, tinyops_flash_model *model) {
  const uint32_t done = flash_operations(flash);
  model->cut_at = flash->cut_at > done ? model->operations + (flash->cut_at - done) : 0;
}

/* Notes where the operations from the `first` on were, one behind the other. Addresses of units are
 * even, but for those of flash that takes single bytes. */
static void note(flash_board *flash, uint32_t first, uint32_t address, uint32_t step,
                 uint32_t what) {
  for (uint32_t number = first; number <= flash_operations(flash); number++) {
    flash->places[number % FLASH_KEPT] = (address & ~1u) | what;
    address += step;
  }
}

/* What a call did: in memory, in the other ranges, which share the power. */
static int32_t end(flash_board *flash, const flash_region *region, int32_t status, uint32_t address,
                   uint32_t count) {
  const tinyops_flash_model *model = &region->model;
  if (status == TINYOPS_FLASH_BROKEN) {
    guest_stop("flash", model->broken_at, tinyops_flash_rule_text(model->broken));
  }
  for (uint32_t i = 0; i < flash->count; i++) {
    flash->regions[i].model.is_off = model->is_off;
  }
  if (status == TINYOPS_FLASH_POWER_CUT && flash->cut_then != 0) {
    flash->cut_at += flash->cut_then;
    flash->cut_then = 0;
  }
  show(region, address, count);
  return status;
}

int32_t flash_erase(flash_board *flash, uint32_t address, uint32_t bytes) {
  flash_region *region = find(flash, address);
  const uint32_t next = flash_operations(flash) + 1;
  arm(flash, &region->model);
  const int32_t status = tinyops_flash_model_erase(&region->model, address, bytes);
  note(flash, next, address, region->model.facts.erase_bytes, FLASH_ERASES);
  return end(flash, region, status, address, bytes);
}

int32_t flash_program(flash_board *flash, uint32_t address, const uint8_t *bytes, uint32_t count) {
  flash_region *region = find(flash, address);
  const uint32_t next = flash_operations(flash) + 1;
  arm(flash, &region->model);
  const int32_t status = tinyops_flash_model_program(&region->model, address, bytes, count);
  note(flash, next, address, region->model.facts.program_bytes, 0);
  return end(flash, region, status, address, count);
}

int32_t flash_read(flash_board *flash, uint32_t address, uint8_t *bytes, uint32_t count) {
  flash_region *region = find(flash, address);
  return end(flash, region, tinyops_flash_model_read(&region->model, address, bytes, count),
             address, 0);
}

void flash_stir(flash_region *region, uint32_t address) {
  tinyops_flash_model *model = &region->model;
  const uint32_t offset = address - model->facts.origin;
  if (model->marks[offset / model->facts.program_bytes] == TINYOPS_FLASH_UNSTABLE) {
    tinyops_flash_model_stir(model);
    show(region, address - offset % model->facts.erase_bytes, model->facts.erase_bytes);
  }
}
