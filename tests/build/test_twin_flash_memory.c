/* Runs from flash that lies in the memory of a machine of QEMU's, and drives it by single letters;
 * every answer is a line of hexadecimal digits, and so is the first word: STARTED.
 *
 *   e  erases the sector at PLACE      1  programs a function there that returns 1       2  one, 2
 *   x  calls it                        r  the sum of two sectors, as memory
 *   R  the same, as the calls read it  w  stores into flash                     s  starts again
 *   E, P  erases and programs, R reads at ASIDE, which is not in memory              p  reads it
 *   b  erases a sector that is none */
#include "call.h"

void *memcpy(void *to, const void *from, unsigned long count);

#define REGISTER(address) (*(volatile uint32_t *)(address))
#define BYTE(address) (*(volatile uint8_t *)(address))

#if defined(__riscv)
enum { RETURNS = (int)0x80824501, VALUE_BIT = 2 }; /* c.li a0, n; c.jr ra */
#define UART_READY ((BYTE(0x10000005u) & 1u) != 0)
#define UART_DATA BYTE(0x10000000u)
#define UART_FULL ((BYTE(0x10000005u) & 0x20u) == 0)
#define OPEN_UART (void)0
#define RESTART (REGISTER(0x00100000u) = 0x7777u)
#else
enum { RETURNS = 0x47702000, VALUE_BIT = 0 }; /* movs r0, n; bx lr */
#if __ARM_ARCH >= 8
#define UART 0x50200000u
#define TIMER 0x50000000u
#else
#define UART 0x40004000u
#define TIMER 0x40000000u
#endif
#define UART_READY ((REGISTER(UART + 4u) & 2u) != 0)
#define UART_DATA REGISTER(UART)
#define UART_FULL ((REGISTER(UART + 4u) & 1u) != 0)
/* QEMU looks whether the UART takes bytes when a timer wakes it. */
#define OPEN_TIMER (REGISTER(TIMER + 8u) = 25000, REGISTER(TIMER) = 1)
#define OPEN_UART (REGISTER(UART + 16u) = 16, REGISTER(UART + 8u) = 3, OPEN_TIMER)
#define RESTART (REGISTER(0xe000ed0cu) = 0x05fa0004u)
#endif

enum { STARTED = 0x57a7 };
enum { ERASE_BYTES = TINYOPS_TWIN_ERASE_BYTES, PROGRAM_BYTES = TINYOPS_TWIN_PROGRAM_BYTES };

extern uint32_t stack_top[];
void start(void);
void body(void);

#if defined(__riscv)
__attribute__((naked, section(".vectors"), used)) void start(void) {
  __asm volatile("la sp, stack_top\n tail body\n");
}
#else
__attribute__((section(".vectors"), used)) static const void *const vectors[] = {stack_top, start};
void start(void) { body(); }
#endif

/* Which the compiler may call. */
void *memcpy(void *to, const void *from, unsigned long count) {
  for (unsigned long i = 0; i < count; i++) {
    ((volatile uint8_t *)to)[i] = ((const uint8_t *)from)[i];
  }
  return to;
}

static void say(uint32_t number) {
  static const char digits[] = "0123456789abcdef";
  for (uint32_t shift = 36; shift > 0; shift -= 4) {
    while (UART_FULL) {
    }
    UART_DATA = (uint8_t)(shift > 4 ? digits[number >> (shift - 8) & 15u] : '\n');
  }
}

static uint32_t erase(uint32_t address, uint32_t bytes) {
  return (uint32_t)twin_flash()->erase(0, address, bytes);
}

static uint32_t program(uint32_t address, uint32_t word) {
  uint32_t unit[PROGRAM_BYTES / 4];
  for (uint32_t i = 0; i < PROGRAM_BYTES / 4; i++) {
    unit[i] = i == 0 ? word : 0xffffffffu;
  }
  return (uint32_t)twin_flash()->program(0, address, (const uint8_t *)unit, PROGRAM_BYTES);
}

static uint32_t sum(int32_t by_call) {
  uint32_t total = 0, word = 0;
  for (uint32_t i = 0; i < 2 * ERASE_BYTES / 4; i++) {
    if (by_call) {
      (void)twin_flash()->read(0, PLACE + 4 * i, (uint8_t *)&word, 4);
    } else {
      word = REGISTER(PLACE + 4 * i);
    }
    total += word * (i + 1);
  }
  return total;
}

static uint32_t read_aside(void) {
  uint32_t word = 0;
  (void)twin_flash()->read(0, ASIDE, (uint8_t *)&word, 4);
  return word;
}

static uint32_t obey(uint32_t letter) {
  switch (letter) {
    case 'e':
      return erase(PLACE, ERASE_BYTES);
    case '1':
    case '2':
      return program(PLACE, RETURNS + ((letter - '0') << VALUE_BIT));
    case 'x':
      return ((uint32_t(*)(void))(PLACE + (VALUE_BIT == 0)))();
    case 'r':
    case 'R':
      return sum(letter == 'R');
    case 'w':
      REGISTER(PLACE) = 0;
      return 0;
    case 's':
      RESTART;
      return 0;
    case 'E':
      return erase(ASIDE, ERASE_BYTES);
    case 'P':
      return program(ASIDE, 0x5eed);
    case 'p':
      return read_aside();
    case 'b':
      return erase(PLACE + PROGRAM_BYTES, ERASE_BYTES);
    default:
      return ERASE_BYTES;
  }
}

void body(void) {
  OPEN_UART;
  say(STARTED);
  for (;;) {
    while (!UART_READY) {
    }
    say(obey(UART_DATA & 0xffu));
  }
}
