/* The ESP32's radio, tasks and flash as far as the Arduino port uses them, on the host: the task is
 * a thread, the network is a socket to a real server, flash is memory that forgets nothing but by
 * erasing.
 *
 *   acting json DEVICE LABEL,LABEL|- LOST TYPE:HEX   one report as JSON and as a notification
 *   acting post URL ONLY_CHANGES COUNT               posts COUNT results; classes alternate in
 * threes acting flash                                     checks erase, program, read */
#include <arpa/inet.h>
#include <freertos/FreeRTOS.h>
#include <freertos/queue.h>
#include <freertos/task.h>
#include <netinet/in.h>
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
#include "act.h"

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

/* A request to http://127.0.0.1:PORT/PATH; the status, or a negative number as the core has it. */
int HTTPClient::POST(uint8_t *payload, size_t size) {
  unsigned port = 0;
  char path[200] = "";
  if (std::sscanf(asked_url.c_str(), "http://127.0.0.1:%u%199s", &port, path) != 2) {
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
static const uint32_t SECTOR_BYTES = 4096;
static uint8_t chip[4 * SECTOR_BYTES];
uint32_t EspClass::getCycleCount() { return 0; }
bool EspClass::flashEraseSector(uint32_t sector) {
  std::memset(chip + sector * SECTOR_BYTES, 0xff, SECTOR_BYTES);
  return sector < sizeof(chip) / SECTOR_BYTES;
}
bool EspClass::flashWrite(uint32_t offset, uint32_t *data, size_t size) {
  const uint8_t *from = reinterpret_cast<const uint8_t *>(data);
  for (size_t i = 0; i < size; ++i) {
    chip[offset + i] = static_cast<uint8_t>(chip[offset + i] & from[i]);
  }
  return offset % 4 == 0 && size % 4 == 0;
}
bool EspClass::flashRead(uint32_t offset, uint32_t *data, size_t size) {
  std::memcpy(data, chip + offset, size);
  return offset % 4 == 0 && size % 4 == 0;
}

static tinyops_arduino_post post_of(const char *device, char *labels) {
  static const char *names[8];
  tinyops_arduino_post post = tinyops_arduino_post();
  post.board = "esp32";
  post.fleet = "wrist";
  std::strncpy(post.device, device, sizeof(post.device) - 1);
  std::strcpy(post.ssid, "plant-7");
  std::strcpy(post.password, "correct horse");
  for (char *name = std::strtok(labels, ","); name != 0 && std::strcmp(name, "-") != 0;
       name = std::strtok(0, ",")) {
    names[post.label_count++] = name;
  }
  post.labels = post.label_count > 0 ? names : 0;
  return post;
}

static int json(char **given) {
  const tinyops_arduino_post post = post_of(given[0], given[1]);
  std::vector<uint8_t> report;
  for (const char *at = given[3]; at[0] != 0; at += 2) {
    const char digits[3] = {at[0], at[1], 0};
    report.push_back(static_cast<uint8_t>(std::strtoul(digits, 0, 16)));
  }
  tinyops_arduino_result result;
  if (tinyops_arduino_read_result(report.data(), static_cast<uint32_t>(report.size()), 1234,
                                  &result) != 0) {
    std::puts("none");
    return 0;
  }
  const uint32_t lost = static_cast<uint32_t>(std::strtoul(given[2], 0, 10));
  char text[TINYOPS_ARDUINO_BODY_MAX];
  const uint32_t length = tinyops_arduino_write_json(&post, &result, lost, text, sizeof(text));
  std::puts(length == std::strlen(text) ? text : "too long");
  for (uint32_t room = 0; room <= length; ++room) {
    std::vector<char> exact(room);
    if (tinyops_arduino_write_json(&post, &result, lost, exact.data(), room) != 0) {
      return 1;
    }
  }
  uint8_t packed[TINYOPS_ARDUINO_NOTIFICATION];
  tinyops_arduino_pack(&result, packed);
  for (uint8_t byte : packed) {
    std::printf("%02x", byte);
  }
  std::puts("");
  return 0;
}

static int post(char **given) {
  static tinyops_arduino_post post;
  char labels[] = "still,walk";
  post = post_of("esp-1", labels);
  post.url = given[0];
  post.only_changes = given[1][0] == '1';
  if (tinyops_arduino_http_open(&post) != 0) {
    return 1;
  }
  for (int i = 0; i < std::atoi(given[2]); ++i) {
    tinyops_arduino_result result = tinyops_arduino_result();
    result.sequence = static_cast<uint32_t>(i);
    result.best = static_cast<uint16_t>(i / 3 % 2);
    result.count = 2;
    tinyops_arduino_http_offer(&result);
  }
  std::puts("offered");
  (void)std::fflush(stdout);
  (void)std::getchar(); /* until the test has seen enough */
  std::_Exit(0);        /* the task never ends */
}

static int flash() {
  const tinyops_port_flash *held = &tinyops_arduino_flash;
  uint8_t bytes[300], back[301];
  for (uint32_t i = 0; i < sizeof(bytes); ++i) {
    bytes[i] = static_cast<uint8_t>(i * 7);
  }
  int wrong = held->erase(0, SECTOR_BYTES, SECTOR_BYTES) != 0;
  wrong |= held->erase(0, 8, SECTOR_BYTES) == 0;
  wrong |= held->program(0, SECTOR_BYTES + 4, bytes, 300) != 0;
  wrong |= held->program(0, SECTOR_BYTES + 2, bytes, 4) == 0;
  wrong |= held->program(0, SECTOR_BYTES + 4, bytes, 3) == 0;
  for (uint32_t skip = 0; skip < 9; ++skip) {
    back[300 - skip] = 0x5a;
    wrong |= held->read(0, SECTOR_BYTES + 4 + skip, back, 300 - skip) != 0;
    wrong |= std::memcmp(back, bytes + skip, 300 - skip) != 0 || back[300 - skip] != 0x5a;
  }
  std::puts(wrong ? "wrong" : "right");
  return wrong;
}

int main(int count, char **given) {
  if (count == 6 && std::strcmp(given[1], "json") == 0) {
    return json(given + 2);
  }
  if (count == 5 && std::strcmp(given[1], "post") == 0) {
    return post(given + 2);
  }
  return flash();
}
