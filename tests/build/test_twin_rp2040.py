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
from elftools.elf.elffile import ELFFile
from ruamel.yaml import YAML

from tinyops.boards.model import Board
from tinyops.firmware import render_project
from tinyops.firmware.uf2 import seal_boot2
from tinyops.process import kill_group
from tinyops.toolchain import CPU_FLAGS, installed
from tinyops.twin.rp2040 import SCRIPT, emulator_command

pytestmark = pytest.mark.build

ROOT = Path(__file__).parents[2]
RUNTIME = ROOT / "tinyops/runtime"
SOURCE = Path(__file__).with_suffix(".c")
POWER_ON, WATCHDOG, SOFTWARE = 1, 3, 4  # tinyops_reset_cause
ERASED = sum(0xFF * (i + 1) for i in range(256))
COUNTING = sum(i * (i + 1) for i in range(256))


@pytest.fixture(scope="module")
def elf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The port with a program of the test's, linked by the board's own script."""
    folder = tmp_path_factory.mktemp("rp2040")
    spec = Board.model_validate(YAML(typ="safe").load(ROOT / "board_catalog/pico.yaml")).spec
    assert spec.layout is not None
    contract = {"abi": 1, "input": {}, "output": {}, "arena_bytes": spec.layout.arena_bytes}
    files = render_project(board="pico", spec=spec, fleet="f", sensor="stream", contract=contract)
    (folder / "pico.ld").write_bytes(files["link/pico.ld"])
    (folder / "pins.h").write_bytes(files["include/pins.h"])
    sources = [SOURCE, *sorted((RUNTIME / "port/rp2040").glob("*.c"))]
    sources += [RUNTIME / "port/cortex_m/startup.c", RUNTIME / "port/bare/ram.c"]
    sources += [*sorted((RUNTIME / "app").glob("*.c")), *sorted((RUNTIME / "smp").glob("*.c")), RUNTIME / "digest/sha256.c"]
    flags = [*CPU_FLAGS[spec.cpu], "-std=c99", "-Os", "-ffreestanding", "-ffunction-sections", "-DTINYOPS_HAS_VTOR=1"]
    places = (*(RUNTIME / name for name in ("include", "port/bare", "port/cortex_m", "port/rp2040")), folder)
    folders = [argument for place in places for argument in ("-I", place)]
    link = ["--specs=nano.specs", "-nostartfiles", "-Wl,--gc-sections", "-Wl,--build-id=none"]
    path = folder / "test.elf"
    command = ["arm-none-eabi-gcc", *flags, *folders, *sources, *link, f"-Wl,-T,{folder / 'pico.ld'}", "-o", path]
    subprocess.run(command, check=True)
    path.write_bytes(seal_boot2(path.read_bytes()))
    subprocess.run(["arm-none-eabi-objcopy", "-O", "binary", path, path.with_suffix(".bin")], check=True)
    return path


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
        board.line.sendall(letter.encode())
        assert board.number() == cause
        assert board.ask("c") == cause
        assert board.command(do="state")["resets"] == 1
        board.command(do="power-cut")
        assert board.number() == POWER_ON


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


def test_nothing_that_runs_while_flash_is_busy_lies_in_it(elf: Path) -> None:
    """Disassembles: the second stage and the functions in RAM call nothing, and branch only within their own."""
    ranges = []
    with elf.open("rb") as stream:
        table = ELFFile(stream).get_section_by_name(".symtab")
        for name in ("erase_from_ram", "program_from_ram", "tinyops_boot2"):
            (symbol,) = table.get_symbol_by_name(name)
            start = symbol["st_value"] & ~1
            assert name == "tinyops_boot2" or 0x20000000 <= start < 0x20042000, f"{name} lies in flash"
            ranges.append((name, start, start + symbol["st_size"]))
    for name, start, end in ranges:
        bounds = [f"--start-address={start:#x}", f"--stop-address={end:#x}"]
        command = ["arm-none-eabi-objdump", "-D", "-j", ".data", "-j", ".boot2", *bounds, str(elf)]
        lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
        words = [line.split("\t") for line in lines if line.startswith((" ", "2", "1")) and "\t" in line]
        branches = [w for w in words if len(w) > 3 and w[2].strip().startswith("b") and w[3].strip()[:2].isalnum()]
        direct = [w[3].split()[0] for w in branches if w[2].strip() not in ("bx", "blx", "bics", "bkpt")]
        assert words and direct, name
        for target in direct:
            assert start <= int(target, 16) < end, f"{name} branches to {target}"


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
