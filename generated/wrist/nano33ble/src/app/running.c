/* What runs, for boards on which nothing is replaced over SMP: image 0 is the firmware, image 1 the
 * model in its slot, which has no version of its own. */
#include "tinyops/manage.h"

/* The next number of a version; steps over what ends it. */
static uint32_t take_number(const char **text) {
  uint32_t number = 0;
  while (**text >= '0' && **text <= '9') {
    number = number * 10u + (uint32_t)(*(*text)++ - '0');
  }
  *text += **text != 0;
  return number;
}

static int32_t describe(void *images, uint32_t image, uint32_t slot, tinyops_smp_slot *found) {
  const tinyops_app_management *self = (const tinyops_app_management *)images;
  tinyops_smp_info info = {0};
  self->board.info(self->board.context, &info);
  const uint8_t *digest = image == 0 ? info.firmware : info.model;
  if (slot != 0 || (image != 0 && digest == 0)) {
    return 0;
  }
  *found = (tinyops_smp_slot){.bootable = 1, .confirmed = 1, .active = 1};
  if (image == 0) {
    const char *version = info.version;
    found->image.major = (uint8_t)take_number(&version);
    found->image.minor = (uint8_t)take_number(&version);
    found->image.revision = (uint16_t)take_number(&version);
  }
  for (uint32_t i = 0; digest != 0 && i < TINYOPS_SMP_DIGEST_BYTES; i++) {
    found->has_digest = 1;
    found->image.digest[i] = digest[i];
  }
  return 1;
}

const tinyops_smp_images tinyops_app_running_calls = {.describe = describe};
