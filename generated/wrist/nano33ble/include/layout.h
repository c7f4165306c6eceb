/* Where things lie on nano33ble, as its catalogue entry says: for our bootloader and for what it starts; rendered by
 * `tinyops render`. Bytes, and addresses as the core sees them. */
#ifndef TINYOPS_LAYOUT_H
#define TINYOPS_LAYOUT_H

#define LAYOUT_BOARD "nano33ble"

/* Each a tinyops_slot: origin, bytes. */
#define LAYOUT_FIRMWARE \
  { \
    {0x00014000u, 114688u}, {0x00030000u, 114688u} \
  }
#define LAYOUT_MODEL \
  { \
    {0x0004c000u, 335872u}, {0x0009e000u, 335872u} \
  }
#define LAYOUT_STATE {0x000f2000u, 8192u}

#define LAYOUT_SETTINGS_ORIGIN 0x000f0000u
#define LAYOUT_SETTINGS_BYTES 8192u

/* A buffer for one step of work on slots, or on settings. */
#define LAYOUT_UNIT_BYTES 160u

#endif
