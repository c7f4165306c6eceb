"""The promises on size, measured in the files that boards are flashed with."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from fakes.footprint import measure
from tinyops.toolchain import CPU_FLAGS

pytestmark = pytest.mark.build

KIB = 1024
RUNTIME = Path(__file__).parents[2] / "tinyops/runtime"
SLOTS = ("open", "boot", "running", "begin", "write", "finish", "erase", "test", "start", "confirm", "revert", "again")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINYOPS_CACHE", str(tmp_path / "cache"))


def test_the_whole_application_fits_24_kb_of_flash_and_8_kb_of_ram_on_a_microbit(tmp_path: Path) -> None:
    found = measure("microbit", tmp_path)
    assert found.model_weights > 2000 and found.model_code > 4000, "the model is there"
    assert found.flash <= 24 * KIB, found
    assert found.ram <= 8 * KIB, found


def test_the_runtime_without_a_model_fits_12_kb_on_a_cortex_m4(tmp_path: Path) -> None:
    found = measure("nano33ble", tmp_path)
    assert found.runtime <= 12 * KIB, found


@pytest.mark.parametrize("cpu", ["cortex-m4f", "cortex-m0"])
def test_smp_and_slots_fit_8_kb(cpu: str, tmp_path: Path) -> None:
    """Framing, CBOR, server, MCUmgr's groups and the slot library, linked as a whole; our own group is not in it, nor
    are the calls into application and cryptography.
    """
    smp = [RUNTIME / f"smp/{name}.c" for name in ("cbor", "console", "images", "mcumgr", "server")]
    called = [f"tinyops_smp_{name}" for name in ("open", "feed", "break", "serve")]
    called += [f"tinyops_slots_{name}" for name in (*SLOTS, "describe")]
    flags = [*CPU_FLAGS[cpu], "-std=c99", "-Os", "-flto", "-ffreestanding", "-ffunction-sections", "-fdata-sections"]
    flags += ["-fno-tree-loop-distribute-patterns", "-I", RUNTIME / "include", "-nostdlib", "-Wl,--gc-sections"]
    flags += ["-Wl,--unresolved-symbols=ignore-all", f"-Wl,-e,{called[0]}", *(f"-Wl,-u,{name}" for name in called)]
    sources, made = [*smp, *sorted((RUNTIME / "update").glob("*.c"))], tmp_path / "made.elf"
    subprocess.run(["arm-none-eabi-gcc", *flags, *sources, "-o", made], check=True)
    said = subprocess.run(["arm-none-eabi-size", made], check=True, capture_output=True, text=True).stdout
    text = int(re.findall(r"^ *(\d+)", said, re.MULTILINE)[0])
    print(f"SMP and slots on a {cpu}: {text:,} bytes")
    assert 6 * KIB < text <= 8 * KIB
