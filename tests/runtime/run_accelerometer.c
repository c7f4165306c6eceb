/* The micro:bit's accelerometer driver on a host, over models of the interface and of both chips:
 *
 *   run_accelerometer FILE mma8653|lsm303agr|none RATE_MILLIHZ FRAME_VALUES PER_MILLI STEP_MS COUNT
 *                     [STALL_AT STALL_MS]
 *
 * FILE is a recording of half thousandths of g. Polls every STEP_MS, as often as there is a frame,
 * until there were COUNT of them; at the frame STALL_AT nobody polls for STALL_MS. Prints `start`
 * and its status, each frame's values, and `missed` frames at the end. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pins.h"
#include "registers.h"
#include "sensor_driver.h"
#include "twi_model.h"

enum { TWI0 = 0x40003000, AXES = 3, VALUES_MAX = 64, POLLS_MAX = 1000000 };

static twi_model interface;
static uint64_t now_us;

uint32_t nrf5_read(uint32_t address) {
  now_us += 1; /* looking takes time */
  if (address - TWI0 < TWI_MODEL_BYTES) {
    return twi_model_read(&interface, now_us, address - TWI0);
  }
  return UINT32_MAX; /* an idle line is high */
}

void nrf5_write(uint32_t address, uint32_t value) {
  if (address - TWI0 < TWI_MODEL_BYTES) {
    twi_model_write(&interface, now_us, address - TWI0, value);
  }
}

static uint32_t now_ms(void *context) {
  (void)context;
  return (uint32_t)(now_us / 1000u);
}

static int32_t print_frame(const tinyops_port *port, uint32_t count) {
  static int16_t frame[VALUES_MAX]; /* a frame is made over several polls */
  const int32_t got = port->sensor->poll(port->context, frame, count);
  for (uint32_t i = 0; i < count && got > 0; i++) {
    printf("%d%s", frame[i], i + 1 < count ? " " : "\n");
  }
  if (got < 0) {
    printf("failed %" PRId32 "\n", got);
  }
  return got;
}

int main(int count, char **words) {
  static const uint8_t from[AXES] = {0, 1, 2};
  replay recording;
  accelerometer_model chip;
  if (count < 8 || replay_open(&recording, words[1]) != NULL) {
    return 1;
  }
  const int is_mma = strcmp(words[2], "mma8653") == 0;
  accelerometer_open(&chip, is_mma ? ACCELEROMETER_MMA8653 : ACCELEROMETER_LSM303AGR, &recording);
  twi_model_open(&interface, strcmp(words[2], "none") == 0 ? NULL : &chip);
  const uint32_t frame_values = (uint32_t)atoi(words[4]), per = (uint32_t)atoi(words[5]);
  const uint32_t per_milli[AXES] = {per, per, per};
  const tinyops_sensor_signal signal = {.channels = AXES, .from = from, .per_milli = per_milli};
  tinyops_port port = {.context = &port, .now_ms = now_ms};
  tinyops_sensor_driver driver;
  tinyops_sensor_attach(&driver, &signal, &port);
  const int32_t status = port.sensor->start(port.context, (uint32_t)atoi(words[3]));
  printf("start %" PRId32 "\n", status);
  int32_t frames = 0, got = 0;
  for (int polls = 0; status == 0 && frames < atoi(words[7]) && polls < POLLS_MAX; polls++) {
    got = print_frame(&port, frame_values);
    if (got < 0) {
      break;
    }
    frames += got;
    if (got > 0 && count == 10 && frames == atoi(words[8])) {
      now_us += 1000u * (uint64_t)atoi(words[9]);
    } else if (got == 0) {
      now_us += 1000u * (uint64_t)atoi(words[6]);
    }
  }
  printf("missed %" PRIu32 "\n", port.sensor->missed(port.context));
  replay_close(&recording);
  return 0;
}
