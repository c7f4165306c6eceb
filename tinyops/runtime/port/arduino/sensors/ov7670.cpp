/* The OV7670 of Arduino's TinyML kit: grey images of 160 x 120, row by row from the top left.
 *
 * Its library clocks the pixels in by hand with interrupts off: poll takes a fifth of a second or
 * two for an image, and returns when it is there. */
#include "core.h"
#include "library.h"
#include "sensor.h"
TINYOPS_LIBRARY_BEGIN
#include <Arduino_OV767X.h>
TINYOPS_LIBRARY_END

enum { CAMERA_HZ = 5, ABSENT = -1, WRONG_FRAME = -2 };

typedef struct {
  const tinyops_arduino_signal *signal;
  uint32_t period_ms, due_ms;
  uint32_t missed;
} camera_state;

static camera_state camera;

static int32_t start(void *context, uint32_t rate_millihz) {
  (void)context;
  camera.period_ms = rate_millihz > 0 ? 1000000u / rate_millihz : 1000u;
  camera.missed = 0;
  camera.due_ms = (uint32_t)millis();
  return Camera.begin(QQVGA, GRAYSCALE, CAMERA_HZ) != 0 ? 0 : ABSENT;
}

/* Bytes at the end of `values` become counts of all of it, in place: from the front, no count
 * reaches a byte that is still to be read. */
static void spread(int16_t *values, uint32_t count) {
  const uint8_t *bytes = (const uint8_t *)values + count;
  const float counts = camera.signal->counts[0] / 255.0f; /* full scale of a byte is 1 */
  for (uint32_t i = 0; i < count; ++i) {
    const uint8_t level = bytes[i];
    values[i] = tinyops_arduino_count((float)level * counts);
  }
}

static int32_t poll(void *context, int16_t *values, uint32_t count) {
  (void)context;
  if (count != (uint32_t)(Camera.width() * Camera.height()) || camera.signal->channels != 1) {
    return WRONG_FRAME;
  }
  const uint32_t late = (uint32_t)millis() - camera.due_ms;
  if (late > UINT32_MAX / 2) {
    return 0;
  }
  const uint32_t skipped = camera.period_ms > 0 ? late / camera.period_ms : 0;
  camera.missed += skipped;
  camera.due_ms += (skipped + 1u) * camera.period_ms;
  Camera.readFrame((uint8_t *)values + count);
  spread(values, count);
  return 1;
}

static uint32_t missed(void *context) {
  (void)context;
  return camera.missed;
}

static const tinyops_port_sensor sensor = {start, poll, missed};

const tinyops_port_sensor *tinyops_arduino_sensor(const tinyops_arduino_signal *signal) {
  camera.signal = signal;
  return &sensor;
}
