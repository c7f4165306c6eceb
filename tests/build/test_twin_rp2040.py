"""The RP2040 port and its twin: flash through the boot ROM's routines, resets, power cuts, broken rules."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from fakes.rp2040_port import link_port
from tinyops.process import kill_group
from tinyops.toolchain import installed
from tinyops.twin.rp2040 import SCRIPT, emulator_command

pytestmark = pytest.mark.build

SOURCE = Path(__file__).with_suffix(".c")
POWER_ON, WATCHDOG, SOFTWARE = 1, 3, 4  # tinyops_reset_cause
ERASED = sum(0xFF * (i + 1) for i in range(256))
COUNTING = sum(i * (i + 1) for i in range(256))


@pytest.fixture(scope="module")
def elf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The port with a program of the test's, linked by the board's own script."""
    return link_port(SOURCE, tmp_path_factory.mktemp("rp2040"))


@dataclass
class Machine:
    """A twin with its line and its control socket."""

    line: socket.socket
    control: socket.socket
    process: subprocess.Popen[bytes]
    said: bytes = b""
    answers: bytes = field(default=b"", repr=False)

    def number(self) -> int:
        while b"\n" not in self.said:
            data = self.line.recv(4096)
            assert data, self.ended()
            self.said += data
        first, _, self.said = self.said.partition(b"\n")
        return int(first)

    def ask(self, letter: str) -> int:
        self.line.sendall(letter.encode())
        return self.number()

    def command(self, **what: object) -> dict[str, object]:
        self.control.sendall(json.dumps(what).encode() + b"\n")
        while b"\n" not in self.answers:
            self.answers += self.control.recv(1 << 16)
        first, _, self.answers = self.answers.partition(b"\n")
        answer: dict[str, object] = json.loads(first)
        return answer

    def ended(self) -> str:
        assert self.process.stderr is not None
        said = self.process.stderr.read().decode().strip()
        return f"{self.process.wait(timeout=10)}: {said}"


@contextlib.contextmanager
def machine(*extra: str | Path, firmware: Path) -> Iterator[Machine]:
    ours, theirs = socket.socketpair()
    control, their_control = socket.socketpair()
    command = [*emulator_command(installed("rp2040js"), [(firmware, 0)]), *extra]
    command += ["--line", str(theirs.fileno()), "--control", str(their_control.fileno())]
    fds = [theirs.fileno(), their_control.fileno()]
    with ours, control:
        with theirs, their_control:
            child = subprocess.Popen(
                [str(part) for part in command], pass_fds=fds, stderr=subprocess.PIPE, start_new_session=True
            )
        ours.settimeout(20)
        control.settimeout(20)
        try:
            yield Machine(ours, control, child)
        finally:
            kill_group(child)
            assert child.stderr is not None
            child.stderr.close()


def test_flash_is_erased_and_programmed_and_read_back(elf: Path) -> None:
    with machine(firmware=elf.with_suffix(".bin")) as board:
        assert board.number() == POWER_ON
        assert [board.ask("e"), board.ask("r"), board.number()] == [1, ERASED, ERASED]
        assert [board.ask("p"), board.ask("r"), board.number()] == [1, COUNTING, COUNTING]
        assert [board.ask("P"), board.ask("r"), board.number()] == [1, 0, 0]
        assert [board.ask("e"), board.ask("r"), board.number()] == [1, ERASED, ERASED]
        assert board.command(do="state")["operations"] == 4


def test_a_write_once_flash_ends_the_run_at_the_second_program(elf: Path) -> None:
    facts = ("--facts", f"{2 << 20}:4096:256:1")
    with machine(*facts, firmware=elf.with_suffix(".bin")) as board:
        assert [board.number(), board.ask("p"), board.ask("e"), board.ask("p")] == [POWER_ON, 1, 1, 1]
        board.line.sendall(b"P")
        said = "3: flash: the page at 0x1ff000 was programmed more often than 1 between two erases"
        assert board.ended() == said


@pytest.mark.parametrize("facts", ["", "1:2:3", "0:1:1:1", f"{32 << 20}:4096:256:1"])
def test_facts_that_cannot_be_are_refused(facts: str, elf: Path) -> None:
    with machine("--facts", facts, firmware=elf.with_suffix(".bin")) as board:
        assert board.ended() == f"2: rp2040: {facts}: no facts of a flash"


def test_ones_over_zeros_end_the_run_loudly(elf: Path) -> None:
    with machine(firmware=elf.with_suffix(".bin")) as board:
        assert [board.number(), board.ask("P")] == [POWER_ON, 1]
        board.line.sendall(b"q")
        assert board.ended() == "3: flash: byte at 0x1ff000 is 0 and cannot be programmed to 255: erase it first"


def test_flash_changed_by_code_in_flash_ends_the_run(elf: Path) -> None:
    with machine(firmware=elf.with_suffix(".bin")) as board:
        board.number()
        board.line.sendall(b"X")
        assert board.ended() == "3: flash: changed by code that lies in it"


@pytest.mark.parametrize(("letter", "cause"), [("w", WATCHDOG), ("x", SOFTWARE)])
def test_a_reset_is_reported_as_what_it_was(letter: str, cause: int, elf: Path) -> None:
    with machine(firmware=elf.with_suffix(".bin")) as board:
        assert [board.number(), board.ask("c")] == [POWER_ON, POWER_ON]
        assert (board.ask("p"), board.ask("r"), board.number()) == (1, COUNTING, COUNTING)
        board.line.sendall(letter.encode())
        assert board.number() == cause
        assert board.ask("c") == cause
        assert board.command(do="state")["resets"] == 1
        assert (board.ask("r"), board.number()) == (COUNTING, COUNTING)  # flash is kept, as it is through a power cut
        board.command(do="power-cut")
        assert board.number() == POWER_ON
        assert (board.ask("r"), board.number()) == (COUNTING, COUNTING)


def test_a_crash_is_reported_on_the_link_and_the_board_starts_again(elf: Path) -> None:
    with machine(firmware=elf.with_suffix(".bin")) as board:
        board.number()
        board.line.sendall(b"f")
        while not board.said.endswith(b"\n"):
            board.said += board.line.recv(4096)
        assert board.said.startswith(b"\0") and len(board.said) > 16


@pytest.mark.parametrize("letter", ["e", "p"])
def test_a_cut_in_an_operation_leaves_its_unit_unstable(letter: str, elf: Path, tmp_path: Path) -> None:
    kept = tmp_path / "flash"
    with machine("--flash", kept, firmware=elf.with_suffix(".bin")) as board:
        assert [board.number(), board.ask("e")] == [POWER_ON, 1]
        board.command(do="cut-in", operation=1)
        board.line.sendall(letter.encode())
        assert board.number() == POWER_ON
        assert board.ask("r") != board.number()
        assert [board.ask("e"), board.ask("r"), board.number()] == [1, ERASED, ERASED]
    assert kept.stat().st_size == 2 * 1024 * 1024


def test_flash_is_kept_in_a_file(elf: Path, tmp_path: Path) -> None:
    kept = tmp_path / "flash"
    for wanted in (ERASED, COUNTING):
        with machine("--flash", kept, firmware=elf.with_suffix(".bin")) as board:
            assert [board.number(), board.ask("r"), board.number()] == [POWER_ON, wanted, wanted]
            assert board.ask("p") == 1
            board.line.shutdown(socket.SHUT_RDWR)
            assert board.ended() == "0: "


def test_a_second_stage_with_a_wrong_checksum_does_not_boot(elf: Path, tmp_path: Path) -> None:
    data = bytearray(elf.with_suffix(".bin").read_bytes())
    data[252] ^= 1
    (tmp_path / "bad.bin").write_bytes(data)
    with machine(firmware=tmp_path / "bad.bin") as board:
        assert board.ended().startswith("3: boot: the second stage in flash has a wrong checksum")


def test_the_led_and_the_supply_are_reached(elf: Path) -> None:
    with machine(firmware=elf.with_suffix(".bin")) as board:
        assert [board.number(), board.ask("l"), board.ask("v")] == [POWER_ON, 1, 0]  # nothing feeds the twin's ADC


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "--library and --line are needed"),
        (["--line"], "unknown or unfinished argument --line"),
        (["--gdb", "1"], "unknown or unfinished argument --gdb"),
        (["--library", "/nowhere", "--line", "0"], "rp2040js is not in /nowhere"),
        (["--library", "@", "--line", "0", "--load", "/nowhere@0"], "/nowhere@0: ENOENT"),
        (["--library", "@", "--line", "0", "--load", f"{__file__}@2097152"], "outside of 2097152 bytes"),
        (["--library", "@", "--line", "0", "--load", f"{__file__}@-1"], "outside of 2097152 bytes"),
    ],
)
def test_arguments_that_cannot_be_are_refused(arguments: list[str], said: str) -> None:
    library = str(installed("rp2040js").path)
    command = [str(installed("node").path), str(SCRIPT), *(library if a == "@" else a for a in arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, stdin=subprocess.DEVNULL)
    assert done.returncode == 2 and said in done.stderr, done
    assert len(done.stderr.splitlines()) == 1


def test_commands_that_are_none_are_answered(elf: Path) -> None:
    with machine(firmware=elf.with_suffix(".bin")) as board:
        board.number()
        assert board.command(do="nonsense") == {"error": "unknown command"}
        assert board.command() == {"error": "unknown command"}
        assert board.command(do="cut-in", operation=0) == {"error": "unknown command"}
        assert board.command(do="read", offset=0x1FF000, count=2) == {"hex": "ffff"}
