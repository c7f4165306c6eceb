"""Boards that only their makers' tools build for: what a release gets of them, and what is proven."""

from __future__ import annotations

import io
import json
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest
from test_twin_boards import golden_file, ignore
from test_twin_mega import write_model

from fakes.reversing import contract_of
from tinyops import firmware, twin
from tinyops.artifacts import Step
from tinyops.boards.layout import Region
from tinyops.boards.loader import load_catalog
from tinyops.specs.lock import SOURCES
from tinyops.specs.locking import own_pins
from tinyops.toolchain import CPU_FLAGS, installed

pytestmark = pytest.mark.build


def run_steps(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[dict[str, Any], dict[str, Any], bytes]:
    """Facts of firmware and twin, and the rendered project."""
    monkeypatch.setenv("TINYOPS_CACHE", str(folder / "cache"))
    spec = load_catalog()[name].spec
    contract = contract_of(name) | {"arena_bytes": spec.layout.arena_bytes}
    lock: dict[str, Any] = {"platformio": "6.2.0", "scons": "4.11.1", "firmware": own_pins().firmware}
    lock["sources"] = dict(SOURCES)
    if spec.twin.kind != "none":
        lock["compiler"] = {"name": spec.compiler, "version": installed(spec.compiler).version}
        lock["emulator"] = {"name": spec.emulator, "version": installed(spec.emulator or "").version}
    settings = {"board": name, "fleet": "wrist", "sensor": "stream", "facts": spec.model_dump(mode="json")}
    out = folder / "out"
    out.mkdir(parents=True)
    (folder / "contract.json").write_text(json.dumps(contract))
    inputs = {"contract.json": folder / "contract.json", **write_model(folder, contract)}
    built = firmware.run(Step("firmware", f"wrist/{name}", settings, lock), inputs, out, ignore)
    files = inputs | {path.name: path for path in out.iterdir()}
    files["golden.bin"] = golden_file(folder / "golden.bin")
    proven = twin.run(Step("twin", f"wrist/{name}", settings, lock), files, folder, ignore)
    return built, proven, (out / "project.zip").read_bytes()


@pytest.mark.parametrize("name", ["esp32", "esp32c3", "coral-micro"])
def test_a_rendered_board_has_its_project_and_says_how_little_is_proven(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built, proven, packed = run_steps(name, tmp_path / "one", monkeypatch)
    assert built["image"] is False
    assert proven["proof"]["firmware"] == "rendered"
    emulated = name != "esp32"
    assert proven["proof"]["model"] == ("same-source" if emulated else "rendered")
    assert proven["bit_exact"] is (True if emulated else None)
    names = set(zipfile.ZipFile(io.BytesIO(packed)).namelist())
    assert {"src/model/model.c", "include/contract.h", "include/tinyops/port.h"} < names
    assert ("CMakeLists.txt" if name == "coral-micro" else "platformio.ini") in names
    assert not [file for file in names if file.startswith("twin/")]
    assert str(tmp_path).encode() not in packed
    assert run_steps(name, tmp_path / "another", monkeypatch)[2] == packed


def test_a_board_whose_fleet_wants_its_own_sensor_is_rendered_with_its_driver_and_its_twin_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TINYOPS_CACHE", str(tmp_path / "cache"))
    spec = load_catalog()["nano33ble"].built_with("arduino").spec
    assert spec.layout is not None
    contract = contract_of("nano33ble") | {"arena_bytes": spec.layout.arena_bytes}
    contract["input"] |= {"channels": ["ax"], "full_scale": [39.0]}
    lock: dict[str, Any] = {"platformio": "6.2.0", "scons": "4.11.1", "firmware": own_pins().firmware}
    lock["sources"] = dict(SOURCES)
    lock["compiler"] = {"name": spec.compiler, "version": installed(spec.compiler).version}
    sensor = {"kind": "onboard", "name": "onboard-imu"}
    settings = {"board": "nano33ble", "fleet": "wrist", "sensor": sensor, "facts": spec.model_dump(mode="json")}
    (tmp_path / "contract.json").write_text(json.dumps(contract))
    inputs = {"contract.json": tmp_path / "contract.json"}
    built = firmware.run(Step("firmware", "wrist/nano33ble", settings, lock), inputs, tmp_path, ignore)
    assert (built["image"], built["port"]) == (False, "arduino")
    names = set(zipfile.ZipFile(tmp_path / "project.zip").namelist())
    assert "src/arduino/lsm9ds1.cpp" in names and not [name for name in names if "nrf5" in name or "mps2" in name]
    assert (tmp_path / "twin.elf").is_file() and not (tmp_path / "firmware.bin").exists()


def test_the_library_compiles_without_a_warning_and_misses_only_the_port(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, _, packed = run_steps("coral-micro", tmp_path / "made", monkeypatch)
    sdk = tmp_path / "sdk"
    zipfile.ZipFile(io.BytesIO(packed)).extractall(sdk)
    flags = " ".join([*CPU_FLAGS["cortex-m7"], "-Os", "-Werror"])
    chosen = {
        "CMAKE_SYSTEM_NAME": "Generic",
        "CMAKE_C_COMPILER": "arm-none-eabi-gcc",
        "CMAKE_TRY_COMPILE_TARGET_TYPE": "STATIC_LIBRARY",
        "CMAKE_C_FLAGS": flags,
    }
    given = [f"-D{name}={value}" for name, value in chosen.items()]
    for command in (["cmake", "-S", sdk, "-B", sdk / "build", *given], ["cmake", "--build", sdk / "build"]):
        subprocess.run(command, check=True, capture_output=True, timeout=120)
    program = ["arm-none-eabi-gcc", *CPU_FLAGS["cortex-m7"], "-nostdlib", "-r", "-Wl,-u,tinyops_firmware_start"]
    program += ["-Wl,-u,tinyops_firmware_poll", sdk / "build/libtinyops_firmware.a", "-o", sdk / "whole.o"]
    subprocess.run(program, check=True, timeout=60)
    found = subprocess.run(["arm-none-eabi-nm", "-u", sdk / "whole.o"], check=True, capture_output=True, text=True)
    missing = {line.split()[-1] for line in found.stdout.splitlines()}
    assert "tinyops_port_open" in missing
    assert missing - {"tinyops_port_open"} <= {"memcpy", "memset", "memmove", "memcmp"}


def test_the_library_keeps_settings_where_its_board_has_a_place_for_them(tmp_path: Path) -> None:
    spec = load_catalog()["coral-micro"].spec
    assert spec.layout is not None
    region, firmware_slot = Region(origin=0x3F000, bytes=4096), Region(origin=0x800, bytes=0x3E800)
    layout = spec.layout.model_copy(update={"settings": region, "firmware": (firmware_slot,)})
    contract = contract_of("coral-micro")
    spec = spec.model_copy(update={"layout": layout})
    files = firmware.render_project(board="coral-micro", spec=spec, fleet="f", sensor="stream", contract=contract)
    for name, data in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    command = ["arm-none-eabi-gcc", *CPU_FLAGS["cortex-m7"], "-std=c99", "-Wall", "-Wextra", "-Werror", "-c"]
    command += ["-I", tmp_path / "include", tmp_path / "src/firmware.c", "-o", tmp_path / "firmware.o"]
    subprocess.run(command, check=True, timeout=60)
    wanted = subprocess.run(["arm-none-eabi-nm", "-u", tmp_path / "firmware.o"], check=True, capture_output=True)
    assert b"tinyops_settings_attach" in wanted.stdout and "src/settings/settings.c" in files
