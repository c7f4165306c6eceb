"""Virtual boards, their own firmware in its emulator, are enrolled over their line and know it after a reset."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from test_twin_boards import board_spec, build_firmware, compile_image, contract_of

from fakes.enrolment import enrolling_repository
from fakes.pty_board import port_of
from tinyops.cli import main
from tinyops.device.provision.devices_file import parse_devices
from tinyops.device.provision.format import Tag, decode_values
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


@pytest.mark.parametrize("board", ["pico", "microbit"])
def test_a_virtual_board_is_enrolled_and_knows_it_after_a_reset(
    board: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    contract = contract_of(board)
    (tmp_path / "contract.json").write_text(json.dumps(contract))
    files = {"contract.json": tmp_path / "contract.json", **compile_image(board, tmp_path, contract)}
    files |= build_firmware(board, tmp_path, contract)
    root = enrolling_repository(tmp_path / "repository")
    monkeypatch.setenv("TINYOPS_WIFI_PASSWORD", PASSWORD)
    with open_twin(board, board_spec(board), files) as virtual, port_of(virtual) as port:
        command = ["enrol", "-C", str(root), port, "--fleet", "wrist", "--id"]
        assert main([*command, "w-1", "--wifi", "plant"]) == 0
        assert read_back(port)[Tag.DEVICE] == b"w-1"
        with BoardManager.open(port, timeout_s=20) as manager:
            manager.reset()
        seen = read_back(port)
        assert (seen[Tag.DEVICE], seen[Tag.BOARD], max(seen)) == (b"w-1", board.encode(), Tag.WIFI_SSID)
        assert main([*command, "w-2", "--replace", "w-1"]) == 0  # into the other copy
        assert read_back(port)[Tag.DEVICE] == b"w-2"
    devices = parse_devices((root / "specs/wrist.csv").read_text(), where="f").devices
    assert devices["w-1"].revoked and devices["w-2"].public_key != devices["w-1"].public_key
    assert PASSWORD not in "".join(capsys.readouterr())
