/* MCUmgr's group of images: what lies in the slots, and how it is replaced. A board that cannot be
 * updated over SMP lists what runs, and refuses the rest. */
#include "server.h"
#include "tinyops/bytes.h"

enum {
  IMAGES = 2,
  SLOTS = 2,
  NUMBER_DIGITS = 10,
  NO_IMAGE = -1,
  /* Refusals of the group's own, behind those of slots. */
  DENIED = -1 - TINYOPS_SMP_UPDATE_ERR_DELTA,
  NO_DIGEST = DENIED - 1,
  NO_LENGTH = NO_DIGEST - 1
};

/* What is said of a slot, in the order of its fields. */
#define FLAGS "bootable\0pending\0confirmed\0active\0"

static const uint8_t errors[] = {
    TINYOPS_SMP_IMAGE_ERRORS, TINYOPS_SMP_IMAGE_ERR_IMAGE_CONFIRMATION_DENIED,
    TINYOPS_SMP_IMAGE_ERR_INVALID_HASH, TINYOPS_SMP_IMAGE_ERR_INVALID_LENGTH};

/* The group's number for a negative tinyops_slots_status, negated. */
static int32_t refusal(int32_t status) {
  const uint32_t at = (uint32_t)(-1 - status);
  return -(at < sizeof(errors) ? errors[at] : TINYOPS_SMP_IMAGE_ERR_UNKNOWN);
}

/* A tenth by shifts (Warren, Hacker's Delight, 10-17): a small core has no division. */
static uint32_t tenth_of(uint32_t number) {
  uint32_t tenth = (number >> 1) + (number >> 2);
  tenth += tenth >> 4;
  tenth += tenth >> 8;
  tenth += tenth >> 16;
  tenth >>= 3;
  return tenth + (number - tenth * 10u > 9u);
}

/* Writes a number in decimal and what ends it; returns where the next one goes. */
static uint8_t *put_number(uint8_t *at, uint32_t number, char end) {
  uint8_t digits[NUMBER_DIGITS];
  uint32_t count = 0;
  do {
    const uint32_t tenth = tenth_of(number);
    digits[count++] = (uint8_t)('0' + (number - tenth * 10u));
    number = tenth;
  } while (number > 0);
  while (count > 0) {
    *at++ = digits[--count];
  }
  *at = (uint8_t)end;
  return at + 1;
}

/* As MCUmgr writes versions: the build behind a dot, where there is one. */
static void put_version(cbor_writer *out, const tinyops_image_info *found) {
  uint8_t text[4 * (NUMBER_DIGITS + 1)];
  uint8_t *end = put_number(text, found->major, '.');
  end = put_number(end, found->minor, '.');
  end = put_number(end, found->revision, '.');
  end = found->build != 0 ? put_number(end, found->build, '.') : end;
  cbor_put_text(out, "version");
  cbor_put_string(out, CBOR_TEXT, text, (uint32_t)(end - text) - 1u);
}

static void put_slot(cbor_writer *out, uint32_t image, uint32_t slot,
                     const tinyops_smp_slot *found) {
  const uint8_t *flag = &found->bootable;
  cbor_put_open_map(out);
  cbor_entry_uint(out, "image", image);
  cbor_entry_uint(out, "slot", slot);
  put_version(out, &found->image);
  cbor_entry_bytes(out, "hash", found->has_digest != 0 ? found->image.digest : 0,
                   TINYOPS_SMP_DIGEST_BYTES);
  for (const char *name = FLAGS; *name != 0; name++) {
    cbor_entry_bool(out, name, *flag++);
    while (*name != 0) {
      name++;
    }
  }
  cbor_put_end(out);
}

static int32_t describe(const exchange *asked, uint32_t place, tinyops_smp_slot *found) {
  const tinyops_smp_board *board = asked->smp->board;
  return board->image_calls->describe(board->images, place / SLOTS, place % SLOTS, found);
}

const tinyops_smp_images *server_updater(const exchange *asked) {
  const tinyops_smp_images *calls = asked->smp->board->image_calls;
  return calls != 0 && calls->begin != 0 ? calls : 0;
}

int32_t server_images(const exchange *asked) {
  tinyops_smp_slot found;
  if (asked->smp->board->image_calls == 0) {
    return MGMT_UNSUPPORTED;
  }
  cbor_put_open_map(asked->out);
  cbor_put_text(asked->out, "images");
  cbor_put_open_array(asked->out);
  for (uint32_t place = 0; place < IMAGES * SLOTS; place++) {
    if (describe(asked, place, &found) > 0) {
      put_slot(asked->out, place / SLOTS, place % SLOTS, &found);
    }
  }
  cbor_put_end(asked->out);
  cbor_put_end(asked->out);
  return MGMT_OK;
}

/* The place of the image with this digest, of both images one after another; one that runs before
 * one that does not. NO_IMAGE: there is none. */
static int32_t find_place(const exchange *asked, const uint8_t *digest, int32_t *is_active) {
  int32_t at = NO_IMAGE;
  for (uint32_t place = 0; place < IMAGES * SLOTS; place++) {
    tinyops_smp_slot here;
    if (describe(asked, place, &here) > 0 &&
        !tinyops_bytes_differ(here.image.digest, digest, TINYOPS_SMP_DIGEST_BYTES) &&
        (at == NO_IMAGE || here.active != 0)) {
      *is_active = here.active != 0;
      at = (int32_t)place;
    }
  }
  return at;
}

/* Whatever runs stays. */
static int32_t confirm_all(const exchange *asked) {
  const tinyops_smp_board *board = asked->smp->board;
  int32_t status = 0;
  for (uint32_t image = 0; status >= 0 && image < IMAGES; image++) {
    status = board->image_calls->confirm(board->images, image);
  }
  return status;
}

/* Confirms or puts on trial the image with this digest. */
static int32_t set(const exchange *asked, const uint8_t *digest, int32_t confirms) {
  const tinyops_smp_board *board = asked->smp->board;
  int32_t is_active = 0;
  const int32_t place = find_place(asked, digest, &is_active);
  if (place == NO_IMAGE) {
    return -TINYOPS_SMP_UPDATE_ERR_ABSENT;
  }
  const uint32_t image = (uint32_t)place / SLOTS;
  if (confirms == 0) {
    return board->image_calls->test(board->images, image, digest);
  }
  return is_active != 0 ? board->image_calls->confirm(board->images, image) : DENIED;
}

/* Puts an image on trial, or confirms one that runs; what has never run is not confirmed. */
int32_t server_set_image(const exchange *asked) {
  cbor_item confirm = {CBOR_SIMPLE, CBOR_FALSE, 0};
  cbor_item digest = {CBOR_BYTES, 0, 0};
  if (server_updater(asked) == 0) {
    return MGMT_UNSUPPORTED;
  }
  const int32_t named = server_find(asked, "hash", CBOR_BYTES, &digest);
  if (named < 0 || server_find(asked, "confirm", CBOR_SIMPLE, &confirm) < 0) {
    return MGMT_INVALID;
  }
  const int32_t confirms = confirm.value == CBOR_TRUE;
  int32_t status = NO_DIGEST;
  if (named > 0 && digest.value == TINYOPS_SMP_DIGEST_BYTES) {
    status = set(asked, digest.bytes, confirms);
  } else if (named == 0 && confirms != 0) {
    status = confirm_all(asked);
  }
  return status < 0 ? refusal(status) : server_images(asked);
}

/* Begins an upload. Returns the offset that it goes on from, or a negative status. */
static int32_t begin(const exchange *asked) {
  const tinyops_smp_board *board = asked->smp->board;
  cbor_item image = {CBOR_UINT, 0, 0};
  cbor_item bytes;
  cbor_item digest = {CBOR_BYTES, 0, 0};
  if (server_find(asked, "len", CBOR_UINT, &bytes) <= 0 || bytes.value > INT32_MAX) {
    return NO_LENGTH;
  }
  if (server_find(asked, "image", CBOR_UINT, &image) < 0) {
    return -TINYOPS_SMP_UPDATE_ERR_NO_SLOT;
  }
  if (server_find(asked, "sha", CBOR_BYTES, &digest) < 0 ||
      (digest.bytes != 0 && digest.value != TINYOPS_SMP_DIGEST_BYTES)) {
    return NO_DIGEST;
  }
  return board->image_calls->begin(board->images, image.value, bytes.value, digest.bytes);
}

/* A piece at the wrong place is answered with the right one, so that an upload goes on after what
 * was lost, came twice, or before a reset. */
int32_t server_upload(const exchange *asked) {
  const tinyops_smp_images *calls = server_updater(asked);
  cbor_item offset;
  cbor_item data;
  if (calls == 0) {
    return MGMT_UNSUPPORTED;
  }
  if (server_find(asked, "off", CBOR_UINT, &offset) <= 0 ||
      server_find(asked, "data", CBOR_BYTES, &data) <= 0) {
    return MGMT_INVALID;
  }
  int32_t next = offset.value == 0 ? begin(asked) : 0;
  if (next == 0) {
    next = calls->write(asked->smp->board->images, offset.value, data.bytes, data.value);
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
  const tinyops_smp_images *calls = server_updater(asked);
  cbor_item slot;
  if (calls == 0) {
    return MGMT_UNSUPPORTED;
  }
  const int32_t named = server_find(asked, "slot", CBOR_UINT, &slot);
  if (named < 0) {
    return MGMT_INVALID;
  }
  const int32_t status =
      calls->erase(asked->smp->board->images, named > 0 ? slot.value / SLOTS : 0u,
                   named > 0 ? slot.value % SLOTS : SLOTS);
  return status < 0 ? refusal(status) : server_say_nothing(asked);
}
