/* Deltas: what makes an image of another one, from whoever sends it, on a flash that keeps its
 * rules and loses power.
 *
 * The input forges the image that runs. Then files arrive that are deltas by their first bytes:
 * bits of the input behind a right header, or the delta of an image that is forged, too, in which
 * the input may have turned bits. Sizes of pieces, cuts of the link and of power are the input's.
 *
 * What must hold: no rule of flash is broken; what runs keeps its bytes; a delta is taken when it
 * makes a good image, and only then; work ends; and after any end nothing is being written. */
#include <string.h>

#include "forge.h"
#include "input.h"
#include "port/sim/flash_model.h"
#include "tinyops/delta.h"
#include "tinyops/image_format.h"
#include "tinyops/little_endian.h"

enum {
  ORIGIN = 0x10000,
  SLOT_BYTES = 4096,
  SECTOR = 1024,
  UNIT = 4,
  FLASH_MAX = 4 * SLOT_BYTES + 2 * SECTOR,
  RAW_MAX = 600,
  FILE_MAX = 2 * FORGE_FILE_MAX + 64
};

const tinyops_smp_images tinyops_app_update_calls = {0};

typedef struct {
  uint8_t content[FLASH_MAX], marks[FLASH_MAX / UNIT];
  tinyops_flash_model model;
  tinyops_port_flash flash;
  tinyops_slots slots;
  tinyops_delta delta;
  uint8_t unit[160];
  uint32_t pauses;
} device;

static device self;

/* A range coder as the definition has it, for what the input wants to be a right delta. */
typedef struct {
  uint8_t *out;
  uint32_t count, range, held, waiting;
  uint64_t low;
  uint16_t lengths[TINYOPS_DELTA_LENGTHS], flags[TINYOPS_DELTA_HISTORIES];
  uint16_t values[TINYOPS_DELTA_VALUES];
} coder;

static void shift(coder *c) {
  if (c->low < 0xff000000u || c->low > 0xffffffffu) {
    const uint32_t carry = (uint32_t)(c->low >> 32);
    c->out[c->count++] = (uint8_t)(c->held + carry);
    for (; c->waiting > 1u; c->waiting--) {
      c->out[c->count++] = (uint8_t)(0xffu + carry);
    }
    c->waiting = 0;
    c->held = (uint32_t)(c->low >> 24) & 0xffu;
  }
  c->waiting++;
  c->low = c->low << 8 & 0xffffffffu;
}

static void narrow(coder *c) {
  while (c->range < 1u << 24) {
    c->range <<= 8;
    shift(c);
  }
}

static void put_bit(coder *c, uint16_t *odds, uint32_t bit, uint32_t rate) {
  const uint32_t bound = (c->range >> TINYOPS_DELTA_ODDS_BITS) * *odds;
  if (bit != 0u) {
    c->low += bound;
    c->range -= bound;
    *odds = (uint16_t)(*odds - (*odds >> rate));
  } else {
    c->range = bound;
    *odds = (uint16_t)(*odds + (((1u << TINYOPS_DELTA_ODDS_BITS) - *odds) >> rate));
  }
  narrow(c);
}

static void put_tree(coder *c, uint16_t *odds, uint32_t value, uint32_t leaves) {
  for (uint32_t node = 1, at = leaves >> 1; node < leaves; at >>= 1) {
    const uint32_t bit = (value & at) != 0u;
    put_bit(c, &odds[node], bit, TINYOPS_DELTA_RATE);
    node = node << 1 | bit;
  }
}

static void put_number(coder *c, uint32_t number) {
  uint32_t digits = 0;
  while (digits < 31u && number >> digits != 0u) {
    digits++;
  }
  put_tree(c, c->lengths, digits, TINYOPS_DELTA_LENGTHS);
  for (uint32_t at = digits; at-- > 1u;) {
    c->range >>= 1;
    c->low += (number >> (at - 1u) & 1u) != 0u ? c->range : 0u;
    narrow(c);
  }
}

static void open_coder(coder *c, uint8_t *out) {
  *c = (coder){.out = out, .range = UINT32_MAX, .waiting = 1};
  uint16_t *const odds[] = {c->lengths, c->flags, c->values};
  const uint32_t counts[] = {TINYOPS_DELTA_LENGTHS, TINYOPS_DELTA_HISTORIES, TINYOPS_DELTA_VALUES};
  for (uint32_t i = 0; i < 3u; i++) {
    for (uint32_t at = 0; at < counts[i]; at++) {
      odds[i][at] = 1u << (TINYOPS_DELTA_ODDS_BITS - 1u);
    }
  }
}

/* A round: `same` bytes of the base, changed to what is wanted, and `others` bytes of its own. */
static void put_round(coder *c, const uint8_t *base, const uint8_t *wanted, uint32_t same,
                      uint32_t others) {
  uint32_t history = 0;
  put_number(c, same);
  for (uint32_t i = 0; i < same; i++) {
    const uint8_t difference = (uint8_t)(wanted[i] - base[i]);
    put_bit(c, &c->flags[history], difference != 0u, TINYOPS_DELTA_RATE_FLAGS);
    if (difference != 0u) {
      put_tree(c, c->values, difference, TINYOPS_DELTA_VALUES);
    }
    history = (history << 1 | (difference != 0u)) & (TINYOPS_DELTA_HISTORIES - 1u);
  }
  put_number(c, others);
  for (uint32_t i = 0; i < others; i++) {
    put_tree(c, c->values, wanted[same + i], TINYOPS_DELTA_VALUES);
  }
}

/* The delta of a file, in rounds as the input says. Returns its bytes behind the header. */
static uint32_t encode(fuzz_input *input, const forged *base, uint32_t base_bytes,
                       const forged *file, uint8_t *out) {
  coder c;
  uint32_t from = 0, made = 0;
  open_coder(&c, out);
  while (made < file->count) {
    const uint32_t how = fuzz_byte(input), rest = file->count - made;
    uint32_t same = (how & 15u) == 15u ? rest : (how & 15u) * 16u;
    same = same < rest ? same : rest;
    same = same < base_bytes - from ? same : base_bytes - from;
    uint32_t others = (how >> 4) * 8u + (same == 0u);
    others = others < rest - same ? others : rest - same;
    put_round(&c, base->bytes + from, file->bytes + made, same, others);
    made += same + others;
    from += same;
    if (made < file->count) {
      const uint32_t to = fuzz_get16(input) % (base_bytes + 1u);
      put_number(&c, to < from ? (from - to) << 1 | 1u : (to - from) << 1);
      from = to;
    }
  }
  for (uint32_t i = 0; i < 5u; i++) {
    shift(&c);
  }
  memmove(out, out + 1, c.count - 1u); /* the first one is always 0 */
  return c.count - 1u;
}

static void count_pause(void *context) {
  (void)context;
  self.pauses++;
}

static uint8_t *slot_content(uint32_t image, uint32_t slot) {
  return self.content + (self.slots.slots[image][slot].origin - ORIGIN);
}

static void make(void) {
  static const tinyops_flash_facts facts = {ORIGIN, FLASH_MAX, SECTOR, UNIT, 1};
  memset(&self, 0, sizeof(self));
  memset(self.content, 0xff, sizeof(self.content));
  forge_make_keys();
  tinyops_flash_model_open(&self.model, &facts, self.content, self.marks, 3);
  self.flash = (tinyops_port_flash){SECTOR, UNIT, tinyops_flash_model_erase,
                                    tinyops_flash_model_program, tinyops_flash_model_read};
  self.slots = (tinyops_slots){.flash = &self.flash,
                               .context = &self.model,
                               .crypto = &forge_table,
                               .state = {ORIGIN + 4u * SLOT_BYTES, 2u * SECTOR},
                               .board = "desk",
                               .contract = forge_contract,
                               .keys = forge_keys[0],
                               .key_count = FORGE_KEYS,
                               .unit = self.unit,
                               .unit_bytes = sizeof(self.unit),
                               .pause = count_pause};
  for (uint32_t i = 0; i < 4u; i++) {
    self.slots.slots[i / 2u][i % 2u] = (tinyops_slot){ORIGIN + i * SLOT_BYTES, SLOT_BYTES};
  }
}

/* Sends a file. Returns the status of what ended it, ERR_STATE when link or power was cut. */
static int32_t send(fuzz_input *input, uint32_t image, const uint8_t *bytes, uint32_t count) {
  const uint32_t how = fuzz_byte(input);
  const uint32_t piece = 1u + (how & 0x3fu) * 5u;
  int32_t next = tinyops_slots_begin(&self.slots, image, count, NULL);
  if (next == 0) {
    tinyops_delta_open(&self.delta, &self.slots);
  }
  self.pauses = 0;
  while (next >= 0 && (uint32_t)next < count) {
    const uint32_t left = count - (uint32_t)next;
    if ((how & 0x80u) != 0u && (fuzz_byte(input) & 15u) == 15u) {
      self.slots.writing = TINYOPS_SLOTS_NONE; /* another upload, or nothing, takes its place */
      return TINYOPS_SLOTS_ERR_STATE;
    }
    uint32_t some = left < piece ? left : piece;
    uint8_t *own = malloc(some); /* where a sanitizer sees a byte too many */
    FUZZ_CHECK(own != NULL);
    memcpy(own, bytes + next, some);
    next = tinyops_delta_take(&self.delta, own, some);
    free(own);
  }
  FUZZ_CHECK(self.pauses <= SLOT_BYTES / TINYOPS_DELTA_PIECE + 3u * SLOT_BYTES / UNIT);
  FUZZ_CHECK(self.slots.writing == TINYOPS_SLOTS_NONE);
  return next < 0 ? next : TINYOPS_SLOTS_OK;
}

static void put_header(uint8_t *at, uint32_t base_bytes, uint32_t result_bytes,
                       const uint8_t *digest) {
  tinyops_put32(at, TINYOPS_DELTA_MAGIC);
  tinyops_put32(at + TINYOPS_DELTA_AT_BASE_BYTES, base_bytes);
  tinyops_put32(at + TINYOPS_DELTA_AT_RESULT_BYTES, result_bytes);
  memcpy(at + TINYOPS_DELTA_AT_BASE_DIGEST, digest, TINYOPS_SLOTS_DIGEST_BYTES);
}

/* Bits of nobody's behind a header that is right as far as the input wants. */
static void take_bits(fuzz_input *input, uint32_t image, const forged *base) {
  static uint8_t bytes[TINYOPS_DELTA_HEADER_BYTES + RAW_MAX];
  put_header(bytes, fuzz_get16(input) % (base->count + 16u), fuzz_get16(input), base->digest);
  uint32_t count = fuzz_byte(input) * 2u;
  uint8_t *raw = fuzz_bytes(input, &count);
  memcpy(bytes + TINYOPS_DELTA_HEADER_BYTES, raw, count);
  free(raw);
  const int32_t status = send(input, image, bytes, TINYOPS_DELTA_HEADER_BYTES + count);
  FUZZ_CHECK(status != TINYOPS_SLOTS_OK);
}

static void take_delta(fuzz_input *input, uint32_t image, const forged *base) {
  static forged file;
  static uint8_t bytes[TINYOPS_DELTA_HEADER_BYTES + FILE_MAX];
  const uint32_t least = self.slots.images[image].counter;
  forge(input, image, self.slots.slots[image], 1, &file);
  put_header(bytes, base->count, file.count, base->digest);
  const uint32_t count = TINYOPS_DELTA_HEADER_BYTES + encode(input, base, base->count, &file,
                                                             bytes + TINYOPS_DELTA_HEADER_BYTES);
  const uint32_t turns = fuzz_byte(input);
  if (turns != 0u) {
    bytes[fuzz_get16(input) % count] ^= (uint8_t)turns;
  }
  const uint32_t cuts_link = fuzz_left(input) > 0u && (*input->at & 0x80u) != 0u;
  const int32_t status = send(input, image, bytes, count);
  if (self.model.is_off != 0u) {
    return;
  }
  const int32_t is_good = file.is_good && file.counter >= least && count <= SLOT_BYTES;
  FUZZ_CHECK(status != TINYOPS_SLOTS_OK || is_good);
  FUZZ_CHECK(status != TINYOPS_SLOTS_OK || !memcmp(slot_content(image, 1), file.bytes, file.count));
  FUZZ_CHECK(status == TINYOPS_SLOTS_OK || !is_good || turns != 0u || cuts_link != 0u);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  static forged base;
  fuzz_input input = {bytes, bytes + size};
  const uint32_t image = fuzz_byte(&input) & 1u;
  make();
  forge(&input, image, self.slots.slots[image], 0, &base);
  memcpy(slot_content(image, 0), base.bytes, base.count);
  if (tinyops_slots_open(&self.slots) != TINYOPS_SLOTS_OK ||
      tinyops_slots_boot(&self.slots, image, NULL) != 0) {
    return 0; /* nothing runs that could be a base */
  }
  while (fuzz_left(&input) > 0u) {
    const uint32_t what = fuzz_byte(&input);
    if ((what & 0x30u) == 0x30u) {
      self.model.cut_at = self.model.operations + 1u + fuzz_byte(&input);
    }
    if ((what & 1u) != 0u) {
      take_delta(&input, image, &base);
    } else {
      take_bits(&input, image, &base);
    }
    FUZZ_CHECK(self.model.broken == TINYOPS_FLASH_NO_RULE);
    FUZZ_CHECK(memcmp(slot_content(image, 0), base.bytes, base.count) == 0);
    if (self.model.is_off != 0u) {
      tinyops_flash_model_power_on(&self.model);
      FUZZ_CHECK(tinyops_slots_open(&self.slots) == TINYOPS_SLOTS_OK);
      FUZZ_CHECK(tinyops_slots_boot(&self.slots, image, NULL) == 0);
    }
    self.model.cut_at = 0;
  }
  return 0;
}
