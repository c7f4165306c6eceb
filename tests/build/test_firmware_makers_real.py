"""The same with the real platforms of boards' makers, where TINYOPS_PIO_CORE names a core folder that has them.

They are hundreds of megabytes and come from PlatformIO's registry, so most machines skip this.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from test_twin_boards import golden_file, ignore

from fakes.reversing import compile_image, contract_of
from tinyops import firmware, twin
from tinyops.artifacts import Step
from tinyops.boards import load_catalog
from tinyops.files import digest_file
from tinyops.firmware.makers import CORE_VARIABLE, AtHand
from tinyops.reconcile import makers
from tinyops.specs.locking import own_pins
from tinyops.toolchain import installed

pytestmark = [
    pytest.mark.build,
    pytest.mark.skipif(CORE_VARIABLE not in os.environ, reason=f"{CORE_VARIABLE} names no PlatformIO core folder"),
]

BOARDS = sorted(name for name, board in load_catalog().items() if "arduino" in board.spec.frameworks)


def platform_of(name: str) -> AtHand:
    spec = load_catalog()[name].built_with("arduino").spec
    found = makers._ask({name: (spec, frozenset())}, None)[name]
    if not found.complete:
        pytest.skip(found.lacking)
    return found


def firmware_step(name: str, facts: dict[str, Any], pins: dict[str, str]) -> Step:
    lock = {
        "compiler": {"name": facts["compiler"], "version": installed(facts["compiler"]).version},
        "platformio": "6.2.0",
        "scons": "4.11.1",
        "firmware": own_pins().firmware,
        "platform": pins,
    }
    settings = {"board": name, "fleet": "wrist", "sensor": {"kind": "stream", "port": "serial"}, "facts": facts}
    return Step("firmware", f"wrist/{name}", settings, lock)


def build(step: Step, contract: dict[str, Any], folder: Path) -> tuple[dict[str, Any], dict[str, Path]]:
    out = folder / "firmware"
    out.mkdir(parents=True)
    (folder / "contract.json").write_text(json.dumps(contract, indent=1))
    inputs = {"contract.json": folder / "contract.json"}
    facts = firmware.run(step, inputs, out, ignore)
    return facts, inputs | {path.name: path for path in out.iterdir()}


@pytest.mark.parametrize("name", BOARDS)
def test_a_board_is_built_the_same_in_two_folders(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec, pins = load_catalog()[name].built_with("arduino").spec, platform_of(name).pins
    if spec.model_form == "linked":
        pytest.skip("its model is linked in: tests of whole steps build it")
    digests = []
    for folder in (tmp_path / "one", tmp_path / "another-much-longer-name"):
        monkeypatch.setenv("TINYOPS_CACHE", str(folder / "cache"))
        step = firmware_step(name, spec.model_dump(mode="json"), pins)
        facts, files = build(step, contract_of(name), folder)
        digests.append({file: digest_file(path) for file, path in files.items()})
        assert facts["packages"] == pins and str(folder).encode() not in files["firmware.elf"].read_bytes()
    assert digests[0] == digests[1]
    assert facts["slot_bytes"] > facts["flash_bytes"] >= files["firmware.bin"].stat().st_size - 8
    assert {f"firmware.{spec.flash_tool.file if spec.flash_tool else 'bin'}", "project.zip"} < set(files)


def test_a_picos_own_bytes_run_with_the_real_core(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On its pins, where the twin's line is: what the core does on USB is asked of nobody."""
    pins = platform_of("pico").pins
    monkeypatch.setenv("TINYOPS_CACHE", str(tmp_path / "cache"))
    board = load_catalog()["pico"].spec
    assert board.arduino is not None
    on_pins = board.arduino.model_copy(update={"serial": "Serial1", "twin": None})
    facts = board.model_copy(update={"port": "arduino", "arduino": on_pins}).model_dump(mode="json")
    contract = contract_of("pico")
    step = firmware_step("pico", facts, pins)
    _, files = build(step, contract, tmp_path)
    files |= compile_image("pico", tmp_path, contract)
    files["compile.json"] = tmp_path / "compile.json"
    files["compile.json"].write_text("{}")
    files["golden.bin"] = golden_file(tmp_path / "golden.bin")
    lock = {"emulator": {"name": "rp2040js", "version": installed("rp2040js").version}}
    proven = twin.run(Step("twin", "wrist/pico", step.settings, lock), files, tmp_path, ignore)
    assert proven["proof"] == {"model": "same-bytes", "firmware": "same-bytes"}
    assert proven["bit_exact"] and proven["vectors"] == 4
