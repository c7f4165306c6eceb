"""The input of a self-test: golden.h on the host against its twin in Python."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

import tinyops
from tinyops.images import SEEDS, golden_input

pytestmark = pytest.mark.build

INCLUDE = Path(tinyops.__file__).parent / "runtime" / "include"
PROGRAM = r"""
#include <stdio.h>
#include <stdlib.h>

#include "tinyops/golden.h"

/* Arguments: seed, and the bytes of each piece. */
int main(int count, char **arguments) {
  uint32_t state = (uint32_t)strtoul(arguments[1], 0, 10);
  for (int i = 2; i < count; i++) {
    uint8_t bytes[4096];
    uint32_t piece = (uint32_t)strtoul(arguments[i], 0, 10);
    state = tinyops_golden_fill(state, bytes, piece);
    (void)fwrite(bytes, 1, piece, stdout);
  }
  return 0;
}
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("golden")
    (folder / "fill.c").write_text(PROGRAM)
    flags = ["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror", f"-I{INCLUDE}"]
    subprocess.run(["gcc", *flags, "-o", folder / "fill", folder / "fill.c"], check=True, timeout=60)
    return folder / "fill"


@pytest.mark.parametrize("seed", [*SEEDS, 0, 2**32 - 1])
def test_both_make_the_same_bytes_whole_and_row_by_row(program: Path, seed: int) -> None:
    for rows, size in ((1, 4096), (49, 40)):
        pieces = [str(size)] * rows
        found = subprocess.run([program, str(seed), *pieces], capture_output=True, check=True, timeout=60).stdout
        assert found == golden_input(seed, rows * size)
