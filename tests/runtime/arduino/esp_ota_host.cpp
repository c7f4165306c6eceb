/* An ESP32's bootloader and its record of what to start, on the host; flash is esp_flash_*'s.
 *
 * As ESP-IDF 4.4 has it: two entries in otadata, each in a sector of its own that is erased and
 * then written; the one with the higher number counts. A new one becomes PENDING_VERIFY when it is
 * started, and ABORTED at the next reset. What does not start is passed over. */
#include "esp_ota_host.h"

#include <string.h>

#include "esp_flash.h"
#include "esp_ota_ops.h"
#include "tinyops/sha256.h"

static const uint32_t OTADATA = 0xe000, SECTOR = 4096, NO_NUMBER = 0xffffffff;
static const esp_partition_t partitions[] = {
    {ESP_PARTITION_TYPE_APP, ESP_PARTITION_SUBTYPE_APP_OTA_0, 0x10000, 0x140000},
    {ESP_PARTITION_TYPE_APP, ESP_PARTITION_SUBTYPE_APP_OTA_1, 0x150000, 0x140000},
    {ESP_PARTITION_TYPE_DATA, ESP_PARTITION_SUBTYPE_DATA_OTA, 0xe000, 0x2000}};
bool esp_host_keeps_trials = true;
static uint32_t running;

typedef struct {
  uint32_t number;
  uint8_t label[20];
  uint32_t state;
  uint32_t crc;
} entry;

static uint32_t crc_of(const entry *e) {
  uint32_t crc = 0;
  for (int bit = 0; bit < 32; ++bit) {
    crc = (crc >> 1) ^ (((crc ^ (e->number >> bit)) & 1) != 0 ? 0xedb88320u : 0);
  }
  return ~crc;
}

static entry read_entry(uint32_t i) {
  entry found;
  (void)esp_flash_read(NULL, &found, OTADATA + i * SECTOR, sizeof(found));
  return found;
}

static esp_err_t write_entry(uint32_t i, entry e) {
  e.crc = crc_of(&e);
  esp_err_t status = esp_flash_erase_region(NULL, OTADATA + i * SECTOR, SECTOR);
  return status == ESP_OK ? esp_flash_write(NULL, &e, OTADATA + i * SECTOR, sizeof(e)) : status;
}

static bool is_whole(const entry &e) { return e.number != NO_NUMBER && e.crc == crc_of(&e); }

static bool counts(const entry &e) {
  return is_whole(e) && e.state != ESP_OTA_IMG_INVALID && e.state != ESP_OTA_IMG_ABORTED;
}

static uint32_t firmware_of(const entry &e) { return (e.number - 1) % 2; }

/* The entry that counts, -1: none. */
static int active_entry() {
  const entry first = read_entry(0), second = read_entry(1);
  if (counts(first) && counts(second)) {
    return second.number > first.number;
  }
  return counts(first) ? 0 : counts(second) ? 1 : -1;
}

/* Whether the image in a partition is one: magic, segments, checksum, digest. */
bool esp_host_is_image(uint32_t firmware) {
  const esp_partition_t &place = partitions[firmware];
  uint8_t head[24];
  (void)esp_flash_read(NULL, head, place.address, sizeof(head));
  if (head[0] != 0xe9 || head[1] == 0 || head[1] > 16 || head[23] != 1) {
    return false;
  }
  uint32_t at = sizeof(head);
  uint8_t sum = 0xef, byte = 0;
  for (int segment = 0; segment < head[1]; ++segment) {
    uint32_t words[2];
    (void)esp_flash_read(NULL, words, place.address + at, sizeof(words));
    at += 8;
    if (words[1] > place.size - at) {
      return false;
    }
    for (uint32_t i = 0; i < words[1]; ++i, ++at) {
      (void)esp_flash_read(NULL, &byte, place.address + at, 1);
      sum = static_cast<uint8_t>(sum ^ byte);
    }
  }
  at += 15 - at % 16;
  (void)esp_flash_read(NULL, &byte, place.address + at, 1);
  at += 1;
  uint8_t wanted[32], found[32];
  (void)esp_flash_read(NULL, wanted, place.address + at, sizeof(wanted));
  uint32_t origin = place.address;
  tinyops_sha256_of(
      [](void *context, uint32_t offset, uint8_t *bytes, uint32_t count) {
        (void)esp_flash_read(NULL, bytes, *static_cast<uint32_t *>(context) + offset, count);
      },
      &origin, at, found);
  return byte == sum && memcmp(wanted, found, sizeof(found)) == 0;
}

int esp_host_boot() {
  entry entries[2] = {read_entry(0), read_entry(1)};
  for (uint32_t i = 0; i < 2; ++i) {
    if (entries[i].state == ESP_OTA_IMG_PENDING_VERIFY) {
      entries[i].state = ESP_OTA_IMG_ABORTED;
      (void)write_entry(i, entries[i]);
    }
  }
  const int active = active_entry();
  uint32_t wanted = 0;
  if (active >= 0) {
    wanted = firmware_of(entries[active]);
    if (entries[active].state == ESP_OTA_IMG_NEW) {
      entries[active].state = ESP_OTA_IMG_PENDING_VERIFY;
      (void)write_entry(static_cast<uint32_t>(active), entries[active]);
    }
  }
  for (uint32_t i = 0; i < 2; ++i) {
    running = wanted ^ i;
    if (esp_host_is_image(running)) {
      if (!is_whole(entries[0]) && !is_whole(entries[1])) {
        (void)write_entry(0, entry{running + 1, {0}, ESP_OTA_IMG_VALID, 0});
      }
      return static_cast<int>(running);
    }
  }
  running = 0;
  return -1;
}

void esp_host_resume(int firmware) { running = static_cast<uint32_t>(firmware); }

bool esp_host_runs(const char *mark) {
  char start[64] = "";
  (void)esp_flash_read(NULL, start, partitions[running].address, sizeof(start));
  return memmem(start, sizeof(start), mark, strlen(mark)) != NULL;
}

/* Of the core, in C and weak. */
extern "C" __attribute__((weak)) bool verifyRollbackLater(void);
extern "C" __attribute__((weak)) bool verifyRollbackLater(void) { return false; }

void esp_host_init_arduino() {
  esp_ota_img_states_t state = ESP_OTA_IMG_UNDEFINED;
  if (!verifyRollbackLater() &&
      esp_ota_get_state_partition(esp_ota_get_running_partition(), &state) == ESP_OK &&
      state == ESP_OTA_IMG_PENDING_VERIFY) {
    (void)esp_ota_mark_app_valid_cancel_rollback();
  }
}

const esp_partition_t *esp_partition_find_first(esp_partition_type_t type,
                                                esp_partition_subtype_t subtype, const char *) {
  for (const esp_partition_t &partition : partitions) {
    if (partition.type == type && partition.subtype == subtype) {
      return &partition;
    }
  }
  return NULL;
}

esp_err_t esp_partition_read(const esp_partition_t *partition, size_t from, void *to, size_t size) {
  return esp_flash_read(NULL, to, partition->address + static_cast<uint32_t>(from),
                        static_cast<uint32_t>(size));
}

esp_err_t esp_partition_erase_range(const esp_partition_t *partition, size_t offset, size_t size) {
  return esp_flash_erase_region(NULL, partition->address + static_cast<uint32_t>(offset),
                                static_cast<uint32_t>(size));
}

const esp_partition_t *esp_ota_get_running_partition(void) { return &partitions[running]; }

const esp_partition_t *esp_ota_get_boot_partition(void) {
  const int active = active_entry();
  return &partitions[active < 0 ? 0 : firmware_of(read_entry(static_cast<uint32_t>(active)))];
}

esp_err_t esp_ota_get_state_partition(const esp_partition_t *partition,
                                      esp_ota_img_states_t *state) {
  for (uint32_t i = 0; i < 2; ++i) {
    const entry found = read_entry(i);
    if (is_whole(found) && partitions[firmware_of(found)].address == partition->address) {
      *state = static_cast<esp_ota_img_states_t>(found.state);
      return ESP_OK;
    }
  }
  return -1;
}

esp_err_t esp_ota_set_boot_partition(const esp_partition_t *partition) {
  const uint32_t firmware = partition->address == partitions[1].address;
  if (!esp_host_is_image(firmware)) {
    return -1;
  }
  const int active = active_entry();
  uint32_t number = firmware + 1;
  if (active >= 0) {
    while (number < read_entry(static_cast<uint32_t>(active)).number) {
      number += 2;
    }
  }
  const uint32_t state = esp_host_keeps_trials ? ESP_OTA_IMG_NEW : ESP_OTA_IMG_UNDEFINED;
  return write_entry(active == 0, entry{number, {0}, state, 0});
}

static esp_err_t mark(uint32_t state) {
  const int active = active_entry();
  if (active < 0) {
    return -1;
  }
  entry found = read_entry(static_cast<uint32_t>(active));
  if (found.state == state) {
    return ESP_OK;
  }
  found.state = state;
  return write_entry(static_cast<uint32_t>(active), found);
}

esp_err_t esp_ota_mark_app_valid_cancel_rollback(void) { return mark(ESP_OTA_IMG_VALID); }

esp_err_t esp_ota_mark_app_invalid_rollback_and_reboot(void) {
  const int active = active_entry();
  const entry other = read_entry(active == 0);
  if (active < 0 || !counts(other) || !esp_host_is_image(firmware_of(other)) ||
      mark(ESP_OTA_IMG_INVALID) != ESP_OK) {
    return -1;
  }
  esp_restart();
  return ESP_OK;
}
