/* Drives one sensor driver on the host against an imitation of its library: lines of the input are
 * "time_ms", the output is a line a frame. The imitation stands for the hardware, not for tinyops.
 *   argv: values in a frame, rate in mHz, end of the run in ms, and ms of each pause "from:to" */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "Arduino.h"
#include "sensor.h"

static unsigned long now_ms;
unsigned long millis() { return now_ms; }

#if defined(SENSOR_IMU)
#include "imu_thin.h"
/* Reading n has the accelerometer at n / 100 g and half, the gyroscope at 90 degrees a second. */
static const unsigned FIFO = SENSOR_IMU;
static const float OWN_HZ = 119.0f;
static unsigned next_reading;
ThinImu IMU;
static unsigned come() { return (unsigned)((float)now_ms * OWN_HZ / 1000.0f); }
int ThinImu::begin() { return getenv("ABSENT") == nullptr; }
void ThinImu::setContinuousMode() {}
float ThinImu::accelerationSampleRate() { return OWN_HZ; }
int ThinImu::accelerationAvailable() {
  if (come() > next_reading + FIFO) {
    next_reading = come() - FIFO;
  }
  return come() > next_reading;
}
int ThinImu::readGyroscope(float &x, float &y, float &z) {
  x = y = 90.0f;
  z = -4000.0f;
  return getenv("BROKEN") == nullptr;
}
int ThinImu::readAcceleration(float &x, float &y, float &z) {
  x = (float)next_reading / 100.0f;
  y = 0.5f;
  z = -1.0f;
  next_reading += 1;
  return 1;
}
static void tick() {}
#elif defined(SENSOR_PDM)
#include "PDM.h"
static void (*on_receive)();
static int16_t next_sample;
static int waiting;
ThinPdm PDM;
int ThinPdm::begin(int channels, int rate) { return channels == 1 && rate == 16000; }
int ThinPdm::available() { return waiting; }
void ThinPdm::onReceive(void (*function)()) { on_receive = function; }
int ThinPdm::read(void *buffer, size_t size) {
  for (size_t i = 0; i < size / 2; ++i) {
    ((int16_t *)buffer)[i] = next_sample++;
  }
  waiting -= (int)size;
  return (int)size;
}
static void tick() { /* 16 samples a millisecond, interrupts of 256 */
  if (now_ms % 16 == 0) {
    waiting += 512;
    on_receive();
  }
}
#else
#include "Arduino_OV767X.h"
ThinCamera Camera;
int ThinCamera::begin(int, int, int) { return 1; }
int ThinCamera::width() const { return 160; }
int ThinCamera::height() const { return 120; }
void ThinCamera::readFrame(void *buffer) {
  for (int i = 0; i < 160 * 120; ++i) {
    ((uint8_t *)buffer)[i] = (uint8_t)(i % 256);
  }
  now_ms += 200;
}
static void tick() {}
#endif

int main(int argc, char **argv) {
  static const uint8_t from[] = SIGNAL_FROM;
  static const float counts[] = SIGNAL_COUNTS;
  const tinyops_arduino_signal signal = {sizeof(from), from, counts};
  const uint32_t count = (uint32_t)atoi(argv[1]);
  const unsigned long end = strtoul(argv[3], nullptr, 10);
  unsigned long pause_from = end, pause_to = end;
  if (argc > 4) {
    sscanf(argv[4], "%lu:%lu", &pause_from, &pause_to);
  }
  int16_t *values = (int16_t *)malloc(count * sizeof(int16_t)); /* exact: for the sanitizer */
  const tinyops_port_sensor *sensor = tinyops_arduino_sensor(&signal);
  int32_t status = sensor->start(nullptr, (uint32_t)atoi(argv[2]));
  for (; status >= 0 && now_ms < end; ++now_ms, tick()) {
    while ((now_ms < pause_from || now_ms >= pause_to) &&
           (status = sensor->poll(nullptr, values, count)) > 0) {
      printf("%lu", now_ms);
      if (getenv("MISSED") != nullptr) {
        printf(" %u", (unsigned)sensor->missed(nullptr));
      }
      for (uint32_t i = 0; i < count; ++i) {
        printf(" %d", values[i]);
      }
      printf("\n");
    }
  }
  printf("end %d %u\n", (int)status, (unsigned)(status < 0 ? 0 : sensor->missed(nullptr)));
  free(values);
  return 0;
}
