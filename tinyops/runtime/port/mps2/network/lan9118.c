/* Facts: SMSC LAN9118 data sheet, chapters 3.12 (FIFOs), 5.3 (registers), 5.4 (the MAC's). */
#include "lan9118.h"

#define REGISTER(offset) (*(volatile uint32_t *)(0x40200000u + (offset)))
#define RX_DATA REGISTER(0x00)
#define TX_DATA REGISTER(0x20)
#define RX_STATUS REGISTER(0x40)
#define TX_STATUS REGISTER(0x48)
#define INTERRUPT_CONFIG REGISTER(0x54)
#define INTERRUPT_STATUS REGISTER(0x58)
#define INTERRUPT_ENABLE REGISTER(0x5c)
#define FIFO_INTERRUPT REGISTER(0x68)
#define BYTE_TEST REGISTER(0x64)
#define RX_CONFIG REGISTER(0x6c)
#define TX_CONFIG REGISTER(0x70)
#define CONFIG REGISTER(0x74)
#define RX_INFO REGISTER(0x7c)
#define TX_INFO REGISTER(0x80)
#define MAC_COMMAND REGISTER(0xa4)
#define MAC_DATA REGISTER(0xa8)

#define INTERRUPT_ON (1u << 8 | 1u << 4 | 1u) /* high, and driven */
#define RX_STATUS_WAITS (1u << 3)
#define BYTE_ORDER 0x87654321u
#define SOFT_RESET 1u
#define MUST_BE_ONE (1u << 20)
#define TX_FIFO_KILOBYTES (5u << 16)
#define TX_ON 2u
#define TX_STATUS_PENDING 0x00ff0000u
#define TX_FREE 0xffffu
#define RX_PENDING 0x00ff0000u
#define RX_DAMAGED (1u << 15)
#define MAC_BUSY (1u << 31)
#define MAC_READ (1u << 30)
#define MAC_CONTROL 1u
#define MAC_ADDRESS_HIGH 2u
#define MAC_ADDRESS_LOW 3u
#define MAC_RX_AND_TX 0xcu
#define WHOLE_FRAME (3u << 12) /* its first and its last piece */

enum { TRIES = 100000, CHECK_BYTES = 4, COMMAND_WORDS = 2 };

static void wait_for_mac(void) {
  for (uint32_t i = 0; i < TRIES && (MAC_COMMAND & MAC_BUSY) != 0; i++) {
  }
}

static uint32_t mac_read(uint32_t which) {
  MAC_COMMAND = MAC_BUSY | MAC_READ | which;
  wait_for_mac();
  return MAC_DATA;
}

static void mac_write(uint32_t which, uint32_t value) {
  MAC_DATA = value;
  MAC_COMMAND = MAC_BUSY | which;
  wait_for_mac();
}

int32_t lan9118_open(uint8_t *address) {
  if (BYTE_TEST != BYTE_ORDER) {
    return -1;
  }
  CONFIG = SOFT_RESET;
  for (uint32_t i = 0; i < TRIES && (CONFIG & SOFT_RESET) != 0; i++) {
  }
  CONFIG = TX_FIFO_KILOBYTES | MUST_BE_ONE;
  RX_CONFIG = 0;
  const uint32_t low = mac_read(MAC_ADDRESS_LOW);
  const uint32_t high = mac_read(MAC_ADDRESS_HIGH);
  for (uint32_t i = 0; i < 4u; i++) {
    address[i] = (uint8_t)(low >> (8u * i));
  }
  address[4] = (uint8_t)high;
  address[5] = (uint8_t)(high >> 8);
  mac_write(MAC_CONTROL, MAC_RX_AND_TX);
  TX_CONFIG = TX_ON;
  FIFO_INTERRUPT = 0; /* one frame is enough */
  INTERRUPT_ENABLE = RX_STATUS_WAITS;
  INTERRUPT_CONFIG = INTERRUPT_ON;
  return 0;
}

int32_t lan9118_send(const uint32_t *frame, uint32_t count) {
  while ((TX_INFO & TX_STATUS_PENDING) != 0) {
    (void)TX_STATUS; /* a frame that is lost is TCP's to notice */
  }
  const uint32_t words = (count + 3u) / 4u;
  if ((TX_INFO & TX_FREE) < 4u * (words + COMMAND_WORDS)) {
    return -1;
  }
  TX_DATA = WHOLE_FRAME | count;
  TX_DATA = count;
  for (uint32_t i = 0; i < words; i++) {
    TX_DATA = frame[i];
  }
  return 0;
}

/* The mark stays until it is taken away. */
void lan9118_arm(void) { INTERRUPT_STATUS = RX_STATUS_WAITS; }

int32_t lan9118_waits(void) { return (RX_INFO & RX_PENDING) != 0; }

uint32_t lan9118_arrived(void) {
  while ((RX_INFO & RX_PENDING) != 0) {
    const uint32_t status = RX_STATUS;
    const uint32_t bytes = status >> 16 & 0x3fffu;
    const uint32_t count = bytes < CHECK_BYTES ? 0 : bytes - CHECK_BYTES;
    if ((status & RX_DAMAGED) == 0 && count != 0 && count <= LAN9118_FRAME_MAX) {
      return count;
    }
    lan9118_drop(count);
  }
  return 0;
}

void lan9118_take(uint32_t *frame, uint32_t count) {
  const uint32_t words = (count + 3u) / 4u, all = (count + CHECK_BYTES + 3u) / 4u;
  for (uint32_t i = 0; i < all; i++) {
    const uint32_t word = RX_DATA;
    if (i < words) {
      frame[i] = word;
    }
  }
}

void lan9118_drop(uint32_t count) {
  for (uint32_t i = 0; i < (count + CHECK_BYTES + 3u) / 4u; i++) {
    (void)RX_DATA;
  }
}
