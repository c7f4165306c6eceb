/* Wi-Fi of the ESP32s: a task of its own posts, so that neither a slow server nor a name that is
 * being looked up holds up what samples. */
#include "act.h"
#include "core.h"
#include "library.h"
TINYOPS_LIBRARY_BEGIN
#include <HTTPClient.h>
#include <WiFi.h>
#include <freertos/FreeRTOS.h>
#include <freertos/queue.h>
#include <freertos/task.h>
TINYOPS_LIBRARY_END

enum {
  QUEUE = 16,
  TASK_STACK = 8192, /* bytes */
  CONNECT_MS = 5000,
  ANSWER_MS = 5000,
  REQUEST_TIMEOUT = 408,
  TOO_MANY = 429
};

/* After the first failure, doubled with each further one. */
static const uint32_t BACK_OFF_MS = 250, BACK_OFF_MAX_MS = 30000;

typedef enum { TAKEN, LATER, REFUSED } answer;

static const tinyops_arduino_post *where;
static QueueHandle_t waiting;
static uint32_t lost; /* by both tasks: atomically */
static int32_t last =
    -1; /* the class that was queued last; -1: the next one is news; by both tasks */

static void lose(void) {
  (void)__atomic_fetch_add(&lost, 1u, __ATOMIC_RELAXED);
  __atomic_store_n(&last, -1, __ATOMIC_RELAXED);
}

static answer judge(int status) {
  if (status >= 200 && status < 300) {
    return TAKEN;
  }
  const bool later =
      status <= 0 || status >= 500 || status == REQUEST_TIMEOUT || status == TOO_MANY;
  return later ? LATER : REFUSED;
}

static answer deliver(const tinyops_arduino_result *result) {
  static char body[TINYOPS_ARDUINO_BODY_MAX]; /* of this one task */
  const uint32_t length = tinyops_arduino_write_json(
      where, result, __atomic_load_n(&lost, __ATOMIC_RELAXED), body, sizeof(body));
  if (length == 0) {
    return REFUSED;
  }
  HTTPClient http;
  if (!http.begin(where->url)) {
    return REFUSED;
  }
  http.setConnectTimeout(CONNECT_MS);
  http.setTimeout(ANSWER_MS);
  http.addHeader("Content-Type", "application/json");
  const answer said = judge(http.POST(reinterpret_cast<uint8_t *>(body), length));
  http.end();
  return said;
}

static void wait_after(uint32_t failures) {
  uint32_t ms = BACK_OFF_MS;
  for (uint32_t i = 1; i < failures && ms < BACK_OFF_MAX_MS; ++i) {
    ms *= 2;
  }
  vTaskDelay(pdMS_TO_TICKS(ms < BACK_OFF_MAX_MS ? ms : BACK_OFF_MAX_MS));
}

/* The oldest result stays at hand until a server has taken or refused it. */
static void work(void *unused) {
  (void)unused;
  tinyops_arduino_result result;
  for (;;) {
    if (xQueueReceive(waiting, &result, portMAX_DELAY) != pdTRUE) {
      continue;
    }
    answer said = LATER;
    for (uint32_t failures = 1; said == LATER; ++failures) {
      said = WiFi.status() == WL_CONNECTED ? deliver(&result) : LATER;
      if (said == LATER) {
        wait_after(failures);
      }
    }
    if (said == REFUSED) {
      lose();
    }
  }
}

int32_t tinyops_arduino_http_open(const tinyops_arduino_post *post) {
  if (post->ssid[0] == 0) {
    return -1;
  }
  where = post;
  waiting = xQueueCreate(QUEUE, sizeof(tinyops_arduino_result));
  if (waiting == 0) {
    return -1;
  }
  WiFi.persistent(false); /* the password stays where it was provisioned */
  (void)WiFi.mode(WIFI_STA);
  (void)WiFi.setAutoReconnect(true);
  (void)WiFi.begin(post->ssid, post->password);
  return xTaskCreate(work, "tinyops-http", TASK_STACK, 0, 1, 0) == pdPASS ? 0 : -1;
}

void tinyops_arduino_http_offer(const tinyops_arduino_result *result) {
  if (waiting == 0) {
    return;
  }
  if (where->only_changes != 0 && __atomic_exchange_n(&last, static_cast<int32_t>(result->best),
                                                      __ATOMIC_RELAXED) == result->best) {
    return;
  }
  if (xQueueSend(waiting, result, 0) == pdTRUE) {
    return;
  }
  tinyops_arduino_result oldest;
  if (xQueueReceive(waiting, &oldest, 0) == pdTRUE) {
    (void)__atomic_fetch_add(&lost, 1u, __ATOMIC_RELAXED);
  }
  if (xQueueSend(waiting, result, 0) != pdTRUE) {
    lose();
  }
}
