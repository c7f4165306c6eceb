#include "slots_device.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tinyops/ed25519.h"
#include "tinyops/little_endian.h"

enum { KNOWN = 32, CASE_BYTES = 64 + 32 + 32, IMAGE_MAX = 1 << 20 };

void slots_fail(const char *file, int line, const char *format, ...) {
  va_list values;
  va_start(values, format);
  fprintf(stderr, "%s:%d: ", file, line);
  vfprintf(stderr, format, values);
  fputc('\n', stderr);
  va_end(values);
  exit(1);
}

/* The same digests and signatures are computed after thousands of cuts: what was answered is
 * remembered, as both are functions of their arguments. */
typedef struct {
  uint8_t *bytes;
  uint32_t count;
  uint8_t answer[TINYOPS_SLOTS_DIGEST_BYTES];
} answered;

static answered known[KNOWN];
static uint32_t answers;

/* What these bytes were answered, or null: keep the answer in `made`. */
static const answered *look_up(const uint8_t *bytes, uint32_t count, answered **made) {
  for (uint32_t i = 0; i < answers && i < KNOWN; i++) {
    if (known[i].count == count && memcmp(known[i].bytes, bytes, count) == 0) {
      return &known[i];
    }
  }
  *made = &known[answers++ % KNOWN];
  free((*made)->bytes);
  (*made)->bytes = malloc(count + 1);
  EXPECT((*made)->bytes != NULL, "no memory");
  (*made)->count = count;
  memcpy((*made)->bytes, bytes, count);
  return NULL;
}

static int32_t verify(const uint8_t *signature, const uint8_t *key, const uint8_t *message,
                      uint32_t count) {
  uint8_t bytes[CASE_BYTES];
  EXPECT(count == 32, "a signature over %u bytes", count);
  memcpy(bytes, signature, 64);
  memcpy(bytes + 64, key, 32);
  memcpy(bytes + 96, message, 32);
  answered *made = NULL;
  const answered *found = look_up(bytes, CASE_BYTES, &made);
  if (found == NULL) {
    made->answer[0] = tinyops_ed25519_verify(signature, key, message, count) == 0;
    found = made;
  }
  return found->answer[0] ? 0 : -1;
}

static void sha256_of(tinyops_sha256_reader read, void *context, uint32_t count, uint8_t *digest) {
  static uint8_t bytes[IMAGE_MAX];
  EXPECT(count <= IMAGE_MAX, "a digest of %u bytes", count);
  for (uint32_t at = 0; at < count; at += 64) {
    read(context, at, bytes + at, count - at < 64 ? count - at : 64);
  }
  answered *made = NULL;
  const answered *found = look_up(bytes, count, &made);
  if (found == NULL) {
    tinyops_sha256(bytes, count, made->answer);
    found = made;
  }
  memcpy(digest, found->answer, sizeof found->answer);
}

static uint32_t sector_of(const slots_device *d, uint32_t address) {
  return (address - d->layout.facts.origin) / d->layout.facts.erase_bytes;
}

static uint32_t kept_bytes(const slots_device *d) {
  const tinyops_flash_facts *facts = &d->layout.facts;
  return facts->erase_bytes + facts->erase_bytes / facts->program_bytes;
}

static void copy_sector(slots_device *d, uint32_t sector, uint8_t *kept, int32_t back) {
  const uint32_t bytes = d->layout.facts.erase_bytes;
  const uint32_t marks = bytes / d->layout.facts.program_bytes;
  uint8_t *content = d->model.content + sector * bytes;
  uint8_t *mark = d->model.marks + sector * marks;
  memcpy(back ? content : kept, back ? kept : content, bytes);
  memcpy(back ? mark : kept + bytes, back ? kept + bytes : mark, marks);
}

/* Keeps a sector that is about to change, once a cut. */
static void touch(slots_device *d, uint32_t address) {
  if (d->level == 0) {
    return;
  }
  slots_undo *undo = &d->undo[d->level];
  const uint32_t sector = sector_of(d, address);
  if (undo->stamps[sector] != undo->stamp) {
    undo->stamps[sector] = undo->stamp;
    undo->sectors[undo->count] = sector;
    copy_sector(d, sector, undo->kept + undo->count++ * kept_bytes(d), 0);
  }
}

/* Power fails in the operation that comes next; the device recovers; all of it is undone. */
static void cut(slots_device *d, uint32_t address, const uint8_t *unit) {
  const tinyops_flash_model model = d->model;
  const tinyops_slots slots = d->slots;
  d->level++;
  slots_undo *undo = &d->undo[d->level];
  undo->count = 0;
  undo->stamp++;
  touch(d, address);
  d->model.cut_at = d->model.operations + 1;
  if (unit != NULL) {
    tinyops_flash_model_program(&d->model, address, unit, d->layout.facts.program_bytes);
  } else {
    tinyops_flash_model_erase(&d->model, address, d->layout.facts.erase_bytes);
  }
  d->model.cut_at = 0;
  EXPECT(d->model.is_off, "no power was cut");
  d->recover(d);
  for (uint32_t i = 0; i < undo->count; i++) {
    copy_sector(d, undo->sectors[i], undo->kept + i * kept_bytes(d), 1);
  }
  const uint32_t noise = d->model.noise; /* goes on: no two cuts are alike */
  d->level--;
  d->model = model;
  d->model.noise = noise;
  d->slots = slots;
}

static int32_t may_cut(slots_device *d, uint32_t address, int32_t is_erase) {
  return d->shall_cut != NULL && !d->model.is_off && d->level + 1 < LEVELS &&
         d->shall_cut(d, address, is_erase);
}

static int32_t erase(void *context, uint32_t address, uint32_t bytes) {
  slots_device *d = context;
  const uint32_t sector = d->layout.facts.erase_bytes;
  EXPECT(bytes % sector == 0 && bytes != 0, "an erase of %u bytes", bytes);
  for (uint32_t at = 0; at < bytes; at += sector) {
    if (may_cut(d, address + at, 1)) {
      cut(d, address + at, NULL);
    }
    touch(d, address + at);
    if (tinyops_flash_model_erase(&d->model, address + at, sector) != 0) {
      return -1;
    }
  }
  return 0;
}

static int32_t program(void *context, uint32_t address, const uint8_t *bytes, uint32_t count) {
  slots_device *d = context;
  const uint32_t unit = d->layout.facts.program_bytes;
  EXPECT(count % unit == 0 && count != 0, "%u bytes programmed", count);
  for (uint32_t at = 0; at < count; at += unit) {
    if (may_cut(d, address + at, 0)) {
      cut(d, address + at, bytes + at);
    }
    touch(d, address + at);
    if (tinyops_flash_model_program(&d->model, address + at, bytes + at, unit) != 0) {
      return -1;
    }
  }
  return 0;
}

static int32_t read_bytes(void *context, uint32_t address, uint8_t *bytes, uint32_t count) {
  slots_device *d = context;
  const uint32_t offset = address - d->layout.facts.origin;
  if (d->model.unstable != 0 || d->model.is_off || d->model.broken != 0 ||
      offset > d->layout.facts.bytes || count > d->layout.facts.bytes - offset) {
    return tinyops_flash_model_read(&d->model, address, bytes, count);
  }
  memcpy(bytes, d->model.content + offset, count); /* the same, faster */
  if (d->flicker != 0 && d->flicker - address < count) {
    bytes[d->flicker - address] ^= (uint8_t)(d->flickered++ % 2u);
  }
  return 0;
}

static void pause_device(void *context) { ((slots_device *)context)->pauses++; }

static void *room(uint32_t bytes) {
  void *made = calloc(bytes, 1);
  EXPECT(made != NULL, "no memory");
  return made;
}

static tinyops_slot slot_at(const char *origin, const char *bytes) {
  return (tinyops_slot){(uint32_t)strtoul(origin, NULL, 0), (uint32_t)strtoul(bytes, NULL, 0)};
}

void slots_device_open(slots_device *d, char **numbers) {
  memset(d, 0, sizeof *d);
  tinyops_flash_facts *facts = &d->layout.facts;
  uint32_t *const fields[] = {&facts->origin, &facts->bytes, &facts->erase_bytes,
                              &facts->program_bytes, &facts->programs};
  for (uint32_t i = 0; i < 5; i++) {
    *fields[i] = (uint32_t)strtoul(numbers[i], NULL, 0);
  }
  for (uint32_t i = 0; i < TINYOPS_SLOTS_IMAGES * TINYOPS_SLOTS_EACH; i++) {
    d->layout.slots[i / 2][i % 2] = slot_at(numbers[5 + i / 2 * 3 + i % 2], numbers[7 + i / 2 * 3]);
  }
  d->layout.state = slot_at(numbers[11], numbers[12]);
  /* Whole units, and no whole number of pieces that a host sends. */
  d->layout.unit_bytes = facts->program_bytes < 64 ? 192 : 256;
  uint8_t *content = room(facts->bytes);
  memset(content, 0xff, facts->bytes);
  tinyops_flash_model_open(&d->model, facts, content, room(tinyops_flash_marks_bytes(facts)), 1);
  d->flash =
      (tinyops_port_flash){facts->erase_bytes, facts->program_bytes, erase, program, read_bytes};
  d->crypto.sha256_of = sha256_of;
  d->crypto.ed25519_verify = verify;
  d->crypto.running = tinyops_slots_running;
  d->crypto.begin = tinyops_slots_begin;
  d->crypto.write = tinyops_slots_write;
  d->crypto.finish = tinyops_slots_finish;
  d->crypto.describe = tinyops_slots_describe;
  const uint32_t sectors = facts->bytes / facts->erase_bytes;
  for (uint32_t i = 0; i < LEVELS; i++) {
    d->undo[i].stamps = room(sectors * 4);
    d->undo[i].sectors = room(sectors * 4);
    d->undo[i].kept = room(sectors * kept_bytes(d));
  }
  strcpy(d->board, "board");
}

slots_file slots_load(const char *path) {
  FILE *in = fopen(path, "rb");
  EXPECT(in != NULL && fseek(in, 0, SEEK_END) == 0, "%s cannot be read", path);
  slots_file file = {0};
  file.count = (uint32_t)ftell(in);
  rewind(in);
  file.bytes = room(file.count + 1);
  EXPECT(fread(file.bytes, 1, file.count, in) == file.count, "%s is short", path);
  fclose(in);
  /* Behind header, body and protected TLVs come an area's head and a TLV's; the digest is first. */
  const uint32_t at = file.count < 32
                          ? file.count
                          : tinyops_get16(file.bytes + 8) + tinyops_get16(file.bytes + 10) +
                                tinyops_get32(file.bytes + 12) + 8u;
  if (at + sizeof file.digest <= file.count) {
    memcpy(file.digest, file.bytes + at, sizeof file.digest);
  }
  return file;
}

void slots_cable(slots_device *d, const tinyops_slot *slot, const slots_file *file) {
  uint8_t *to = d->model.content + (slot->origin - d->layout.facts.origin);
  memset(to, 0xff, slot->bytes);
  if (file != NULL) {
    EXPECT(file->count <= slot->bytes, "%u bytes are no slot of %u", file->count, slot->bytes);
    memcpy(to, file->bytes, file->count);
  }
  const uint32_t unit = d->layout.facts.program_bytes;
  for (uint32_t at = 0; at < slot->bytes; at += unit) {
    const uint32_t number = (slot->origin - d->layout.facts.origin + at) / unit;
    d->model.unstable -= d->model.marks[number] == TINYOPS_FLASH_UNSTABLE;
    d->model.marks[number] = file != NULL && at < file->count;
  }
}

int32_t slots_power_on(slots_device *d) {
  tinyops_flash_model_power_on(&d->model);
  memset(&d->slots, 0xa5, sizeof d->slots);
  memset(d->units[d->level], 0x5a, UNIT_MAX);
  tinyops_slots *s = &d->slots;
  s->flash = &d->flash;
  s->context = d;
  s->crypto = &d->crypto;
  memcpy(s->slots, d->layout.slots, sizeof s->slots);
  s->state = d->layout.state;
  s->board = d->board;
  s->contract = d->contract;
  s->keys = d->keys;
  s->key_count = d->key_count;
  s->unit = d->units[d->level];
  s->unit_bytes = d->layout.unit_bytes;
  s->pause = pause_device;
  return tinyops_slots_open(s);
}

int32_t slots_upload(slots_device *d, uint32_t image, const slots_file *file, uint32_t piece) {
  int32_t at = tinyops_slots_begin(&d->slots, image, file->count, NULL);
  while (at >= 0 && (uint32_t)at < file->count) {
    const uint32_t left = file->count - (uint32_t)at;
    at =
        tinyops_slots_write(&d->slots, (uint32_t)at, file->bytes + at, left < piece ? left : piece);
  }
  return at < 0 ? at : tinyops_slots_finish(&d->slots);
}

int32_t slots_upload_delta(slots_device *d, uint32_t image, const slots_file *file,
                           uint32_t piece) {
  tinyops_delta delta;
  memset(&delta, 0x5a, sizeof delta);
  int32_t at = tinyops_slots_begin(&d->slots, image, file->count, NULL);
  if (at == 0) {
    tinyops_delta_open(&delta, &d->slots);
  }
  while (at >= 0 && (uint32_t)at < file->count) {
    const uint32_t left = file->count - (uint32_t)at;
    at = tinyops_delta_take(&delta, file->bytes + at, left < piece ? left : piece);
  }
  EXPECT(at < 0 || delta.bytes == 0, "whole, and goes on");
  return at < 0 ? at : TINYOPS_SLOTS_OK;
}

static const uint8_t *content_of(const slots_device *d, uint32_t image, uint32_t slot) {
  return d->model.content + (d->layout.slots[image][slot].origin - d->layout.facts.origin);
}

uint32_t slots_holds(const slots_device *d, uint32_t image, uint32_t slot) {
  for (uint32_t version = 0; version < VERSIONS; version++) {
    const slots_file *file = &d->files[image][slot][version];
    if (file->count != 0 && memcmp(content_of(d, image, slot), file->bytes, file->count) == 0) {
      return version;
    }
  }
  return VERSIONS;
}

void slots_check(slots_device *d) {
  static const uint8_t nothing[TINYOPS_SLOTS_DIGEST_BYTES];
  EXPECT(d->model.broken == 0, "0x%08x %s", d->model.broken_at,
         tinyops_flash_rule_text(d->model.broken));
  for (uint32_t i = 0; i < TINYOPS_SLOTS_IMAGES * TINYOPS_SLOTS_EACH; i++) {
    const uint8_t *verified = d->slots.images[i / 2].verified[i % 2];
    if (memcmp(verified, nothing, sizeof nothing) != 0) {
      const uint32_t holds = slots_holds(d, i / 2, i % 2);
      EXPECT(holds != VERSIONS &&
                 memcmp(d->files[i / 2][i % 2][holds].digest, verified, sizeof nothing) == 0,
             "slot %u of image %u does not hold what the record calls verified", i % 2, i / 2);
    }
  }
}
