"""How sources of an image are compiled, and what is left of a shared object."""

from __future__ import annotations

import io

import pytest
from elftools.elf.elffile import ELFFile

from tinyops.compiler.image.build import MEMORY_SOURCE, SELDOM, optimisation
from tinyops.compiler.image.elf import without_sections
from tinyops.compiler.options import RUNTIME
from tinyops.process import run
from tinyops.toolchain import installed


@pytest.mark.parametrize("prefer", ["balanced", "speed", "ram", "None"])
def test_only_what_runs_seldom_is_compiled_for_size(prefer):
    assert all((RUNTIME / source).is_file() for source in SELDOM)
    assert all(optimisation(source, prefer) == ("-Os",) for source in SELDOM)
    assert optimisation("kernels/conv_2d.c", prefer) == ()
    assert "-Os" not in optimisation(MEMORY_SOURCE, prefer)


def test_everything_is_where_size_is_preferred():
    assert optimisation("kernels/conv_2d.c", "size") == ("-Os",)
    assert optimisation(MEMORY_SOURCE, "size") == (*optimisation(MEMORY_SOURCE, "speed"), "-Os")


def test_a_shared_object_without_its_sections_loads(tmp_path):
    import ctypes

    (tmp_path / "a.c").write_text("int numbers[3] = {1, 2, 3};\nint second(void) { return numbers[1]; }\n")
    run([installed("gcc").path, "-shared", "-fPIC", "-o", "a.so", "a.c"], timeout_s=60, cwd=tmp_path)
    whole = (tmp_path / "a.so").read_bytes()
    bare = without_sections(whole)
    assert ELFFile(io.BytesIO(whole)).num_sections() > ELFFile(io.BytesIO(bare)).num_sections() == 0
    assert bare[64:] == whole[64 : len(bare)]
    (tmp_path / "bare.so").write_bytes(bare)
    assert ctypes.CDLL(str(tmp_path / "bare.so")).second() == 2
