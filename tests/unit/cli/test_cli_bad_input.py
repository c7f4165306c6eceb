"""Bad board files, sensors and cables, the whole way: a real file, /sys tree or terminal in, one clear error out."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from fakes.projects import DATASET, FINISHED, fleet, repository
from fakes.smp_board import SmpBoard, serving
from fakes.usb_tree import UsbTree
from tinyops.boards import catalog_folder
from tinyops.cli import main
from tinyops.link.smp import BoardManager

SLOT = "[{origin: 0x5000, bytes: 32768}"
MICROBIT = (catalog_folder() / "microbit.yaml").read_text().replace("name: microbit}", "name: mine}")
SIGNAL = "channels: [ax, ay], units: [m/s2, m/s2], full_scale: [19, 19], rate_hz: 10"
# What a program that brings firmware onto a Mega is to its caller. It takes its board along when it is told to.
AVRDUDE = "#!/bin/sh\nprintf 'Writing | ### | 40%%\\n'\n{}\n"


def one_error(capsys: pytest.CaptureFixture[str]) -> str:
    """What was said; one error, and nothing of Python's."""
    out, err = capsys.readouterr()
    assert err.count("error: ") == 1 and "Traceback" not in err, err
    return out + err


@pytest.fixture
def tree(tmp_path: Path) -> UsbTree:
    return UsbTree(tmp_path / "sys")


@pytest.fixture
def avrdude(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The program's file, to be written; and a firmware in the folder it is run from."""
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin/avrdude"
    program.touch(mode=0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "firmware.hex").write_text(":00000001FF\n")
    yield program


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            SLOT,
            SLOT.replace("32768", "33792"),
            "slots firmware 0 and firmware 1 overlap at 0xd000",
        ),
        ("origin: 0x20000000", "origin: 0x3f000", "flash flash and RAM overlap at 0x3f000"),
        ("mcu: nRF51822", "mcu: nRF58122", "unknown MCU 'nRF58122'"),
        (
            SLOT,
            SLOT.replace("32768", "327680"),
            "slot firmware 0 of 327,680 bytes is larger than flash: 262,144",
        ),
    ],
)
@pytest.mark.parametrize("command", ["boards", "validate", "plan"])
def test_a_board_file_that_cannot_be(
    command: str, old: str, new: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bench = repository(tmp_path, FINISHED, fleet("desk", "tiny", {"mine": "{kind: stream, port: serial}"}))
    bench.write("specs/boards/mine.yaml", MICROBIT.replace(old, new))
    assert MICROBIT.count(old) == 1 and main([command, "-C", str(tmp_path)]) == 65
    assert "specs/boards/mine.yaml:" in one_error(capsys)
    assert main([command, "-C", str(tmp_path), "--json"]) == 65
    (problem,) = json.loads(capsys.readouterr().out)["error"]["problems"]
    assert said in problem["message"]
    assert abs(problem["line"] - MICROBIT[: MICROBIT.index(old)].count("\n") - 1) <= 1, "at the slot, or its neighbour"


@pytest.mark.parametrize(
    ("old", "new", "lacks", "would_do"),
    [
        ("[ax, ay], units: [m/s2, m/s2]", "[ax, gx], units: [m/s2, rad/s]", "has no channel gx", "onboard-imu of nano"),
        ("units: [m/s2, m/s2]", "units: [g, m/s2]", "ax is in m/s2, not g", "these take frames from their host"),
        ("[19, 19]", "[30, 19]", "ax reaches 19.6 m/s2, not 30", "onboard-imu of nano33ble"),
        ("rate_hz: 10", "rate_hz: 20", "does not run at 20 Hz (it has 10, 25, 50, 100)", "motion of phone"),
    ],
)
def test_a_plan_with_a_sensor_that_lacks_something_names_what_would_do(
    old: str, new: str, lacks: str, would_do: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bench = repository(tmp_path, FINISHED, fleet("desk", "tiny", {"microbit": "onboard-accelerometer"}))
    signal = DATASET[DATASET.index("channels:") : DATASET.index("}\n  sources")]
    bench.edit("specs/data.yaml", signal, SIGNAL.replace(old, new))
    assert old in SIGNAL and main(["plan", "-C", str(tmp_path)]) == 65
    text = one_error(capsys)
    assert lacks in text and would_do in text and "specs/fleets.yaml:" in text


def test_a_board_that_vanishes_while_it_is_flashed(
    tree: UsbTree, avrdude: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    at = tree.plug(0x2341, 0x0042, tty="tty")  # /dev/tty: a line that is there
    avrdude.write_text(AVRDUDE.format(f"rm -r {tree.devices / at}; echo 'ser_send(): write error' >&2; exit 1"))
    assert main(["flash", "mega2560", "--file", "firmware.hex", "--sys", str(tree.root)]) == 70
    text = one_error(capsys)
    assert "mega2560: vanished while it was flashed" in text and "its bootloader is whole" in text


def test_of_two_boards_with_one_id_the_serial_number_must_choose(
    tree: UsbTree, avrdude: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in ("A1", "B2"):
        tree.plug(0x2341, 0x0042, tty=f"ttyACM{number}", serial=number)
    places = ["--sys", str(tree.root)]
    assert main(["flash", "mega2560", "--file", "firmware.hex", *places]) == 64
    text = one_error(capsys)
    assert "serial number A1 at /dev/ttyACMA1, serial number B2 at /dev/ttyACMB2" in text and "--serial NUMBER" in text
    assert main(["flash", "mega2560", "--file", "firmware.hex", "--serial", "C3", *places]) == 70
    assert "none with serial number C3; there is serial number A1" in one_error(capsys)


GARBAGE = b"\x00\xff\x06\x09!!!!\n" * 5


def test_a_device_that_answers_with_garbage(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BoardManager, "open", partial(BoardManager.open, timeout_s=0.3))
    with serving(SmpBoard(instead=GARBAGE)) as port:
        assert main(["crash", port]) == 70
        text = one_error(capsys)
    assert f"{port}: answered CrashRead with 2 damaged messages" in text and "check its baud rate" in text


def test_identify_lists_a_device_that_answers_with_garbage_and_one_that_vanishes(
    tree: UsbTree, capsys: pytest.CaptureFixture[str]
) -> None:
    far, near = os.openpty()
    gone = os.ttyname(near)

    def vanish() -> None:
        os.read(far, 1)
        os.close(near)
        os.close(far)

    thread = threading.Thread(target=vanish, daemon=True)
    thread.start()
    with serving(SmpBoard(instead=GARBAGE)) as port:
        assert main(["identify", port, gone, "--ask", "--sys", str(tree.root), "--json"]) == 0
    thread.join(timeout=5)
    out, err = capsys.readouterr()
    first, second = json.loads(out)["devices"]
    assert err == "" and first["problem"].startswith(port) and "\n" not in first["problem"]
    assert second["problem"].startswith(gone) and "the board is gone" in second["problem"]
