/* Bluetooth Low Energy through ArduinoBLE: the serial service of Nordic's samples, with the UUIDs
 * of tinyops/link/ways.py. */
#include "core.h"
#include "library.h"
#include "way.h"
TINYOPS_LIBRARY_BEGIN
#include <ArduinoBLE.h>
TINYOPS_LIBRARY_END

enum {
  PACKET_MAX = 244, /* what a value may have; the other end may take less */
  RING = 1024       /* a power of two: what comes in one look at the radio */
};

static BLEService service("6e400001-b5a3-f393-e0a9-e50e24dcca9e");
static BLECharacteristic to_board("6e400002-b5a3-f393-e0a9-e50e24dcca9e",
                                  BLEWrite | BLEWriteWithoutResponse, PACKET_MAX);
static BLECharacteristic from_board("6e400003-b5a3-f393-e0a9-e50e24dcca9e", BLERead | BLENotify,
                                    PACKET_MAX);
static uint8_t ring[RING], notified[PACKET_MAX];
static uint32_t received, taken; /* run on modulo 2^32 */
static uint32_t held;            /* bytes that no notification has taken yet */
static bool framed, inside;      /* after a frame's first 0x00; after a byte of it */

/* Each write by itself: the library keeps the last one only. */
static void receive(BLEDevice, BLECharacteristic written) {
  const uint8_t *bytes = written.value();
  const int count = written.valueLength();
  for (int i = 0; i < count && received - taken < RING; ++i) {
    ring[received % RING] = bytes[i];
    ++received;
  }
}

static int32_t read_byte() {
  if (received == taken) {
    BLE.poll();
  }
  if (received == taken) {
    return TINYOPS_PORT_NO_BYTE;
  }
  const uint8_t byte = ring[taken % RING];
  ++taken;
  return byte;
}

bool tinyops_arduino_is_on_ble() { return BLE.connected() && from_board.subscribed(); }

/* The library cuts off what the other end does not take, and says how much it took. */
static void notify() {
  uint32_t sent = 0;
  while (sent < held && tinyops_arduino_is_on_ble()) {
    const int count = from_board.writeValue(notified + sent, static_cast<int>(held - sent));
    if (count <= 0) {
      break;
    }
    sent += static_cast<uint32_t>(count);
  }
  held = 0;
}

/* Whether what is held is to be sent: a frame lies between two 0x00, lines of SMP's console outside
 * of them. */
static bool ends(uint8_t byte) {
  if (byte != 0) {
    inside = framed;
    return byte == '\n' && !framed;
  }
  const bool whole = inside;
  framed = !whole;
  inside = false;
  return whole;
}

static void write_bytes(const uint8_t *bytes, uint32_t count) {
  for (uint32_t i = 0; i < count; ++i) {
    notified[held] = bytes[i];
    ++held;
    if (ends(bytes[i]) || held == PACKET_MAX) {
      notify();
    }
  }
}

const tinyops_arduino_way *tinyops_arduino_open_ble(const char *name) {
  static const tinyops_arduino_way way = {read_byte, write_bytes};
  if (BLE.begin() == 0) {
    return nullptr;
  }
  (void)BLE.setLocalName(name);
  (void)BLE.setAdvertisedService(service);
  to_board.setEventHandler(BLEWritten, receive);
  service.addCharacteristic(to_board);
  service.addCharacteristic(from_board);
  BLE.addService(service);
  (void)BLE.advertise();
  return &way;
}
