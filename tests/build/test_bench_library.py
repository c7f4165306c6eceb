"""What `tinyops compile` writes is C that any compiler takes without a word, and that computes what the model says."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from fakes.compiled import compile_bytes, input_vectors, random_inputs, run_compiled
from fakes.moving_network import moving_network
from fakes.tflite import Tflite, dense
from tinyops.boards.loader import load_catalog
from tinyops.compiler.library import library_files, write_library
from tinyops.errors import UsageError
from tinyops.process import find_tool
from tinyops.toolchain import CPU_FLAGS

pytestmark = pytest.mark.build

WARNINGS = ("-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror")
INCLUDES = ("-Iinclude", "-Isrc")
CPLUSPLUS = """
#include "compiled_test.h"

static uint8_t memory[COMPILED_TEST_ARENA_BYTES + COMPILED_TEST_ARENA_ALIGN];
static const int shape[COMPILED_TEST_INPUT_RANK] = COMPILED_TEST_INPUT_SHAPE;

int main() {
  const uintptr_t start = reinterpret_cast<uintptr_t>(memory);
  void *arena = memory + (COMPILED_TEST_ARENA_ALIGN - start % COMPILED_TEST_ARENA_ALIGN) % COMPILED_TEST_ARENA_ALIGN;
  const float step = COMPILED_TEST_INPUT_SCALE;
  compiled_test_input(arena)[0] = COMPILED_TEST_INPUT_ZERO_POINT;
  return tinyops_model_init(arena) == TINYOPS_OK && tinyops_model_invoke(arena) == TINYOPS_OK && step > 0 &&
                 shape[0] == 1 && tinyops_model.arena_bytes == COMPILED_TEST_ARENA_BYTES
             ? 0
             : 1;
}
"""


def two_by_two() -> bytes:
    """Two inputs, two outputs, one of them float32."""
    model = Tflite()
    left, right = (model.tensor((1, 5), scale=0.5, zero_point=z) for z in (1, 2))
    total = model.tensor((1, 5), scale=1.0)
    real = model.tensor((1, 5), "float32")
    model.operator("ADD", [left, right], [total], table="AddOptions")
    model.operator("DEQUANTIZE", [total], [real], table="DequantizeOptions")
    return model.build([left, right], [total, real])


MODELS = {"dense": dense().build([0], [3]), "two_by_two": two_by_two(), "moving": moving_network()}


@cache
def library(name: str, folder: Path) -> Path:
    write_library(library_files(compile_bytes(MODELS[name])), folder)
    return folder


@pytest.fixture(params=MODELS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def sources(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in (folder / "src").rglob("*.c"))


def call(folder: Path, *argv: str | Path) -> str:
    done = subprocess.run([str(a) for a in argv], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def printed(output: bytes, name: str) -> list[float]:
    if name != "two_by_two":
        return [float(v) for v in np.frombuffer(output, np.int8)]
    return [*map(float, np.frombuffer(output[:5], np.int8)), *map(float, np.frombuffer(output[5:25], np.float32))]


def test_the_example_prints_what_the_model_computes(name: str, tmp_path: Path) -> None:
    folder = library(name, tmp_path)
    call(folder, "gcc", "-std=c99", *WARNINGS, *INCLUDES, *sources(folder), "examples/run/main.c", "-o", "run")
    compiled = compile_bytes(MODELS[name])
    values = random_inputs(compiled, 5, seed=2)
    wanted = run_compiled(compiled, input_vectors(compiled, values))
    assert len(set(wanted)) > 1
    for vector, output in enumerate(wanted):
        (folder / "x.bin").write_bytes(b"".join(array[vector].tobytes() for array in values))
        assert [float(v) for v in call(folder, "./run", "x.bin").split()] == printed(output, name)
    whole = (folder / "x.bin").read_bytes()
    for wrong in (whole[:-1], whole + b"x", b""):
        (folder / "x.bin").write_bytes(wrong)
        failed = subprocess.run(["./run", "x.bin"], cwd=folder, capture_output=True, text=True, check=False)
        assert failed.returncode == 1
        assert f"wanted are {len(whole)} bytes" in failed.stderr


def test_cmake_builds_it_and_runs_the_example(name: str, tmp_path: Path) -> None:
    find_tool("cmake")
    folder = library(name, tmp_path / "lib")
    call(folder, "cmake", "-S", ".", "-B", "build", "-DCMAKE_C_FLAGS=-Werror -Wall")
    call(folder, "cmake", "--build", "build")
    assert call(folder, "build/run").split() == call(folder, "build/run").split() != []


def test_every_header_is_cplusplus_too(name: str, tmp_path: Path) -> None:
    folder = library(name, tmp_path)
    for standard in ("c++11", "c++17"):
        for header in sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*.h")):
            (folder / "one.cpp").write_text(f'#include "{header}"\n#include "{header}"\n')
            flags = (f"-std={standard}", *WARNINGS, "-I.", *INCLUDES, "-fsyntax-only")
            call(folder, "g++", *flags, "one.cpp")


def test_a_cplusplus_program_links_it(tmp_path: Path) -> None:
    folder = library("dense", tmp_path)
    (folder / "main.cpp").write_text(CPLUSPLUS)
    call(folder, "gcc", "-std=c99", *WARNINGS, *INCLUDES, "-c", *sources(folder))
    call(folder, "g++", "-std=c++11", *WARNINGS, *INCLUDES, "main.cpp", *map(str, folder.glob("*.o")), "-o", "run")
    call(folder, "./run")


TWO = """
#include <stdio.h>

#include "first.h"
#include "second.h"

static uint8_t arena[FIRST_ARENA_BYTES + SECOND_ARENA_BYTES + 32];

static uint8_t *aligned(uint8_t *at) { return at + (16 - (uintptr_t)at % 16) % 16; }

int main(void) {
  uint8_t *a = aligned(arena), *b = aligned(arena + FIRST_ARENA_BYTES + 16);
  int failed = first_model_init(a) != TINYOPS_OK || second_model_init(b) != TINYOPS_OK;
  for (uint32_t i = 0; i < FIRST_INPUT_COUNT; i++) {
    first_input(a)[i] = (int8_t)(i * 7);
    second_input(b)[i] = (int8_t)(i * 7);
  }
  failed |= first_model_invoke(a) != TINYOPS_OK || second_model_invoke(b) != TINYOPS_OK;
  for (uint32_t i = 0; i < FIRST_OUTPUT_COUNT; i++) {
    (void)printf("%d %d\\n", first_output(a)[i], second_output(b)[i]);
  }
  return failed || first_model.arena_bytes != FIRST_ARENA_BYTES || second_model.arena_bytes != SECOND_ARENA_BYTES;
}
"""


@pytest.mark.parametrize("language", ["c", "c++"])
def test_two_models_with_prefixes_are_one_program(language: str, tmp_path: Path) -> None:
    compilers = {"c": ("gcc", "-std=c99"), "c++": ("g++", "-std=c++20", "-x", "c++")}
    changed = dense()
    changed.model.buffers[1].data = changed.model.buffers[1].data[::-1].copy()
    models = {"first": dense().build([0], [3]), "second": changed.build([0], [3])}
    objects, outputs = [], []
    vector = bytes(i * 7 % 256 for i in range(4))
    for prefix, model in models.items():
        folder = tmp_path / prefix
        write_library(library_files(compile_bytes(model), prefix), folder)
        call(folder, *compilers[language], *WARNINGS, *INCLUDES, "-c", *sources(folder))
        found = call(folder, "nm", "-g", "--defined-only", *(path.name for path in folder.glob("*.o"))).split()
        symbols = {name for name in found if "tinyops" in name or prefix in name}
        assert symbols
        assert not {name for name in symbols if "_op0_weights" in name and prefix not in name}
        objects += [str(path) for path in folder.glob("*.o")]
        outputs.append(run_compiled(compile_bytes(model), [vector])[0])
    (tmp_path / "main.c").write_text(TWO)
    includes = [f"-I{tmp_path / prefix / 'include'}" for prefix in models]
    link = [*compilers[language], *WARNINGS, *includes, "main.c", *(("-x", "none") if language == "c++" else ())]
    call(tmp_path, *link, *objects, "-o", "run")
    printed_pairs = [line.split() for line in call(tmp_path, "./run").splitlines()]
    wanted = [np.frombuffer(output, np.int8).tolist() for output in outputs]
    assert [[int(pair[side]) for pair in printed_pairs] for side in (0, 1)] == wanted
    assert wanted[0] != wanted[1]


@pytest.mark.parametrize("prefix", ["tinyops", "3d", "A b", "kws;", "a" * 41, "Kws"])
def test_a_prefix_that_is_no_name_is_refused(prefix: str) -> None:
    with pytest.raises(UsageError, match="cannot begin a C name"):
        library_files(compile_bytes(MODELS["dense"]), prefix)


@pytest.mark.parametrize("board", [n for n, b in load_catalog().items() if b.spec.compiler == "arm-none-eabi-gcc"])
def test_it_compiles_for_the_boards_core(name: str, board: str, tmp_path: Path) -> None:
    folder = library(name, tmp_path)
    flags = (*CPU_FLAGS[load_catalog()[board].spec.cpu], "-O2", "-std=c99", *WARNINGS, *INCLUDES)
    link = ("-specs=rdimon.specs", "-o", "run.elf")
    call(folder, "arm-none-eabi-gcc", *flags, *sources(folder), "examples/run/main.c", *link)
    text = call(folder, "arm-none-eabi-nm", "run.elf")
    assert "tinyops_model_invoke" in text


def test_the_model_has_no_writable_data_and_calls_no_malloc(name: str, tmp_path: Path) -> None:
    folder = library(name, tmp_path)
    flags = (*CPU_FLAGS["cortex-m0"], "-O2", "-std=c99", *INCLUDES)
    call(folder, "arm-none-eabi-gcc", *flags, "-c", *sources(folder))
    symbols = call(folder, "arm-none-eabi-nm", *map(str, folder.glob("*.o")))
    kinds = {line.split()[-2] for line in symbols.splitlines() if len(line.split()) >= 2 and ":" not in line}
    assert not kinds & set("dDbBcC")
    assert "malloc" not in symbols
