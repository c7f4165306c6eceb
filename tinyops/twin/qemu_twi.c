#include "qemu_twi.h"

#include <string.h>

enum { ABOVE_QEMUS = 1 };
#define MEMORY_OF_CHIP "/machine/nrf51/nrf51-container[0]"

static uint64_t now_us(void) { return (uint64_t)qemu_clock_get_ns(GUEST_CLOCK) / 1000u; }

static uint64_t read_register(void *data, uint64_t offset, unsigned int size) {
  (void)size;
  return twi_model_read(data, now_us(), (uint32_t)offset);
}

static void write_register(void *data, uint64_t offset, uint64_t value, unsigned int size) {
  (void)size;
  twi_model_write(data, now_us(), (uint32_t)offset, (uint32_t)value);
}

static const region_calls calls = {.read = read_register, .write = write_register};

int qemu_twi_open(qemu_twi *self, uint64_t address, const char *chip, replay *source) {
  const int is_mma = strcmp(chip, "mma8653") == 0;
  void *memory = object_resolve_path(MEMORY_OF_CHIP, NULL);
  if ((!is_mma && strcmp(chip, "lsm303agr") != 0) || memory == NULL) {
    return -1;
  }
  accelerometer_open(&self->chip, is_mma ? ACCELEROMETER_MMA8653 : ACCELEROMETER_LSM303AGR, source);
  twi_model_open(&self->model, source != NULL ? &self->chip : NULL);
  memory_region_init_io(&self->registers, NULL, &calls, &self->model, "tinyops-twi",
                        TWI_MODEL_BYTES);
  memory_region_add_subregion_overlap(memory, address, &self->registers, ABOVE_QEMUS);
  return 0;
}

void qemu_twi_reset(qemu_twi *self, int lost_power) {
  twi_model_open(&self->model, self->model.chip);
  if (lost_power) {
    accelerometer_open(&self->chip, self->chip.kind, self->chip.source);
  }
}
