/* MCUmgr's group of images: what lies in the slots, and how it is replaced.
 *
 * A board that cannot be updated over SMP lists what runs, and refuses everything else. */
#include "server.h"

enum {
  IMAGES = 2,
  SLOTS = 2,
  NUMBER_DIGITS = 10,
  NO_IMAGE = -1,
  /* Refusals of the group's own, behind those of slots. */
  DENIED = -1 - TINYOPS_SMP_UPDATE_ERR_KIND,
  NO_DIGEST = DENIED - 1
};

static const uint8_t errors[] = {TINYOPS_SMP_IMAGE_ERRORS,
                                 TINYOPS_SMP_IMAGE_ERR_IMAGE_CONFIRMATION_DENIED,
                                 TINYOPS_SMP_IMAGE_ERR_INVALID_HASH};

/* The group's number for a negative tinyops_slots_status, negated. */
static int32_t refusal(int32_t status) {
  const uint32_t at = (uint32_t)(-1 - status);
  return -(at < sizeof(errors) ? errors[at] : TINYOPS_SMP_IMAGE_ERR_UNKNOWN);
}

/* Writes a number in decimal and what ends it; returns where the next one goes. */
static uint8_t *put_number(uint8_t *at, uint32_t number, char end) {
  uint8_t digits[NUMBER_DIGITS];
  uint32_t count = 0;
  do {
    digits[count++] = (uint8_t)('0' + number % 10u);
    number /= 10u;
  } while (number > 0);
  while (count > 0) {
    *at++ = digits[--count];
  }
  *at = (uint8_t)end;
  return at + 1;
}

/* As MCUmgr writes versions: the build behind a dot, where there is one. */
static void put_version(cbor_writer *out, const tinyops_smp_slot *found) {
  uint8_t text[4 * (NUMBER_DIGITS + 1)];
  uint8_t *end = put_number(text, found->major, '.');
  end = put_number(end, found->minor, '.');
  end = put_number(end, found->revision, '.');
  end = found->build != 0 ? put_number(end, found->build, '.') : end;
  cbor_put_text(out, "version");
  cbor_put_string(out, CBOR_TEXT, text, (uint32_t)(end - text) - 1u);
}

static void put_flags(cbor_writer *out, const tinyops_smp_slot *found) {
  cbor_entry_bool(out, "bootable", found->bootable);
  cbor_entry_bool(out, "pending", found->pending);
  cbor_entry_bool(out, "confirmed", found->confirmed);
  cbor_entry_bool(out, "active", found->active);
}

static void put_place(cbor_writer *out, uint32_t image, uint32_t slot) {
  cbor_entry_uint(out, "image", image);
  cbor_entry_uint(out, "slot", slot);
}

/* Returns how many there were. */
static uint32_t put_slots(cbor_writer *out, const tinyops_smp_updates *updates, uint32_t image) {
  uint32_t count = 0;
  for (uint32_t slot = 0; slot < SLOTS; slot++) {
    tinyops_smp_slot found;
    if (updates->describe(updates->context, image, slot, &found) > 0) {
      count++;
      cbor_put_open_map(out);
      put_place(out, image, slot);
      put_version(out, &found);
      cbor_entry_bytes(out, "hash", found.digest, TINYOPS_SMP_DIGEST_BYTES);
      put_flags(out, &found);
      cbor_put_end(out);
    }
  }
  return count;
}

/* What runs on a board without slots; a model has no version of its own. */
static void put_running(cbor_writer *out, uint32_t image, const char *version,
                        const uint8_t *digest) {
  static const tinyops_smp_slot runs = {.bootable = 1, .confirmed = 1, .active = 1};
  cbor_put_open_map(out);
  put_place(out, image, 0);
  cbor_entry_text(out, "version", version);
  cbor_entry_bytes(out, "hash", digest, TINYOPS_SMP_DIGEST_BYTES);
  put_flags(out, &runs);
  cbor_put_end(out);
}

/* The firmware of a board that has no slots for it, which lies where its maker's tools put it; a
 * model that lies in none. */
static int32_t put_without_slots(const exchange *asked, uint32_t image) {
  tinyops_smp_info info;
  const int32_t status = server_describe(asked, &info);
  if (status == MGMT_OK && image == 0) {
    put_running(asked->out, 0, info.version, info.firmware);
  } else if (status == MGMT_OK && info.model != 0) {
    put_running(asked->out, 1, "0.0.0", info.model);
  }
  return status;
}

/* Image 0 is the firmware, image 1 the model. */
int32_t server_images(const exchange *asked) {
  const tinyops_smp_updates *updates = asked->smp->board->updates;
  int32_t status = MGMT_OK;
  cbor_put_open_map(asked->out);
  cbor_put_text(asked->out, "images");
  cbor_put_open_array(asked->out);
  for (uint32_t image = 0; status == MGMT_OK && image < IMAGES; image++) {
    if (updates == 0 || put_slots(asked->out, updates, image) == 0) {
      status = put_without_slots(asked, image);
    }
  }
  cbor_put_end(asked->out);
  cbor_put_end(asked->out);
  return status;
}

static int32_t is_same(const uint8_t *a, const uint8_t *b) {
  for (uint32_t i = 0; i < TINYOPS_SMP_DIGEST_BYTES; i++) {
    if (a[i] != b[i]) {
      return 0;
    }
  }
  return 1;
}

/* The slot that holds the image with this digest, of both images one after another; one that runs
 * before one that does not. NO_IMAGE: there is none. */
static int32_t find_slot(const tinyops_smp_updates *updates, const uint8_t *digest,
                         tinyops_smp_slot *found) {
  int32_t at = NO_IMAGE;
  for (uint32_t i = 0; i < IMAGES * SLOTS; i++) {
    tinyops_smp_slot here;
    if (updates->describe(updates->context, i / SLOTS, i % SLOTS, &here) > 0 &&
        is_same(here.digest, digest) && (at == NO_IMAGE || here.active != 0)) {
      *found = here;
      at = (int32_t)i;
    }
  }
  return at;
}

/* Whatever runs stays. */
static int32_t confirm_all(const tinyops_smp_updates *updates) {
  int32_t status = 0;
  for (uint32_t image = 0; status >= 0 && image < IMAGES; image++) {
    status = updates->confirm(updates->context, image);
  }
  return status;
}

/* Confirms or puts on trial the image with this digest. */
static int32_t set(const tinyops_smp_updates *updates, const uint8_t *digest, int32_t confirms) {
  tinyops_smp_slot found;
  const int32_t at = find_slot(updates, digest, &found);
  if (at == NO_IMAGE) {
    return -TINYOPS_SMP_UPDATE_ERR_ABSENT;
  }
  const uint32_t image = (uint32_t)at / SLOTS;
  if (confirms == 0) {
    return updates->test(updates->context, image, digest);
  }
  return found.active != 0 ? updates->confirm(updates->context, image) : DENIED;
}

/* Puts an image on trial, or confirms one that runs; what has never run is not confirmed. */
int32_t server_set_image(const exchange *asked) {
  const tinyops_smp_updates *updates = asked->smp->board->updates;
  cbor_item confirm = {CBOR_SIMPLE, CBOR_FALSE, 0};
  cbor_item digest = {CBOR_BYTES, 0, 0};
  if (updates == 0) {
    return MGMT_UNSUPPORTED;
  }
  const int32_t named = server_find(asked, "hash", CBOR_BYTES, &digest);
  if (named < 0 || server_find(asked, "confirm", CBOR_SIMPLE, &confirm) < 0) {
    return MGMT_INVALID;
  }
  const int32_t confirms = confirm.value == CBOR_TRUE;
  int32_t status = NO_DIGEST;
  if (named > 0 && digest.value == TINYOPS_SMP_DIGEST_BYTES) {
    status = set(updates, digest.bytes, confirms);
  } else if (named == 0 && confirms != 0) {
    status = confirm_all(updates);
  }
  return status < 0 ? refusal(status) : server_images(asked);
}

/* Begins an upload. Returns the offset that it goes on from, or a negated number of the group. */
static int32_t begin(const exchange *asked) {
  const tinyops_smp_updates *updates = asked->smp->board->updates;
  cbor_item image = {CBOR_UINT, 0, 0};
  cbor_item bytes;
  cbor_item digest = {CBOR_BYTES, 0, 0};
  if (server_find(asked, "len", CBOR_UINT, &bytes) <= 0 || bytes.value > INT32_MAX) {
    return -TINYOPS_SMP_IMAGE_ERR_INVALID_LENGTH;
  }
  if (server_find(asked, "image", CBOR_UINT, &image) < 0) {
    return -TINYOPS_SMP_IMAGE_ERR_INVALID_SLOT;
  }
  if (server_find(asked, "sha", CBOR_BYTES, &digest) < 0 ||
      (digest.bytes != 0 && digest.value != TINYOPS_SMP_DIGEST_BYTES)) {
    return -TINYOPS_SMP_IMAGE_ERR_INVALID_HASH;
  }
  const int32_t next = updates->begin(updates->context, image.value, bytes.value, digest.bytes);
  return next < 0 ? refusal(next) : next;
}

/* A piece at the wrong place is answered with the right one, so that an upload goes on after what
 * was lost, came twice, or before a reset. */
int32_t server_upload(const exchange *asked) {
  const tinyops_smp_updates *updates = asked->smp->board->updates;
  cbor_item offset;
  cbor_item data;
  if (updates == 0) {
    return MGMT_UNSUPPORTED;
  }
  if (server_find(asked, "off", CBOR_UINT, &offset) <= 0) {
    return -TINYOPS_SMP_IMAGE_ERR_INVALID_OFFSET;
  }
  if (server_find(asked, "data", CBOR_BYTES, &data) <= 0) {
    return MGMT_INVALID;
  }
  int32_t next = offset.value == 0 ? begin(asked) : 0;
  if (next < 0) {
    return next;
  }
  if (offset.value != 0 || next == 0) {
    next = updates->write(updates->context, offset.value, data.bytes, data.value);
  }
  if (next < 0) {
    return refusal(next);
  }
  cbor_put_open_map(asked->out);
  cbor_entry_uint(asked->out, "off", (uint32_t)next);
  cbor_put_end(asked->out);
  return MGMT_OK;
}

/* Slots are numbered through: 2 and 3 are the model's. Without a number it is the firmware's that
 * does not run. */
int32_t server_erase_image(const exchange *asked) {
  const tinyops_smp_updates *updates = asked->smp->board->updates;
  cbor_item slot;
  if (updates == 0) {
    return MGMT_UNSUPPORTED;
  }
  const int32_t named = server_find(asked, "slot", CBOR_UINT, &slot);
  if (named < 0) {
    return -TINYOPS_SMP_IMAGE_ERR_INVALID_SLOT;
  }
  const int32_t status = updates->erase(updates->context, named > 0 ? slot.value / SLOTS : 0u,
                                        named > 0 ? slot.value % SLOTS : SLOTS);
  if (status < 0) {
    return refusal(status);
  }
  cbor_put_open_map(asked->out);
  cbor_put_end(asked->out);
  return MGMT_OK;
}

int32_t server_update(const exchange *asked) {
  const tinyops_smp_updates *updates = asked->smp->board->updates;
  cbor_item image;
  tinyops_smp_update report;
  if (updates == 0) {
    return -TINYOPS_SMP_ERR_UNSUPPORTED;
  }
  if (server_find(asked, TINYOPS_SMP_UPDATE_IMAGE, CBOR_UINT, &image) <= 0) {
    return -TINYOPS_SMP_ERR_INVALID;
  }
  if (updates->report(updates->context, image.value, &report) < 0) {
    return -TINYOPS_SMP_ERR_ABSENT;
  }
  const uint32_t words[] = {report.state,     report.outcome, report.refusal, report.written,
                            report.announced, report.counter, report.gap_ms,  report.lost};
  cbor_put_open_map(asked->out);
  cbor_entry_words(asked->out, TINYOPS_SMP_UPDATE_WORDS, words);
  cbor_put_end(asked->out);
  return MGMT_OK;
}
