"""`tinyops twin`: the console and the serial port of virtual boards of every kind that has one."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from tinyops.boards.loader import load_catalog
from tinyops.build.virtual import build_board
from tinyops.cli import main
from tinyops.errors import SpecError, ToolError, UsageError
from tinyops.link import Link, LinkTimeout
from tinyops.link.serial_port import SerialStream
from tinyops.twin import Twin, open_twin
from tinyops.twin.console import Console
from tinyops.twin.terminal import Terminal

pytestmark = pytest.mark.build

MODEL = Path(__file__).parents[1] / "fuzz/corpus/network.tflite"
CATALOG = load_catalog()
# What each kind cannot do, by a board.
BOARDS = {
    "linux": (),
    "raspberrypi4": ("cut-in 1",),
    "microbit": (),
    "nano33ble": (),
    "esp32c3": (),
    "pico": (),
    "mega2560": (),
}
Open = Callable[[str], tuple[Console, Terminal, Twin]]


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], dict[str, Path]]:
    @cache
    def build(name: str) -> dict[str, Path]:
        folder = tmp_path_factory.mktemp(f"console-{name}")
        return build_board(MODEL, CATALOG[name], CATALOG, folder, prefer="balanced", report=lambda _: None)

    return build


@pytest.fixture
def opened(built: Callable[[str], dict[str, Path]]) -> Iterator[Open]:
    with ExitStack() as stack:

        def open_one(name: str) -> tuple[Console, Terminal, Twin]:
            board = stack.enter_context(open_twin(name, CATALOG[name].spec, built(name)))
            link = board.link
            assert isinstance(link, Link)
            terminal = Terminal(name, lambda: board.link.stream)  # type: ignore[attr-defined]
            stack.callback(terminal.close)
            return Console(board, terminal), terminal, board

        yield open_one


def outputs(console: Console) -> list[int]:
    said = console.do("infer")
    assert said is not None
    return list(said.value["output"])


@pytest.mark.parametrize("name", BOARDS)
def test_every_kind_boots_answers_resets_and_loses_power(name: str, opened: Open) -> None:
    console, _, _ = opened(name)
    first = outputs(console)
    assert len(first) == 4 and any(first)
    for verb in ("reset", "power-cut"):
        said = console.do(verb)
        assert said is not None and said.value["board"] == name
        assert outputs(console) == first
    measured = console.do("measure")
    assert measured is not None and measured.value["resets"] == 2
    health = console.do("health")
    assert health is not None and health.value["inferences"] == 1 and sum(health.value["histogram"]) == 1
    assert health.value["stack_used"] >= measured.value["stack_used"], "management needs a stack of its own"
    crash = console.do("crash")
    assert crash is not None and (crash.text, crash.value) == ("keeps no fault", {"record": None})
    for verb in BOARDS[name]:
        with pytest.raises(ToolError, match=rf"{name}: a twin of kind [\w-]+ cannot (cut the power in|do this)"):
            console.do(verb)


@pytest.mark.parametrize("name", ["linux", "pico"])
def test_another_program_and_the_console_share_the_line(name: str, opened: Open) -> None:
    console, terminal, _ = opened(name)
    console.hello()
    with closing(SerialStream(terminal.path)) as line:
        link = Link(line, name="other", timeout_s=5)
        for _ in range(3):
            assert link.hello().board == name
            link.write_input(bytes(768))
            assert len(outputs(console)) == 4
            link.invoke()
    again = SerialStream(terminal.path)  # the line outlives those who open it
    with closing(again):
        assert Link(again, name="other", timeout_s=5).stats().inferences >= 3


def test_who_asks_while_the_line_is_taken_waits(opened: Open) -> None:
    _, terminal, _ = opened("linux")
    with closing(SerialStream(terminal.path)) as line:
        link = Link(line, name="other", timeout_s=0.3)
        with terminal.asking(5) as mine:
            mine.hello()
            with pytest.raises(LinkTimeout):
                link.hello()
            assert mine.stats().bad_frames == 0
        assert link.hello(timeout_s=5).board == "linux"


def test_food_is_eaten_and_compared_or_refused(opened: Open, tmp_path: Path) -> None:
    console, _, _ = opened("linux")
    rows = np.random.default_rng(1).integers(-128, 128, (3, 8, 8, 12), dtype=np.int8)
    np.save(tmp_path / "rows.npy", rows)
    fed = console.do(f"feed {tmp_path}/rows.npy")
    assert fed is not None and len(fed.value["outputs"]) == 3 and fed.value["differing"] is None
    assert outputs(console) == fed.value["outputs"][2]  # the last one once more
    body = b"".join(
        row.tobytes() + bytes(v % 256 for v in found) for row, found in zip(rows, fed.value["outputs"], strict=True)
    )
    head = b"TOG1" + b"".join(n.to_bytes(4, "little") for n in (3, 768, 4))
    (tmp_path / "golden.bin").write_bytes(head + body)
    right = console.do(f"feed {tmp_path}/golden.bin")
    assert right is not None and right.value["differing"] == [] and "all as the file wants" in right.text
    (tmp_path / "golden.bin").write_bytes(head + body[:-1] + bytes([body[-1] ^ 1]))
    wrong = console.do(f"feed {tmp_path}/golden.bin")
    assert wrong is not None and wrong.value["differing"] == [2] and "1 differ" in wrong.text
    np.save(tmp_path / "few.npy", np.zeros((2, 5), np.int8))
    (tmp_path / "no.npy").write_bytes(b"\x93NUMPY garbage")
    (tmp_path / "frames.csv").write_text("1,2\n")
    (tmp_path / "no.txt").write_text("1,2\n")
    for file, said in {
        "few.npy": "rows of 5 int8; this board takes rows of 768 bytes",
        "no.npy": "not an array of numpy's",
        "frames.csv": "takes tensors, not frames",
        "no.txt": "not a golden.bin",
    }.items():
        with pytest.raises(SpecError, match=said):
            console.do(f"feed {tmp_path}/{file}")
    for line, said in {
        "feed": "feed what",
        "feed /nowhere": "no such file",
        "dance": "unknown command 'dance'",
    }.items():
        with pytest.raises(UsageError, match=said):
            console.do(line)
    with pytest.raises(UsageError, match="not a number of operations"):
        console.do("cut-in 0")


def test_a_board_that_dies_is_said_to(opened: Open) -> None:
    console, _, board = opened("linux")
    console.hello()
    board.process.kill()  # type: ignore[attr-defined]
    with pytest.raises(ToolError, match=r"linux: .*the board crashed: killed by signal 9"):
        console.do("info")


def test_the_command_reads_a_script_and_answers_in_json(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    script = tmp_path / "script"
    script.write_text("# a remark\ninfo\n\nreset\nquit\nbogus\n")
    with script.open() as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        assert main(["twin", "linux", str(MODEL), "--json"]) == 0
    first, info, reset = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert first["board"] == "linux" and first["pty"].startswith("/dev/")
    assert (info["command"], info["board"], info["input_bytes"]) == ("info", "linux", 768)
    assert reset == {"command": "reset", "board": "linux", "state": 0}


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_a_port_alone_lives_until_it_is_stopped(sign: signal.Signals) -> None:
    command = [sys.executable, "-m", "tinyops", "twin", "linux", str(MODEL), "--pty-only"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None and child.stderr is not None
        found = re.search(r"serial port is (\S+)", child.stdout.readline())
        assert found
        with closing(SerialStream(found[1])) as line:
            assert Link(line, name="other", timeout_s=5).hello().board == "linux"
        time.sleep(0.2)  # until it waits for the signal
        os.kill(child.pid, sign)
        try:
            assert child.wait(timeout=20) == 0
        finally:
            child.kill()  # else leaving this block waits for it
        assert "Traceback" not in child.stderr.read()
    assert not Path(found[1]).exists()


def test_a_missing_emulator_is_one_clear_error(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tinyops", "twin", "microbit", str(MODEL)]
    done = subprocess.run(command, env={**os.environ, "PATH": str(tmp_path)}, capture_output=True, text=True)
    assert done.returncode == 70 and done.stdout == ""
    first, *hints = done.stderr.splitlines()
    assert first.startswith("error: ") and "qemu-system-arm" in first and len(hints) == 1


def test_what_cannot_be_booted_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "specs").mkdir()
    cases = {
        ("twin", "nothere", str(MODEL)): (64, "board 'nothere' is not in the catalogue"),
        ("twin", "linux", "nowhere.bin"): (64, "nowhere.bin: no such file"),
        ("twin", "esp32", str(MODEL)): (65, "nothing on this machine emulates it"),
    }
    for arguments, (status, said) in cases.items():
        assert main(list(arguments)) == status, arguments
        assert said in capsys.readouterr().err
