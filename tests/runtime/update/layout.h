/* The flash of the device that updates itself: as a core sees it. */
#ifndef TINYOPS_TESTS_UPDATE_LAYOUT_H
#define TINYOPS_TESTS_UPDATE_LAYOUT_H

#define FLASH_ORIGIN 0x10000000u
#define FLASH_BYTES 0x74000u
#define SETTINGS_ORIGIN 0x10070000u
#define SETTINGS_BYTES 0x2000u
#define SLOT_PLACES                                       \
  {                                                       \
    {{{0x10010000u, 0x10000u}, {0x10020000u, 0x10000u}},  \
     {{0x10030000u, 0x20000u}, {0x10050000u, 0x20000u}}}, \
    {                                                     \
      0x10072000u, 0x2000u                                \
    }                                                     \
  }

#endif
