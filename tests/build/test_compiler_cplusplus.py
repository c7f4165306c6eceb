"""What is emitted is C++, too: every kernel, and the model of every operator, without a warning."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from fakes.compiled import compile_bytes
from fakes.strategies import all_strategies, drawn
from tinyops.compiler.emit import declared_order
from tinyops.compiler.host import write_sources
from tinyops.compiler.options import RUNTIME
from tinyops.toolchain import CPU_FLAGS

pytestmark = pytest.mark.build
WARNINGS = ("-std=c++20", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror", "-fsyntax-only")
COMPILERS = {
    "x86-64": ("g++", *CPU_FLAGS["x86-64"]),
    "cortex-m4f": ("arm-none-eabi-g++", *CPU_FLAGS["cortex-m4f"]),
    "cortex-m0plus": ("arm-none-eabi-g++", *CPU_FLAGS["cortex-m0plus"]),
}


def check(cpu: str, include: list[Path], sources: list[Path]) -> None:
    includes = [flag for folder in include for flag in ("-I", str(folder))]
    command = [*COMPILERS[cpu], *WARNINGS, *includes, "-x", "c++", *map(str, sources)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[:2000]


@pytest.mark.parametrize("cpu", COMPILERS)
def test_kernels_are_cplusplus(cpu: str) -> None:
    sources = [*(RUNTIME / "kernels").glob("*.c"), *(RUNTIME / "features").glob("*.c")]
    check(cpu, [RUNTIME / "include"], sorted(sources))


@pytest.mark.parametrize("cpu", COMPILERS)
def test_models_are_cplusplus(cpu: str, tmp_path: Path) -> None:
    sources = []
    for name in all_strategies():
        compiled = compile_bytes(drawn(name, 1)[0], cpu=cpu)
        own = {path: text for path, text in compiled.sources.items() if "/" not in path}
        sources.extend(write_sources(own, tmp_path / name))
    check(cpu, [RUNTIME / "include"], sources)


def test_parameters_come_in_the_order_of_their_struct() -> None:
    from tinyops.compiler.lowered import Call

    mixed = {"max": 1, "window": {}, "depth_multiplier": 2, "min": 0}
    call = Call("tinyops_depthwise_conv_2d", "tinyops_depthwise_conv_2d_params", mixed, ())
    assert list(declared_order(call)) == ["window", "depth_multiplier", "min", "max"]
