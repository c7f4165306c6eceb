/* Holds the flash model against its rules, each broken once, and cuts power at every operation of a
 * small log. Ends with 0, or prints the line of the first check that fails. */
#include <stdio.h>
#include <string.h>

#include "flash_model.h"

#define CHECK(condition)                   \
  do {                                     \
    if (!(condition)) {                    \
      (void)printf("line %d\n", __LINE__); \
      return 1;                            \
    }                                      \
  } while (0)

enum { ORIGIN = 0x8000, SECTOR = 64, SECTORS = 4, BYTES = SECTOR * SECTORS, UNIT = 4 };

static uint8_t content[BYTES], marks[BYTES / UNIT];
static const uint8_t DATA[8] = {1, 2, 3, 4, 5, 6, 7, 8};
static const uint8_t ONES[4] = {255, 255, 255, 255};

static tinyops_flash_model fresh(uint32_t programs, uint32_t seed) {
  tinyops_flash_model model;
  const tinyops_flash_facts facts = {ORIGIN, BYTES, SECTOR, UNIT, programs};
  memset(content, 0xff, sizeof(content));
  tinyops_flash_model_open(&model, &facts, content, marks, seed);
  return model;
}

static int check_rules(void) {
  static const struct {
    int32_t erases;
    uint32_t address, count;
    tinyops_flash_rule rule;
  } bad[] = {
      {0, ORIGIN - 4, 4, TINYOPS_FLASH_RANGE},
      {0, ORIGIN + BYTES - 4, 8, TINYOPS_FLASH_RANGE},
      {0, 0xfffffffcu, 8, TINYOPS_FLASH_RANGE},
      {1, ORIGIN + BYTES, SECTOR, TINYOPS_FLASH_RANGE},
      {1, ORIGIN + 4, SECTOR, TINYOPS_FLASH_SECTOR},
      {1, ORIGIN, SECTOR - 4, TINYOPS_FLASH_SECTOR},
      {0, ORIGIN + 2, 4, TINYOPS_FLASH_UNIT},
      {0, ORIGIN, 7, TINYOPS_FLASH_UNIT},
  };
  for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
    tinyops_flash_model model = fresh(1, 1);
    int32_t status = bad[i].erases
                         ? tinyops_flash_model_erase(&model, bad[i].address, bad[i].count)
                         : tinyops_flash_model_program(&model, bad[i].address, DATA, bad[i].count);
    CHECK(status == TINYOPS_FLASH_BROKEN && model.broken == bad[i].rule);
    CHECK(model.broken_at == bad[i].address && model.operations == 0);
    CHECK(strcmp(tinyops_flash_rule_text(model.broken), "breaks no rule") != 0);
    CHECK(tinyops_flash_model_erase(&model, ORIGIN, SECTOR) == TINYOPS_FLASH_BROKEN);
  }
  return 0;
}

static int check_write_once(void) {
  tinyops_flash_model model = fresh(1, 1);
  CHECK(tinyops_flash_model_program(&model, ORIGIN + 8, ONES, 4) == 0);
  CHECK(tinyops_flash_model_program(&model, ORIGIN, DATA, 8) == 0);
  CHECK(tinyops_flash_model_erase(&model, ORIGIN, SECTOR) == 0);
  CHECK(tinyops_flash_model_program(&model, ORIGIN, DATA, 8) == 0);
  CHECK(memcmp(content, DATA, 8) == 0 && content[8] == 255 && model.operations == 6);
  CHECK(tinyops_flash_model_program(&model, ORIGIN + 4, DATA + 4, 4) == TINYOPS_FLASH_BROKEN);
  CHECK(model.broken == TINYOPS_FLASH_REPROGRAM && model.broken_at == ORIGIN + 4);
  return 0;
}

static int check_times(void) {
  static const uint8_t zeros[4] = {0, 0, 0, 0};
  tinyops_flash_model model = fresh(2, 1);
  CHECK(tinyops_flash_model_program(&model, ORIGIN, DATA, 4) == 0);
  CHECK(tinyops_flash_model_program(&model, ORIGIN, zeros, 4) == 0);
  CHECK(tinyops_flash_model_program(&model, ORIGIN, zeros, 4) == TINYOPS_FLASH_BROKEN);
  CHECK(model.broken == TINYOPS_FLASH_REPROGRAM);
  model = fresh(2, 1);
  CHECK(tinyops_flash_model_program(&model, ORIGIN, DATA, 4) == 0);
  CHECK(tinyops_flash_model_program(&model, ORIGIN, DATA + 4, 4) == TINYOPS_FLASH_BROKEN);
  CHECK(model.broken == TINYOPS_FLASH_ONES && model.broken_at == ORIGIN);
  return 0;
}

/* What lay there before counts: a unit that is not erased has been programmed. */
static int check_opened(void) {
  tinyops_flash_model model = fresh(1, 1);
  content[5] = 0;
  tinyops_flash_model_open(&model, &model.facts, content, marks, 1);
  CHECK(tinyops_flash_model_program(&model, ORIGIN, DATA, 4) == 0);
  CHECK(tinyops_flash_model_program(&model, ORIGIN + 4, DATA, 4) == TINYOPS_FLASH_BROKEN);
  return 0;
}

static int check_unstable(uint32_t at, uint32_t count) {
  uint8_t first[SECTOR], second[SECTOR];
  tinyops_flash_model model = fresh(1, 7);
  model.cut_at = 3;
  CHECK(tinyops_flash_model_program(&model, ORIGIN, DATA, 8) == 0);
  if (count == SECTOR) {
    CHECK(tinyops_flash_model_erase(&model, at, 2 * SECTOR) == TINYOPS_FLASH_POWER_CUT);
  } else {
    CHECK(tinyops_flash_model_program(&model, at, DATA, 8) == TINYOPS_FLASH_POWER_CUT);
    CHECK(content[at - ORIGIN + 4] == 0xff);
  }
  CHECK(tinyops_flash_model_read(&model, at, first, count) == TINYOPS_FLASH_POWER_CUT);
  CHECK(tinyops_flash_model_erase(&model, ORIGIN, SECTOR) == TINYOPS_FLASH_POWER_CUT);
  tinyops_flash_model_power_on(&model);
  CHECK(tinyops_flash_model_read(&model, at, first, count) == 0);
  CHECK(tinyops_flash_model_read(&model, at, second, count) == 0);
  CHECK(memcmp(first, second, count) != 0);
  CHECK(memcmp(content, DATA, 8) == 0 || at == ORIGIN);
  CHECK(model.unstable == count / UNIT);
  tinyops_flash_model before = model;
  CHECK(tinyops_flash_model_program(&before, at, DATA, 4) == TINYOPS_FLASH_BROKEN);
  CHECK(tinyops_flash_model_erase(&model, at - (at - ORIGIN) % SECTOR, SECTOR) == 0);
  CHECK(model.unstable == 0);
  CHECK(tinyops_flash_model_program(&model, at, DATA, 8) == 0);
  CHECK(tinyops_flash_model_read(&model, at, first, 8) == 0 && memcmp(first, DATA, 8) == 0);
  return 0;
}

/* One seed gives one noise, another another. */
static int check_seeds(void) {
  uint8_t found[3][SECTOR];
  static const uint32_t seeds[] = {1, 1, 2};
  for (int i = 0; i < 3; i++) {
    tinyops_flash_model model = fresh(1, seeds[i]);
    model.cut_at = 1;
    CHECK(tinyops_flash_model_erase(&model, ORIGIN, SECTOR) == TINYOPS_FLASH_POWER_CUT);
    memcpy(found[i], content, SECTOR);
  }
  CHECK(memcmp(found[0], found[1], SECTOR) == 0 && memcmp(found[0], found[2], SECTOR) != 0);
  return 0;
}

/* A log of records in two sectors that it writes in turn; cut at each of its operations, what was
 * written before the cut is there after it. */
static int write_log(tinyops_flash_model *model) {
  for (uint32_t record = 0; record < 40; record++) {
    uint32_t at = ORIGIN + record % 32 * 8;
    if (record % 8 == 0 && tinyops_flash_model_erase(model, at, SECTOR) != 0) {
      return (int)record;
    }
    if (tinyops_flash_model_program(model, at, DATA, 8) != 0) {
      return (int)record;
    }
  }
  return 40;
}

static int check_every_cut(void) {
  tinyops_flash_model model = fresh(1, 1);
  CHECK(write_log(&model) == 40);
  uint32_t operations = model.operations;
  CHECK(operations == 85);
  for (uint32_t cut = 1; cut <= operations; cut++) {
    model = fresh(1, cut);
    model.cut_at = cut;
    int written = write_log(&model);
    CHECK(written < 40 && model.operations == cut && model.broken == TINYOPS_FLASH_NO_RULE);
    tinyops_flash_model_power_on(&model);
    int begin = written / 8 * 8;
    for (int record = begin; record < written; record++) {
      uint8_t found[8];
      CHECK(tinyops_flash_model_read(&model, ORIGIN + (uint32_t)record % 32 * 8, found, 8) == 0);
      CHECK(memcmp(found, DATA, 8) == 0);
    }
  }
  return 0;
}

int main(void) {
  int failed = check_rules() + check_write_once() + check_times() + check_opened() + check_seeds();
  failed += check_unstable(ORIGIN + SECTOR, UNIT) + check_unstable(ORIGIN + SECTOR, SECTOR);
  return failed + check_every_cut() != 0;
}
