/* Where things lie on microbit, as its catalogue entry says: for our bootloader and for what it starts; rendered by
 * `tinyops render`. Bytes, and addresses as the core sees them. */
#ifndef TINYOPS_LAYOUT_H
#define TINYOPS_LAYOUT_H

#define LAYOUT_BOARD "microbit"

/* Each a tinyops_slot: origin, bytes. */
#define LAYOUT_FIRMWARE \
  { \
    {0x00005000u, 32768u}, {0x0000d000u, 32768u} \
  }
#define LAYOUT_MODEL \
  { \
    {0x00015000u, 86016u}, {0x0002a000u, 86016u} \
  }
#define LAYOUT_STATE {0x0003f800u, 2048u}

#define LAYOUT_SETTINGS_ORIGIN 0x0003f000u
#define LAYOUT_SETTINGS_BYTES 2048u

/* A buffer for one step of work on slots, or on settings. */
#define LAYOUT_UNIT_BYTES 160u

#endif
