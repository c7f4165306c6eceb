/* ESP32: two partitions, and a bootloader that tries the one that was written last.
 *
 * Facts: ESP-IDF 4.4, "Over The Air Updates", App Rollback: a firmware that was selected starts as
 * PENDING_VERIFY; unless it is marked valid, the next reset marks it ABORTED and starts the other
 * one. arduino-esp32 2.0.17, cores/esp32/esp32-hal-misc.c: initArduino, before setup(), marks what
 * is pending as valid, unless verifyRollbackLater says true. That function is weak and of C: one of
 * C++'s linkage would be another function, and nothing would say so. */
#if defined(ARDUINO_ARCH_ESP32)

#include <esp_ota_ops.h>

#include "core.h"
#include "hardware.h"

/* The core must not confirm: our self-test comes later. */
extern "C" bool verifyRollbackLater(void);
extern "C" bool verifyRollbackLater(void) { return true; }

static const uint32_t RECORD_BYTES = 4096, NO_NUMBER = 0xffffffff;

static const esp_partition_t *find(uint32_t firmware) {
  return esp_partition_find_first(
      ESP_PARTITION_TYPE_APP,
      firmware == 0 ? ESP_PARTITION_SUBTYPE_APP_OTA_0 : ESP_PARTITION_SUBTYPE_APP_OTA_1, NULL);
}

static uint32_t running(void *context) {
  (void)context;
  const esp_partition_t *second = find(1);
  return second != NULL && esp_ota_get_running_partition()->address == second->address;
}

static esp_ota_img_states_t state_of(const esp_partition_t *partition) {
  esp_ota_img_states_t state = ESP_OTA_IMG_UNDEFINED;
  return esp_ota_get_state_partition(partition, &state) == ESP_OK ? state : ESP_OTA_IMG_UNDEFINED;
}

static int32_t is_on_trial(void *context) {
  (void)context;
  return state_of(esp_ota_get_running_partition()) == ESP_OTA_IMG_PENDING_VERIFY;
}

static int32_t select(void *context, uint32_t firmware) {
  (void)context;
  const esp_partition_t *partition = find(firmware);
  const esp_partition_t *runs = esp_ota_get_running_partition();
  if (partition == NULL || esp_ota_set_boot_partition(partition) != ESP_OK) {
    return -1;
  }
  if (partition->address != runs->address && state_of(partition) != ESP_OTA_IMG_NEW) {
    (void)esp_ota_set_boot_partition(runs); /* the bootloader would keep it, whatever it does */
    return -1;
  }
  return 0;
}

/* Of the two records each lies in a sector of its own, and begins with a number: that of the
 * firmware, from 1 on, and two more at each selection. */
static int32_t cancel(void *context, uint32_t firmware) {
  (void)context;
  const esp_partition_t *records =
      esp_partition_find_first(ESP_PARTITION_TYPE_DATA, ESP_PARTITION_SUBTYPE_DATA_OTA, NULL);
  for (uint32_t at = 0; records != NULL && at < 2 * RECORD_BYTES; at += RECORD_BYTES) {
    uint32_t number = NO_NUMBER;
    if (esp_partition_read(records, at, &number, sizeof(number)) != ESP_OK ||
        (number != NO_NUMBER && number % 2 == (firmware + 1) % 2 &&
         esp_partition_erase_range(records, at, RECORD_BYTES) != ESP_OK)) {
      return -1;
    }
  }
  return records != NULL ? 0 : -1;
}

/* What is marked is the one that a reset would start: that must be the one that runs. */
static int32_t confirm(void *context) {
  (void)context;
  const esp_partition_t *next = esp_ota_get_boot_partition();
  if (next == NULL || next->address != esp_ota_get_running_partition()->address) {
    return -1;
  }
  return esp_ota_mark_app_valid_cancel_rollback() == ESP_OK ? 0 : -1;
}

static void revert(void *context) {
  (void)context;
  (void)esp_ota_mark_app_invalid_rollback_and_reboot();
}

const tinyops_port_update *tinyops_arduino_update(void) {
  static const tinyops_port_update update = {running, is_on_trial, select, cancel, confirm, revert};
  return find(0) != NULL && find(1) != NULL ? &update : nullptr;
}

#else

#include "hardware.h"

const tinyops_port_update *tinyops_arduino_update(void) { return nullptr; }

#endif
