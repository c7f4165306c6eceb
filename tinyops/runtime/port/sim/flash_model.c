/* Facts that the rules stand for: nRF52840 product specification 6.14 (a word may be written a
 * number of times between two erases), Winbond W25Q16JV datasheet 8.2 (programming turns ones into
 * zeros; power must not fail in it). */
#include "flash_model.h"

#define ERASED 0xffu
#define MULTIPLIER 1664525u
#define INCREMENT 1013904223u

static uint8_t next_noise(tinyops_flash_model *model) {
  model->noise = model->noise * MULTIPLIER + INCREMENT;
  return (uint8_t)(model->noise >> 24);
}

static uint32_t units(const tinyops_flash_facts *facts) {
  return facts->bytes / facts->program_bytes;
}

uint32_t tinyops_flash_marks_bytes(const tinyops_flash_facts *facts) { return units(facts); }

static int32_t is_erased(const uint8_t *bytes, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    if (bytes[i] != ERASED) {
      return 0;
    }
  }
  return 1;
}

void tinyops_flash_model_open(tinyops_flash_model *model, const tinyops_flash_facts *facts,
                              uint8_t *content, uint8_t *marks, uint32_t seed) {
  *model = (tinyops_flash_model){
      .facts = *facts, .content = content, .marks = marks, .noise = seed * MULTIPLIER + INCREMENT};
  for (uint32_t unit = 0; unit < units(facts); unit++) {
    marks[unit] = is_erased(content + unit * facts->program_bytes, facts->program_bytes) ? 0 : 1;
  }
}

static int32_t break_rule(tinyops_flash_model *model, tinyops_flash_rule rule, uint32_t address) {
  model->broken = rule;
  model->broken_at = address;
  return TINYOPS_FLASH_BROKEN;
}

/* Whether a call may begin: power, rules so far, and its range in whole pieces of `unit`. */
static int32_t check(tinyops_flash_model *model, uint32_t address, uint32_t count, uint32_t unit,
                     tinyops_flash_rule unit_rule) {
  const tinyops_flash_facts *facts = &model->facts;
  if (model->broken != TINYOPS_FLASH_NO_RULE) {
    return TINYOPS_FLASH_BROKEN;
  }
  if (model->is_off != 0) {
    return TINYOPS_FLASH_POWER_CUT;
  }
  uint32_t offset = address - facts->origin;
  if (address < facts->origin || offset > facts->bytes || count > facts->bytes - offset) {
    return break_rule(model, TINYOPS_FLASH_RANGE, address);
  }
  if (offset % unit != 0 || count % unit != 0) {
    return break_rule(model, unit_rule, address);
  }
  return TINYOPS_FLASH_OK;
}

/* Counts one operation; 1 when power fails in it. */
static int32_t cuts(tinyops_flash_model *model) {
  model->operations++;
  model->is_off = model->operations == model->cut_at;
  return model->is_off;
}

static void stir_unit(tinyops_flash_model *model, uint32_t unit) {
  uint8_t *bytes = model->content + unit * model->facts.program_bytes;
  for (uint32_t i = 0; i < model->facts.program_bytes; i++) {
    bytes[i] = next_noise(model);
  }
}

static void mark(tinyops_flash_model *model, uint32_t unit, uint8_t value) {
  model->unstable -= model->marks[unit] == TINYOPS_FLASH_UNSTABLE;
  model->unstable += value == TINYOPS_FLASH_UNSTABLE;
  model->marks[unit] = value;
}

static int32_t leave_unstable(tinyops_flash_model *model, uint32_t first, uint32_t count) {
  for (uint32_t unit = first; unit < first + count; unit++) {
    mark(model, unit, TINYOPS_FLASH_UNSTABLE);
    stir_unit(model, unit);
  }
  return TINYOPS_FLASH_POWER_CUT;
}

static int32_t erase_sector(tinyops_flash_model *model, uint32_t offset) {
  const tinyops_flash_facts *facts = &model->facts;
  uint32_t first = offset / facts->program_bytes;
  uint32_t count = facts->erase_bytes / facts->program_bytes;
  if (cuts(model)) {
    return leave_unstable(model, first, count);
  }
  for (uint32_t unit = first; unit < first + count; unit++) {
    mark(model, unit, 0);
  }
  for (uint32_t i = offset; i < offset + facts->erase_bytes; i++) {
    model->content[i] = ERASED;
  }
  return TINYOPS_FLASH_OK;
}

int32_t tinyops_flash_model_erase(void *context, uint32_t address, uint32_t bytes) {
  tinyops_flash_model *model = (tinyops_flash_model *)context;
  uint32_t sector = model->facts.erase_bytes;
  int32_t status = check(model, address, bytes, sector, TINYOPS_FLASH_SECTOR);
  for (uint32_t at = 0; status == TINYOPS_FLASH_OK && at < bytes; at += sector) {
    status = erase_sector(model, address - model->facts.origin + at);
  }
  return status;
}

static int32_t program_unit(tinyops_flash_model *model, uint32_t unit, const uint8_t *bytes) {
  const tinyops_flash_facts *facts = &model->facts;
  uint32_t offset = unit * facts->program_bytes;
  /* An unstable unit has been programmed as often as any may be. */
  if (model->marks[unit] >= facts->programs) {
    return break_rule(model, TINYOPS_FLASH_REPROGRAM, facts->origin + offset);
  }
  for (uint32_t i = 0; i < facts->program_bytes; i++) {
    if ((bytes[i] & (uint8_t)~model->content[offset + i]) != 0) {
      return break_rule(model, TINYOPS_FLASH_ONES, facts->origin + offset + i);
    }
  }
  if (cuts(model)) {
    return leave_unstable(model, unit, 1);
  }
  mark(model, unit, (uint8_t)(model->marks[unit] + 1u));
  for (uint32_t i = 0; i < facts->program_bytes; i++) {
    model->content[offset + i] = bytes[i];
  }
  return TINYOPS_FLASH_OK;
}

int32_t tinyops_flash_model_program(void *context, uint32_t address, const uint8_t *bytes,
                                    uint32_t count) {
  tinyops_flash_model *model = (tinyops_flash_model *)context;
  uint32_t size = model->facts.program_bytes;
  int32_t status = check(model, address, count, size, TINYOPS_FLASH_UNIT);
  for (uint32_t at = 0; status == TINYOPS_FLASH_OK && at < count; at += size) {
    status = program_unit(model, (address - model->facts.origin + at) / size, bytes + at);
  }
  return status;
}

/* New bits for what is unstable of the bytes that are read: nobody sees the others. */
static void stir_range(tinyops_flash_model *model, uint32_t offset, uint32_t count) {
  const uint32_t size = model->facts.program_bytes;
  if (model->unstable == 0 || count == 0) {
    return;
  }
  for (uint32_t unit = offset / size; unit <= (offset + count - 1u) / size; unit++) {
    if (model->marks[unit] == TINYOPS_FLASH_UNSTABLE) {
      stir_unit(model, unit);
    }
  }
}

int32_t tinyops_flash_model_read(void *context, uint32_t address, uint8_t *bytes, uint32_t count) {
  tinyops_flash_model *model = (tinyops_flash_model *)context;
  int32_t status = check(model, address, count, 1, TINYOPS_FLASH_RANGE);
  if (status != TINYOPS_FLASH_OK) {
    return status;
  }
  stir_range(model, address - model->facts.origin, count);
  for (uint32_t i = 0; i < count; i++) {
    bytes[i] = model->content[address - model->facts.origin + i];
  }
  return TINYOPS_FLASH_OK;
}

void tinyops_flash_model_stir(tinyops_flash_model *model) {
  uint32_t left = model->unstable;
  for (uint32_t unit = 0; left > 0; unit++) {
    if (model->marks[unit] == TINYOPS_FLASH_UNSTABLE) {
      stir_unit(model, unit);
      left--;
    }
  }
}

void tinyops_flash_model_power_on(tinyops_flash_model *model) { model->is_off = 0; }

const char *tinyops_flash_rule_text(tinyops_flash_rule rule) {
  switch (rule) {
    case TINYOPS_FLASH_RANGE:
      return "lies outside of the flash";
    case TINYOPS_FLASH_SECTOR:
      return "is no place where whole sectors are erased";
    case TINYOPS_FLASH_UNIT:
      return "is no place where whole units are programmed";
    case TINYOPS_FLASH_REPROGRAM:
      return "was programmed more often than it may be between two erases";
    case TINYOPS_FLASH_ONES:
      return "was to get ones where it holds zeros: erase it first";
    default:
      return "breaks no rule";
  }
}
