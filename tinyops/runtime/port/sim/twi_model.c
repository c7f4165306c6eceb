#include "twi_model.h"

#include <string.h>

enum {
  START_RX = 0x000,
  START_TX = 0x008,
  STOP = 0x014,
  RESUME = 0x020,
  STOPPED = 0x104,
  RX_READY = 0x108,
  TX_SENT = 0x11c,
  FAILED = 0x124,
  SHORTCUTS = 0x200,
  ERROR_SOURCE = 0x4c4,
  ENABLE = 0x500,
  RX = 0x518,
  TX = 0x51c,
  ADDRESS = 0x588,
  ON = 5,
  SUSPEND_AT_BYTE = 1,
  STOP_AT_BYTE = 2,
  NOBODY_ANSWERED = 2
};

static uint32_t *at(twi_model *self, uint32_t offset) { return &self->registers[offset / 4]; }

void twi_model_open(twi_model *self, accelerometer_model *chip) {
  memset(self, 0, sizeof(*self));
  self->chip = chip;
}

static int answers(twi_model *self) {
  if (self->chip != NULL && *at(self, ADDRESS) == accelerometer_address(self->chip)) {
    return 1;
  }
  *at(self, FAILED) = 1;
  *at(self, ERROR_SOURCE) |= NOBODY_ANSWERED;
  return 0;
}

static void stop(twi_model *self) {
  self->sends = self->receives = self->suspended = 0;
  *at(self, STOPPED) = 1;
}

static void receive(twi_model *self, uint64_t now_us) {
  *at(self, RX) = accelerometer_give(self->chip, now_us);
  *at(self, RX_READY) = 1;
  if ((*at(self, SHORTCUTS) & STOP_AT_BYTE) != 0) {
    stop(self);
  } else {
    self->suspended = (*at(self, SHORTCUTS) & SUSPEND_AT_BYTE) != 0;
  }
}

static void run_task(twi_model *self, uint64_t now_us, uint32_t offset) {
  if (offset == STOP) {
    stop(self);
  } else if (offset == START_TX) {
    self->sends = self->first = 1;
    self->receives = 0;
  } else if (offset == START_RX && answers(self)) {
    self->receives = 1;
    self->sends = 0;
    receive(self, now_us);
  } else if (offset == RESUME && self->suspended && self->receives) {
    receive(self, now_us);
  }
}

static void send(twi_model *self, uint64_t now_us, uint8_t byte) {
  if (self->sends && answers(self)) {
    accelerometer_take(self->chip, now_us, byte, self->first);
    self->first = 0;
    *at(self, TX_SENT) = 1;
  }
}

uint32_t twi_model_read(twi_model *self, uint64_t now_us, uint32_t offset) {
  (void)now_us;
  return offset < TWI_MODEL_BYTES ? *at(self, offset) : 0;
}

void twi_model_write(twi_model *self, uint64_t now_us, uint32_t offset, uint32_t value) {
  if (offset >= TWI_MODEL_BYTES) {
    return;
  }
  if (offset == ENABLE && value != ON) {
    self->sends = self->receives = self->suspended = 0;
  }
  if (offset == ERROR_SOURCE) { /* ones clear what they meet */
    *at(self, offset) &= ~value;
    return;
  }
  if (offset >= STOPPED) {
    *at(self, offset) = value;
  }
  if (*at(self, ENABLE) != ON) {
    return;
  }
  if (offset <= RESUME && value == 1) {
    run_task(self, now_us, offset);
  } else if (offset == TX) {
    send(self, now_us, (uint8_t)value);
  }
}
