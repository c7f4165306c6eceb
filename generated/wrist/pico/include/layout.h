/* Where things lie on pico, as its catalogue entry says: for our bootloader and for what it starts; rendered by
 * `tinyops render`. Bytes, and addresses as the core sees them. */
#ifndef TINYOPS_LAYOUT_H
#define TINYOPS_LAYOUT_H

#define LAYOUT_BOARD "pico"

/* Each a tinyops_slot: origin, bytes. */
#define LAYOUT_FIRMWARE \
  { \
    {0x10006000u, 118784u}, {0x10023000u, 118784u} \
  }
#define LAYOUT_MODEL \
  { \
    {0x10040000u, 851968u}, {0x10110000u, 851968u} \
  }
#define LAYOUT_STATE {0x101fc000u, 8192u}

#define LAYOUT_SETTINGS_ORIGIN 0x101fe000u
#define LAYOUT_SETTINGS_BYTES 8192u

/* A buffer for one step of work on slots, or on settings. */
#define LAYOUT_UNIT_BYTES 256u

#endif
