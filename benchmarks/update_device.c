/* A board at the far end of a simulated line: the real SMP server and slot library on simulated
 * flash. Says for what it is given what it answers and how long flash took meanwhile.
 *
 *   update_device BUFFER ORIGIN BYTES SECTOR UNIT PROGRAMS SLOT0 SLOT1 SLOT_BYTES LOG LOG_BYTES
 *                 ERASE_NS PROGRAM_NS BOARD KEY
 *
 * In: u32 count, bytes. Out: u32 count, bytes, u64 nanoseconds of flash, u32 sectors erased, u32
 * units programmed; all little-endian as this machine is. With count's top bit the bytes are one
 * raw message, else bytes of a console. Signatures are not checked: that takes neither line nor
 * flash. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flash_model.h"
#include "tinyops/boot.h"
#include "tinyops/smp.h"

enum { ARGUMENTS = 15, OUT_MAX = 1 << 16, IN_MAX = 1 << 16, UNIT_BYTES = 256 };

static struct {
  tinyops_flash_model model;
  tinyops_port_flash flash;
  tinyops_boot_table table;
  tinyops_slots slots;
  uint8_t unit[UNIT_BYTES], key[TINYOPS_SLOTS_KEY_BYTES], contract[TINYOPS_SLOTS_DIGEST_BYTES];
  uint8_t out[OUT_MAX];
  uint32_t out_bytes, erased, programmed;
  uint64_t busy_ns, erase_ns, program_ns;
  const char *board;
} device;

static uint32_t number(const char *text) { return (uint32_t)strtoul(text, NULL, 0); }

static void *room(uint32_t bytes) {
  void *made = calloc(bytes, 1);
  if (made == NULL) {
    exit(2);
  }
  return made;
}

static int32_t erase(void *context, uint32_t address, uint32_t bytes) {
  const uint32_t sectors = bytes / device.model.facts.erase_bytes;
  device.erased += sectors;
  device.busy_ns += sectors * device.erase_ns;
  return tinyops_flash_model_erase(context, address, bytes);
}

static int32_t program(void *context, uint32_t address, const uint8_t *bytes, uint32_t count) {
  const uint32_t units = count / device.model.facts.program_bytes;
  device.programmed += units;
  device.busy_ns += units * device.program_ns;
  return tinyops_flash_model_program(context, address, bytes, count);
}

static int32_t trust(const uint8_t *signature, const uint8_t *key, const uint8_t *message,
                     uint32_t count) {
  (void)signature;
  (void)key;
  (void)message;
  (void)count;
  return 0;
}

static void send(void *context, const uint8_t *bytes, uint32_t count) {
  (void)context;
  if (count <= OUT_MAX - device.out_bytes) {
    memcpy(device.out + device.out_bytes, bytes, count);
    device.out_bytes += count;
  }
}

static void describe_board(void *context, tinyops_smp_info *info) {
  (void)context;
  *info = (tinyops_smp_info){.board = device.board,
                             .fleet = "bench",
                             .version = "0.1.0",
                             .contract = device.contract,
                             .abi = 1,
                             .free_slots = 1};
}

static int32_t describe(void *context, uint32_t image, uint32_t slot, tinyops_smp_slot *found) {
  *found = (tinyops_smp_slot){.has_digest = 1, .bootable = 1};
  return tinyops_slots_describe(context, image, slot, &found->image) >= 0;
}

static int32_t begin(void *context, uint32_t image, uint32_t bytes, const uint8_t *digest) {
  return tinyops_slots_begin(context, image, bytes, digest);
}

static int32_t write_piece(void *context, uint32_t offset, const uint8_t *bytes, uint32_t count) {
  tinyops_slots *slots = context;
  if (offset != slots->given) {
    return (int32_t)slots->given;
  }
  const uint32_t announced = slots->announced;
  const int32_t next = tinyops_slots_write(slots, offset, bytes, count);
  if (next < 0 || (uint32_t)next != announced) {
    return next;
  }
  const int32_t status = tinyops_slots_finish(slots);
  return status < 0 ? status : next;
}

static void open_flash(char **numbers) {
  const tinyops_flash_facts facts = {.origin = number(numbers[0]),
                                     .bytes = number(numbers[1]),
                                     .erase_bytes = number(numbers[2]),
                                     .program_bytes = number(numbers[3]),
                                     .programs = number(numbers[4])};
  uint8_t *content = room(facts.bytes);
  memset(content, 0xff, facts.bytes);
  tinyops_flash_model_open(&device.model, &facts, content, room(tinyops_flash_marks_bytes(&facts)),
                           1);
  device.flash = (tinyops_port_flash){facts.erase_bytes, facts.program_bytes, erase, program,
                                      tinyops_flash_model_read};
}

static void read_key(const char *digits) {
  char pair[3] = {0};
  for (uint32_t i = 0; i < sizeof device.key && strlen(digits) == 2 * sizeof device.key; i++) {
    memcpy(pair, digits + 2 * i, 2);
    device.key[i] = (uint8_t)strtoul(pair, NULL, 16);
  }
}

static int open_slots(char **numbers) {
  device.table.sha256_of = tinyops_sha256_of;
  device.table.ed25519_verify = trust;
  device.slots = (tinyops_slots){.flash = &device.flash,
                                 .context = &device.model,
                                 .crypto = &device.table,
                                 .state = {number(numbers[3]), number(numbers[4])},
                                 .board = device.board,
                                 .contract = device.contract,
                                 .keys = device.key,
                                 .key_count = 1,
                                 .unit = device.unit,
                                 .unit_bytes = UNIT_BYTES};
  for (uint32_t slot = 0; slot < TINYOPS_SLOTS_EACH; slot++) {
    device.slots.slots[TINYOPS_IMAGE_MODEL][slot] =
        (tinyops_slot){number(numbers[slot]), number(numbers[2])};
  }
  return tinyops_slots_open(&device.slots) == TINYOPS_SLOTS_OK;
}

static void give(tinyops_smp *smp, const uint8_t *bytes, uint32_t count, uint32_t raw) {
  if (raw != 0) {
    tinyops_smp_datagram(smp, bytes, count, send, NULL);
    return;
  }
  for (uint32_t i = 0; i < count; i++) {
    if (tinyops_smp_feed(smp, bytes[i]) != 0) {
      tinyops_smp_serve(smp);
    }
  }
}

static void say(const void *bytes, uint32_t count) { (void)fwrite(bytes, 1, count, stdout); }

static void tell(void) {
  say(&device.out_bytes, 4);
  say(device.out, device.out_bytes);
  say(&device.busy_ns, 8);
  say(&device.erased, 4);
  say(&device.programmed, 4);
  (void)fflush(stdout);
  device.out_bytes = 0;
}

int main(int count, char **arguments) {
  static uint8_t bytes[IN_MAX];
  if (count != ARGUMENTS + 1) {
    return 2;
  }
  device.erase_ns = number(arguments[12]);
  device.program_ns = number(arguments[13]);
  device.board = arguments[14];
  read_key(arguments[15]);
  open_flash(arguments + 2);
  if (!open_slots(arguments + 7)) {
    return 2;
  }
  const tinyops_smp_images images = {.describe = describe, .begin = begin, .write = write_piece};
  const tinyops_smp_board board = {
      .write = send, .info = describe_board, .image_calls = &images, .images = &device.slots};
  tinyops_smp smp;
  tinyops_smp_open(&smp, &board, TINYOPS_SMP_LOCAL, room(number(arguments[1])),
                   number(arguments[1]));
  uint32_t given;
  while (fread(&given, 4, 1, stdin) == 1) {
    const uint32_t length = given & 0x7fffffffu;
    if (length > IN_MAX || fread(bytes, 1, length, stdin) != length) {
      return 2;
    }
    give(&smp, bytes, length, given >> 31);
    tell();
  }
  return 0;
}
