/* A collector with two ways, its serial line and BLE, on the host: the radio is here, the rest is
 * the board's own sources. Standard input is a script: `serial HEX` and `ble HEX` arrive, `run
 * COUNT` polls so often. The argument is the board's name. Each write of the serial line and each
 * notification is a line of output.
 */
#include <ArduinoBLE.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <deque>
#include <string>
#include <vector>

#include "tinyops/collect.h"
#include "way.h"

static std::deque<std::vector<uint8_t>> written; /* by a phone, not taken by the board yet */
static std::deque<uint8_t> serial_bytes;

static void say(const char *way, const uint8_t *bytes, size_t count) {
  std::printf("%s ", way);
  for (size_t i = 0; i < count; ++i) {
    std::printf("%02x", bytes[i]);
  }
  std::printf("\n");
}

enum { FITS = 20 }; /* in a notification, as the other end has it */
static std::vector<uint8_t> writing;
static BLECharacteristicEventHandler handler;

BLECharacteristic::BLECharacteristic(const char *, uint8_t, int, bool) {}
BLECharacteristic::BLECharacteristic(const BLECharacteristic &) {}
BLECharacteristic::~BLECharacteristic() {}
int BLECharacteristic::writeValue(const uint8_t value[], int length) {
  const int taken = std::min<int>(length, FITS);
  say("ble", value, static_cast<size_t>(taken));
  return taken;
}
const uint8_t *BLECharacteristic::value() const { return writing.data(); }
int BLECharacteristic::valueLength() const { return static_cast<int>(writing.size()); }
bool BLECharacteristic::subscribed() { return true; }
void BLECharacteristic::setEventHandler(int event, BLECharacteristicEventHandler given) {
  handler = event == BLEWritten ? given : handler;
}
BLEService::BLEService(const char *) {}
BLEService::~BLEService() {}
void BLEService::addCharacteristic(BLECharacteristic &) {}
BLELocalDevice::~BLELocalDevice() {}
int BLELocalDevice::begin() { return 1; }
void BLELocalDevice::poll() {
  while (!::written.empty()) {
    writing = ::written.front();
    ::written.pop_front();
    handler(BLEDevice(), BLECharacteristic(0, 0, 0));
  }
}
bool BLELocalDevice::connected() const { return true; }
bool BLELocalDevice::setLocalName(const char *) { return true; }
bool BLELocalDevice::setAdvertisedService(const BLEService &) { return true; }
void BLELocalDevice::addService(BLEService &) {}
int BLELocalDevice::advertise() { return 1; }
static BLELocalDevice device;
BLELocalDevice &BLE = device;

static int32_t read_byte(void *) {
  if (serial_bytes.empty()) {
    return TINYOPS_PORT_NO_BYTE;
  }
  const uint8_t byte = serial_bytes.front();
  serial_bytes.pop_front();
  return byte;
}

static void write_bytes(void *, const uint8_t *bytes, uint32_t count) {
  say("serial", bytes, count);
}

static int16_t next_value;

static int32_t start(void *, uint32_t) {
  next_value = 0;
  return 0;
}

static int32_t poll(void *, int16_t *values, uint32_t count) {
  for (uint32_t i = 0; i < count; ++i) {
    values[i] = next_value++;
  }
  return 1;
}

static uint32_t missed(void *) { return 0; }

static void arrive(char *line, std::vector<uint8_t> *bytes) {
  unsigned value = 0;
  for (const char *digits = std::strchr(line, ' ') + 1; std::sscanf(digits, "%2x", &value) == 1;
       digits += 2) {
    bytes->push_back(static_cast<uint8_t>(value));
  }
}

int main(int count, char **words) {
  static const uint8_t contract[32] = {0};
  static const tinyops_port_sensor sensor = {start, poll, missed};
  static int16_t frame[6];
  static tinyops_arduino_ways ways;
  static tinyops_collect collect;
  static char line[4096];
  tinyops_port port = tinyops_port();
  port.read_byte = read_byte;
  port.write = write_bytes;
  port.sensor = &sensor;
  tinyops_arduino_open_ways(&ways, &port);
  tinyops_arduino_add_way(&ways, tinyops_arduino_open_ble("tinyops-collect"));
  const tinyops_collect_board board = {
      &ways.port, count > 1 ? words[1] : "desk", contract, frame, 6, 50000};
  tinyops_collect_init(&collect, &board);
  while (std::fgets(line, sizeof(line), stdin) != nullptr) {
    std::vector<uint8_t> bytes;
    int polls = 1;
    if (std::sscanf(line, "run %d", &polls) != 1) {
      arrive(line, &bytes);
      if (line[0] == 'b') {
        written.push_back(bytes);
      } else {
        serial_bytes.insert(serial_bytes.end(), bytes.begin(), bytes.end());
      }
    }
    for (int i = 0; i < polls; ++i) {
      (void)tinyops_collect_poll(&collect);
    }
  }
  return 0;
}
