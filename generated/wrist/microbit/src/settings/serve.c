/* Settings behind the SMP server's two calls; see settings_smp.h. */
#include "tinyops/settings_smp.h"

/* The server's refusal for an error of settings.h. */
static int32_t refusal(int32_t status) {
  switch (status) {
    case TINYOPS_SETTINGS_ERR_FLASH:
      return -TINYOPS_SMP_ERR_FAILED;
    case TINYOPS_SETTINGS_ERR_GEOMETRY:
      return -TINYOPS_SMP_ERR_UNSUPPORTED;
    default:
      return -TINYOPS_SMP_ERR_INVALID;
  }
}

static int32_t read_piece(void *context, uint32_t offset, uint8_t *bytes, uint32_t room,
                          uint32_t *count, uint32_t *total) {
  *count = 0;
  *total = 0;
  const int32_t found =
      tinyops_settings_give_piece((tinyops_settings *)context, offset, bytes, room, total);
  if (found == TINYOPS_SETTINGS_ERR_NONE && offset == 0u) {
    return 0; /* none yet */
  }
  if (found < 0) {
    return refusal(found);
  }
  *count = (uint32_t)found;
  return 0;
}

static int32_t write_piece(void *context, uint32_t offset, const uint8_t *bytes, uint32_t count,
                           uint32_t total) {
  const int32_t next =
      tinyops_settings_take_piece((tinyops_settings *)context, offset, total, bytes, count);
  return next < 0 ? refusal(next) : 0;
}

static int32_t trusts_keys(void *context) {
  return tinyops_settings_get((tinyops_settings *)context, TINYOPS_SETTINGS_IMAGE_KEYS, 0, 0) !=
         TINYOPS_SETTINGS_ERR_NONE;
}

void tinyops_settings_serve(tinyops_settings *settings, tinyops_smp_settings *calls) {
  calls->context = settings;
  calls->read = read_piece;
  calls->write = write_piece;
  calls->trusts_keys = trusts_keys;
}

const tinyops_smp_settings *tinyops_settings_attach(tinyops_settings *settings,
                                                    tinyops_smp_settings *calls,
                                                    const tinyops_port *port) {
  settings->flash = port->flash;
  settings->context = port->context;
  const int32_t status = tinyops_settings_open(settings);
  if (status == TINYOPS_SETTINGS_ERR_GEOMETRY) {
    return 0;
  }
  tinyops_settings_serve(settings, calls);
  return calls;
}
