"""PlatformIO for real: offline, byte-identical anywhere, and clear about what does not fit or is missing."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fakes.firmware_edits import Edit, Files, as_rendered, build_edited
from tinyops.artifacts import Progress, Step
from tinyops.boards import load_catalog
from tinyops.errors import DoesNotFit, ToolError
from tinyops.fetching import Package, fetch_source
from tinyops.files import digest_file
from tinyops.firmware import building
from tinyops.specs.lock import SIGNATURE_SOURCE, SOURCES
from tinyops.specs.locking import own_pins
from tinyops.toolchain import installed

pytestmark = pytest.mark.build

ROOT = Path(__file__).parents[2]


def facts_of(name: str) -> dict[str, Any]:
    board = load_catalog()[name]
    return board.spec.model_dump(mode="json")


def step_for(name: str, facts: dict[str, Any] | None = None) -> Step:
    facts = facts or facts_of(name)
    compiler = {"name": facts["compiler"], "version": installed(facts["compiler"]).version}
    lock: dict[str, Any] = {
        "compiler": compiler,
        "platformio": "6.2.0",
        "scons": "4.11.1",
        "firmware": own_pins().firmware,
    }
    lock["sources"] = dict(SOURCES)
    return Step("firmware", f"f/{name}", {"board": name, "fleet": "f", "sensor": "stream", "facts": facts}, lock)


def build(
    step: Step, folder: Path, frame_values: int = 6, edit: Edit = as_rendered
) -> tuple[dict[str, Any], dict[str, str]]:
    facts = step.settings["facts"]
    contract = {
        "abi": 1,
        "input": {"sensor": "imu", "frame_values": frame_values},
        "output": {"classes": ["a", "b"]},
        "arena_bytes": facts["layout"]["arena_bytes"] if facts["layout"] else 4096,
    }
    out = folder / "out"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    (folder / "contract.json").write_text(json.dumps(contract))
    result = build_edited(step, {"contract.json": folder / "contract.json"}, out, edit)
    return result, {path.name: digest_file(path) for path in sorted(out.iterdir())}


def ignore(_: Progress) -> None:
    pass


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TINYOPS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.parametrize("name", ["microbit", "nano33ble", "pico", "teensy41", "pico2"])
def test_two_folders_give_the_same_bytes(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digests = []
    for folder in (tmp_path / "one", tmp_path / "another-much-longer-name"):
        monkeypatch.setenv("TINYOPS_CACHE", str(folder / "cache"))
        facts, files = build(step_for(name), folder)
        digests.append(files)
        binary = folder / "out/firmware.bin"
        assert facts["image"] == binary.exists()
        assert not binary.exists() or facts["flash_bytes"] == binary.stat().st_size
    assert digests[0] == digests[1]
    assert ("twin.elf" in digests[0]) == (name in ("nano33ble", "teensy41", "pico2"))
    for data in (tmp_path / "one/out").iterdir():
        assert str(tmp_path).encode() not in data.read_bytes()


def test_building_again_gives_the_same_and_rewrites_nothing(cache: Path, tmp_path: Path) -> None:
    _, first = build(step_for("microbit"), tmp_path)
    elf = cache / "firmware/f/microbit/.pio/build/microbit/firmware.elf"
    before = elf.stat().st_mtime_ns
    _, second = build(step_for("microbit"), tmp_path)
    assert first == second and elf.stat().st_mtime_ns == before


def test_no_network_is_needed(cache: Path, tmp_path: Path) -> None:
    """Once the lock's sources are fetched: in a network namespace without any interface; see unshare(1)."""
    alone = ["unshare", "-rn"]
    if not shutil.which("unshare") or subprocess.run([*alone, "true"], capture_output=True).returncode:
        pytest.skip("this machine does not let a program leave the network")
    fetch_source(Package(*SIGNATURE_SOURCE.split(), SOURCES[SIGNATURE_SOURCE], "the lock"), ignore)
    folders = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
    script = f"import sys; sys.path[:0] = {folders!r}; from test_firmware_build import *\n"
    script += f"print(build(step_for('microbit'), Path({str(tmp_path)!r}))[0]['flash_bytes'])"
    done = subprocess.run([*alone, sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 1000


def test_a_frame_that_is_too_large_for_ram_is_told_by_bytes(cache: Path, tmp_path: Path) -> None:
    with pytest.raises(DoesNotFit, match=r"microbit: .*RAM: [\d,]+ of 16,384 bytes .* too many"):
        build(step_for("microbit"), tmp_path, frame_values=5000)


def test_a_slot_that_is_too_small_is_told_by_bytes(cache: Path, tmp_path: Path) -> None:
    facts = facts_of("microbit")
    for slot in facts["layout"]["firmware"]:
        slot["bytes"] = 2048
    with pytest.raises(DoesNotFit, match=r"firmware slot: [\d,]+ of 1,280 bytes, [\d,]+ too many"):
        build(step_for("microbit", facts), tmp_path)


def test_a_compile_error_is_shown(cache: Path, tmp_path: Path) -> None:
    def broken(files: Files) -> Files:
        return {**files, "src/main.c": files["src/main.c"] + b"int unused_result = nonsense;\n"}

    with pytest.raises(ToolError, match="microbit: PlatformIO failed: exit status 1") as error:
        build(step_for("microbit"), tmp_path, edit=broken)
    assert "nonsense" in error.value.message


def test_missing_artefacts_are_an_error(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build(step_for("microbit"), tmp_path)
    real = building.check_sizes

    def losing(project: Path, *rest: Any) -> Any:
        (project / ".pio/build/microbit/firmware.hex").unlink()
        return real(project, *rest)

    monkeypatch.setattr("tinyops.firmware.building.check_sizes", losing)
    with pytest.raises(ToolError, match=r"made no firmware\.hex"):
        build(step_for("microbit"), tmp_path)


def test_another_compiler_than_the_locks_is_refused(cache: Path, tmp_path: Path) -> None:
    step = step_for("microbit")
    step.lock["compiler"]["version"] = "1.2.3"
    with pytest.raises(ToolError, match=r"arm-none-eabi-gcc: the lock wants 1\.2\.3"):
        build(step, tmp_path)


def test_a_linux_board_has_no_firmware_and_says_so(tmp_path: Path) -> None:
    facts, files = build(step_for("linux"), tmp_path)
    assert facts["image"] is False and list(files) == ["firmware.json"]
