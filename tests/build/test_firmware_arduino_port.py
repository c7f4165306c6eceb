"""The Arduino port for each chip family compiles, without a warning, against headers that declare only what it uses."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tinyops.boards.loader import load_catalog
from tinyops.firmware import render_project
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
# Boards whose settings lie in a flash of their core's, and the macro of that core.
KEEPERS = {
    "nano33ble": "ARDUINO_ARCH_MBED",
    "uno-r4": "ARDUINO_ARCH_RENESAS",
    "nucleo-h743zi": "ARDUINO_ARCH_STM32",
    "teensy41": "__IMXRT1062__",
    "pico2": "ARDUINO_ARCH_RP2040",
    "esp32": "ARDUINO_ARCH_ESP32",
    "esp32c3": "ARDUINO_ARCH_ESP32",
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


@pytest.mark.parametrize("board", KEEPERS)
def test_the_program_of_a_board_that_keeps_settings_compiles_and_uses_the_cores_flash(
    board: str, tmp_path: Path
) -> None:
    spec = load_catalog()[board].built_with("arduino").spec
    assert spec.layout is not None and spec.settings_flash is not None
    contract = {"abi": 1, "input": {}, "output": {}, "arena_bytes": spec.layout.arena_bytes}
    files = render_project(board=board, spec=spec, fleet="f", sensor="stream", contract=contract)
    for name, data in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    assert f"SETTINGS_ORIGIN {spec.settings_flash.origin:#010x}u".encode() in files["include/contract.h"]
    compiler, flags = CORES[KEEPERS[board]]
    common = [compiler, *flags, "-std=gnu++11", "-Os", *WARNINGS, f"-D{KEEPERS[board]}", "-I", tmp_path / "include"]
    common += ["-I", ROOT / "tests/runtime/arduino", "-I", tmp_path / "src/arduino"]
    for source in ("src/main.cpp", *(n for n in files if n.startswith("src/arduino/flash_"))):
        command = [*common, "-c", tmp_path / source, "-o", tmp_path / "one.o"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
    text = next(t for n in files if n.startswith("src/arduino/flash_") and KEEPERS[board] in (t := files[n].decode()))
    found = re.search(r"tinyops_port_flash flash = \{(\w+), (\w+),", text)
    assert found is not None
    numbers = dict(re.findall(r"(\w+) = (\d+)", text))
    geometry = [int(numbers.get(word, word)) for word in found.groups()]
    assert geometry == [spec.settings_flash.erase_bytes, spec.settings_flash.program_bytes], "as in the catalogue"
