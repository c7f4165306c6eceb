"""Flash in the memory of QEMU's machines: code runs from it, is rewritten by calls, kept, cut and watched."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tinyops.boards.layout import Flash
from tinyops.boards.machines import QEMU
from tinyops.link import LinkClosed
from tinyops.toolchain import CPU_FLAGS, installed
from tinyops.twin.flash import flash_file
from tinyops.twin.machine import start_ordered
from tinyops.twin.qemu import COUNTING, QemuBoard, Ranged, build_plugin, facts_of

pytestmark = pytest.mark.build

ROOT = Path(__file__).parents[2]
SOURCE = Path(__file__).with_suffix(".c")
CALLS = ROOT / "tinyops/runtime/port/twin"
ERASE_BYTES, PROGRAM_BYTES, FLASH_BYTES = 4096, 8, 1 << 20
PLACE_OFFSET, ASIDE, STARTED = 0x8000, 0x70000000, 0x57A7
ERASED = sum(0xFFFFFFFF * (i + 1) for i in range(2 * ERASE_BYTES // 4)) % (1 << 32)
FACTS = {"erase_bytes": ERASE_BYTES, "program_bytes": PROGRAM_BYTES, "reprogram": 1, "during_write": "stall"}
MACHINES = ("mps2-an386", "mps2-an500", "mps2-an505", "virt")


def ranges(machine: str) -> list[Ranged]:
    """Flash where the machine starts, and a little of it that is not in its memory."""
    code = QEMU[machine].code.origin
    return [
        Ranged(Flash(origin=code, bytes=FLASH_BYTES, erase_ms=1, **FACTS)),
        Ranged(Flash(origin=ASIDE, bytes=2 * ERASE_BYTES, erase_ms=1, **FACTS), in_memory=False),
    ]


def build(machine: str, folder: Path) -> bytes:
    """The program, as it lies in flash."""
    about = QEMU[machine]
    cpu, code = about.cpus[0], about.code.origin
    tools = "riscv64-unknown-elf" if cpu == "riscv32" else "arm-none-eabi"
    defines = {"PLACE": code + PLACE_OFFSET, "ASIDE": ASIDE}
    defines |= {"TINYOPS_TWIN_ERASE_BYTES": ERASE_BYTES, "TINYOPS_TWIN_PROGRAM_BYTES": PROGRAM_BYTES}
    flags = [*CPU_FLAGS[cpu], "-std=gnu99", "-Os", "-ffreestanding", "-nostdlib", "-Wall", "-Werror"]
    flags += ["-mcmodel=medany", "-mno-relax", "-msmall-data-limit=0"] if cpu == "riscv32" else []
    flags += ["-I", str(CALLS), "-I", str(ROOT / "tinyops/runtime/include")]
    flags += [f"-D{name}={value:#x}u" for name, value in defines.items()]
    link = [f"-Wl,--defsym=FLASH={code:#x},--defsym=RAM={about.ram.origin:#x},--build-id=none"]
    link += ["-Wl,-T", str(SOURCE.with_suffix(".ld")), "-Wl,-e,start", "-lgcc"]
    elf, binary = folder / f"{machine}.elf", folder / f"{machine}.bin"
    subprocess.run([f"{tools}-gcc", *flags, SOURCE, CALLS / "call.c", *link, "-o", elf], check=True)
    subprocess.run([f"{tools}-objcopy", "-O", "binary", elf, binary], check=True)
    return binary.read_bytes()


@dataclass
class Machine:
    board: QemuBoard
    said: bytes = b""

    def send(self, letter: str) -> None:
        stream: Any = self.board.link._stream
        stream.write(letter.encode(), 5.0)

    def ask(self, letter: str) -> int:
        self.send(letter)
        return self.read()

    def read(self) -> int:
        stream: Any = self.board.link._stream
        while b"\n" not in self.said:
            data = stream.read(5.0)
            assert data, "no answer"
            self.said += data
        first, _, self.said = self.said.partition(b"\n")
        return int(first, 16)

    def breaks(self, letters: str) -> str:
        with pytest.raises(LinkClosed):
            for letter in letters:
                self.ask(letter)
        return self.board.how_it_ended()

    def wait_for_start(self, resets: int) -> None:
        assert self.read() == STARTED
        assert self.board.measure().resets == resets


@contextlib.contextmanager
def machine(name: str, program: bytes, state: Path | None = None) -> Iterator[Machine]:
    about, flash = QEMU[name], ranges(name)
    emulator = installed(about.emulator)
    command: list[str | Path] = [emulator.path, "-M", name, *about.options, *COUNTING, "-nodefaults", "-nic", "none"]
    command += ["-display", "none", "-monitor", "none"]
    plugin = f"file={build_plugin(emulator)},ram={about.ram.origin}:{0x4000},vtor=1"
    with flash_file([one.flash for one in flash], state, {about.code.origin: program}) as path:

        def with_sockets(line: int, orders: int) -> list[str | Path]:
            sockets = ["-chardev", f"socket,id=line,fd={line}", "-serial", "chardev:line"]
            return [*command, *sockets, "-plugin", f"{plugin},{facts_of(flash, path)},orders={orders}"]

        with start_ordered(QemuBoard, name, with_sockets) as virtual:
            found = Machine(virtual)
            found.wait_for_start(0)
            yield found


@pytest.fixture(scope="module", params=MACHINES)
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, bytes]:
    return request.param, build(request.param, tmp_path_factory.mktemp("flash"))


def test_code_runs_in_place_and_is_another_once_it_is_rewritten(built: tuple[str, bytes]) -> None:
    with machine(*built) as board:
        assert board.ask("r") == board.ask("R") == ERASED
        for letter in "12121":
            assert (board.ask("e"), board.ask(letter), board.ask("x"), board.ask("x")) == (0, 0, *[int(letter)] * 2)
            assert board.ask("r") == board.ask("R") != ERASED
        assert board.board.measure().operations == 10


def test_flash_outlives_resets_power_and_the_emulator(built: tuple[str, bytes], tmp_path: Path) -> None:
    with machine(*built, state=tmp_path / "state") as board:
        assert (board.ask("1"), board.ask("P")) == (0, 0)
        held = board.ask("r")
        board.send("s")  # the program itself
        board.wait_for_start(1)
        assert (board.ask("x"), board.ask("r")) == (1, held)
        board.board.reset()
        board.wait_for_start(2)
        assert (board.ask("x"), board.ask("r")) == (1, held)
        board.board.power_cut()
        board.wait_for_start(3)
        assert (board.ask("x"), board.ask("r"), board.ask("p")) == (1, held, 0x5EED)
    with machine(*built, state=tmp_path / "state") as board:
        assert (board.ask("x"), board.ask("r"), board.ask("p")) == (1, held, 0x5EED)


def test_a_store_into_flash_and_broken_rules_end_the_run(built: tuple[str, bytes]) -> None:
    place = QEMU[built[0]].code.origin + PLACE_OFFSET
    rules = {
        "w": f"{place:#010x} was written by a store: only a call changes it",
        "11": f"{place:#010x} was programmed more often than it may be between two erases",
        "b": f"{place + PROGRAM_BYTES:#010x} is no place where whole sectors are erased",
        "PP": f"{ASIDE:#010x} was programmed more often",
    }
    for letters, rule in rules.items():
        with machine(*built) as board:
            assert board.breaks(letters).startswith(f"exit status 3: flash: {rule}")


@pytest.mark.parametrize(("letters", "operation"), [("1", 1), ("1e", 2), ("EP1", 3)])
def test_a_cut_leaves_noise_in_memory_until_it_is_erased(
    letters: str, operation: int, built: tuple[str, bytes]
) -> None:
    """An operation counts whichever range it is in; every read of what was cut gives something else."""
    with machine(*built) as board:
        board.board.cut_in(operation)
        for letter in letters[:-1]:
            assert board.ask(letter) == 0
        board.send(letters[-1])
        board.wait_for_start(1)
        assert len({board.ask("r") for _ in range(3)}) == 3
        board.board.reset()
        board.wait_for_start(2)
        assert len({board.ask("r") for _ in range(3)}) == 3
        assert (board.ask("e"), board.ask("r"), board.ask("r")) == (0, ERASED, ERASED)
        assert (board.ask("2"), board.ask("x")) == (0, 2)
