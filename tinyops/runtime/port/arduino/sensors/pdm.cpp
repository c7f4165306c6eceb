/* The microphone of the Nano 33 BLE Sense. The library stops for good when nobody takes what it has
 * by the time there is more: its interrupt puts everything into a ring here, or counts it lost. */
#include "core.h"
#include "library.h"
#include "sensor.h"
TINYOPS_LIBRARY_BEGIN
#include <PDM.h>
TINYOPS_LIBRARY_END

enum {
  RING = 8192,
  CHUNK = 256,
  ABSENT = -1,
  WRONG_FRAME = -2
}; /* samples; a power of two: half a second */

typedef struct {
  const tinyops_arduino_signal *signal;
  int16_t ring[RING];
  uint32_t written; /* by the interrupt only; both run on modulo 2^32 */
  uint32_t taken;   /* by poll only */
  uint32_t lost;    /* samples; by the interrupt only */
  uint32_t gap_at;  /* where the gap lies: before this sample */
  uint32_t told;    /* samples that were lost before the newest frame; by poll only */
  uint8_t loses;    /* by the interrupt only */
  uint32_t frame_samples;
} microphone_state;

static microphone_state microphone;

/* Once something was lost, everything is until the ring is empty: so there is one gap at a time,
 * and what is kept lies before it. */
static void put(const int16_t *samples, uint32_t count) {
  const uint32_t written = microphone.written;
  const uint32_t kept = written - __atomic_load_n(&microphone.taken, __ATOMIC_ACQUIRE);
  microphone.loses = kept + count > RING || (microphone.loses != 0 && kept > 0) ? 1 : 0;
  if (microphone.loses != 0) {
    __atomic_store_n(&microphone.lost, microphone.lost + count, __ATOMIC_RELAXED);
    __atomic_store_n(&microphone.gap_at, written, __ATOMIC_RELEASE);
    return;
  }
  for (uint32_t i = 0; i < count; ++i) {
    microphone.ring[(written + i) % RING] = samples[i];
  }
  __atomic_store_n(&microphone.written, written + count, __ATOMIC_RELEASE);
}

/* In the interrupt: everything that there is. */
static void receive(void) {
  int16_t chunk[CHUNK];
  for (int left = PDM.available(); left > 0;) {
    const int asked = left < (int)sizeof(chunk) ? left : (int)sizeof(chunk);
    const int got = PDM.read(chunk, (size_t)asked);
    if (got <= 0) {
      return;
    }
    put(chunk, (uint32_t)got / sizeof(chunk[0]));
    left -= got;
  }
}

static int32_t start(void *context, uint32_t rate_millihz) {
  (void)context;
  microphone.taken = microphone.written;
  microphone.gap_at = microphone.written;
  microphone.lost = 0;
  microphone.told = 0;
  microphone.loses = 0;
  microphone.frame_samples = 1;
  PDM.onReceive(receive);
  return PDM.begin(1, (int)(rate_millihz / 1000u)) != 0 ? 0 : ABSENT;
}

/* What lies before a gap is too short for a frame and is dropped with it. */
static void skip_gap(uint32_t count) {
  const uint32_t before = __atomic_load_n(&microphone.gap_at, __ATOMIC_ACQUIRE) - microphone.taken;
  if (before > 0 && before < count) {
    __atomic_store_n(&microphone.taken, microphone.taken + before, __ATOMIC_RELEASE);
  }
}

static int32_t poll(void *context, int16_t *values, uint32_t count) {
  (void)context;
  if (count == 0 || count > RING / 2 || microphone.signal->channels != 1) {
    return WRONG_FRAME;
  }
  microphone.frame_samples = count;
  skip_gap(count);
  const uint32_t taken = microphone.taken;
  if (__atomic_load_n(&microphone.gap_at, __ATOMIC_ACQUIRE) == taken) {
    microphone.told = __atomic_load_n(&microphone.lost, __ATOMIC_RELAXED);
  }
  if (__atomic_load_n(&microphone.written, __ATOMIC_ACQUIRE) - taken < count) {
    return 0;
  }
  const float scale =
      microphone.signal->counts[0] / 32768.0f; /* full scale of the microphone is 1 */
  for (uint32_t i = 0; i < count; ++i) {
    values[i] = tinyops_arduino_count((float)microphone.ring[(taken + i) % RING] * scale);
  }
  __atomic_store_n(&microphone.taken, taken + count, __ATOMIC_RELEASE);
  return 1;
}

static uint32_t missed(void *context) {
  (void)context;
  return microphone.told / microphone.frame_samples;
}

static const tinyops_port_sensor sensor = {start, poll, missed};

const tinyops_port_sensor *tinyops_arduino_sensor(const tinyops_arduino_signal *signal) {
  microphone.signal = signal;
  return &sensor;
}
