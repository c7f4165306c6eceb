"""The Arduino port for each chip family compiles, without a warning, against headers that declare only what it uses."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tinyops.toolchain import CPU_FLAGS

pytestmark = pytest.mark.build

ROOT = Path(__file__).parents[2]
PORT = ROOT / "tinyops/runtime/port/arduino"
# Macro of the core: compiler, flags of its core. The ESP32s' own compiler is not here: the host's stands for it.
CORES = {
    "ARDUINO_ARCH_MBED": ("arm-none-eabi-g++", CPU_FLAGS["cortex-m4f"]),
    "ARDUINO_ARCH_RENESAS": ("arm-none-eabi-g++", CPU_FLAGS["cortex-m4f"]),
    "ARDUINO_ARCH_STM32": ("arm-none-eabi-g++", CPU_FLAGS["cortex-m7"]),
    "__IMXRT1062__": ("arm-none-eabi-g++", CPU_FLAGS["cortex-m7"]),
    "ARDUINO_ARCH_RP2040": ("arm-none-eabi-g++", CPU_FLAGS["cortex-m0plus"]),
    "ARDUINO_ARCH_ESP32": ("g++", ()),
}
WARNINGS = ("-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror")


@pytest.mark.parametrize("core", CORES)
def test_the_port_compiles_and_each_function_is_there_once(core: str, tmp_path: Path) -> None:
    compiler, flags = CORES[core]
    common = [compiler, *flags, "-std=gnu++11", "-Os", *WARNINGS, f"-D{core}"]
    common += ["-I", ROOT / "tests/runtime/arduino", "-I", ROOT / "tinyops/runtime/include", "-I", PORT]
    objects = []
    for source in sorted(PORT.glob("*.cpp")):
        objects.append(tmp_path / f"{source.stem}.o")
        done = subprocess.run(
            [*common, "-c", source, "-o", objects[-1]], capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
    whole = tmp_path / "whole.o"
    subprocess.run([compiler, *flags, "-nostdlib", "-r", *objects, "-o", whole], check=True, timeout=60)
    nm = compiler.replace("g++", "nm")
    names = subprocess.run([nm, "-u", whole], check=True, capture_output=True, text=True, timeout=60).stdout
    assert "tinyops_arduino" not in names, "a function of hardware.h is missing"
