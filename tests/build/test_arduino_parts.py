"""Parts of chains with Arduino's cores compile without a warning for every board that can be one; see
test_arduino_chain.py for one that runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from test_arduino_acts import C_FLAGS, FLAGS, THIN, call

from fakes.esp32_device import unpack
from tinyops.boards import load_catalog
from tinyops.firmware.chained import ChainPlace
from tinyops.firmware.forms.form import Request
from tinyops.firmware.forms.registry import form_of
from tinyops.specs.chain_boards import no_part
from tinyops.toolchain import CPU_FLAGS

pytestmark = pytest.mark.build

CORES = {
    "nano33ble": "ARDUINO_ARCH_MBED",
    "nano33ble-radio": "ARDUINO_ARCH_MBED",
    "nano33ble-rev2": "ARDUINO_ARCH_MBED",
    "pico": "ARDUINO_ARCH_RP2040",
    "pico2": "ARDUINO_ARCH_RP2040",
    "teensy41": "__IMXRT1062__",
    "nucleo-h743zi": "ARDUINO_ARCH_STM32",
}
MIDDLE = ChainPlace(position=1, parts=3, after_ms=2000, upstream_baud=1_000_000, downstream_kind="uart")


def rendered(board: str, place: ChainPlace) -> dict[str, bytes]:
    spec = load_catalog()[board].built_with("arduino").spec
    assert spec.layout is not None
    contract = {"abi": 1, "input": {}, "output": {}, "arena_bytes": spec.layout.arena_bytes}
    sensor = {"kind": "link"} if place.position else {"kind": "stream"}
    request = Request(board, spec, "door", sensor, contract, chain=place)
    return {n: data for n, data in form_of(spec).render(request).items() if not n.startswith("twin/")}


def flags_of(files: dict[str, bytes]) -> list[str]:
    ini = files["platformio.ini"].decode()
    return next(line for line in ini.splitlines() if line.startswith("build_flags")).split(" = ")[1].split()


def test_every_board_that_can_be_a_part_is_compiled_here() -> None:
    arduino = {n for n, b in load_catalog().items() if "arduino" in b.spec.frameworks}
    able = {n for n in arduino if not no_part(load_catalog()[n].built_with("arduino"))}
    assert able == set(CORES)


@pytest.mark.parametrize("board", CORES)
def test_parts_compile_and_lack_nothing_of_ours(board: str, tmp_path: Path) -> None:
    """Their C is the same on all, and compiled for the least core and the one with a radio."""
    way = "ble" if board == "nano33ble-radio" else "uart"
    files = rendered(board, replace(MIDDLE, downstream_kind=way))
    unpack(files, tmp_path)
    cpu = CPU_FLAGS[load_catalog()[board].spec.cpu]
    defines = [flag for flag in flags_of(files) if flag.startswith("-D")]
    assert "-DTINYOPS_PART" in defines and "-DTINYOPS_UPSTREAM_BAUD=1000000" in defines
    places = (tmp_path / "include", tmp_path / "src/arduino", tmp_path / "fetched", THIN)
    common = [*cpu, f"-D{CORES[board]}", *defines, *(argument for place in places for argument in ("-I", place))]
    objects, whole = [], board in ("pico", "nano33ble-radio")
    for source in sorted([*tmp_path.glob("src/**/*.cpp"), *(tmp_path.glob("src/**/*.c") if whole else ())]):
        objects.append(tmp_path / f"{source.parent.name}-{source.stem}{source.suffix}.o")
        compiler = ("arm-none-eabi-g++", *FLAGS) if source.suffix == ".cpp" else ("arm-none-eabi-gcc", *C_FLAGS)
        call(*compiler, *common, "-c", source, "-o", objects[-1])
    if not whole:
        return
    call("arm-none-eabi-g++", *cpu, "-nostdlib", "-r", *objects, "-o", tmp_path / "whole.o")
    symbols = call("arm-none-eabi-nm", tmp_path / "whole.o")
    assert "tinyops_chain_slots" in symbols and ("open_part_line" in symbols) == (way == "ble")
    missing = [line.split()[-1] for line in call("arm-none-eabi-nm", "-u", tmp_path / "whole.o").splitlines()]
    assert not [name for name in missing if name.startswith("tinyops_")]
