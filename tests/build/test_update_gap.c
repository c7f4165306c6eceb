/* A plugin for QEMU: when the guest comes to a place, in instructions executed so far.
 *
 *   -plugin file=THIS,to=FILE,at=ADDRESS[,at=ADDRESS ...]
 *
 * Each time a line is added to FILE: which place, counted from 0, and the instructions, to within
 * the block that it lies in. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "qemu_exports.h"

#define EXPORTED __attribute__((visibility("default")))
typedef void on_place(unsigned int cpu, void *data);
uint64_t qemu_plugin_insn_vaddr(const instruction *one);
void qemu_plugin_register_vcpu_insn_exec_cb(instruction *one, on_place *call, int flags,
                                            void *data);
enum { ADD = 0 };
void qemu_plugin_register_vcpu_tb_exec_inline(block *translated, int what, void *to, uint64_t by);
EXPORTED int qemu_plugin_version = 1;
EXPORTED int qemu_plugin_install(uint64_t id, const void *about, int count, char **arguments);

enum { PLACES_MAX = 64 };
static uint64_t places[PLACES_MAX];
static size_t place_count;
static int to = -1;
static uint64_t executed; /* blocks that were begun count as a whole */

static void note(unsigned int cpu, void *data) {
  (void)cpu;
  char line[64];
  const int count = snprintf(line, sizeof(line), "%zu %llu\n", (size_t)(uintptr_t)data,
                             (unsigned long long)executed);
  if (write(to, line, (size_t)count) != count) {
    abort();
  }
}

static void watch(uint64_t id, block *translated) {
  (void)id;
  qemu_plugin_register_vcpu_tb_exec_inline(translated, ADD, &executed,
                                           qemu_plugin_tb_n_insns(translated));
  for (size_t i = 0; i < qemu_plugin_tb_n_insns(translated); i++) {
    instruction *one = qemu_plugin_tb_get_insn(translated, i);
    for (size_t place = 0; place < place_count; place++) {
      if (qemu_plugin_insn_vaddr(one) == places[place]) {
        qemu_plugin_register_vcpu_insn_exec_cb(one, note, 0, (void *)(uintptr_t)place);
      }
    }
  }
}

int qemu_plugin_install(uint64_t id, const void *about, int count, char **arguments) {
  (void)about;
  for (int i = 0; i < count; i++) {
    if (strncmp(arguments[i], "to=", 3) == 0) {
      to = open(arguments[i] + 3, O_WRONLY | O_CREAT | O_APPEND, 0600);
    } else if (strncmp(arguments[i], "at=", 3) == 0 && place_count < PLACES_MAX) {
      places[place_count++] = strtoull(arguments[i] + 3, NULL, 0);
    }
  }
  qemu_plugin_register_vcpu_tb_trans_cb(id, watch);
  return to < 0;
}
