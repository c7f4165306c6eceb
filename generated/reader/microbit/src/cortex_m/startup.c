/* Start-up of a Cortex-M without an operating system.
 *
 * Runs on the main stack with interrupts masked for good: the program polls, and interrupts only
 * end its sleep. The stack lies at the low end of RAM, so that an overflow faults instead of
 * overwriting data. */
#include "startup.h"

#include "tinyops/app.h"

/* Whether there is a vector table register, as the board's catalogue entry says: an M0 has none. */
#ifndef TINYOPS_HAS_VTOR
#error "TINYOPS_HAS_VTOR is 0 or 1"
#endif

#define REGISTER(address) (*(volatile uint32_t *)(address))
#define NVIC_ENABLE(word) REGISTER(0xe000e100u + 4u * (word))
#define NVIC_DISABLE(word) REGISTER(0xe000e180u + 4u * (word))
#define NVIC_CLEAR_PENDING(word) REGISTER(0xe000e280u + 4u * (word))
#define SYSTICK_CONTROL REGISTER(0xe000e010u)
#define SYSTICK_RELOAD REGISTER(0xe000e014u)
#define SYSTICK_VALUE REGISTER(0xe000e018u)
#define SYSTICK_ON_CORE_CLOCK 5u
#define SYSTICK_MASK 0x00ffffffu
#define DEBUG_CONTROL REGISTER(0xe000edfcu)
#define DEBUG_TRACE_ON (1u << 24)
#define DWT_CONTROL REGISTER(0xe0001000u)
#define DWT_CYCLES REGISTER(0xe0001004u)
#define DWT_CYCLES_ON 1u
#define VECTOR_TABLE_OFFSET REGISTER(0xe000ed08u)
#define RESET_CONTROL REGISTER(0xe000ed0cu)
#define RESET_REQUEST 0x05fa0004u
#define EXCEPTION_NMI 2u
#define FAULT_STATUS REGISTER(0xe000ed28u)
#define HARD_FAULT_STATUS REGISTER(0xe000ed2cu)
#define FAULT_ADDRESS REGISTER(0xe000ed34u)
#define BUS_FAULT_ADDRESS REGISTER(0xe000ed38u)
#define STACK_OVERFLOWED (1u << 20)
#define COPROCESSOR_ACCESS REGISTER(0xe000ed88u)
#define FPU_FULL_ACCESS 0x00f00000u
#define MPU_CONTROL REGISTER(0xe000ed94u)
#define MPU_ON_ABOVE_DEFAULT_MAP 5u
#define MPU_REGION REGISTER(0xe000ed98u)
#define MPU_ADDRESS REGISTER(0xe000ed9cu)
#define MPU_ATTRIBUTES REGISTER(0xe000eda0u)
#define MPU_NO_ACCESS_1_MB (1u << 28 | 19u << 1 | 1u)
#define BELOW_RAM 0x1ff00000u

#if !TINYOPS_HAS_VTOR
extern volatile uint32_t tinyops_top_words[]; /* by the linker script */
#endif

int main(void);
void tinyops_startup_reset(void);
void tinyops_startup_fault(void);
void tinyops_startup_report(const uint32_t *frame);

typedef struct {
  uint32_t *stack;
  void (*entries[15])(void);
} vector_table;

/* Only the core's own exceptions: with interrupts masked no other entry is ever fetched. */
__attribute__((section(".vectors"), used)) static const vector_table vectors = {
    tinyops_stack_top,
    {tinyops_startup_reset, tinyops_startup_fault, tinyops_startup_fault, tinyops_startup_fault,
     tinyops_startup_fault, tinyops_startup_fault, tinyops_startup_fault, tinyops_startup_fault,
     tinyops_startup_fault, tinyops_startup_fault, tinyops_startup_fault, tinyops_startup_fault,
     tinyops_startup_fault, tinyops_startup_fault, tinyops_startup_fault},
};

/* Whoever ran before (a bootloader) may have left interrupts and a tick running. */
static void quiet(void) {
  __asm volatile("cpsid i" ::: "memory");
  SYSTICK_CONTROL = 0;
#if __ARM_ARCH >= 7
  for (uint32_t word = 0; word < 8; word++) {
    NVIC_DISABLE(word) = 0xffffffffu;
  }
#else
  NVIC_DISABLE(0) = 0xffffffffu; /* an M0 or M0+ has no more */
#endif
#if TINYOPS_HAS_VTOR
  VECTOR_TABLE_OFFSET = (uint32_t)&vectors;
#else
  /* A bootloader, if there is one, has the only table: it forwards to here (boot/start.c). */
  tinyops_top_words[0] = (uint32_t)tinyops_startup_fault;
#endif
#if defined(__ARM_FP)
  COPROCESSOR_ACCESS |= FPU_FULL_ACCESS;
  __asm volatile("dsb\n isb" ::: "memory");
#endif
}

/* Some machines, the twin's among them, ignore writes below RAM: make an overflow of the stack
 * fault. */
static void guard_stack(void) {
#if __ARM_ARCH >= 8
  __asm volatile("msr msplim, %0" ::"r"(tinyops_stack_low)); /* the core itself checks */
#elif __ARM_ARCH >= 7
  MPU_REGION = 0;
  MPU_ADDRESS = BELOW_RAM;
  MPU_ATTRIBUTES = MPU_NO_ACCESS_1_MB;
  MPU_CONTROL = MPU_ON_ABOVE_DEFAULT_MAP;
  __asm volatile("dsb\n isb" ::: "memory");
#endif
}

void tinyops_startup_reset(void) {
  quiet();
  guard_stack();
  tinyops_ram_fill();
  (void)main();
  RESET_CONTROL = RESET_REQUEST;
  for (;;) {
  }
}

/* The stack may be used up: keep where it stood and start again from its top. */
__attribute__((naked)) void tinyops_startup_fault(void) {
  __asm volatile(
      "mrs r0, msp\n"
      "ldr r1, =tinyops_stack_top\n"
      "mov sp, r1\n"
      "bl tinyops_startup_report\n");
}

/* Where the core checks the stack it says so, and has pushed nothing. */
static int stack_overflowed(void) {
#if __ARM_ARCH >= 8
  return (FAULT_STATUS & STACK_OVERFLOWED) != 0;
#else
  return 0;
#endif
}

static void restart(void) {
  __asm volatile("dsb" ::: "memory");
  RESET_CONTROL = RESET_REQUEST;
  for (;;) {
  }
}

static void read_fault_registers(tinyops_crash *crash) {
#if __ARM_ARCH >= 7
  crash->cfsr = FAULT_STATUS;
  crash->hfsr = HARD_FAULT_STATUS;
  crash->mmfar = FAULT_ADDRESS;
  crash->bfar = BUS_FAULT_ADDRESS;
#else
  (void)crash;
#endif
}

static void read_frame(tinyops_crash *crash, const uint32_t *frame) {
  if (frame >= tinyops_stack_low && frame + 8 <= tinyops_stack_top && !stack_overflowed()) {
    crash->lr = frame[5];
    crash->pc = frame[6];
    crash->psr = frame[7];
  }
}

/* A watchdog that warns before it bites does so by the exception that nothing masks. */
static tinyops_reset_cause find_cause(void) {
  uint32_t exception;
  __asm volatile("mrs %0, ipsr" : "=r"(exception));
  return exception == EXCEPTION_NMI ? TINYOPS_RESET_WATCHDOG : TINYOPS_RESET_FAULT;
}

/* `frame` is what the core pushed: r0-r3, r12, lr, pc, psr. After an overflow it
 * is nowhere, and zeros are reported. The record comes first: a line may be slow. */
__attribute__((used)) void tinyops_startup_report(const uint32_t *frame) {
  tinyops_port port;
  tinyops_crash crash = {0};
  read_frame(&crash, frame);
  read_fault_registers(&crash);
  tinyops_port_open(&port);
  crash.uptime_ms = port.now_ms != 0 ? port.now_ms(port.context) : 0;
  crash.firmware_crc = tinyops_app_crc32(
      tinyops_flash_start, (uint32_t)tinyops_flash_end - (uint32_t)tinyops_flash_start);
  tinyops_kept_fault(&port, &crash, find_cause());
  tinyops_app_send_fault(&port, crash.pc, crash.lr, crash.psr);
  restart();
}

void tinyops_startup_restart(void *context) {
  tinyops_kept_announce((const tinyops_port *)context, TINYOPS_RESET_SOFTWARE);
  restart();
}

#if __ARM_ARCH >= 7
/* Whether there is a counter shows only when it counts: some cores, and emulators, lack it. */
static int open_dwt(void) {
  DEBUG_CONTROL |= DEBUG_TRACE_ON;
  DWT_CONTROL |= DWT_CYCLES_ON;
  const uint32_t before = DWT_CYCLES;
  __asm volatile("nop\n nop\n nop\n nop" ::: "memory");
  return DWT_CYCLES != before;
}
#endif

static int open_systick(void) {
  SYSTICK_RELOAD = SYSTICK_MASK;
  SYSTICK_VALUE = 0; /* any value clears it */
  SYSTICK_CONTROL = SYSTICK_ON_CORE_CLOCK;
  for (uint32_t i = 0; i < 64; i++) {
    if (SYSTICK_VALUE != 0) {
      return 1;
    }
  }
  return 0;
}

uint8_t tinyops_startup_open_cycles(void) {
#if __ARM_ARCH >= 7
  if (open_dwt()) {
    return 32;
  }
#endif
  return open_systick() ? 24 : 0;
}

void tinyops_startup_clear_cycles(uint8_t bits) {
  if (bits == 32) {
    DWT_CYCLES = 0;
  } else if (bits != 0) {
    SYSTICK_VALUE = 0; /* the next cycle loads SYSTICK_MASK, from which it counts down */
  }
}

uint32_t tinyops_startup_cycles(uint8_t bits) {
  return bits == 32 ? DWT_CYCLES : (0u - SYSTICK_VALUE) & SYSTICK_MASK;
}

uint32_t tinyops_startup_read_cycles(void *context) {
  return tinyops_startup_cycles(((const tinyops_port *)context)->cycle_bits);
}

void tinyops_startup_wake_by(uint32_t irq) { NVIC_ENABLE(irq / 32) = 1u << irq % 32; }

void tinyops_startup_sleep(uint32_t irq) {
  __asm volatile("dsb\n wfi" ::: "memory");
  NVIC_CLEAR_PENDING(irq / 32) = 1u << irq % 32;
}

void tinyops_startup_forget(uint32_t irq) { NVIC_CLEAR_PENDING(irq / 32) = 1u << irq % 32; }
