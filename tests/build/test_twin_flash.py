"""Rules of flash and core in QEMU's micro:bit, each broken once; power cuts; flash that outlives them, and QEMU."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tinyops.boards.model import Board
from tinyops.errors import ToolError
from tinyops.firmware import render_project
from tinyops.link import LinkClosed
from tinyops.toolchain import CPU_FLAGS
from tinyops.twin import qemu
from tinyops.twin.flash import FLASH
from tinyops.twin.machine import Boot

pytestmark = pytest.mark.build

ROOT = Path(__file__).parents[2]
RUNTIME = ROOT / "tinyops/runtime"
SOURCE = Path(__file__).with_suffix(".c")
WHOLE = Board.model_validate(YAML(typ="safe").load(ROOT / "board_catalog/microbit.yaml")).spec
assert WHOLE.layout is not None
SPEC = WHOLE.model_copy(update={"layout": WHOLE.layout.without_bootloader()})  # the program starts by itself
PLACE, WORDS = 0x3F000, 8
ERASED = sum(0xFFFFFFFF * (i + 1) for i in range(256)) % (1 << 32)
RESET_POWER, RESET_PIN, RESET_WATCHDOG, RESET_SOFTWARE = 1, 2, 3, 4  # tinyops_reset_cause
STRICT = ("-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror")


@pytest.fixture(scope="module")
def elf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The micro:bit port with a program of the test's, linked by the board's own script."""
    folder = tmp_path_factory.mktemp("flash")
    assert SPEC.layout is not None
    contract = {"abi": 1, "input": {}, "output": {}, "arena_bytes": SPEC.layout.arena_bytes}
    files = render_project(board="microbit", spec=SPEC, fleet="f", sensor="stream", contract=contract)
    for name in ("link/microbit.ld", "include/pins.h"):
        (folder / Path(name).name).write_bytes(files[name])
    sources = [
        SOURCE,
        *sorted((RUNTIME / "port/nrf5").glob("*.c")),
        RUNTIME / "port/cortex_m/startup.c",
        RUNTIME / "port/bare/ram.c",
    ]
    sources += sorted((RUNTIME / "app").glob("*.c"))
    flags = [*CPU_FLAGS[SPEC.cpu], "-Os", "-ffreestanding", "-ffunction-sections", "-DTINYOPS_HAS_VTOR=0"]
    flags += ["-std=c99", "-Wall", "-Werror"]
    folders = [a for name in ("include", "port/bare", "port/cortex_m", "port/nrf5") for a in ("-I", RUNTIME / name)]
    link = ["--specs=nano.specs", "-nostartfiles", "-Wl,--gc-sections", "-Wl,--build-id=none"]
    path = folder / "test.elf"
    command = ["arm-none-eabi-gcc", *flags, *folders, "-I", folder, *sources, *link]
    subprocess.run([*command, f"-Wl,-T,{folder / 'microbit.ld'}", "-o", path], check=True)
    return path


@dataclass
class Machine:
    board: qemu.QemuBoard
    said: bytes = b""

    def ask(self, letter: str) -> int:
        stream: Any = self.board.link._stream
        stream.write(letter.encode(), 5.0)
        while b"\n" not in self.said:
            data = stream.read(5.0)
            assert data, "no answer"
            self.said += data
        first, _, self.said = self.said.partition(b"\n")
        return int(first, 16)

    def breaks(self, letters: str) -> str:
        """How a run ends that is to break a rule."""
        with pytest.raises(LinkClosed):
            for letter in letters:
                self.ask(letter)
        return self.board.how_it_ended()


@contextlib.contextmanager
def machine(elf: Path, state: Path | None = None) -> Iterator[Machine]:
    with qemu.boot(Boot("microbit", SPEC, {"firmware.elf": elf}, {}, {}, state=state)) as board:
        yield Machine(board)


def test_flash_is_erased_programmed_and_read(elf: Path) -> None:
    with machine(elf) as board:
        assert board.ask("?") == 1024
        assert board.ask("r") == ERASED  # as it comes from the factory
        assert (board.ask("e"), board.ask("p"), board.ask("n")) == (0, 0, 0)
        assert board.ask("r") != ERASED
        counted = board.board.measure()
        assert (counted.operations, counted.resets) == (1 + 2 * WORDS, 0)


@pytest.mark.parametrize(
    ("letters", "rule"),
    [
        ("epp", f"flash: {PLACE:#010x} was programmed more often than it may be between two erases"),
        ("enpn", f"flash: {PLACE + 32:#010x} was programmed more often"),
        ("w", f"flash: {PLACE:#010x} was written while the controller does not allow it"),
        ("a", "flash: 0x00000001 was to be erased with all the rest"),
        ("v", "core: 0xe000ed08 was touched: this board has no vector table register"),
        ("V", "core: 0xe000ed08 was touched"),
    ],
)
def test_a_broken_rule_ends_the_run_with_place_and_rule(elf: Path, letters: str, rule: str) -> None:
    with machine(elf) as board:
        assert board.breaks(letters).startswith(f"exit status 3: {rule}")


def test_flash_outlives_a_reset_and_a_power_cut_and_ram_the_reset_alone(elf: Path) -> None:
    with machine(elf) as board:
        assert board.ask("k") == 0
        assert board.ask("p") == 0
        programmed = board.ask("r")
        board.board.reset()
        assert (board.ask("k"), board.ask("r")) == (1, programmed)
        board.board.power_cut()
        assert (board.ask("k"), board.ask("r")) == (0, programmed)
        assert board.board.measure().resets == 2


@pytest.mark.parametrize(("letters", "operation"), [("p", 1), ("p", 8), ("e", 1), ("pe", 9)])
def test_a_cut_leaves_what_was_written_unstable_until_it_is_erased(elf: Path, letters: str, operation: int) -> None:
    with machine(elf) as board:
        board.board.cut_in(operation)
        for letter in letters[:-1]:
            assert board.ask(letter) == 0
        board.board.link._stream.write(letters[-1].encode(), 5.0)  # the cut comes before the answer
        wait_for_reset(board)
        assert len({board.ask("r") for _ in range(4)}) == 4
        board.board.reset()
        assert len({board.ask("r") for _ in range(4)}) == 4
        assert board.ask("e") == 0
        assert (board.ask("r"), board.ask("r")) == (ERASED, ERASED)
        assert board.ask("p") == 0


def test_power_fails_a_second_time_while_what_was_cut_is_put_right(elf: Path) -> None:
    with machine(elf) as board:
        board.board.cut_twice(1, 2)
        board.board.link._stream.write(b"e", 5.0)
        wait_for_reset(board)
        assert board.ask("e") == 0
        board.board.link._stream.write(b"p", 5.0)  # its first word
        wait_for_reset(board, 2)
        board.board.cut_twice(1, 1)
        board.board.keep_power()
        assert (board.ask("e"), board.ask("p"), board.board.measure().resets) == (0, 0, 2)
        done = [board.board.operation(number) for number in range(1, 13)]
        assert done[:5] == [
            ("erase", PLACE),
            ("erase", PLACE),
            ("program", PLACE),
            ("erase", PLACE),
            ("program", PLACE),
        ]
        assert done[-1] == ("program", PLACE + 4 * (WORDS - 1))
        for number in (0, 13):
            with pytest.raises(ToolError, match="cannot do this"):
                board.board.operation(number)


def test_programming_over_an_unstable_word_breaks_a_rule(elf: Path) -> None:
    with machine(elf) as board:
        board.board.cut_in(1)
        board.board.link._stream.write(b"p", 5.0)
        wait_for_reset(board)
        assert "programmed more often" in board.breaks("p")


def wait_for_reset(board: Machine, resets: int = 1) -> None:
    for _ in range(2000):
        if board.board.measure().resets == resets:
            return
        time.sleep(0.005)
    raise AssertionError("the board was not reset")


@pytest.mark.parametrize("letter", ["h", "s"])
def test_a_program_that_does_not_kick_the_watchdog_is_reset(elf: Path, letter: str) -> None:
    """It hangs, or it sleeps: the twin counts both, the board finds why it was reset, and its RAM was kept."""
    with machine(elf) as board:
        assert board.ask("c") == RESET_POWER
        assert board.ask("k") == 0
        board.board.link._stream.write(letter.encode(), 5.0)
        wait_for_reset(board)
        assert (board.ask("c"), board.ask("k")) == (RESET_WATCHDOG, 1)
        assert board.board.measure().watchdog == 1


def test_a_program_that_kicks_in_its_sleep_is_left_alone(elf: Path) -> None:
    with machine(elf) as board:
        assert board.ask("z") == 0
        assert (board.board.measure().watchdog, board.board.measure().resets) == (0, 0)


def test_the_watchdog_goes_on_through_a_reset_by_software(elf: Path) -> None:
    with machine(elf) as board:
        assert board.ask("k") == 0
        board.board.link._stream.write(b"y", 5.0)
        wait_for_reset(board, 2)
        assert board.ask("c") == RESET_WATCHDOG


def test_the_board_finds_why_it_started(elf: Path) -> None:
    with machine(elf) as board:
        board.board.link._stream.write(b"x", 5.0)
        wait_for_reset(board)
        assert board.ask("c") == RESET_SOFTWARE
        board.board.reset()
        assert board.ask("c") == RESET_PIN
        board.board.power_cut()
        assert board.ask("c") == RESET_POWER


def test_a_folder_keeps_flash_from_boot_to_boot_and_from_a_kill(elf: Path, tmp_path: Path) -> None:
    with machine(elf, tmp_path / "state") as board:
        assert board.ask("p") == 0
        programmed = board.ask("r")
    with machine(elf, tmp_path / "state") as board:
        assert board.ask("r") == programmed
        assert "programmed more often" in board.breaks("p")
    held = (tmp_path / "state" / FLASH).read_bytes()
    assert held[PLACE : PLACE + 4 * WORDS] == bytes(range(4 * WORDS))


def test_the_folder_of_another_board_is_refused(elf: Path, tmp_path: Path) -> None:
    (tmp_path / FLASH).write_bytes(b"x" * 100)
    with pytest.raises(ToolError, match="is no flash of 262,144 bytes"), machine(elf, tmp_path):
        pass


def test_orders_that_are_none_are_answered(elf: Path) -> None:
    with machine(elf) as board:
        for order in ("nonsense", "cut_in 0", "x" * 200):
            with pytest.raises(ToolError, match="microbit: a twin of kind qemu cannot do this"):
                board.board.order(order)
        assert board.board.measure().resets == 0


@pytest.mark.parametrize("sanitize", [True, False])
def test_the_model_keeps_its_rules_on_the_host(sanitize: bool, tmp_path: Path) -> None:
    flags = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"] if sanitize else ["-O2"]
    sources = [RUNTIME / "port/sim/flash_model.c", ROOT / "tests/runtime/run_flash_model.c"]
    program = tmp_path / "model"
    subprocess.run(["gcc", *STRICT, *flags, "-I", RUNTIME / "port/sim", *sources, "-o", program], check=True)
    done = subprocess.run([program], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("cpu", ["cortex-m0", "cortex-m4f"])
@pytest.mark.parametrize("source", ["port/sim/flash_model.c", "port/nrf5/flash.c"])
def test_flash_code_has_no_warnings_on_the_device(source: str, cpu: str, tmp_path: Path) -> None:
    flags = [*CPU_FLAGS[cpu], *STRICT, "-Os", "-ffreestanding", "-I", RUNTIME / "include"]
    subprocess.run(["arm-none-eabi-gcc", *flags, "-c", RUNTIME / source, "-o", tmp_path / "o"], check=True)
