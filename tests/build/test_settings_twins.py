"""Virtual boards, their own firmware in its emulator, are enrolled over their line and know it after a reset."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from fakes.enrolment import enrolling_repository
from fakes.pty_board import port_of
from fakes.reversing import board_spec, build_firmware, compile_image, contract_of
from tinyops.cli import main
from tinyops.device.identify.machine import MACHINE_ID, number_of_machine
from tinyops.device.provision.devices_file import parse_devices
from tinyops.device.provision.format import Settings, Tag, decode_values, encode_values
from tinyops.link.client import LinkError
from tinyops.link.smp import BoardManager
from tinyops.twin import open_twin

pytestmark = pytest.mark.build

ROOT = Path(__file__).parents[2]
PASSWORD = "canary-7f3a-password"  # looked for where it must not be


def read_back(port: str, limit_s: float = 30) -> dict[int, bytes]:
    """What the board lets out, as soon as it is back."""
    deadline = time.monotonic() + limit_s
    while True:
        try:
            with BoardManager.open(port, timeout_s=3) as manager:
                return decode_values(manager.read_settings(), where=port)
        except LinkError:
            if time.monotonic() > deadline:
                raise


Build = Callable[[str], dict[str, Path]]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """Files of a board, built once for all tests here."""
    return cache(lambda board: board_files(board, tmp_path_factory.mktemp(board)))


def board_files(board: str, folder: Path) -> dict[str, Path]:
    """What its twin runs: the board's own firmware, and a model."""
    contract = contract_of(board)
    (folder / "contract.json").write_text(json.dumps(contract))
    files = {"contract.json": folder / "contract.json", **compile_image(board, folder, contract)}
    return files | build_firmware(board, folder, contract) if board_spec(board).model_form == "image" else files


def number_at(port: str) -> bytes | None:
    with BoardManager.open(port, timeout_s=20) as manager:
        return manager.info().silicon


@pytest.mark.parametrize("board", ["pico", "microbit", "linux", "raspberrypi4", "nano33ble", "esp32c3"])
def test_boards_of_one_kind_are_told_apart_by_their_chips(
    board: str, built: Build, capsys: pytest.CaptureFixture[str]
) -> None:
    files = built(board)
    seen = []
    for serial in ("one", "two", "one"):
        with open_twin(board, board_spec(board), files, serial=serial) as virtual, port_of(virtual) as port:
            seen.append(number_at(port))
    assert seen[0] == seen[2] != seen[1] and None not in seen and {len(number) for number in seen} == {8}
    with open_twin(board, board_spec(board), files, serial="one") as virtual:
        virtual.reset()
        with port_of(virtual) as port:
            assert number_at(port) == seen[0]
            assert main(["identify", port, "--ask"]) == 0
    assert f"chip {seen[0].hex()}" in capsys.readouterr().out
    with open_twin(board, board_spec(board), files) as virtual, port_of(virtual) as port:
        is_linux = board_spec(board).layout is None
        own = number_of_machine(MACHINE_ID.read_text().strip()) if is_linux and MACHINE_ID.is_file() else ""
        assert (number_at(port) or b"").hex() == own


@pytest.mark.parametrize("board", ["pico", "microbit", "mega2560", "nano33ble", "linux"])
def test_a_virtual_board_is_enrolled_and_knows_it_after_a_reset(
    board: str, built: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    files = built(board)
    root = enrolling_repository(tmp_path / "repository")
    monkeypatch.setenv("TINYOPS_WIFI_PASSWORD", PASSWORD)
    kept = {"fleet": "wrist", "state": tmp_path / "state"}
    with open_twin(board, board_spec(board), files, **kept) as virtual, port_of(virtual) as port:
        command = ["enrol", "-C", str(root), port, "--fleet", "wrist", "--id"]
        assert main([*command, "w-1", "--wifi", "plant"]) == 0
        assert read_back(port)[Tag.DEVICE] == b"w-1"
        if board != "linux":  # whose program only its host can start again
            with BoardManager.open(port, timeout_s=20) as manager:
                manager.reset()
        seen = read_back(port)
        assert (seen[Tag.DEVICE], seen[Tag.BOARD], max(seen)) == (b"w-1", board.encode(), Tag.WIFI_SSID)
        assert main([*command, "w-2", "--replace", "w-1"]) == 0  # into the other copy
        assert read_back(port)[Tag.DEVICE] == b"w-2"
        virtual.power_cut()
    with open_twin(board, board_spec(board), files, **kept) as virtual, port_of(virtual) as port:
        assert read_back(port)[Tag.DEVICE] == b"w-2"
    devices = parse_devices((root / "specs/wrist.csv").read_text(), where="f").devices
    assert devices["w-1"].revoked and devices["w-2"].public_key != devices["w-1"].public_key
    assert PASSWORD not in "".join(capsys.readouterr())


def settings_of(device: str) -> bytes:
    return encode_values(Settings(device, "wrist", "pico", (b"\x11" * 32, b"\x22" * 32), b"\x33" * 32))


def cut_points(operations: int, header: int) -> list[int]:
    """Some of all operations, the first and the last of each kind among them: of the header, at the end, all."""
    first = operations - header
    return sorted({1, 2, first // 3, 2 * first // 3, first - 1, first, *range(first + 1, operations + 1)} - {0})


HEADERS = {
    "pico": 1,
    "microbit": 4,
    "mega2560": 16,
    "nano33ble": 4,
    "nucleo-h743zi": 1,
    "pico2": 1,
    "esp32c3": 1,
    "linux": 1,
}


@pytest.mark.parametrize(("board", "header"), HEADERS.items(), ids=HEADERS.keys())
def test_power_that_fails_within_any_write_leaves_the_old_identity_or_the_new(
    board: str, header: int, built: Build
) -> None:
    files = built(board)
    with open_twin(board, board_spec(board), files) as virtual, port_of(virtual) as port:
        with BoardManager.open(port, timeout_s=20) as manager:
            manager.write_settings(settings_of("w-0"))
            before = virtual.measure().operations
            manager.write_settings(settings_of("w-1"))
            total = virtual.measure().operations - before
        now = b"w-1"
        for number, cut in enumerate(cut_points(total, header), 2):
            virtual.cut_in(cut)
            with pytest.raises(LinkError), BoardManager.open(port, timeout_s=0.4) as manager:
                manager.write_settings(settings_of(f"w-{number}"))
            seen = [read_back(port)[Tag.DEVICE] for _ in range(2)]
            assert seen[0] == seen[1] and seen[0] in ({now, f"w-{number}".encode()} if cut == total else {now}), cut
            now = seen[0]
        assert virtual.measure().resets == len(cut_points(total, header))
        with BoardManager.open(port, timeout_s=20) as manager:
            manager.write_settings(settings_of("w-9999"))
        assert read_back(port)[Tag.DEVICE] == b"w-9999"
