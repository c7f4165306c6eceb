/* What the Arduino port does with a result beside the serial line and the LED: files of this folder
 * implement it, and a firmware has those that its fleet asks for. Results come as the reports that
 * the application sends over the port's network. */
#ifndef TINYOPS_ARDUINO_ACT_H
#define TINYOPS_ARDUINO_ACT_H

#include <stdint.h>

#include "tinyops/port.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
  TINYOPS_ARDUINO_SCORES_MAX = 64,   /* outputs that a result keeps */
  TINYOPS_ARDUINO_NOTIFICATION = 8,  /* bytes of a notification */
  TINYOPS_ARDUINO_FORMAT = 1,        /* of a notification: its last byte */
  TINYOPS_ARDUINO_DEVICE_MAX = 63,   /* characters */
  TINYOPS_ARDUINO_SSID_MAX = 32,     /* bytes */
  TINYOPS_ARDUINO_PASSWORD_MAX = 64, /* bytes */
  TINYOPS_ARDUINO_BODY_MAX = 1024    /* bytes of a result as JSON */
};

/* A result. */
typedef struct {
  uint32_t sequence; /* counts results since start-up */
  uint32_t ms;       /* since start-up */
  uint16_t best;     /* index of the largest output */
  uint8_t
      confidence; /* of the best: 256ths of 1, as Softmax gives them; 0 where it was not reported */
  uint16_t count; /* of scores; 0 when there are more than a result keeps */
  int8_t scores[TINYOPS_ARDUINO_SCORES_MAX];
} tinyops_arduino_result;

/* Where results are posted, and whose they are. Everything pointed to outlives it. */
typedef struct {
  const char *url;
  uint8_t only_changes;
  const char *board;
  const char *fleet;
  const char *const *labels; /* names of classes; null: they have none */
  uint16_t label_count;
  char device[TINYOPS_ARDUINO_DEVICE_MAX + 1];
  char ssid[TINYOPS_ARDUINO_SSID_MAX + 1];
  char password[TINYOPS_ARDUINO_PASSWORD_MAX + 1];
} tinyops_arduino_post;

/* Reads a RESULT report of `bytes` bytes (type, sequence, payload). Returns 0, or -1 for anything
 * else. */
int32_t tinyops_arduino_read_result(const uint8_t *report, uint32_t bytes, uint32_t ms,
                                    tinyops_arduino_result *result);

/* Writes the 8 bytes of a notification; docs/act.md has their order. */
void tinyops_arduino_pack(const tinyops_arduino_result *result, uint8_t *bytes);

/* Writes a result as JSON to `text`, which has room for `room` characters; `lost` results never
 * left. Returns its length, 0 when it does not fit. */
uint32_t tinyops_arduino_write_json(const tinyops_arduino_post *post,
                                    const tinyops_arduino_result *result, uint32_t lost, char *text,
                                    uint32_t room);

/* Bluetooth: starts to advertise; returns 0, or -1 when there is no radio. Lets the radio work, to
 * be called often. Notifies whoever has subscribed; returns at once. */
int32_t tinyops_arduino_ble_open(void);
void tinyops_arduino_ble_poll(void);
void tinyops_arduino_ble_notify(const tinyops_arduino_result *result);

/* Wi-Fi: joins the network and posts what is offered, beside what samples; `post` must outlive it.
 * Returns 0, or -1 without memory or without a network's name: nothing is posted then. An offer
 * returns at once; when the queue is full its oldest result is lost and counted. */
int32_t tinyops_arduino_http_open(const tinyops_arduino_post *post);
void tinyops_arduino_http_offer(const tinyops_arduino_result *result);

#ifdef __cplusplus
}
#endif

#endif
