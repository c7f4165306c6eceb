/* What the plugin uses of QEMU: its interface for plugins, and functions that it and its library
 * export to its own modules. The latter are no promise of QEMU's; Debian's builds have them. */
#ifndef TINYOPS_TWIN_QEMU_EXPORTS_H
#define TINYOPS_TWIN_QEMU_EXPORTS_H

#include <stddef.h>
#include <stdint.h>

typedef struct block block;
typedef struct instruction instruction;
typedef uint32_t access_info;
typedef void on_access(unsigned int cpu, access_info info, uint64_t address, void *data);
typedef void on_block(uint64_t id, block *translated);
enum { READ_REGISTERS = 1, ACCESS_READ = 1, ACCESS_WRITE = 2, ACCESS_BOTH = 3 };
void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, on_block *call);
size_t qemu_plugin_insn_size(const instruction *one);
size_t qemu_plugin_tb_n_insns(const block *translated);
instruction *qemu_plugin_tb_get_insn(const block *translated, size_t index);
const void *qemu_plugin_insn_data(const instruction *one);
void qemu_plugin_register_vcpu_mem_cb(instruction *one, on_access *call, int flags, int kinds,
                                      void *data);
unsigned int qemu_plugin_mem_size_shift(access_info info);
_Bool qemu_plugin_mem_is_store(access_info info);

typedef struct {
  uint32_t bits;
} attributes;
typedef struct {
  uint8_t *data;
  unsigned int length;
} byte_array;
enum { ASKED_FOR = 3, UNSPECIFIED = 1 }; /* a reset's cause; no attributes */
void qemu_register_reset(void (*call)(void *), void *data);
void qemu_system_reset_request(int reason);
void *qemu_get_cpu(int index);
void tb_flush(void *cpu);
void *cpu_get_address_space(void *cpu, int index);
void *address_space_map(void *space, uint64_t address, uint64_t *count, _Bool writes,
                        attributes how);
uint32_t address_space_read_full(void *space, uint64_t address, attributes how, void *bytes,
                                 uint64_t count);
uint32_t address_space_write(void *space, uint64_t address, attributes how, const void *bytes,
                             uint64_t count);
uint32_t address_space_write_rom(void *space, uint64_t address, attributes how, const void *bytes,
                                 uint64_t count);

/* Registers of the plugin's own: what is at a path of the machine's is memory that takes them. */
enum { REGION_WORDS = 256 };
typedef struct {
  uint64_t words[REGION_WORDS]; /* more than QEMU needs */
} region;
typedef struct {
  uint64_t (*read)(void *data, uint64_t offset, unsigned int size);
  void (*write)(void *data, uint64_t offset, uint64_t value, unsigned int size);
  void *with_attributes[2];
  int byte_order;
  uint64_t rest[8]; /* any size of access */
} region_calls;
void *object_resolve_path(const char *path, _Bool *ambiguous);
void memory_region_init_io(region *made, void *owner, const region_calls *calls, void *data,
                           const char *name, uint64_t bytes);
void memory_region_add_subregion_overlap(void *container, uint64_t offset, region *added,
                                         int priority);

int arm_cpu_gdb_read_register(void *cpu, byte_array *to, int number) __attribute__((weak));
byte_array *g_byte_array_new(void);
byte_array *g_byte_array_set_size(byte_array *array, unsigned int length);

/* Clocks: the guest's own, in nanoseconds; how many instructions it has executed. */
enum { GUEST_CLOCK = 1, TIMER_WORDS = 32 };
typedef struct {
  uint64_t words[TIMER_WORDS]; /* more than QEMU needs */
} timer;
int64_t qemu_clock_get_ns(int clock);
int64_t icount_get_raw(void);
void timer_init_full(timer *made, void *group, int clock, int scale, int attributes,
                     void (*call)(void *), void *data);
void timer_mod(timer *armed, int64_t at);
void timer_del(timer *armed);
_Bool qemu_mutex_iothread_locked(void);
void qemu_mutex_lock_iothread_impl(const char *file, int line);
void qemu_mutex_unlock_iothread(void);

#endif
