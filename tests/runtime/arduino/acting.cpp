/* The Arduino port's acts one by one, over esp32_host.cpp.
 *
 *   acting json DEVICE LABEL,LABEL|- LOST HEX   one report as JSON and as a notification
 *   acting post URL ONLY_CHANGES COUNT          posts COUNT results; classes alternate in threes */
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "act.h"

static const uint32_t SECTOR_BYTES = 4096;

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

int main(int count, char **given) {
  if (count == 6 && std::strcmp(given[1], "json") == 0) {
    return json(given + 2);
  }
  if (count == 5 && std::strcmp(given[1], "post") == 0) {
    return post(given + 2);
  }
  return 2;
}
