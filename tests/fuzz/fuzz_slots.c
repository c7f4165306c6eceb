/* Slots: images that arrive, are tried, confirmed and reverted, in whatever order, on a flash that
 * keeps its rules and loses power.
 *
 * The input chooses a geometry and whether the device trusts keys, then steps follow. Images are
 * forged as the input says and signed, so that what is malformed arrives with a right digest.
 * Digest and signature are stand-ins that take no time and are as hard to hit by chance.
 *
 * What must hold: no rule of flash is broken; an image that is good is taken, one that is not is
 * refused; the slot that runs and the one that counts keep their bytes; what boots is whole, made
 * for this board and not older than allowed; and once something boots, something always does. */
#include <string.h>

#include "forge.h"
#include "input.h"
#include "port/sim/flash_model.h"
#include "tinyops/image_format.h"
#include "tinyops/little_endian.h"
#include "tinyops/slots.h"

enum {
  ORIGIN = 0x10000,
  SLOT_BYTES = 4096,
  FLASH_MAX = 4 * SLOT_BYTES + 2 * 2048,
  IMAGES = TINYOPS_SLOTS_IMAGES,
  EACH = TINYOPS_SLOTS_EACH,
  DIGEST = TINYOPS_SLOTS_DIGEST_BYTES
};

typedef struct {
  uint8_t content[FLASH_MAX], marks[FLASH_MAX];
  tinyops_flash_model model;
  tinyops_port_flash flash;
  tinyops_slots slots;
  uint8_t *unit;
  int32_t could_boot[IMAGES]; /* something runs without a trial */
  int32_t knew_cable[IMAGES]; /* a cable wrote what had been verified before, signed or not */
} device;

static device self;

static uint32_t slot_bytes(void) { return self.slots.slots[0][0].bytes; }

static uint8_t *slot_content(uint32_t image, uint32_t slot) {
  return self.content + (self.slots.slots[image][slot].origin - ORIGIN);
}

/* Whether an image lies in a slot that may run there: what the library must have proved. */
static void expect_runnable(uint32_t image, uint32_t slot, int32_t needs_signature) {
  const uint8_t *at = slot_content(image, slot);
  const uint32_t header = tinyops_get16(at + TINYOPS_IMAGE_AT_HEADER_BYTES);
  const uint32_t body = tinyops_get32(at + TINYOPS_IMAGE_AT_BODY_BYTES);
  const uint32_t shielded = tinyops_get16(at + TINYOPS_IMAGE_AT_PROTECTED_BYTES);
  FUZZ_CHECK(tinyops_get32(at) == TINYOPS_IMAGE_MAGIC && body < slot_bytes());
  const uint32_t digested = header + body + shielded;
  FUZZ_CHECK(digested + 4u < slot_bytes());
  uint8_t digest[DIGEST];
  forge_digest(at, digested, digest);
  const uint32_t area = tinyops_get16(at + digested + 2);
  FUZZ_CHECK(digested + area <= slot_bytes());
  int32_t has_digest = 0;
  int32_t is_signed = 0;
  for (uint32_t i = digested + 4u; i < digested + area;) {
    const uint32_t type = tinyops_get16(at + i);
    const uint32_t length = tinyops_get16(at + i + 2);
    if (type == TINYOPS_IMAGE_TLV_SHA256) {
      has_digest = memcmp(at + i + 4, digest, DIGEST) == 0;
    }
    for (uint32_t key = 0; type == TINYOPS_IMAGE_TLV_ED25519 && key < FORGE_KEYS; key++) {
      is_signed |= forge_check(at + i + 4, forge_keys[key], digest, DIGEST) == 0;
    }
    i += 4u + length;
  }
  FUZZ_CHECK(has_digest && (is_signed || !needs_signature));
  int32_t names_board = 0;
  int32_t names_contract = image == TINYOPS_IMAGE_FIRMWARE;
  for (uint32_t i = header + body + 4u; i < digested;) {
    const uint32_t type = tinyops_get16(at + i);
    const uint32_t length = tinyops_get16(at + i + 2);
    names_board |=
        type == TINYOPS_IMAGE_TLV_BOARD && length == 4u && !memcmp(at + i + 4, "desk", 4);
    names_contract |=
        type == TINYOPS_IMAGE_TLV_CONTRACT && !memcmp(at + i + 4, forge_contract, DIGEST);
    if (type == TINYOPS_IMAGE_TLV_COUNTER) {
      FUZZ_CHECK(tinyops_get32(at + i + 4) >= self.slots.images[image].counter);
    }
    i += 4u + length;
  }
  FUZZ_CHECK(names_board && names_contract);
}

/* As at a reset: the bootloader finds a firmware, the application opens the log anew and finds a
 * model. Power may fail again meanwhile. */
static void restart(void) {
  for (uint32_t image = 0; image < IMAGES; image++) {
    if (tinyops_slots_open(&self.slots) != TINYOPS_SLOTS_OK) {
      FUZZ_CHECK(self.model.is_off != 0u);
      return;
    }
    const int32_t slot = tinyops_slots_boot(&self.slots, image, NULL);
    if (self.model.is_off != 0u) {
      return;
    }
    if (slot >= 0) {
      expect_runnable(image, (uint32_t)slot, self.slots.key_count != 0u && !self.knew_cable[image]);
      FUZZ_CHECK(tinyops_slots_running(&self.slots, image) == (uint32_t)slot);
    }
    FUZZ_CHECK(slot >= 0 || !self.could_boot[image]);
    self.could_boot[image] = slot >= 0 && self.slots.images[image].active != TINYOPS_SLOTS_NONE;
  }
}

static void recover(void) {
  while (self.model.is_off != 0u) {
    tinyops_flash_model_power_on(&self.model);
    restart();
  }
}

/* Uploads a file in pieces. Returns the status of what ended it. */
static int32_t upload(fuzz_input *input, uint32_t image, const forged *file) {
  const uint32_t how = fuzz_byte(input);
  const uint32_t piece = 1u + (how & 0x3fu) * 8u;
  int32_t next = tinyops_slots_begin(&self.slots, image, file->count,
                                     (how & 0x40u) != 0u ? file->digest : NULL);
  while (next >= 0 && (uint32_t)next < file->count) {
    const uint32_t left = file->count - (uint32_t)next;
    next = tinyops_slots_write(&self.slots, (uint32_t)next, file->bytes + next,
                               left < piece ? left : piece);
    if ((how & 0x80u) != 0u && next >= 0 && (fuzz_byte(input) & 15u) == 15u) {
      return TINYOPS_SLOTS_ERR_STATE; /* the link is cut */
    }
  }
  return next < 0 ? next : tinyops_slots_finish(&self.slots);
}

static void take_file(fuzz_input *input, uint32_t image) {
  static forged file;
  const tinyops_slots_image *state = &self.slots.images[image];
  const uint32_t free_slot = state->active == TINYOPS_SLOTS_NONE ? 0u : state->active ^ 1u;
  const uint32_t least = state->counter;
  const int32_t may = self.slots.key_count != 0u && state->state != TINYOPS_TRIAL_RUNNING &&
                      (image == TINYOPS_IMAGE_MODEL || state->active != TINYOPS_SLOTS_NONE);
  forge(input, image, self.slots.slots[0], free_slot, &file);
  const uint32_t cut_short = (uint32_t)(input->end - input->at) > 0u && (*input->at & 0x80u) != 0u;
  const int32_t status = upload(input, image, &file);
  if (self.model.is_off != 0u || cut_short) {
    return;
  }
  const int32_t wanted = may && file.is_good && file.counter >= least;
  FUZZ_CHECK((status == TINYOPS_SLOTS_OK) == wanted);
}

/* Bytes of nobody's, in any order. */
static void take_bytes(fuzz_input *input, uint32_t image) {
  const uint32_t bytes = fuzz_get16(input);
  (void)tinyops_slots_begin(&self.slots, image, bytes, NULL);
  uint32_t count = fuzz_byte(input);
  const uint32_t offset = (count & 1u) != 0u ? 0u : fuzz_get16(input);
  uint8_t *piece = fuzz_bytes(input, &count);
  (void)tinyops_slots_write(&self.slots, offset, piece, count);
  free(piece);
  const uint32_t writing = self.slots.writing; /* it may be an upload from before */
  if (tinyops_slots_finish(&self.slots) == TINYOPS_SLOTS_OK) {
    expect_runnable(writing, self.slots.target, 1);
  }
}

/* A cable writes a file into a slot while the device is held in reset. */
static void flash_by_cable(fuzz_input *input, uint32_t image, uint32_t slot) {
  static forged file;
  forge(input, image, self.slots.slots[0], slot, &file);
  for (uint32_t i = 0; i < EACH; i++) {
    self.knew_cable[image] |= !memcmp(self.slots.images[image].verified[i], file.digest, DIGEST);
  }
  uint8_t *at = slot_content(image, slot);
  memset(at, 0xff, slot_bytes());
  memcpy(at, file.bytes, file.count);
  const tinyops_flash_facts facts = self.model.facts;
  const uint32_t operations = self.model.operations;
  tinyops_flash_model_open(&self.model, &facts, self.content, self.marks, 5);
  self.model.operations = operations;
  memset(self.could_boot, 0, sizeof(self.could_boot));
  restart();
}

static void test(fuzz_input *input, uint32_t image) {
  const uint32_t which = fuzz_byte(input);
  const uint8_t *digest = self.slots.images[image].verified[which & 1u];
  uint8_t wanted[DIGEST];
  memcpy(wanted, digest, DIGEST);
  wanted[which >> 3] ^= (uint8_t)((which & 2u) != 0u);
  (void)tinyops_slots_test(&self.slots, image, wanted);
}

static void step(fuzz_input *input) {
  const uint32_t what = fuzz_byte(input);
  const uint32_t image = what >> 7;
  tinyops_image_info info;
  switch (what % 16u) {
    case 0:
    case 1:
      take_file(input, image);
      break;
    case 2:
      take_bytes(input, image);
      break;
    case 3:
    case 4:
      test(input, image);
      break;
    case 5:
      if (tinyops_slots_start(&self.slots, image, &info) >= 0) {
        expect_runnable(image, tinyops_slots_running(&self.slots, image), 0);
      }
      break;
    case 6:
      (void)tinyops_slots_confirm(&self.slots, image);
      break;
    case 7:
      (void)tinyops_slots_revert(&self.slots, image, TINYOPS_TRIAL_SELF_TEST);
      break;
    case 8:
      (void)tinyops_slots_again(&self.slots, image);
      break;
    case 9:
      (void)tinyops_slots_erase(&self.slots, image);
      break;
    case 10:
      (void)tinyops_slots_describe(&self.slots, image, what >> 4 & 3u, &info);
      break;
    case 11:
      flash_by_cable(input, image, what >> 6 & 1u);
      break;
    case 12:
    case 13:
      self.model.cut_at = self.model.operations + 1u + fuzz_byte(input);
      break;
    default:
      restart();
  }
}

static void make(uint32_t chosen) {
  static const uint32_t geometries[][2] = {{4, 1024}, {256, 1024}, {8, 2048}, {32, 1024}};
  const uint32_t unit = geometries[chosen & 3u][0];
  const uint32_t sector = geometries[chosen & 3u][1];
  const uint32_t bytes = SLOT_BYTES;
  memset(&self, 0, sizeof(self));
  memset(self.content, 0xff, sizeof(self.content));
  forge_make_keys();
  const tinyops_flash_facts facts = {ORIGIN, 4u * bytes + 2u * sector, sector, unit, 1};
  tinyops_flash_model_open(&self.model, &facts, self.content, self.marks, 3);
  self.flash = (tinyops_port_flash){sector, unit, tinyops_flash_model_erase,
                                    tinyops_flash_model_program, tinyops_flash_model_read};
  const uint32_t unit_bytes = unit == 256u ? 256u : 160u << (chosen >> 2 & 1u);
  self.unit = malloc(unit_bytes);
  FUZZ_CHECK(self.unit != NULL);
  tinyops_slots *slots = &self.slots;
  *slots = (tinyops_slots){.flash = &self.flash,
                           .context = &self.model,
                           .crypto = &forge_table,
                           .state = {ORIGIN + 4u * bytes, 2u * sector},
                           .board = "desk",
                           .contract = forge_contract,
                           .keys = forge_keys[0],
                           .key_count = (chosen & 8u) != 0u ? 0u : FORGE_KEYS,
                           .unit = self.unit,
                           .unit_bytes = unit_bytes};
  for (uint32_t i = 0; i < IMAGES * EACH; i++) {
    slots->slots[i / EACH][i % EACH] = (tinyops_slot){ORIGIN + i * bytes, bytes};
  }
}

/* What may not change in a step: for each image the slot that counts and the one that runs. */
typedef struct {
  uint32_t slots[IMAGES][EACH];
  uint8_t bytes[IMAGES][EACH][SLOT_BYTES];
} kept_slots;

/* Copies the slots, or, with `compares`, finds them as they were copied. */
static void look(kept_slots *kept, int32_t compares) {
  for (uint32_t i = 0; i < IMAGES * EACH; i++) {
    const uint32_t image = i / EACH;
    const uint32_t slot = kept->slots[image][i % EACH];
    uint8_t *bytes = kept->bytes[image][i % EACH];
    if (slot >= EACH) {
      continue;
    }
    if (compares != 0) {
      FUZZ_CHECK(memcmp(bytes, slot_content(image, slot), slot_bytes()) == 0);
    } else {
      memcpy(bytes, slot_content(image, slot), slot_bytes());
    }
  }
}

static void watch(kept_slots *kept) {
  for (uint32_t image = 0; image < IMAGES; image++) {
    kept->slots[image][0] = self.slots.images[image].active;
    kept->slots[image][1] = tinyops_slots_running(&self.slots, image);
  }
  look(kept, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) {
  fuzz_input input = {bytes, bytes + count};
  make(fuzz_byte(&input));
  restart();
  while (fuzz_left(&input) > 0u) {
    const int32_t is_cable = *input.at % 16u == 11u;
    static kept_slots before;
    watch(&before);
    step(&input);
    FUZZ_CHECK(self.model.broken == TINYOPS_FLASH_NO_RULE);
    if (!is_cable) {
      look(&before, 1);
    }
    recover();
  }
  free(self.unit);
  return 0;
}
