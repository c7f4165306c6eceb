/* A maker's two slots behind the slot library; see vendor.h.
 *
 * Both records change one after the other, and power may fail between them. What then holds:
 *
 *   test      log pending, then select      between: the maker starts the old one; the log follows
 *   confirm   maker's, then log             between: the maker keeps the new one; the log follows
 *   revert    log, then maker's, by a reset between: the maker's trial ends by itself at that reset
 *   begin     select what runs and confirm  between: the maker starts one or the other, both
 * proved; it, then log, then erase               the log follows
 *
 * A trial that is cut off before it is confirmed ends in all cases, as by any reset. */
#include "tinyops/vendor.h"

enum { FIRMWARE = TINYOPS_IMAGE_FIRMWARE, HEADER = TINYOPS_VENDOR_HEADER_BYTES, BLANK = 0xff };

static tinyops_vendor *vendor_of(const tinyops_slots *slots) {
  return (tinyops_vendor *)slots->context;
}

/* The partition that an address is seen in, NONE: it is elsewhere in flash. */
static uint32_t partition_at(const tinyops_vendor *self, uint32_t address) {
  for (uint32_t i = 0; i < TINYOPS_SLOTS_EACH; i++) {
    const tinyops_slot *partition = &self->partitions[i];
    if (address >= partition->origin && address - partition->origin < partition->bytes) {
      return i;
    }
  }
  return TINYOPS_SLOTS_NONE;
}

/* What of a range lies in one piece in flash, or in RAM. */
typedef struct {
  uint32_t address; /* in flash */
  uint32_t count;
  uint8_t *held; /* in RAM instead; null: it is not */
} piece;

static piece piece_at(tinyops_vendor *self, uint32_t address, uint32_t count) {
  const uint32_t number = partition_at(self, address);
  if (number == TINYOPS_SLOTS_NONE) {
    return (piece){address, count, 0};
  }
  const tinyops_slot *partition = &self->partitions[number];
  const uint32_t offset = address - partition->origin;
  const uint32_t page = offset / HEADER;
  const uint32_t left = HEADER - offset % HEADER;
  piece found = {address - HEADER, count < left ? count : left, 0};
  if (page == 0u) {
    found.address = partition->origin + partition->bytes - self->flash.erase_bytes + offset;
  } else if (page == 1u && self->held == number) {
    found.held = self->first + (offset - HEADER);
  }
  return found;
}

static void copy(uint8_t *to, const uint8_t *from, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    to[i] = from[i];
  }
}

static int32_t read(void *context, uint32_t address, uint8_t *bytes, uint32_t count) {
  tinyops_vendor *self = (tinyops_vendor *)context;
  const tinyops_port *port = self->port;
  while (count > 0u) {
    const piece some = piece_at(self, address, count);
    if (some.held != 0) {
      copy(bytes, some.held, some.count);
    } else if (port->flash->read(port->context, some.address, bytes, some.count) != 0) {
      return -1;
    }
    address += some.count;
    bytes += some.count;
    count -= some.count;
  }
  return 0;
}

/* What runs is never written, whatever a record says. */
static int32_t may_write(const tinyops_vendor *self, uint32_t address) {
  const tinyops_port *port = self->port;
  const uint32_t number = partition_at(self, address);
  return number == TINYOPS_SLOTS_NONE || number != port->update->running(port->context);
}

static int32_t program(void *context, uint32_t address, const uint8_t *bytes, uint32_t count) {
  tinyops_vendor *self = (tinyops_vendor *)context;
  const tinyops_port *port = self->port;
  while (count > 0u) {
    const piece some = piece_at(self, address, count);
    if (may_write(self, address) == 0) {
      return -1;
    }
    if (some.held != 0) {
      copy(some.held, bytes, some.count);
    } else if (port->flash->program(port->context, some.address, bytes, some.count) != 0) {
      return -1;
    }
    address += some.count;
    bytes += some.count;
    count -= some.count;
  }
  return 0;
}

/* Erases the sectors that lie where these are seen, and with the first one the header's. As all is
 * seen 256 bytes further than it lies, sectors of a slot are erased from the first one on. */
static int32_t erase(void *context, uint32_t address, uint32_t bytes) {
  tinyops_vendor *self = (tinyops_vendor *)context;
  const tinyops_port *port = self->port;
  const uint32_t number = partition_at(self, address);
  if (may_write(self, address) == 0) {
    return -1;
  }
  if (number != TINYOPS_SLOTS_NONE && address == self->partitions[number].origin) {
    const uint32_t sector = self->flash.erase_bytes;
    const uint32_t header = address + self->partitions[number].bytes - sector;
    self->held = (uint8_t)number;
    for (uint32_t i = 0; i < HEADER; i++) {
      self->first[i] = BLANK;
    }
    if (port->flash->erase(port->context, header, sector) != 0) {
      return -1;
    }
  }
  return port->flash->erase(port->context, address, bytes);
}

static void feed(void *context) {
  const tinyops_port *port = ((tinyops_vendor *)context)->port;
  port->feed_watchdog(port->context);
}

/* Whatever is pending is so no more for the maker's bootloader, before the log says so. */
static int32_t stay(const tinyops_slots *slots, uint32_t image) {
  const tinyops_port *port = vendor_of(slots)->port;
  if (image != FIRMWARE || slots->images[FIRMWARE].state != TINYOPS_TRIAL_PENDING) {
    return TINYOPS_SLOTS_OK;
  }
  return port->update->cancel(port->context, slots->images[FIRMWARE].trial) == 0
             ? TINYOPS_SLOTS_OK
             : TINYOPS_SLOTS_ERR_FLASH;
}

/* What the log says of a trial, made to follow what the maker's record says of it. */
static int32_t follow(tinyops_slots *slots, uint32_t running, int32_t is_on_trial) {
  const tinyops_vendor *self = vendor_of(slots);
  const tinyops_slots_image *image = &slots->images[FIRMWARE];
  if (image->state == TINYOPS_TRIAL_IDLE) {
    return TINYOPS_SLOTS_OK;
  }
  if (image->trial != running) {
    return self->own->revert(slots, FIRMWARE, TINYOPS_TRIAL_RESET);
  }
  if (image->state == TINYOPS_TRIAL_PENDING) {
    const int32_t started = self->own->start(slots, FIRMWARE, 0);
    return started < 0 ? started : TINYOPS_SLOTS_OK;
  }
  return is_on_trial != 0 ? TINYOPS_SLOTS_OK : self->own->confirm(slots, FIRMWARE);
}

static int32_t open_slots(tinyops_slots *slots) {
  tinyops_vendor *self = vendor_of(slots);
  const tinyops_port *port = self->port;
  self->held = TINYOPS_SLOTS_NONE;
  for (uint32_t i = 0; i < TINYOPS_SLOTS_EACH; i++) {
    slots->slots[FIRMWARE][i] = (tinyops_slot){self->partitions[i].origin,
                                               self->partitions[i].bytes - self->flash.erase_bytes};
  }
  int32_t status = self->own->open(slots);
  if (status != TINYOPS_SLOTS_OK) {
    return status;
  }
  const uint32_t running = port->update->running(port->context);
  const int32_t is_on_trial = port->update->is_on_trial(port->context);
  tinyops_slots_image *image = &slots->images[FIRMWARE];
  const int32_t was_trial = image->state != TINYOPS_TRIAL_IDLE && image->trial == running;
  status = follow(slots, running, is_on_trial);
  if (image->state == TINYOPS_TRIAL_IDLE && is_on_trial == 0) {
    image->active = (uint8_t)running; /* a cable may have brought it: the log does not say */
  } else if (image->state == TINYOPS_TRIAL_IDLE && was_trial != 0) {
    port->update->revert(port->context); /* it is not what was proved */
  }
  return status == TINYOPS_SLOTS_OK ? status : TINYOPS_SLOTS_ERR_FLASH;
}

static int32_t begin(tinyops_slots *slots, uint32_t image, uint32_t bytes, const uint8_t *digest) {
  const int32_t status = stay(slots, image);
  return status != TINYOPS_SLOTS_OK ? status
                                    : vendor_of(slots)->own->begin(slots, image, bytes, digest);
}

static int32_t erase_slot(tinyops_slots *slots, uint32_t image) {
  const int32_t status = stay(slots, image);
  return status != TINYOPS_SLOTS_OK ? status : vendor_of(slots)->own->erase(slots, image);
}

/* Programs the first bytes of what is proved. */
static int32_t let_go(tinyops_vendor *self, uint32_t number) {
  const tinyops_port *port = self->port;
  const uint32_t origin = self->partitions[number].origin;
  uint8_t back[HEADER];
  self->held = TINYOPS_SLOTS_NONE;
  if (port->flash->program(port->context, origin, self->first, HEADER) != 0 ||
      port->flash->read(port->context, origin, back, HEADER) != 0) {
    return TINYOPS_SLOTS_ERR_FLASH;
  }
  uint32_t differs = 0;
  for (uint32_t i = 0; i < HEADER; i++) {
    differs |= (uint32_t)(back[i] ^ self->first[i]);
  }
  return differs == 0u ? TINYOPS_SLOTS_OK : TINYOPS_SLOTS_ERR_FLASH;
}

static int32_t finish(tinyops_slots *slots) {
  tinyops_vendor *self = vendor_of(slots);
  const uint32_t image = slots->writing;
  const uint32_t slot = slots->target;
  tinyops_image_info info;
  int32_t status = self->own->finish(slots);
  if (status != TINYOPS_SLOTS_OK || image != FIRMWARE) {
    return status;
  }
  status = self->own->describe(slots, FIRMWARE, slot, &info);
  if (status == TINYOPS_SLOTS_OK) {
    status = info.header_bytes == HEADER ? let_go(self, slot) : TINYOPS_SLOTS_ERR_IMAGE;
  }
  if (status != TINYOPS_SLOTS_OK) {
    (void)self->own->erase(slots, FIRMWARE);
  }
  return status;
}

/* Selected once: the maker keeps two records, and a second would take the place of the one that
 * runs. */
static int32_t test(tinyops_slots *slots, uint32_t image, const uint8_t *digest) {
  const tinyops_vendor *self = vendor_of(slots);
  const tinyops_port *port = self->port;
  const tinyops_slots_image *known = &slots->images[FIRMWARE];
  const int32_t was_idle = known->state == TINYOPS_TRIAL_IDLE;
  const int32_t status = self->own->test(slots, image, digest);
  if (status != TINYOPS_SLOTS_OK || !was_idle || known->state != TINYOPS_TRIAL_PENDING ||
      port->update->select(port->context, known->trial) == 0) {
    return status;
  }
  (void)self->own->revert(slots, FIRMWARE, TINYOPS_TRIAL_REFUSED);
  return TINYOPS_SLOTS_ERR_IMAGE; /* for the maker's bootloader it is none */
}

static int32_t confirm(tinyops_slots *slots, uint32_t image) {
  const tinyops_vendor *self = vendor_of(slots);
  const tinyops_port *port = self->port;
  if (image == FIRMWARE && slots->images[FIRMWARE].state == TINYOPS_TRIAL_RUNNING &&
      port->update->confirm(port->context) != 0) {
    return TINYOPS_SLOTS_ERR_FLASH;
  }
  return self->own->confirm(slots, image);
}

static int32_t revert(tinyops_slots *slots, uint32_t image, tinyops_trial_outcome outcome) {
  const tinyops_vendor *self = vendor_of(slots);
  const tinyops_port *port = self->port;
  const int32_t runs = image == FIRMWARE && slots->images[FIRMWARE].state == TINYOPS_TRIAL_RUNNING;
  int32_t status = stay(slots, image);
  if (status == TINYOPS_SLOTS_OK) {
    status = self->own->revert(slots, image, outcome);
  }
  if (runs != 0) {
    port->update->revert(port->context);
    status = TINYOPS_SLOTS_ERR_FLASH;
  }
  return status;
}

/* A firmware that a cable brought is no image: it runs, and has no digest. */
static int32_t describe(tinyops_slots *slots, uint32_t image, uint32_t slot,
                        tinyops_image_info *info) {
  const tinyops_vendor *self = vendor_of(slots);
  const tinyops_port *port = self->port;
  const int32_t status = self->own->describe(slots, image, slot, info);
  if (status != TINYOPS_SLOTS_ERR_IMAGE || image != FIRMWARE ||
      slot != port->update->running(port->context)) {
    return status;
  }
  *info = (tinyops_image_info){0};
  return TINYOPS_SLOTS_OK;
}

int32_t tinyops_vendor_open(tinyops_vendor *self) {
  const tinyops_port *port = self->port;
  if (port->flash == 0 || port->update == 0 || HEADER % port->flash->program_bytes != 0u) {
    return TINYOPS_SLOTS_ERR_GEOMETRY;
  }
  self->held = TINYOPS_SLOTS_NONE;
  self->flash = (tinyops_port_flash){port->flash->erase_bytes, port->flash->program_bytes, erase,
                                     program, read};
  for (uint32_t i = 0; i < TINYOPS_SLOTS_EACH; i++) {
    if (self->partitions[i].bytes < 2u * self->flash.erase_bytes) {
      return TINYOPS_SLOTS_ERR_GEOMETRY;
    }
  }
  self->view = *port;
  self->view.context = self;
  self->view.flash = &self->flash;
  self->view.feed_watchdog = port->feed_watchdog != 0 ? feed : 0;
  self->table = *self->own;
  self->table.open = open_slots;
  self->table.begin = begin;
  self->table.finish = finish;
  self->table.erase = erase_slot;
  self->table.test = test;
  self->table.confirm = confirm;
  self->table.revert = revert;
  self->table.describe = describe;
  return TINYOPS_SLOTS_OK;
}
