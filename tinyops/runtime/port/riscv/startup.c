/* Start-up of a 32-bit RISC-V core in machine mode, without an operating system.
 *
 * Interrupts are masked for good: the program polls, and interrupts only end its sleep. The stack
 * lies at the low end of RAM, above a stretch that the core itself guards, so that an overflow
 * faults instead of overwriting code. */
#include "startup.h"

#include "tinyops/app.h"

__asm(".option arch, +zicsr\n"); /* which the board's own name of its core does not spell out */

#define GUARD_BYTES 0x10000u   /* a power of two; RAM starts at a multiple */
#define LOCKED_NO_ACCESS 0x98u /* of a naturally aligned power of two; machine mode obeys, too */
#define TIMER_INTERRUPT (1u << 7)
#define EXTERNAL_INTERRUPT (1u << 11)

#define READ(name)                                   \
  __extension__({                                    \
    uint32_t value_;                                 \
    __asm volatile("csrr %0, " name : "=r"(value_)); \
    value_;                                          \
  })
#define WRITE(name, value) __asm volatile("csrw " name ", %0" ::"r"(value) : "memory")

int main(void);
void tinyops_startup_reset(void);
void tinyops_startup_begin(void);
void tinyops_startup_fault(void);
void tinyops_startup_report(uint32_t lr, uint32_t low);

/* The first instructions of flash; the emulator starts here. */
__attribute__((naked, section(".vectors"), used)) void tinyops_startup_reset(void) {
  __asm volatile(
      "csrci mstatus, 8\n" /* no interrupts */
      "la sp, tinyops_stack_top\n"
      "tail tinyops_startup_begin\n");
}

/* The stack may be used up: start again from its top, whose contents nobody needs any more. */
__attribute__((naked, aligned(4))) void tinyops_startup_fault(void) {
  __asm volatile(
      "mv a0, ra\n"
      "mv a1, sp\n"
      "la sp, tinyops_stack_top\n"
      "tail tinyops_startup_report\n");
}

static uint32_t guarded_from(void) { return (uint32_t)tinyops_stack_low - GUARD_BYTES; }

static void guard_stack(void) {
  WRITE("pmpaddr0", (guarded_from() | (GUARD_BYTES / 2 - 1)) >> 2);
  WRITE("pmpcfg0", LOCKED_NO_ACCESS);
}

/* `main` does not return; a reset is the port's to make. */
__attribute__((used)) void tinyops_startup_begin(void) {
  WRITE("mie", 0);
  WRITE("mtvec", tinyops_startup_fault);
  guard_stack();
  tinyops_ram_fill();
  (void)main();
  for (;;) {
  }
}

static int32_t is_guarded(uint32_t address) { return address - guarded_from() < GUARD_BYTES; }

/* Zeros tell that the stack overflowed: where the program stood then is nobody's fault. */
static void read_trap(tinyops_crash *crash, uint32_t lr, uint32_t low) {
  const uint32_t value = READ("mtval");
  if (is_guarded(value) || is_guarded(low)) {
    return;
  }
  crash->pc = READ("mepc");
  crash->lr = lr;
  crash->psr = READ("mcause");
  crash->mmfar = value;
}

/* The record comes first: a line may be slow. */
__attribute__((used)) void tinyops_startup_report(uint32_t lr, uint32_t low) {
  tinyops_port port;
  tinyops_crash crash = {0};
  read_trap(&crash, lr, low);
  tinyops_port_open(&port);
  crash.uptime_ms = port.now_ms != 0 ? port.now_ms(port.context) : 0;
  crash.firmware_crc = tinyops_app_crc32(
      tinyops_flash_start, (uint32_t)tinyops_flash_end - (uint32_t)tinyops_flash_start);
  tinyops_kept_fault(&port, &crash, TINYOPS_RESET_FAULT);
  tinyops_app_send_fault(&port, crash.pc, crash.lr, crash.psr);
  tinyops_startup_restart();
}

void tinyops_startup_clear_counters(void) {
  WRITE("mcycle", 0);
  WRITE("minstret", 0);
}

uint32_t tinyops_startup_instructions(void) { return READ("minstret"); }

uint32_t tinyops_startup_cycles(void) { return READ("mcycle"); }

void tinyops_startup_wake(void) { WRITE("mie", EXTERNAL_INTERRUPT | TIMER_INTERRUPT); }

void tinyops_startup_sleep(void) { __asm volatile("wfi" ::: "memory"); }
