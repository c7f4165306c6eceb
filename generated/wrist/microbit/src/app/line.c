/* One line, two framings: frames of the link lie between two 0x00, lines of SMP's console outside
 * of them.
 *
 *   OUTSIDE -0x00-> OPENED                  anything else goes to the console
 *   OPENED  -0x00-> OPENED
 *   OPENED  -06 09 or 04 14-> OUTSIDE       a line: no request of the link begins like that
 *   OPENED  -anything else-> FRAME
 *   FRAME   -0x00-> OUTSIDE, with a frame; or OPENED: what ended may have been no frame, and this
 *                   0x00 the first of one
 *   FRAME   -longer than any frame-> OUTSIDE
 *
 * So garbage without 0x00 never hides a line, and a line never begins within a frame. */
#include "tinyops/app.h"

enum { OUTSIDE = 0, OPENED, HELD, FRAME };
enum { BEGIN_0 = 0x06, BEGIN_1 = 0x09, GO_ON_0 = 0x04, GO_ON_1 = 0x14 };

static tinyops_arrival feed_link(tinyops_app *app, uint8_t byte) {
  app->frame_bytes = tinyops_app_decode(&app->decoder, byte);
  if (byte == 0) {
    app->line = app->frame_bytes > 0 ? OUTSIDE : OPENED;
  } else if (app->decoder.damaged != 0) {
    (void)tinyops_app_decode(&app->decoder, 0);
    app->line = OUTSIDE;
  } else {
    app->line = FRAME;
  }
  return app->frame_bytes > 0 ? TINYOPS_ARRIVED_FRAME : TINYOPS_ARRIVED_NOTHING;
}

static tinyops_arrival feed_console(tinyops_app *app, uint8_t byte) {
  if (byte == 0) {
    tinyops_smp_break(app->board->smp);
    app->line = OPENED;
    return TINYOPS_ARRIVED_NOTHING;
  }
  app->line = OUTSIDE;
  return tinyops_smp_feed(app->board->smp, byte) != 0 ? TINYOPS_ARRIVED_MESSAGE
                                                      : TINYOPS_ARRIVED_NOTHING;
}

/* The second byte after a 0x00, when the first was held back. */
static tinyops_arrival decide(tinyops_app *app, uint8_t byte) {
  const uint8_t held = app->held;
  if ((held == BEGIN_0 && byte == BEGIN_1) || (held == GO_ON_0 && byte == GO_ON_1)) {
    (void)feed_console(app, held);
    return feed_console(app, byte);
  }
  (void)feed_link(app, held);
  return feed_link(app, byte);
}

tinyops_arrival tinyops_app_take(tinyops_app *app, uint8_t byte) {
  if (app->board->smp == 0) {
    return feed_link(app, byte);
  }
  switch (app->line) {
    case OUTSIDE:
      return feed_console(app, byte);
    case HELD:
      return decide(app, byte);
    case OPENED:
      if (byte == BEGIN_0 || byte == GO_ON_0) {
        app->held = byte;
        app->line = HELD;
        return TINYOPS_ARRIVED_NOTHING;
      }
      return byte == 0 ? TINYOPS_ARRIVED_NOTHING : feed_link(app, byte);
    default:
      return feed_link(app, byte);
  }
}
