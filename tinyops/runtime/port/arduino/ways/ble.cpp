/* Bluetooth Low Energy through ArduinoBLE: the serial service of Nordic's samples, with the UUIDs
 * of tinyops/link/ways.py. */
#include "core.h"
#include "library.h"
#include "way.h"
TINYOPS_LIBRARY_BEGIN
#include <ArduinoBLE.h>
TINYOPS_LIBRARY_END

enum {
  WRITTEN_MAX = 244,
  NOTIFIED_MAX = 20, /* the library cuts off what is longer than the least that every phone takes */
  RING = 512         /* a power of two: some requests */
};

static BLEService service("6e400001-b5a3-f393-e0a9-e50e24dcca9e");
static BLECharacteristic to_board("6e400002-b5a3-f393-e0a9-e50e24dcca9e",
                                  BLEWrite | BLEWriteWithoutResponse, WRITTEN_MAX);
static BLECharacteristic from_board("6e400003-b5a3-f393-e0a9-e50e24dcca9e", BLERead | BLENotify,
                                    NOTIFIED_MAX);
static uint8_t ring[RING], notified[NOTIFIED_MAX];
static uint32_t received, taken; /* run on modulo 2^32 */
static uint32_t held;            /* bytes that no notification has taken yet */
static bool inside;              /* a frame */

static void receive() {
  uint8_t bytes[WRITTEN_MAX];
  BLE.poll();
  if (!to_board.written()) {
    return;
  }
  const int count = to_board.readValue(bytes, WRITTEN_MAX);
  for (int i = 0; i < count && received - taken < RING; ++i) {
    ring[received % RING] = bytes[i];
    ++received;
  }
}

static int32_t read_byte() {
  if (received == taken) {
    receive();
  }
  if (received == taken) {
    return TINYOPS_PORT_NO_BYTE;
  }
  const uint8_t byte = ring[taken % RING];
  ++taken;
  return byte;
}

static void notify() {
  (void)from_board.writeValue(notified, static_cast<int>(held));
  held = 0;
}

/* A frame lies between two 0x00: at the second one, what is held is sent. */
static void write_bytes(const uint8_t *bytes, uint32_t count) {
  for (uint32_t i = 0; i < count; ++i) {
    const bool ends = bytes[i] == 0 && inside;
    inside = bytes[i] != 0;
    notified[held] = bytes[i];
    ++held;
    if (ends || held == NOTIFIED_MAX) {
      notify();
    }
  }
}

void tinyops_arduino_add_ble(tinyops_arduino_ways *ways) {
  static const tinyops_arduino_way way = {read_byte, write_bytes};
  if (BLE.begin() == 0) {
    return;
  }
  (void)BLE.setLocalName("tinyops-collect");
  (void)BLE.setAdvertisedService(service);
  service.addCharacteristic(to_board);
  service.addCharacteristic(from_board);
  BLE.addService(service);
  (void)BLE.advertise();
  tinyops_arduino_add_way(ways, &way);
}
