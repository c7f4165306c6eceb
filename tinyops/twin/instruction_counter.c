/* A plugin for QEMU's emulation of processes: counts the instructions that the process executes, in
 * memory that it shares with the process.
 *
 *   -plugin file=THIS,counter=NUMBER     NUMBER: an open file of at least 8 bytes
 *
 * Instructions are counted a translated block at a time, as it begins. Two readings in the same
 * code are therefore off by the same number, which a reading of nothing measures. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* What of QEMU's interface for plugins is used; the emulator brings the functions. */
typedef struct block block;
typedef void on_block_translated(uint64_t id, block *translated);
typedef void on_block_executed(unsigned int cpu, void *data);
enum { NO_REGISTERS = 0 };
void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, on_block_translated *call);
void qemu_plugin_register_vcpu_tb_exec_cb(block *translated, on_block_executed *call, int flags,
                                          void *data);
size_t qemu_plugin_tb_n_insns(const block *translated);

#define EXPORTED __attribute__((visibility("default")))
EXPORTED int qemu_plugin_version = INTERFACE;
EXPORTED int qemu_plugin_install(uint64_t id, const void *about, int count, char **arguments);

static volatile uint64_t *counter; /* QEMU passes no data of the plugin's to its callbacks */

static void count(unsigned int cpu, void *instructions) {
  (void)cpu;
  *counter += (uintptr_t)instructions;
}

static void watch(uint64_t id, block *translated) {
  (void)id;
  uintptr_t instructions = qemu_plugin_tb_n_insns(translated);
  qemu_plugin_register_vcpu_tb_exec_cb(translated, count, NO_REGISTERS, (void *)instructions);
}

int qemu_plugin_install(uint64_t id, const void *about, int count_of, char **arguments) {
  static const char option[] = "counter=";
  (void)about;
  if (count_of != 1 || strncmp(arguments[0], option, sizeof(option) - 1) != 0) {
    return 1;
  }
  int file = atoi(arguments[0] + sizeof(option) - 1);
  void *memory = mmap(NULL, sizeof(*counter), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (memory == MAP_FAILED) {
    return 1;
  }
  counter = memory;
  qemu_plugin_register_vcpu_tb_trans_cb(id, watch);
  return 0;
}
