"""The programs that flash, for real and with no board attached.

Each understands the command line that it gets here and ends because nothing answers. What they print while they write
was read in their sources.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tinyops.boards import load_catalog
from tinyops.boards.model import Board, FlashTool
from tinyops.device.flashing import WAYS, Job, percent, way_of
from tinyops.device.flashing.kind import BLANK_BYTES
from tinyops.device.identify.usb import UsbDevice
from tinyops.process import Completed, run

pytestmark = pytest.mark.build

CATALOG = load_catalog()
GONE = "/dev/ttyACM-none"
# Of no device that could hang here: what is asked for is never found.
NOBODY = UsbDevice(0xFFFE, 0xFFFE, "TINYOPS0", at="9-9", bus=250, address=120)


@dataclass(frozen=True)
class End:
    """How a program ends, exit status and words, when no board is there; `waits`: it never does."""

    status: int
    said: str
    waits: bool = False


ENDS = {
    "bossac": End(1, r"No device found on "),
    "dfu-util": End(74, r"No DFU capable USB device available"),
    "esptool": End(2, r"Could not open \S+, the port is busy or doesn't exist"),
    "openocd": End(1, r"open failed|unable to find a matching CMSIS-DAP device"),
    "picotool": End(249, r"No accessible \S+ devices? in BOOTSEL mode"),
    "teensy_loader_cli": End(0, r"Waiting for Teensy device", waits=True),
}


def program(name: str) -> Path:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"no {name} here")
    return Path(found)


def file_of(folder: Path, ending: str) -> Path:
    path = folder / f"firmware.{ending}"
    path.write_bytes(b":0400000001020304F2\n:00000001FF\n" if ending == "hex" else bytes(512))
    return path


def told(board: str, tool: FlashTool, file: Path, port: str | None = GONE) -> Completed:
    """What a program does with the command line that `tinyops flash` gives it."""
    way, blank = WAYS[tool.kind], file.with_name("blank.bin")
    blank.write_bytes(b"\xff" * BLANK_BYTES)
    job = Job(board, tool, file, 0x8000000, port, NOBODY, blank=blank)
    command = way.command(program(way.program), job)
    if ENDS[way.program].waits:
        command = ["timeout", "--foreground", "3", "stdbuf", "-o0", *command]
    return run(command, timeout_s=60, check=False, terminal=way.terminal)


def check_end(done: Completed, end: End) -> None:
    said = done.stdout + done.stderr
    assert re.search(end.said, said), said
    assert not re.search(r"(?i)usage:|unrecogni[sz]ed|invalid (option|command)|no such option", said), said
    assert done.returncode == (124 if end.waits else end.status), said


def by_program() -> list[Board]:
    """The boards of the catalogue that a program flashes; avrdude does in test_flashing_boards.py."""
    tools = {name: board.spec.flash_tool for name, board in CATALOG.items()}
    return [
        CATALOG[name] for name, tool in tools.items() if tool and tool.kind in WAYS and WAYS[tool.kind].program in ENDS
    ]


@pytest.mark.parametrize("board", by_program(), ids=lambda board: board.name)
def test_a_boards_program_understands_what_it_is_told(board: Board, tmp_path: Path) -> None:
    tool, way = way_of(board)
    check_end(told(board.name, tool, file_of(tmp_path, tool.file)), ENDS[way.program])


OTHERS = {
    "dfu-util": FlashTool(kind="dfu-util", file="bin"),
    "dfuse": FlashTool(kind="dfu-util", file="bin", options={"address": "0x8000000"}),
    "bossac with an offset": FlashTool(kind="bossac", file="bin", options={"offset": 0x2000}),
    "stlink": FlashTool(
        kind="openocd", file="bin", options={"interface": "interface/stlink.cfg", "target": "target/stm32f4x.cfg"}
    ),
    "cmsis-dap": FlashTool(kind="openocd", file="hex", options={"target": "target/nrf52.cfg"}),
}


@pytest.mark.parametrize("which", OTHERS)
def test_what_users_boards_may_ask_for_is_understood_too(which: str, tmp_path: Path) -> None:
    tool = OTHERS[which]
    check_end(told("own", tool, file_of(tmp_path, tool.file)), ENDS[WAYS[tool.kind].program])


def test_a_command_line_that_is_not_understood_would_be_seen(tmp_path: Path) -> None:
    done = run([program("bossac"), "--nonsense"], timeout_s=10, check=False)
    with pytest.raises(AssertionError):
        check_end(done, ENDS["bossac"])
    wrong = FlashTool(kind="openocd", file="hex", options={"board": "no_such_board"})
    with pytest.raises(AssertionError):
        check_end(told("own", wrong, file_of(tmp_path, "hex")), ENDS["openocd"])


@pytest.fixture
def silent_line() -> Iterator[str]:
    ours, theirs = os.openpty()
    yield os.ttyname(theirs)
    os.close(ours)
    os.close(theirs)


@pytest.mark.parametrize(
    ("name", "said"),
    [("esp32c3", "Failed to connect to ESP32-C3: No serial data received"), ("nano33ble", "No device found on pts/")],
)
def test_a_line_where_nobody_answers_is_told_from_a_line_that_is_missing(
    name: str, said: str, silent_line: str, tmp_path: Path
) -> None:
    tool, _ = way_of(CATALOG[name])
    done = told(name, tool, file_of(tmp_path, tool.file), silent_line)
    assert done.returncode != 0 and said in done.stdout + done.stderr


# Formats: avrdude 7.1 term.c update_progress_tty (seen here, too); bossac 1.9.1 bossac.cpp onProgress; dfu-util 0.11
# dfuse.c and dfu_load.c through dfu_progress_bar; esptool 5.6 through esp_pylib's progress_bar, 4.7 write_flash;
# picotool 2 main.cpp progress_bar. OpenOCD and teensy_loader_cli print no percentage.
PRINTED = {
    "Writing | #########################                          | 50% 0.62 s ": 50,
    "[===============               ] 50% (64/128 pages)": 50,
    "Download\t[============             ]  50%        16384 bytes": 50,
    "Writing at 0x00018000 [===============>              ]  50.0% 16384/32768 bytes... ": 50,
    "Writing at 0x00018000... (50 %)": 50,
    "Loading into Flash:   [===============               ]  50%": 50,
    "Wrote 32768 bytes (20193 compressed) at 0x00010000 in 0.5 seconds (524.3 kbit/s).": None,
    "** Programming Finished **": None,
    "Programming....": None,
    'Read "firmware.hex": 16384 bytes, 0.2% usage': 0,
}


@pytest.mark.parametrize("line", PRINTED)
def test_how_far_each_program_is_can_be_read(line: str) -> None:
    assert percent(line) == PRINTED[line]
