/* The line of a part of a chain whose next part is the central of its Bluetooth: where that is
 * connected, the line is there; else it is the cable's, so that a board can be enrolled and given
 * its first images before there is a chain. */
#ifndef TINYOPS_ARDUINO_PART_LINE_H
#define TINYOPS_ARDUINO_PART_LINE_H

#include "way.h"

typedef struct {
  tinyops_port cable;
  const tinyops_arduino_way *air;
} tinyops_arduino_part_line;

/* Makes `port`, which is open, such a line; without a radio it stays as it is. Call it once; both
 * must outlive the part. */
void tinyops_arduino_open_part_line(tinyops_arduino_part_line *self, tinyops_port *port,
                                    const char *name);

#endif
