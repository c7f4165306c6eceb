/* Bluetooth Low Energy through ArduinoBLE: one service, whose one characteristic is read or
 * subscribed to. */
#include "act.h"
#include "core.h"
#include "library.h"
TINYOPS_LIBRARY_BEGIN
#include <ArduinoBLE.h>
TINYOPS_LIBRARY_END

static BLEService service("6f2b0001-4c1e-4f0a-9d3b-74696e796f70");
static BLECharacteristic newest("6f2b0002-4c1e-4f0a-9d3b-74696e796f70", BLERead | BLENotify,
                                TINYOPS_ARDUINO_NOTIFICATION, true);
static bool working;

int32_t tinyops_arduino_ble_open(void) {
  working = BLE.begin() != 0;
  if (!working) {
    return -1;
  }
  (void)BLE.setLocalName("tinyops");
  (void)BLE.setAdvertisedService(service);
  service.addCharacteristic(newest);
  BLE.addService(service);
  return BLE.advertise() != 0 ? 0 : -1;
}

void tinyops_arduino_ble_poll(void) {
  if (working) {
    BLE.poll();
  }
}

void tinyops_arduino_ble_notify(const tinyops_arduino_result *result) {
  uint8_t bytes[TINYOPS_ARDUINO_NOTIFICATION];
  if (working) {
    tinyops_arduino_pack(result, bytes);
    (void)newest.writeValue(bytes, TINYOPS_ARDUINO_NOTIFICATION);
  }
}
