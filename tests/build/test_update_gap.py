"""How long a swap of models stops inference: instructions counted in QEMU, operations of flash at the chip's times.

A twin's clock is no board's: an instruction takes a nanosecond there, and flash nothing. So what a board would take is
counted, from the moment a trial is asked for to the moment the new model is ready for its first sample.
"""

from __future__ import annotations

import contextlib
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fakes.updatable import INPUT_BYTES, Live, Updatable, answer_to, digest_of
from tinyops.boards import load_catalog
from tinyops.specs.loader import load_repository
from tinyops.twin import qemu

pytestmark = pytest.mark.build

ROOT = Path(__file__).parents[2]
PLUGIN = Path(__file__).with_suffix(".c")
GOOD = bytes(range(1, INPUT_BYTES + 1))
ASKED, SWAP = "test", "swap"  # of runtime/app/update.c: what a client asks for, and what follows


@dataclass(frozen=True)
class Chip:
    """What the catalogue does not say: how long a unit is programmed (nRF51, nRF52840 Product Specifications, 43 to
    46.3 us and 41 us). And of the example's model on this board, its signed image and its inference in instructions,
    of which a swap makes one: the README's figures."""

    program_us: float
    image_bytes: int
    inference: int


LARGE_BYTES = 86_016  # a micro:bit's slot
CHIPS = {"microbit": Chip(46.3, 9_710, 201_875), "nano33ble": Chip(41.0, 8_439, 74_560)}


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("plugin") / "marks.so"
    flags = [*qemu.FLAGS, "-I", str(ROOT / "tinyops/twin")]
    subprocess.run(["gcc", *flags, str(PLUGIN), "-o", str(made)], check=True, timeout=60)
    return made


def places(elf: Path, function: str) -> tuple[int, list[int]]:
    """Where a function begins, and each instruction by which it returns."""
    command = ["arm-none-eabi-objdump", "-d", "--no-show-raw-insn", str(elf)]
    listing = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    found = re.search(rf"^([0-9a-f]+) <{function}(?:\.[\w.]+)?>:\n((?:.+\n)+)", listing, re.MULTILINE)
    assert found is not None, f"{function} was inlined"
    ends = re.findall(r"^ *([0-9a-f]+):\t(?:pop|ldmia\.w\tsp!,|bx\tlr).*(?:pc\}|lr)", found[2], re.MULTILINE)
    assert ends
    return int(found[1], 16), [int(end, 16) for end in ends]


def longest(lines: list[str], begins: int, ends: range) -> int:
    """Instructions between the first and the last of a pair of places, the most of all times."""
    started, most = None, 0
    for place, count in (map(int, line.split()) for line in lines):
        if place == begins:
            started = count
        elif place in ends and started is not None:
            most, started = max(most, count - started), None
    return most


@contextlib.contextmanager
def marked(kit: Updatable, plugin: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Any, Any]]:
    """QEMU is started with the plugin. Gives what was counted so far, of both functions."""
    elf = kit.files["firmware.elf" if kit.spec.twin.same_machine else "twin.elf"]
    marks, spans = [], []
    for function in (ASKED, SWAP):
        begin, ends = places(elf, function)
        spans.append((len(marks), range(len(marks) + 1, len(marks) + 1 + len(ends))))
        marks += [begin, *ends]
    log, start = folder / "marks", qemu.start_ordered
    option = f"file={plugin},to={log}" + "".join(f",at={at:#x}" for at in marks)
    with monkeypatch.context() as patch:
        patch.setattr(
            qemu,
            "start_ordered",
            lambda kind, board, command, **more: start(
                kind, board, lambda *fds: [*command(*fds), "-plugin", option], **more
            ),
        )
        yield lambda: sum(longest(log.read_text().splitlines(), *span) for span in spans), log


def swap(live: Live, image: bytes, log: Path) -> tuple[int, int]:
    """Erases and programs of a swap to an image that is there already."""
    before = live.operations()
    log.write_text("")
    live.manager.test_image(digest_of(image))
    live.wait_active(1, digest_of(image))
    done = [live.virtual.operation(number)[0] for number in range(before + 1, live.operations() + 1)]
    return done.count("erase"), done.count("program")


@pytest.mark.parametrize("board", CHIPS)
def test_a_swap_stops_inference_for_less_than_a_window_of_the_example(
    board: str, plugin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "kit").mkdir()
    kit, chip = Updatable(board, tmp_path / "kit"), CHIPS[board]
    window_s = load_repository(ROOT, catalog=load_catalog()).models["activity"].document.spec.input.window_s
    assert kit.spec.memory and kit.spec.layout and kit.spec.layout.state
    flash, half = kit.spec.memory.flash[0], kit.spec.layout.state.bytes // 2
    prepared = kit.prepare(kit.model(0), tmp_path / "prepared")
    for total in (chip.image_bytes, LARGE_BYTES):
        with (
            marked(kit, plugin, tmp_path, monkeypatch) as (count, log),
            kit.copied(prepared, tmp_path / "flash") as live,
        ):
            image = kit.model(3, total=total)
            live.upload(1, image)
            assert live.infer(GOOD) == answer_to(GOOD, 0)
            erased, programmed = swap(live, image, log)
            instructions = count() + chip.inference
            assert live.infer(GOOD) == answer_to(GOOD, 3)
        # Where the log's half is full, the other one is erased, too: the longest that it may take.
        erases = max(erased, half // flash.erase_bytes)
        flash_s = erases * flash.erase_ms / 1e3 + programmed * chip.program_us / 1e6
        took_s = instructions / kit.spec.clock_hz + flash_s
        counted = f"{instructions:,} instructions, {programmed} programs, {erases} erases"
        print(f"{board}: a model of {total:,} bytes: {counted}: {took_s:.2f} s")
        assert instructions > 50 * total and programmed >= 39
        assert took_s < window_s
