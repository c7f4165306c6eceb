/* Semihosting stands in for what this board lacks and a product has: a generator of randomness (the
 * host's), and a name server where the network's router is asked to be one.
 *
 * Facts: Arm's semihosting for AArch32 and AArch64, 2.0: SYS_OPEN, SYS_READ, SYS_GET_CMDLINE. */
#include "board.h"

#include "lan9118.h"
#include "startup.h"

#define FPGA_COUNTER (*(volatile uint32_t *)0x40028018u) /* milliseconds, once the port is open */

enum { SYS_OPEN = 1, SYS_READ = 6, SYS_CMDLINE = 0x15, MODE_BINARY = 1, LINE_MAX = 128 };
enum { FRAME_IRQ = 13 };
enum { HOST_IN_SLIRP = 0x0202000a }; /* 10.0.2.2 */

/* A frame that came before is seen in the controller; one that comes later ends the sleep. */
void mps2_network_sleep(const tinyops_port *port) {
  lan9118_arm();
  tinyops_startup_forget(FRAME_IRQ);
  tinyops_startup_wake_by(FRAME_IRQ);
  if (lan9118_waits() == 0) {
    port->idle(port->context);
  }
}

static int32_t ask_host(uint32_t what, const void *arguments) {
  register uint32_t r0 __asm("r0") = what;
  register const void *r1 __asm("r1") = arguments;
  __asm volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
  return (int32_t)r0;
}

/* Opened once: the handle lasts as long as the emulator. */
static int32_t read_random(uint8_t *bytes, uint32_t count) {
  static int32_t handle = -1;
  static const char path[] = "/dev/urandom";
  if (handle < 0) {
    const uint32_t opened[3] = {(uint32_t)(uintptr_t)path, MODE_BINARY, sizeof(path) - 1u};
    handle = ask_host(SYS_OPEN, opened);
  }
  const uint32_t wanted[3] = {(uint32_t)handle, (uint32_t)(uintptr_t)bytes, count};
  return handle >= 0 && ask_host(SYS_READ, wanted) == 0 ? 0 : -1; /* 0: nothing was left unread */
}

static uint32_t now_ms(void) { return FPGA_COUNTER; }

/* The number behind `dns=`, 0: none. */
static uint16_t name_port(void) {
  char line[LINE_MAX] = {0};
  uint32_t room[2] = {(uint32_t)(uintptr_t)line, sizeof(line)};
  if (ask_host(SYS_CMDLINE, room) != 0) {
    return 0;
  }
  uint32_t at = 0, port = 0;
  while (at + 4u < LINE_MAX && !(line[at] == 'd' && line[at + 1u] == 'n' && line[at + 2u] == 's' &&
                                 line[at + 3u] == '=')) {
    at++;
  }
  for (at += 4u; at < LINE_MAX && line[at] >= '0' && line[at] <= '9' && port < 6554u; at++) {
    port = port * 10u + (uint32_t)(line[at] - '0');
  }
  return (uint16_t)port;
}

void mps2_network_board(tinyops_network_board *board) {
  const uint16_t port = name_port();
  *board = (tinyops_network_board){
      .open = lan9118_open,
      .send = lan9118_send,
      .arrived = lan9118_arrived,
      .take = lan9118_take,
      .drop = lan9118_drop,
      .random = read_random,
      .now_ms = now_ms,
      .name_server = port != 0 ? HOST_IN_SLIRP : 0u,
      .name_port = port,
  };
}
