/* Start-up of a 32-bit RISC-V core in machine mode, without an operating system.
 *
 * Interrupts are masked for good: the program polls, and interrupts only end its sleep. The stack
 * lies at the low end of RAM, above a stretch that the core itself guards, so that an overflow
 * faults instead of overwriting code. */
#include "startup.h"

#include "tinyops/app.h"

__asm(".option arch, +zicsr\n"); /* which the board's own name of its core does not spell out */

#define PAINT 0xa5c35a3cu
#define GUARD_BYTES 0x10000u   /* a power of two; RAM starts at a multiple */
#define LOCKED_NO_ACCESS 0x98u /* of a naturally aligned power of two; machine mode obeys, too */
#define EXTERNAL_INTERRUPT (1u << 11)

#define READ(name)                                   \
  __extension__({                                    \
    uint32_t value_;                                 \
    __asm volatile("csrr %0, " name : "=r"(value_)); \
    value_;                                          \
  })
#define WRITE(name, value) __asm volatile("csrw " name ", %0" ::"r"(value) : "memory")

/* Placed by the linker script; only their addresses mean something. */
extern uint32_t tinyops_stack_low[], tinyops_stack_top[];
extern uint32_t tinyops_data_start[], tinyops_data_end[], tinyops_data_load[];
extern uint32_t tinyops_bss_start[], tinyops_bss_end[];
extern uint32_t tinyops_static_start[], tinyops_static_end[];

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

static void fill_memory(void) {
  uint32_t *here = (uint32_t *)__builtin_frame_address(0);
  for (volatile uint32_t *word = tinyops_stack_low; word < here - 32; word++) {
    *word = PAINT;
  }
  const uint32_t *from = tinyops_data_load;
  for (volatile uint32_t *to = tinyops_data_start; to < tinyops_data_end; to++) {
    *to = *from++;
  }
  for (volatile uint32_t *to = tinyops_bss_start; to < tinyops_bss_end; to++) {
    *to = 0;
  }
}

/* `main` does not return; a reset is the port's to make. */
__attribute__((used)) void tinyops_startup_begin(void) {
  WRITE("mie", 0);
  WRITE("mtvec", tinyops_startup_fault);
  guard_stack();
  fill_memory();
  (void)main();
  for (;;) {
  }
}

/* Zeros tell that the stack overflowed: where the program stood then is nobody's fault. */
__attribute__((used)) void tinyops_startup_report(uint32_t lr, uint32_t low) {
  uint32_t pc = READ("mepc");
  uint32_t cause = READ("mcause");
  if (READ("mtval") - guarded_from() < GUARD_BYTES || low - guarded_from() < GUARD_BYTES) {
    pc = 0;
    lr = 0;
    cause = 0;
  }
  tinyops_port port;
  tinyops_port_open(&port);
  tinyops_app_send_fault(&port, pc, lr, cause);
  port.reset(port.context);
  for (;;) {
  }
}

void tinyops_startup_measure(void *context, tinyops_port_memory *memory) {
  (void)context;
  const uint32_t *word = tinyops_stack_low;
  while (word < tinyops_stack_top && *word == PAINT) {
    word++;
  }
  memory->stack_used = (uint32_t)tinyops_stack_top - (uint32_t)word;
  memory->stack_bytes = (uint32_t)tinyops_stack_top - (uint32_t)tinyops_stack_low;
  memory->static_bytes = (uint32_t)tinyops_static_end - (uint32_t)tinyops_static_start;
}

void tinyops_startup_clear_counters(void) {
  WRITE("mcycle", 0);
  WRITE("minstret", 0);
}

uint32_t tinyops_startup_instructions(void) { return READ("minstret"); }

uint32_t tinyops_startup_cycles(void) { return READ("mcycle"); }

void tinyops_startup_wake_by_external(void) { WRITE("mie", EXTERNAL_INTERRUPT); }

void tinyops_startup_sleep(void) { __asm volatile("wfi" ::: "memory"); }
