/* An ESP32 that is updated while its power fails: the real slot library, signatures, vendor.c and
 * update_esp32.cpp over the bootloader's own record, all in one chip's flash.
 *
 *   vendor_ab FIRST SECOND THIRD FORGED KEY LARGEST
 *
 * FIRST is what a cable brought, as the bootloader wants it; the others are signed images: for slot
 * 1, for slot 0, for slot 0 with a wrong signature, and one that fills slot 0. KEY is the trusted
 * key. A client does what it wants done until it is; power fails at every single operation of
 * flash, and then at a second one. A line a scenario: its name, operations, cuts, and how often a
 * firmware was on trial. A find ends the run with its line. */
#include <csetjmp>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "esp_flash.h"
#include "esp_ota_host.h"
#include "esp_ota_ops.h"
#include "hardware.h"
#include "input.h"
#include "tinyops/vendor.h"

extern "C" const tinyops_boot_table tinyops_boot_own;

typedef std::vector<uint8_t> file_bytes;

static const uint32_t CHIP = 0x2a0000, SECTOR = 4096, PAGE = 256, STATE = 0x292000;
static uint8_t chip[CHIP];
static uint8_t programmed[CHIP / PAGE];
static uint32_t operations, cut_at, next_cut, noise; /* the second comes so many operations later */
static jmp_buf off;

/* One operation: power may fail within it. */
static bool fails() {
  noise = noise * 1664525u + 1013904223u;
  if (++operations != cut_at) {
    return false;
  }
  cut_at = next_cut != 0 ? operations + next_cut : cut_at;
  next_cut = 0;
  return true;
}

static void tear(uint32_t address, uint32_t count) {
  for (uint32_t i = 0; i < count; ++i) {
    noise = noise * 1664525u + 1013904223u;
    chip[address + i] = static_cast<uint8_t>(noise >> 24);
  }
  longjmp(off, 2);
}

esp_err_t esp_flash_erase_region(esp_flash_t *, uint32_t start, uint32_t length) {
  FUZZ_CHECK(start % SECTOR == 0 && length % SECTOR == 0 && start + length <= CHIP);
  for (uint32_t at = start; at < start + length; at += SECTOR) {
    std::memset(programmed + at / PAGE, 0, SECTOR / PAGE);
    if (fails()) {
      std::memset(programmed + at / PAGE, 1, SECTOR / PAGE);
      tear(at, SECTOR);
    }
    std::memset(chip + at, 0xff, SECTOR);
  }
  return ESP_OK;
}

esp_err_t esp_flash_write(esp_flash_t *, const void *buffer, uint32_t address, uint32_t length) {
  FUZZ_CHECK(address + length <= CHIP);
  FUZZ_CHECK(address % PAGE + length <= PAGE || address % PAGE == 0);
  for (uint32_t at = 0; at < length; at += PAGE) {
    const uint32_t count = length - at < PAGE ? length - at : PAGE;
    FUZZ_CHECK(programmed[(address + at) / PAGE] == 0);
    programmed[(address + at) / PAGE] = 1;
    if (fails()) {
      tear(address + at, count);
    }
    std::memcpy(chip + address + at, static_cast<const uint8_t *>(buffer) + at, count);
  }
  return ESP_OK;
}

esp_err_t esp_flash_read(esp_flash_t *, void *buffer, uint32_t address, uint32_t length) {
  FUZZ_CHECK(address + length <= CHIP);
  std::memcpy(buffer, chip + address, length);
  return ESP_OK;
}

void esp_restart(void) { longjmp(off, 1); }

/* The board, as its firmware sets it up at each start. */
static tinyops_port port;
static tinyops_vendor vendor;
static tinyops_slots slots;
static uint8_t unit[PAGE];
static uint8_t key[32];
static const uint8_t contract[32] = {0};

static void open_board() {
  std::memset(&slots, 0, sizeof(slots));
  port.flash = tinyops_arduino_flash();
  port.update = tinyops_arduino_update();
  vendor.port = &port;
  vendor.own = &tinyops_boot_own;
  vendor.partitions[0].origin = 0x10000;
  vendor.partitions[1].origin = 0x150000;
  vendor.partitions[0].bytes = vendor.partitions[1].bytes = 0x140000;
  FUZZ_CHECK(tinyops_vendor_open(&vendor) == TINYOPS_SLOTS_OK);
  slots.board = "esp32";
  slots.contract = contract;
  slots.unit = unit;
  slots.unit_bytes = sizeof(unit);
  slots.flash = vendor.view.flash;
  slots.context = vendor.view.context;
  slots.crypto = &vendor.table;
  slots.keys = key;
  slots.key_count = 1;
  slots.state.origin = STATE;
  slots.state.bytes = 2 * SECTOR;
  FUZZ_CHECK(vendor.table.open(&slots) == TINYOPS_SLOTS_OK);
}

static const uint32_t IMAGE_HEADER = 256;
static file_bytes first, second, third, forged;

/* Whether the firmware in a partition is the body of an image. */
static bool holds(uint32_t firmware, const file_bytes &file, uint32_t header) {
  const uint8_t *at = chip + (firmware == 0 ? 0x10000 : 0x150000);
  return std::memcmp(at, file.data() + header, 4096) == 0;
}

static const uint8_t *digest_of(const file_bytes &file) {
  static uint8_t digest[32];
  const uint32_t body = static_cast<uint32_t>(file[12]) | static_cast<uint32_t>(file[13]) << 8;
  const uint32_t shielded = static_cast<uint32_t>(file[10]) | static_cast<uint32_t>(file[11]) << 8;
  std::memcpy(digest, file.data() + IMAGE_HEADER + body + shielded + 8, sizeof(digest));
  return digest;
}

/* Sends a file and puts it on trial. While what is sent is not proved, the bootloader would start
 * nothing of it. Returns why not. */
static int32_t put(const file_bytes &file) {
  const tinyops_boot_table &table = vendor.table;
  const uint32_t spare = port.update->running(port.context) ^ 1;
  int32_t next =
      table.begin(&slots, TINYOPS_IMAGE_FIRMWARE, static_cast<uint32_t>(file.size()), nullptr);
  while (next >= 0 && static_cast<uint32_t>(next) < file.size()) {
    const uint32_t left = static_cast<uint32_t>(file.size()) - static_cast<uint32_t>(next);
    next = table.write(&slots, static_cast<uint32_t>(next), file.data() + next,
                       left < 500 ? left : 500);
    FUZZ_CHECK(!esp_host_is_image(spare));
  }
  const int32_t status = next < 0 ? next : table.finish(&slots);
  FUZZ_CHECK(esp_host_is_image(spare) == (status == TINYOPS_SLOTS_OK));
  return status;
}

static int32_t try_out(const file_bytes &file) {
  const int32_t status = put(file);
  if (status < 0) {
    return status;
  }
  const int32_t tested = vendor.table.test(&slots, TINYOPS_IMAGE_FIRMWARE, digest_of(file));
  /* A client asks again when the answer is lost. */
  FUZZ_CHECK(tested < 0 ||
             vendor.table.test(&slots, TINYOPS_IMAGE_FIRMWARE, digest_of(file)) == tested);
  return tested;
}

static const tinyops_slots_image &state() { return slots.images[TINYOPS_IMAGE_FIRMWARE]; }

/* What a client does in one session with the board; ends by a reset. 1: it has what it wants. */
typedef bool (*client)(uint32_t running);
static uint32_t trials, asked;

static bool wants_second(uint32_t running) {
  if (holds(running, second, IMAGE_HEADER)) {
    if (state().state == TINYOPS_TRIAL_RUNNING) {
      FUZZ_CHECK(vendor.table.confirm(&slots, TINYOPS_IMAGE_FIRMWARE) == TINYOPS_SLOTS_OK);
    }
    FUZZ_CHECK(state().state == TINYOPS_TRIAL_IDLE && state().active == 1);
    return true;
  }
  FUZZ_CHECK(try_out(second) == TINYOPS_SLOTS_OK);
  return false;
}

/* Tries the third on top of the second, and never confirms it: once, unless power fails before. */
static bool tries_third(uint32_t running) {
  if (holds(running, third, IMAGE_HEADER)) {
    FUZZ_CHECK(state().state == TINYOPS_TRIAL_RUNNING);
    asked = 1;
    return false;
  }
  FUZZ_CHECK(holds(running, second, IMAGE_HEADER) && state().state == TINYOPS_TRIAL_IDLE);
  if (asked != 0) {
    FUZZ_CHECK(state().outcome == TINYOPS_TRIAL_RESET);
    return true;
  }
  FUZZ_CHECK(try_out(third) == TINYOPS_SLOTS_OK);
  return false;
}

/* The same, where the third finds by itself that it does not work. */
static bool fails_itself(uint32_t running) {
  if (holds(running, third, IMAGE_HEADER)) {
    FUZZ_CHECK(state().state == TINYOPS_TRIAL_RUNNING);
    asked = 1;
    (void)vendor.table.revert(&slots, TINYOPS_IMAGE_FIRMWARE, TINYOPS_TRIAL_SELF_TEST);
    FUZZ_CHECK(!"it went on");
  }
  FUZZ_CHECK(holds(running, second, IMAGE_HEADER) && state().state == TINYOPS_TRIAL_IDLE);
  if (asked != 0) {
    FUZZ_CHECK(state().outcome == TINYOPS_TRIAL_SELF_TEST || cut_at != 0);
    return true;
  }
  FUZZ_CHECK(try_out(third) == TINYOPS_SLOTS_OK);
  return false;
}

static bool sends_forged(uint32_t running) {
  FUZZ_CHECK(holds(running, second, IMAGE_HEADER) && state().state == TINYOPS_TRIAL_IDLE);
  FUZZ_CHECK(try_out(forged) == TINYOPS_SLOTS_ERR_SIGNATURE);
  return ++asked >= 2;
}

/* What is pending makes room for another upload, which never ends. */
static bool changes_its_mind(uint32_t running) {
  if (state().state == TINYOPS_TRIAL_RUNNING) {
    FUZZ_CHECK(holds(running, third, IMAGE_HEADER) && cut_at != 0);
    return false; /* power failed before it had changed its mind */
  }
  FUZZ_CHECK(holds(running, second, IMAGE_HEADER));
  if (asked != 0) {
    return true;
  }
  FUZZ_CHECK(try_out(third) == TINYOPS_SLOTS_OK);
  FUZZ_CHECK(vendor.table.begin(&slots, TINYOPS_IMAGE_FIRMWARE, 5000, nullptr) == 0);
  asked = 1;
  return false;
}

/* Runs the board with a client until that has what it wants; then what runs stays, over resets. */
static void serve(client wants) {
  volatile uint32_t starts = 0;
  volatile bool done = false;
  volatile uint32_t last = 2;
  (void)setjmp(off);
  FUZZ_CHECK(++starts < 12);
  const int running = esp_host_boot();
  FUZZ_CHECK(running >= 0);
  const uint32_t number = static_cast<uint32_t>(running);
  FUZZ_CHECK(holds(number, first, 0) || holds(number, second, IMAGE_HEADER) ||
             holds(number, third, IMAGE_HEADER));
  esp_host_init_arduino();
  open_board();
  trials += state().state == TINYOPS_TRIAL_RUNNING;
  FUZZ_CHECK((state().state == TINYOPS_TRIAL_RUNNING) == port.update->is_on_trial(port.context));
  if (done) {
    FUZZ_CHECK(number == last && state().state == TINYOPS_TRIAL_IDLE);
    return;
  }
  done = wants(number);
  last = number;
  esp_restart();
}

static uint8_t before_chip[CHIP];
static uint8_t before_programmed[sizeof(programmed)];

static void back_to_start() {
  std::memcpy(chip, before_chip, sizeof(chip));
  std::memcpy(programmed, before_programmed, sizeof(programmed));
  operations = asked = 0;
}

/* Without a cut, with one at each operation, and with a second one some operations later. */
static void run(const char *name, client wants) {
  std::memcpy(before_chip, chip, sizeof(chip));
  std::memcpy(before_programmed, programmed, sizeof(programmed));
  operations = asked = trials = cut_at = 0;
  serve(wants);
  const uint32_t total = operations;
  uint32_t cuts = 0;
  for (uint32_t at = 1; at <= total; ++at) {
    for (uint32_t second_cut = 0; second_cut < 2; ++second_cut) {
      back_to_start();
      noise = at;
      cut_at = at;
      next_cut = second_cut == 0 ? 0 : 1 + at % 11;
      serve(wants);
      cuts += 1 + (second_cut != 0 && next_cut == 0 && operations >= cut_at);
    }
  }
  std::printf("%s %u %u %u\n", name, static_cast<unsigned>(total), static_cast<unsigned>(cuts),
              static_cast<unsigned>(trials));
  cut_at = 0;
  back_to_start();
  serve(wants);
}

static file_bytes load(const char *name) {
  FILE *file = std::fopen(name, "rb");
  FUZZ_CHECK(file != nullptr);
  file_bytes found(1 << 21);
  found.resize(std::fread(found.data(), 1, found.size(), file));
  (void)std::fclose(file);
  return found;
}

/* What a cable writes, erased first. */
static void write_by_cable(uint32_t address, const file_bytes &data) {
  const uint32_t pages = static_cast<uint32_t>((data.size() + PAGE - 1) / PAGE);
  std::memset(chip + address, 0xff, (data.size() + SECTOR - 1) / SECTOR * SECTOR);
  std::memcpy(chip + address, data.data(), data.size());
  std::memset(programmed + address / PAGE, 1, pages);
}

static void restart() {
  FUZZ_CHECK(esp_host_boot() >= 0);
  esp_host_init_arduino();
  open_board();
}

/* `tinyops flash` writes slot 0 and blanks otadata: without the latter the second slot's firmware
 * would go on. What it wrote stays selected, and can be updated. */
static void flash_by_cable() {
  static const file_bytes blank(2 * SECTOR, 0xff);
  write_by_cable(0x10000, first);
  (void)setjmp(off);
  restart();
  FUZZ_CHECK(port.update->running(port.context) == 1);
  write_by_cable(0xe000, blank);
  for (uint32_t starts = 0; starts < 3; ++starts) {
    restart();
    FUZZ_CHECK(port.update->running(port.context) == 0 && holds(0, first, 0));
    FUZZ_CHECK(state().state == TINYOPS_TRIAL_IDLE && state().active == 0);
  }
}

/* What the host takes for the largest image is what fits, and not a byte more. */
static void take_largest(const file_bytes &file) {
  const uint32_t bytes = static_cast<uint32_t>(file.size());
  FUZZ_CHECK(put(file) == TINYOPS_SLOTS_OK);
  FUZZ_CHECK(vendor.table.begin(&slots, TINYOPS_IMAGE_FIRMWARE, bytes + 1, nullptr) ==
             TINYOPS_SLOTS_ERR_BYTES);
}

int main(int count, char **names) {
  FUZZ_CHECK(count == 7);
  first = load(names[1]);
  second = load(names[2]);
  third = load(names[3]);
  forged = load(names[4]);
  std::memcpy(key, load(names[5]).data(), sizeof(key));
  std::memset(chip, 0xff, sizeof(chip));
  std::memcpy(chip + 0x10000, first.data(), first.size());
  std::memset(programmed + 0x10000 / PAGE, 1, first.size() / PAGE + 1);
  run("update", wants_second);
  run("trial", tries_third);
  run("self-test", fails_itself);
  run("forged", sends_forged);
  run("another", changes_its_mind);
  flash_by_cable();
  run("after a cable", wants_second);
  take_largest(load(names[6]));
  esp_host_keeps_trials = false;
  (void)setjmp(off);
  FUZZ_CHECK(esp_host_boot() == 1);
  open_board();
  FUZZ_CHECK(try_out(third) == TINYOPS_SLOTS_ERR_IMAGE);
  std::printf("without trials: refused\n");
  return 0;
}
