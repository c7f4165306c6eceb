/* The ESP32's radio, tasks and flash as far as the Arduino port uses them, on the host: the task is
 * a thread, the network is a socket to a real server, flash is a file (or memory), in which bits
 * only fall but by erasing. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <freertos/FreeRTOS.h>
#include <freertos/queue.h>
#include <freertos/task.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "Arduino.h"
#include "HTTPClient.h"
#include "WiFi.h"
#include "esp_flash.h"

typedef std::vector<uint8_t> item_bytes;

struct QueueDefinition {
  size_t length, size;
  std::deque<item_bytes> items;
};

static std::mutex lock;
static std::condition_variable changed;
static std::string asked_url, asked_body;

QueueHandle_t xQueueCreate(UBaseType_t length, UBaseType_t size) {
  return new QueueDefinition{length, size, {}};
}

BaseType_t xQueueSend(QueueHandle_t queue, const void *item, TickType_t ticks) {
  (void)ticks;
  std::lock_guard<std::mutex> held(lock);
  if (queue->items.size() == queue->length) {
    return 0;
  }
  const uint8_t *bytes = static_cast<const uint8_t *>(item);
  queue->items.emplace_back(bytes, bytes + queue->size);
  changed.notify_all();
  return pdTRUE;
}

BaseType_t xQueueReceive(QueueHandle_t queue, void *item, TickType_t ticks) {
  std::unique_lock<std::mutex> held(lock);
  if (ticks != 0) {
    changed.wait(held, [queue] { return !queue->items.empty(); });
  }
  if (queue->items.empty()) {
    return 0;
  }
  std::memcpy(item, queue->items.front().data(), queue->size);
  queue->items.pop_front();
  return pdTRUE;
}

BaseType_t xTaskCreate(TaskFunction_t task, const char *, uint32_t, void *given, UBaseType_t,
                       TaskHandle_t *) {
  std::thread(task, given).detach();
  return pdPASS;
}

void vTaskDelay(TickType_t ticks) {
  std::this_thread::sleep_for(std::chrono::microseconds(ticks)); /* a thousand times as fast */
}

WiFiClass WiFi;
static bool joined;
void WiFiClass::persistent(bool) {}
bool WiFiClass::mode(wifi_mode_t) { return true; }
bool WiFiClass::setAutoReconnect(bool) { return true; }
wl_status_t WiFiClass::begin(const char *ssid, const char *passphrase) {
  joined = std::strcmp(ssid, "plant-7") == 0 && std::strcmp(passphrase, "correct horse") == 0;
  return WL_IDLE_STATUS;
}
wl_status_t WiFiClass::status() { return joined ? WL_CONNECTED : WL_DISCONNECTED; }

static std::string spoken; /* what String was made of last */
String::String(const char *text) { spoken = text; }
String::~String() {}
HTTPClient::HTTPClient() {}
HTTPClient::~HTTPClient() {}
bool HTTPClient::begin(String) {
  asked_url = spoken;
  return true;
}
void HTTPClient::end() {}
void HTTPClient::setConnectTimeout(int32_t) {}
void HTTPClient::setTimeout(uint16_t) {}
void HTTPClient::addHeader(const String &, const String &, bool, bool) {}

/* A request to http://HOST:PORT/PATH, on this machine, where PLANT is a server that stands for it;
 * the status, or a negative number as the core has it. */
int HTTPClient::POST(uint8_t *payload, size_t size) {
  unsigned port = 0;
  char path[200] = "";
  const char *plant = std::getenv("PLANT");
  if (std::sscanf(asked_url.c_str(), "http://%*[^:/]:%u%199s", &port, path) != 2 ||
      (plant != 0 && std::sscanf(plant, "http://127.0.0.1:%u", &port) != 1)) {
    return -1;
  }
  const int line = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in to = {};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<uint16_t>(port));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int status = -1;
  if (connect(line, reinterpret_cast<sockaddr *>(&to), sizeof(to)) == 0) {
    std::string text = std::string("POST ") + path +
                       " HTTP/1.0\r\nContent-Length: " + std::to_string(size) + "\r\n\r\n";
    text.append(reinterpret_cast<char *>(payload), size);
    char answer[64] = "";
    if (write(line, text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
        read(line, answer, sizeof(answer) - 1) > 0) {
      (void)std::sscanf(answer, "HTTP/1.%*d %d", &status);
    }
  }
  close(line);
  return status;
}

EspClass ESP;
static const uint32_t SECTOR_BYTES = 4096, CHIP_BYTES = 4 << 20;

/* The file that FLASH names, or memory; begins erased. */
static uint8_t *chip() {
  static uint8_t *found;
  if (found != 0) {
    return found;
  }
  const char *name = std::getenv("FLASH");
  const int file = name != 0 ? open(name, O_RDWR | O_CREAT, 0600) : -1;
  const bool fresh = file < 0 || lseek(file, 0, SEEK_END) == 0;
  const int kind = file < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
  void *memory = MAP_FAILED;
  if (file < 0 || ftruncate(file, CHIP_BYTES) == 0) {
    memory = mmap(0, CHIP_BYTES, PROT_READ | PROT_WRITE, kind, file, 0);
  }
  if (memory == MAP_FAILED) {
    std::abort();
  }
  found = static_cast<uint8_t *>(memory);
  if (fresh) {
    std::memset(found, 0xff, CHIP_BYTES);
  }
  return found;
}

uint32_t EspClass::getCycleCount() { return 0; }
uint64_t EspClass::getEfuseMac() { return 0x0000a1b2c3d4e5f6; }

extern "C" esp_err_t esp_flash_erase_region(esp_flash_t *, uint32_t start, uint32_t length) {
  if (start % SECTOR_BYTES != 0 || length % SECTOR_BYTES != 0) {
    return -1;
  }
  std::memset(chip() + start, 0xff, length);
  return ESP_OK;
}

extern "C" esp_err_t esp_flash_write(esp_flash_t *, const void *buffer, uint32_t address,
                                     uint32_t length) {
  const uint8_t *from = static_cast<const uint8_t *>(buffer);
  for (uint32_t i = 0; i < length; ++i) {
    chip()[address + i] = static_cast<uint8_t>(chip()[address + i] & from[i]);
  }
  return ESP_OK;
}

extern "C" esp_err_t esp_flash_read(esp_flash_t *, void *buffer, uint32_t address,
                                    uint32_t length) {
  std::memcpy(buffer, chip() + address, length);
  return ESP_OK;
}
