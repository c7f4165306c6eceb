"""`tinyops update` as a person runs it: files and releases, text and JSON, one error, exit codes, Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes import slotted
from fakes.carriers import over_tcp
from fakes.flashable import publish_firmware
from fakes.models import contract_digest
from fakes.releases import INERT
from fakes.slot_board import ORIGINS, SlotBoard
from fakes.smp_board import serving
from fakes.updates import BODY, holding, offer, runs
from tinyops.cli import main
from tinyops.cli.transfers import LiveTransfers, PlainTransfers, pace_text
from tinyops.device.update.pace import Pace
from tinyops.images import Kind, read_image
from tinyops.manifest.keys import Trust


@pytest.fixture
def board() -> SlotBoard:
    return holding(SlotBoard(buffer_bytes=1024), offer(body=b"old model" * 9))


@pytest.fixture
def address(board: SlotBoard) -> Iterator[str]:
    with over_tcp(board.answer) as address:
        yield address


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "new.img"
    path.write_bytes(offer().data)
    return path


def test_a_file_goes_to_a_device_with_its_pace(
    board: SlotBoard, address: str, image: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["update", address, "--image", str(image)]) == 0
    out, err = capsys.readouterr()
    assert runs(board, offer()) and f"{address}: microbit: model" in out and "runs, confirmed; 6,281 bytes in" in out
    assert "100 %" in err and "kB/s" in err and " s left" in err


def test_json_says_what_was_done_about_each_image(
    board: SlotBoard, address: str, image: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["update", address, "--image", str(image), "--no-confirm", "--json"]) == 0
    out, err = capsys.readouterr()
    (device,) = json.loads(out)["devices"]
    (done,) = device["images"]
    assert (device["device"], device["error"], done["image"], done["result"]) == (address, None, "model", "on trial")
    assert done["sent_bytes"] == 6281 and not err and board.images[1].trial == 1


def test_one_device_that_fails_is_one_error_and_of_several_one_line(
    board: SlotBoard, address: str, image: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    board.refuse = 8
    assert main(["update", address, "--image", str(image)]) == 70
    _, err = capsys.readouterr()
    assert err.count("error: ") == 1 and "no key that it trusts" in err and "enrol it" in err
    board.refuse = 8
    second = holding(SlotBoard(), offer(body=b"old"))
    with over_tcp(second.answer) as other:
        assert main(["update", address, other, "--image", str(image)]) == 70
        out, _ = capsys.readouterr()
        assert "1 of 2 devices are up to date." in out and runs(second, offer())
        board.refuse = 8
        assert main(["update", address, other, "--image", str(image), "--json"]) == 70
        errors = [device["error"] for device in json.loads(capsys.readouterr().out)["devices"]]
        assert errors[0]["kind"] == "GivenUp" and errors[1] is None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "no device is named"),
        (["tcp://x", "tcp://x"], "named twice"),
        (["tcp://x", "--image", "{image}", "--fleet", "wrist"], "--image names files"),
        (["tcp://x", "--image", "nowhere.img"], "no such file"),
        (["nonsense", "--image", "{image}"], "is no address"),
        (["https://x/y", "--image", "{image}"], "fetch by themselves"),
        (["tcp://x", "--jobs", "0"], "not a number from 1"),
        (["tcp://x", "--timeout", "x"], "not a number of seconds"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_any_device_is_touched(
    image: Path, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["update", *(text.format(image=image) for text in arguments)]) == 64
    assert said in capsys.readouterr().err


def test_bars_and_lines_say_rate_and_time_left(capsys: pytest.CaptureFixture[str]) -> None:
    for watch in (PlainTransfers(), LiveTransfers()):
        with watch:
            watch.said("/dev/ttyACM0", "sending [model]")
            for done in range(0, 1001, 100):
                watch.moved("/dev/ttyACM0", done, 1000)
        err = capsys.readouterr().err
        assert "/dev/ttyACM0: sending [model]" in err and "Traceback" not in err
    pace = Pace()
    pace.mark(0.0, 0)
    pace.mark(2.0, 8000)
    assert pace_text(pace, 8000, 20_000) == "40 %, 4.0 kB/s, 3 s left"


def test_all_is_every_board_that_answers(
    board: SlotBoard, image: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from tinyops.device.identify.usb import UsbDevice

    usb: list[UsbDevice] = []
    monkeypatch.setattr("tinyops.device.identify.connected", lambda: tuple(usb))
    monkeypatch.setattr("tinyops.device.identify.usb.connected", lambda: tuple(usb))
    assert main(["update", "--all", "--image", str(image)]) == 70
    assert "no board answers on USB" in capsys.readouterr().err
    with serving(board) as port:
        usb.append(UsbDevice(0x2E8A, 0x000A, ports=(port,)))
        assert main(["update", "--all", "--image", str(image)]) == 0
    assert runs(board, offer()) and port in capsys.readouterr().out


def test_a_release_gives_what_the_device_asks_for_by_its_own_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    files = slotted.write_contents(tmp_path, {**slotted.CONTENTS, "contract.json": INERT.contract})
    root = publish_firmware(tmp_path / "repository", slotted.slotted(), files, fleets=("a", "wrist"))
    release = root / ".tinyops/releases/v1"
    contract = bytes.fromhex(contract_digest(INERT.contract).removeprefix("sha256:"))
    board = SlotBoard()
    old = offer(Kind.FIRMWARE, b"old", contract=contract, at=ORIGINS[0])
    holding(board, old, offer(body=b"old model", contract=contract))
    with over_tcp(board.answer) as address:
        assert main(["update", "-C", str(root), address]) == 0
        out, _ = capsys.readouterr()
        wanted = {name: read_image((release / f"image.microbit.{name}.img").read_bytes(), where=name) for name in _SENT}
        running = [slots.held[slots.active] for slots in board.images]
        assert running == [wanted["firmware_b"], wanted["model"]] and out.count("confirmed") == 2
        assert main(["update", "-C", str(root), address, "--release", "7"]) == 69
        assert main(["update", "-C", str(root), address, "--fleet", "b"]) == 64
        assert "fleet b has nothing for microbit" in capsys.readouterr().err
        board.images[1].active = 0
        monkeypatch.setattr("tinyops.reconcile.updatable.find_trust", lambda root: Trust({}))
        assert main(["update", "-C", str(root), address]) == 69
        assert "which is not trusted" in capsys.readouterr().err
        monkeypatch.undo()
        (release / "image.microbit.model.img").write_bytes(b"altered")
        assert main(["update", "-C", str(root), address]) == 69


@pytest.mark.parametrize("runs_base", [True, False])
def test_a_releases_delta_is_sent_to_whoever_runs_its_base(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], runs_base: bool
) -> None:
    contract = bytes.fromhex(contract_digest(INERT.contract).removeprefix("sha256:"))
    old, other = (offer(body=BODY[at:], contract=contract) for at in (0, 9))
    contents = {**slotted.CONTENTS, "contract.json": INERT.contract, "model.bin": BODY[:3000] + b"!" + BODY[3001:]}
    files = slotted.write_contents(tmp_path, contents)
    root = publish_firmware(tmp_path / "repository", slotted.slotted(), files, bases={"model": old.data})
    images = root / ".tinyops/releases/v1"
    wanted = read_image((images / "image.microbit.model.img").read_bytes(), where="model")
    firmware = read_image((images / "image.microbit.firmware_a.img").read_bytes(), where="firmware")
    board = SlotBoard(bases={one.image.digest: one.data for one in (old, other)})
    board.images[0].held[0], board.images[1].held[0] = firmware, (old if runs_base else other).image
    with over_tcp(board.answer) as address:
        assert main(["update", "-C", str(root), address, "--json"]) == 0
    (device,) = json.loads(capsys.readouterr().out)["devices"]
    model = next(image for image in device["images"] if image["image"] == "model")
    assert board.images[1].held[board.images[1].active] == wanted and model["result"] == "confirmed"
    whole = (images / "image.microbit.model.img").stat().st_size
    assert (model["instead_of_bytes"], model["sent_bytes"] < 0.1 * whole) == (
        (whole, True) if runs_base else (0, False)
    )


_SENT = ("firmware_b", "model")


def test_ctrl_c_ends_cleanly_and_the_next_run_goes_on(board: SlotBoard, image: Path) -> None:
    def slowly(request: bytes) -> bytes:
        time.sleep(0.05)
        return board.answer(request)

    command = [sys.executable, "-m", "tinyops", "update", "--image", str(image)]
    with over_tcp(slowly) as address:
        board.buffer_bytes = 128
        env = {**os.environ, "PYTHONUNBUFFERED": "1"}
        process = subprocess.Popen([*command, address], stderr=subprocess.PIPE, stdout=subprocess.PIPE, env=env)
        assert process.stderr is not None and process.stdout is not None
        for line in process.stderr:
            if b" s left" in line:
                break
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
        taken = board.uploaded
        assert process.returncode == 130 and 0 < taken < 6281 and b"goes on from there" in err, err
        assert b"Traceback" not in err
    board.buffer_bytes = 1024
    with over_tcp(board.answer) as address:
        assert main(["update", address, "--image", str(image)]) == 0
    assert board.uploaded == 6281
