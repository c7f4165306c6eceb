"""A board that crashes comes back by itself, says why, and the fault it kept leads to the line of source."""

from __future__ import annotations

import json
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from test_twin_boards import VECTORS

from fakes.firmware_edits import replacing
from fakes.reversing import board_spec, build_firmware, compile_image, contract_of, linked_sources
from tinyops import twin
from tinyops.cli import main
from tinyops.link import Frame, Type, encode
from tinyops.link.smp import BoardManager
from tinyops.twin import VirtualBoard
from tinyops.twin.console import Console

pytestmark = pytest.mark.build

ROOT = Path(__file__).parents[2]
MODEL = Path(__file__).with_name("test_twin_reverse.c")
HEALTH, CRASH = 0x42, 0x43
# What a board says at each start, for these tests only: management carries the same over SMP.
SAYING = """
  {
    uint8_t frame[2 + 160] = {0x42, 0};
    tinyops_health health;
    tinyops_app_health(&app, &health);
    __builtin_memcpy(frame + 2, &health, sizeof(health));
    tinyops_app_send(&port, frame, 2 + sizeof(health));
    const tinyops_crash *crash = tinyops_kept_last(&port);
    if (crash != 0) {
      frame[0] = 0x43;
      __builtin_memcpy(frame + 2, crash, sizeof(*crash));
      tinyops_app_send(&port, frame, 2 + sizeof(*crash));
    }
  }
"""
SOON = {
    "mps2/watchdog.c": ("TINYOPS_WATCHDOG_MS 8000", "TINYOPS_WATCHDOG_MS 50"),
    "rp2040/watchdog.h": ("WATCHDOG_MS = 8000", "WATCHDOG_MS = 50"),
}
STARTED = "  (void)tinyops_app_init(&app, &board);\n"


@dataclass(frozen=True)
class Health:
    """tinyops_health."""

    uptime_ms: int
    reset_cause: int
    watchdog_resets: int
    faults: int
    inferences: int
    missed_frames: int
    sensor: int
    stack_used: int
    stack_bytes: int
    arena_used: int
    arena_bytes: int
    supply_mv: int
    confidence_steps: int
    classes: int


REGISTERS = ("pc", "lr", "psr", "cfsr", "hfsr", "mmfar", "bfar", "image_crc", "uptime_ms", "firmware_crc")
POWER, WATCHDOG, SOFTWARE, FAULT = 1, 3, 4, 5


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., dict[str, Path]]]:
    """Firmware that says how it fares, and the reversing model with a fault in it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TINYOPS_CACHE", str(tmp_path_factory.mktemp("cache")))

        @cache
        def make(name: str, quick_watchdog: bool, linked_fault: int) -> dict[str, Path]:
            """With `linked_fault` where the model is a part of the firmware."""
            folder = tmp_path_factory.mktemp(name)
            contract = contract_of(name)
            linked = board_spec(name).model_form == "linked"
            model = linked_sources(folder, contract, linked_fault, {}) if linked else {}
            (folder / "contract.json").write_text(json.dumps(contract))
            port = "rp2040/watchdog.h" if name == "pico" else "mps2/watchdog.c"
            soon = {f"src/{port}": SOON[port]} if quick_watchdog else {}
            main = "twin/src/main.c" if board_spec(name).port == "arduino" else "src/main.c"
            edit = replacing({main: (STARTED, STARTED + SAYING), **soon})
            return {"contract.json": folder / "contract.json"} | build_firmware(
                name, folder, contract, sources=model, edit=edit
            )

        def with_model(name: str, folder: Path, fault: int, quick_watchdog: bool = False) -> dict[str, Path]:
            if board_spec(name).model_form == "linked":
                return make(name, quick_watchdog, fault)
            return make(name, quick_watchdog, 0) | compile_image(name, folder, contract_of(name), fault=fault)

        yield with_model


def listen(board: VirtualBoard, *wanted: int) -> list[bytes]:
    """The payloads of the next frames of these types, in order, that the board sends of its own accord."""
    link, deadline, found = board.link, time.monotonic() + 20, []
    while time.monotonic() < deadline:
        while link._frames:  # some may have come together with what the link read last
            frame = link._frames.popleft()
            if frame.type == wanted[len(found)]:
                found.append(frame.payload)
            if len(found) == len(wanted):
                return found
        link._frames += link.decoder.feed(link.stream.read(0.5))
    raise AssertionError(f"heard {len(found)} of {len(wanted)} frames; {board.how_it_ended()}")


def read_health(payload: bytes) -> Health:
    return Health(*struct.unpack_from("<6Ii7I", payload))


def crash(board: VirtualBoard, *wanted: int) -> list[bytes]:
    """What it says from the second inference on, which crashes."""
    for vector in (VECTORS[0], VECTORS[2]):
        board.link.write_input(vector)
        board.link._stream.write(encode(Frame(Type.INVOKE, 0, b"")), 5.0)
    return listen(board, *wanted)


def line_of(text: str, source: Path = MODEL) -> int:
    return next(n for n, line in enumerate(source.read_text().splitlines(), 1) if text in line)


def ask(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, dict[str, Any]]:
    status = main(["crash", *(str(a) for a in arguments), "--json"])
    return status, json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("name", ["microbit", "nano33ble", "pico", "esp32c3"])
def test_a_board_comes_back_from_a_fault_and_tells_its_line(
    name: str, built: Callable[..., dict[str, Path]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = built(name, tmp_path, 1)
    with twin.open_twin(name, board_spec(name), files) as board:
        (said,) = listen(board, HEALTH)
        _, again, fault = crash(board, Type.FAULT, HEALTH, CRASH)
        manager = BoardManager(board.link._stream, name=name)
        managed, last, info = manager.health(), manager.crash(), manager.info()
        said_here = Console(board, None).do("crash")
        manager.clear_crash()
        assert manager.crash() is None
    assert (managed.reset_cause, managed.faults, info.board) == (FAULT, 1, name)
    assert said_here is not None and said_here.value == {"record": asdict(last) if last else None}
    assert last is not None and tuple(asdict(last).values()) == struct.unpack("<10I", fault)
    first, second, kept = read_health(said), read_health(again), struct.unpack("<10I", fault)
    assert (first.reset_cause, first.faults, first.inferences) == (POWER, 0, 0)
    assert (second.reset_cause, second.faults, second.watchdog_resets, second.inferences) == (FAULT, 1, 0, 0)
    assert second.arena_used == 28 and 0 < second.stack_used < second.stack_bytes
    record = tmp_path / "record.json"
    record.write_text(json.dumps(dict(zip(REGISTERS, kept, strict=True))))
    status, found = ask(capsys, record, *elf_files(name, files))
    assert status == 0 and found["notes"] == []
    pc = found["places"][0]
    linked = "model.elf" not in files
    source = files["contract.json"].parent / "reverse.h" if linked else MODEL
    assert (pc["program"], pc["line"]) == ("firmware" if linked else "model", line_of("__builtin_trap", source))
    assert pc["function"] == "tinyops_model_invoke" and pc["file"].endswith(source.name)


def elf_files(name: str, files: dict[str, Path]) -> list[Path | str]:
    own = files["firmware.elf" if board_spec(name).twin.same_machine else "twin.elf"]
    return ["--elf", own, *(["--elf", files["model.elf"]] if "model.elf" in files else [])]


def test_a_risc_v_board_tells_a_trap_by_its_cause_and_an_overflow_as_such(
    built: Callable[..., dict[str, Path]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for fault, said in ((1, "a breakpoint, or a trap of the compiler's"), (3, "the stack overflowed")):
        files = built("esp32c3", tmp_path, fault)
        health, kept = crash_and_read("esp32c3", files)
        assert (health.reset_cause, health.faults) == (FAULT, 1) and kept["firmware_crc"] != 0
        assert (kept["pc"] == 0) == (fault == 3)
        (tmp_path / "record.json").write_text(json.dumps(kept))
        _, found = ask(capsys, tmp_path / "record.json", *elf_files("esp32c3", files))
        assert found["reasons"][0].startswith(said)
    with twin.open_twin("esp32c3", board_spec("esp32c3"), files) as board:
        board.link.hello()
        BoardManager(board.link._stream, name="esp32c3").reset()
        board.link.hello()
        assert BoardManager(board.link._stream, name="esp32c3").health().reset_cause == SOFTWARE
        board.power_cut()
        board.link.hello()
        assert BoardManager(board.link._stream, name="esp32c3").health().reset_cause == POWER


def test_records_and_health_hold_on_the_host_under_sanitizers(tmp_path: Path) -> None:
    runtime, program = ROOT / "tinyops/runtime", tmp_path / "app_health"
    warnings = ["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror", "-I", runtime / "include"]
    sanitizers = ["-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    sources = [ROOT / "tests/runtime/app_health.c", *sorted(runtime.glob("app/*.c")), *sorted(runtime.glob("smp/*.c"))]
    sources += [runtime / "digest/sha256.c", *sorted(runtime.glob("settings/*.c"))]
    subprocess.run(["gcc", *warnings, *sanitizers, *sources, "-o", program], check=True)
    done = subprocess.run([program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def crash_and_read(name: str, files: dict[str, Path]) -> tuple[Health, dict[str, int]]:
    with twin.open_twin(name, board_spec(name), files) as board:
        listen(board, HEALTH)
        _, again, fault = crash(board, Type.FAULT, HEALTH, CRASH)
    return read_health(again), dict(zip(REGISTERS, struct.unpack("<10I", fault), strict=True))


def test_an_elf_that_is_not_the_devices_is_refused(
    built: Callable[..., dict[str, Path]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "good").mkdir()
    (tmp_path / "bad").mkdir()
    good = built("microbit", tmp_path / "good", 0)
    bad = built("microbit", tmp_path / "bad", 1)
    _, kept = crash_and_read("microbit", bad)
    record = tmp_path / "record.json"
    record.write_text(json.dumps(kept))
    status, found = ask(capsys, record, "--elf", bad["firmware.elf"], "--elf", good["model.elf"])
    assert status == 65 and "not the model that crashed" in found["error"]["message"]
    status, found = ask(capsys, record, "--elf", built("nano33ble", tmp_path, 0)["twin.elf"])
    assert status == 65 and "not the firmware that crashed" in found["error"]["message"]
    # In a folder with ELF files of others it takes those with the right CRC-32, and says what it lacks.
    bad["model.elf"].unlink()
    record.write_text(json.dumps({**kept, "lr": hex(kept["lr"])}))
    status, found = ask(capsys, record, "--release", bad["firmware.elf"].parent)
    assert status == 0 and found["places"][0]["program"] == "model" and "function" not in found["places"][0]
    assert any("no model.elf" in note for note in found["notes"])
    assert found["places"][1]["file"] == "src/app/app.c"


def test_a_stack_that_overflows_is_told_as_such(
    built: Callable[..., dict[str, Path]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    health, kept = crash_and_read("nano33ble", built("nano33ble", tmp_path, 3))
    assert health.reset_cause == FAULT and kept["pc"] == 0 and kept["firmware_crc"] != 0
    (tmp_path / "record.json").write_text(json.dumps(kept))
    assert main(["crash", str(tmp_path / "record.json"), "--release", str(tmp_path)]) == 0
    assert "the stack overflowed" in capsys.readouterr().out


def test_a_watchdog_ends_a_hang_and_tells_where(
    built: Callable[..., dict[str, Path]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = built("nano33ble", tmp_path, 2, quick_watchdog=True)
    health, kept = crash_and_read("nano33ble", files)
    assert (health.reset_cause, health.watchdog_resets, health.faults) == (WATCHDOG, 1, 0)
    assert 50 <= kept["uptime_ms"] < 5000
    (tmp_path / "record.json").write_text(json.dumps(kept))
    _, found = ask(capsys, tmp_path / "record.json", "--elf", files["twin.elf"], "--elf", files["model.elf"])
    assert found["places"][0]["line"] == line_of("for (volatile uint32_t i = 0;; i++)")


def test_a_watchdog_that_does_not_warn_is_still_counted(built: Callable[..., dict[str, Path]], tmp_path: Path) -> None:
    """The RP2040's, whose own register tells the cause: twice, for RAM is kept from one to the next."""
    with twin.open_twin("pico", board_spec("pico"), built("pico", tmp_path, 2, quick_watchdog=True)) as board:
        listen(board, HEALTH)
        for count in (1, 2):
            health = read_health(crash(board, HEALTH)[0])
            assert (health.reset_cause, health.watchdog_resets, health.faults) == (WATCHDOG, count, 0)
