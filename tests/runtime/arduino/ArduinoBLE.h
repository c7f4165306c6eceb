/* What tinyops uses of the library ArduinoBLE, declared and no more. */
#ifndef THIN_ARDUINO_BLE_H
#define THIN_ARDUINO_BLE_H

#include <stdint.h>

enum { BLERead = 0x02, BLEWriteWithoutResponse = 0x04, BLEWrite = 0x08, BLENotify = 0x10 };
enum BLECharacteristicEvent { BLESubscribed = 0, BLEUnsubscribed = 1, BLEWritten = 3 };

class BLEDevice {
 public:
  virtual ~BLEDevice() {}
};

class BLECharacteristic;
typedef void (*BLECharacteristicEventHandler)(BLEDevice device, BLECharacteristic characteristic);

class BLECharacteristic {
 public:
  BLECharacteristic(const char *uuid, uint8_t properties, int valueSize, bool fixedLength = false);
  BLECharacteristic(const BLECharacteristic &other);
  virtual ~BLECharacteristic();
  const uint8_t *value() const;
  int valueLength() const;
  int writeValue(const uint8_t value[], int length);
  bool subscribed();
  void setEventHandler(int event, BLECharacteristicEventHandler eventHandler);
};

class BLEService {
 public:
  explicit BLEService(const char *uuid);
  virtual ~BLEService();
  void addCharacteristic(BLECharacteristic &characteristic);
};

class BLELocalDevice {
 public:
  virtual ~BLELocalDevice();
  virtual int begin();
  virtual void poll();
  virtual bool connected() const;
  virtual bool setLocalName(const char *name);
  virtual bool setAdvertisedService(const BLEService &service);
  virtual void addService(BLEService &service);
  virtual int advertise();
};

extern BLELocalDevice &BLE;

#endif
