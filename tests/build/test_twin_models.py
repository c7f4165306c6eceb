"""Real models on the twins of each core, from .tflite to answers, and what the twins count."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from fakes.moving_network import moving_network
from tinyops.boards.loader import load_catalog
from tinyops.build.bench import bench
from tinyops.toolchain import CPU_FLAGS, installed
from tinyops.twin.qemu_user import build_counter

pytestmark = pytest.mark.build
SHARED = Path(os.environ.get("TINYOPS_SHARED_DATA", Path(__file__).parents[3] / "shared" / "data"))
KEYWORDS = SHARED / "models/mlperf_tiny/kws_ref_model.tflite"
INSTRUCTIONS_A_MAC = {"raspberrypi4": 12, "teensy41": 2, "pico2": 2, "esp32c3": 14, "coral-micro": 2}  # at most

# Prints how many instructions stand between two readings: of the same code with nothing, and with a loop between.
COUNTED = """
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
static const volatile uint64_t *counter;
__attribute__((noinline)) static uint64_t reading(void) { return *counter; }
__attribute__((noinline)) static void three_instructions(uint64_t times) {
  __asm volatile("1: nop\\n subs %0, %0, #1\\n b.ne 1b\\n" : "+r"(times) : : "cc");
}
__attribute__((noinline)) static uint64_t count(uint64_t times) {
  uint64_t before = reading();
  three_instructions(times);
  return reading() - before;
}
int main(int words, char **word) {
  counter = mmap(0, 8, PROT_READ, MAP_SHARED, atoi(word[words - 1]), 0);
  uint64_t least = count(1);
  printf("%d %d\\n", (int)(count(1001) - least), (int)(count(1000001) - least));
  return 0;
}
"""


@pytest.mark.parametrize("board", INSTRUCTIONS_A_MAC)
def test_a_model_is_bit_exact_on_each_core(board: str, tmp_path: Path) -> None:
    model = tmp_path / "moving.tflite"
    model.write_bytes(moving_network())
    catalog = load_catalog()
    chosen = KEYWORDS if KEYWORDS.exists() else model
    result = bench(chosen, catalog[board], catalog, prefer="balanced", inputs=None, report=lambda _: None)
    assert result.bit_exact, result.differences
    assert result.vectors == 16
    assert result.instructions is not None and result.instructions_per_mac is not None
    if KEYWORDS.exists():
        assert 1 < result.instructions_per_mac < INSTRUCTIONS_A_MAC[board]


def test_instructions_of_a_process_are_counted_exactly(tmp_path: Path) -> None:
    source, program = tmp_path / "counted.c", tmp_path / "counted"
    source.write_text(COUNTED)
    compiler, emulator = installed("aarch64-linux-gnu-gcc"), installed("qemu-aarch64")
    subprocess.run([compiler.path, *CPU_FLAGS["aarch64"], "-O2", "-static", source, "-o", program], check=True)
    plugin, number = build_counter(emulator), os.memfd_create("counter")
    try:
        os.truncate(number, 4096)
        command = [emulator.path, "-plugin", f"file={plugin},counter={number}", program, str(number)]
        done = subprocess.run(command, check=True, capture_output=True, text=True, pass_fds=[number], timeout=60)
    finally:
        os.close(number)
    assert done.stdout.split() == [str(3 * 1000), str(3 * 1000000)]
