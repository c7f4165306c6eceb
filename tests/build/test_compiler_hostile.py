"""Damaged models: refused with a sentence, or compiled to C that stays inside its buffers."""

from __future__ import annotations

import random
import subprocess

import pytest

from fakes.compiled import SANITIZED, compile_bytes, input_vectors, random_inputs, run_compiled
from fakes.tflite import dense
from tinyops.errors import DoesNotFit, SpecError

pytestmark = pytest.mark.build


def damaged(source: bytes, rng: random.Random) -> bytes:
    data = bytearray(source)
    for _ in range(rng.randint(1, 4)):
        data[rng.randrange(len(data))] = rng.choice([0, 1, 2, 127, 128, 255, rng.randrange(256)])
    return bytes(data)


def test_damaged_models_never_crash_the_compiler_nor_the_compiled_code():
    from test_compiler_image import small_network

    rng = random.Random(9)  # noqa: S311
    ran = refused = 0
    for source in (small_network(), dense().build([0], [3])):
        for _ in range(1500):
            try:
                compiled = compile_bytes(damaged(source, rng), arena_bytes=1 << 20, board="test")
            except (SpecError, DoesNotFit):
                refused += 1
                continue
            if ran < 60 and rng.random() < 0.05:
                inputs = random_inputs(compiled, 2, seed=1)
                run_compiled(compiled, input_vectors(compiled, inputs), SANITIZED)
                ran += 1
    assert refused > 100
    assert ran > 20


@pytest.mark.parametrize("compiler", ["gcc", "arm-none-eabi-gcc"])
def test_generated_code_compiles_without_a_warning(tmp_path, compiler):
    from test_compiler_image import small_network

    from tinyops.compiler.host import WARNINGS, write_sources

    sources = write_sources(compile_bytes(small_network()).sources, tmp_path)
    flags = ["-std=c99", "-O2", *WARNINGS, "-I", tmp_path, "-I", tmp_path / "include", "-c"]
    subprocess.run([compiler, *flags, *sources], check=True, cwd=tmp_path)
