/* A rendered Arduino program for an ESP32 as a process: the serial line is standard input and
 * output, the Bluetooth radio a file, a watchdog that nobody feeds is nobody's. */
#include <esp_system.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "Arduino.h"
#include "ArduinoBLE.h"
#include "esp_ota_host.h"

void setup();
void loop();

/* The radio is the file that BLE names: a line for what is advertised, then one a notification. */
static FILE *radio;
static char service_uuid[37], characteristic_uuid[37];
BLECharacteristic::BLECharacteristic(const char *uuid, uint8_t properties, int size, bool fixed) {
  std::snprintf(characteristic_uuid, sizeof(characteristic_uuid), "%s", uuid);
  if (properties != (BLERead | BLENotify) || size != 8 || !fixed) {
    std::abort();
  }
}
BLECharacteristic::BLECharacteristic(const BLECharacteristic &) {}
BLECharacteristic::~BLECharacteristic() {}
int BLECharacteristic::writeValue(const uint8_t value[], int length) {
  for (int i = 0; i < length; ++i) {
    (void)std::fprintf(radio, "%02x", value[i]);
  }
  (void)std::fprintf(radio, "\n");
  return std::fflush(radio) == 0;
}
BLEService::BLEService(const char *uuid) {
  std::snprintf(service_uuid, sizeof(service_uuid), "%s", uuid);
}
BLEService::~BLEService() {}
void BLEService::addCharacteristic(BLECharacteristic &) {}
BLELocalDevice::~BLELocalDevice() {}
int BLELocalDevice::begin() {
  const char *name = std::getenv("BLE");
  radio = name != 0 ? std::fopen(name, "w") : 0;
  return radio != 0;
}
void BLELocalDevice::poll() {}
bool BLELocalDevice::connected() const { return true; }
bool BLELocalDevice::setLocalName(const char *) { return true; }
bool BLELocalDevice::setAdvertisedService(const BLEService &) { return true; }
void BLELocalDevice::addService(BLEService &) {}
int BLELocalDevice::advertise() {
  return std::fprintf(radio, "%s %s\n", service_uuid, characteristic_uuid) > 0;
}
static BLELocalDevice device;
BLELocalDevice &BLE = device;

void enableLoopWDT() {}
void feedLoopWDT() {}
esp_reset_reason_t esp_reset_reason(void) { return ESP_RST_POWERON; }
void esp_restart(void) { std::_Exit(0); }

/* After a reset the bootloader chooses; what is marked as bad is another program, BAD. Nothing is
 * there where a test has flashed nothing. */
int main(int, char **names) {
  const char *bad = std::getenv("BAD");
  const char *chosen = std::getenv("CHOSEN");
  const int firmware = chosen != 0 ? std::atoi(chosen) : esp_host_boot();
  if (chosen == 0 && bad != 0 && esp_host_runs("BAD!")) {
    (void)setenv("CHOSEN", firmware == 0 ? "0" : "1", 1);
    (void)execv(bad, names);
  }
  if (firmware >= 0) {
    esp_host_resume(firmware);
    esp_host_init_arduino();
  }
  setup();
  for (;;) {
    loop();
  }
}
