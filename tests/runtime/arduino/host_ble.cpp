/* A peripheral's radio as a socket of packets, at the path that AIR names: whoever connects there
 * is the central, its first packet says how many bytes of a value fit and subscribes, each of the
 * next is written, each notification is a packet to it. What is advertised is a line of AIR.told.
 */
#include <ArduinoBLE.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

static int listening = -1, central = -1;
static int fits; /* 0: not subscribed */
static uint8_t packet[512];
static int packet_bytes;
static BLECharacteristicEventHandler handler;
static std::string name;

BLECharacteristic::BLECharacteristic(const char *, uint8_t, int, bool) {}
BLECharacteristic::BLECharacteristic(const BLECharacteristic &) {}
BLECharacteristic::~BLECharacteristic() {}
const uint8_t *BLECharacteristic::value() const { return packet; }
int BLECharacteristic::valueLength() const { return packet_bytes; }
bool BLECharacteristic::subscribed() { return fits > 0; }
void BLECharacteristic::setEventHandler(int event, BLECharacteristicEventHandler given) {
  handler = event == BLEWritten ? given : handler;
}

/* As the library: what does not fit is cut off; how much was taken. */
int BLECharacteristic::writeValue(const uint8_t value[], int length) {
  if (central < 0 || fits == 0) {
    return length;
  }
  const int taken = length < fits ? length : fits;
  return send(central, value, static_cast<size_t>(taken), MSG_NOSIGNAL) == taken ? taken : 0;
}

BLEService::BLEService(const char *) {}
BLEService::~BLEService() {}
void BLEService::addCharacteristic(BLECharacteristic &) {}
BLELocalDevice::~BLELocalDevice() {}
bool BLELocalDevice::setLocalName(const char *given) {
  name = given;
  return name.size() <= 29;
}
bool BLELocalDevice::setAdvertisedService(const BLEService &) { return true; }
void BLELocalDevice::addService(BLEService &) {}
int BLELocalDevice::begin() { return std::getenv("AIR") != 0; }

int BLELocalDevice::advertise() {
  const std::string path = std::getenv("AIR");
  FILE *told = std::fopen((path + ".told").c_str(), "w");
  sockaddr_un place = {};
  place.sun_family = AF_UNIX;
  (void)std::snprintf(place.sun_path, sizeof(place.sun_path), "%s", path.c_str());
  (void)unlink(place.sun_path);
  listening = socket(AF_UNIX, SOCK_SEQPACKET, 0);
  if (told == 0 || bind(listening, reinterpret_cast<sockaddr *>(&place), sizeof(place)) != 0 ||
      listen(listening, 1) != 0) {
    std::abort();
  }
  (void)std::fprintf(told, "%s\n", name.c_str());
  return std::fclose(told) == 0;
}

static bool ready(int file) {
  pollfd one = {file, POLLIN, 0};
  return file >= 0 && ::poll(&one, 1, 0) > 0;
}

/* Everything that came, as the library takes it. */
void BLELocalDevice::poll() {
  if (central < 0 && ready(listening)) {
    central = accept(listening, 0, 0);
  }
  while (ready(central)) {
    packet_bytes = static_cast<int>(recv(central, packet, sizeof(packet), 0));
    if (packet_bytes <= 0) {
      close(central);
      central = -1;
      fits = 0;
    } else if (fits == 0) {
      fits = packet[0];
    } else if (handler != 0) {
      handler(BLEDevice(), BLECharacteristic(0, 0, 0));
    }
  }
}

bool BLELocalDevice::connected() const { return central >= 0; }

static BLELocalDevice device;
BLELocalDevice &BLE = device;
