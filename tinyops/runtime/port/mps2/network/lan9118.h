/* The Ethernet controller of the MPS2 boards, an SMSC LAN9118, polled: frames in, frames out. */
#ifndef TINYOPS_PORT_LAN9118_H
#define TINYOPS_PORT_LAN9118_H

#include <stdint.h>

enum { LAN9118_FRAME_MAX = 1514, LAN9118_FRAME_MIN = 60, LAN9118_ADDRESS_BYTES = 6 };

/* Resets the controller, turns it on, and copies its address. Returns 0, or -1 when there is none.
 */
int32_t lan9118_open(uint8_t *address);

/* Sends a frame of `count` bytes at a 4-aligned address, whose last word may be read whole. Returns
 * 0, or -1 when the controller has no room for it. */
int32_t lan9118_send(const uint32_t *frame, uint32_t count);

/* The next frame raises the interrupt, whatever came before. */
void lan9118_arm(void);

/* Whether a frame waits, a damaged one perhaps. */
int32_t lan9118_waits(void);

/* Bytes of the frame that has come, without its check sequence; 0: none. Damaged ones and such as
 * are too long are dropped. Take the frame before the next call. */
uint32_t lan9118_arrived(void);

/* Copies the frame that has come to `frame`, a 4-aligned buffer of LAN9118_FRAME_MAX bytes, rounded
 * up to whole words. */
void lan9118_take(uint32_t *frame, uint32_t count);

/* Drops it. */
void lan9118_drop(uint32_t count);

#endif
