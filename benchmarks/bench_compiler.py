"""The compiler beside TensorFlow Lite Micro on the four MLPerf Tiny models: flash, RAM, instructions, all ratios.

python benchmarks/bench_compiler.py [--markdown] [--prefer PREFER] [--core CORE] [FOLDER]

FOLDER holds the models; without it TINYOPS_SHARED_DATA or ../shared/data of this checkout is looked into.

Ours is measured now: compiled, built, booted in QEMU and compared with tflite-micro, as `tinyops bench` does it.

TFLM's figures are constants. They were measured elsewhere, once, and not by this program: QEMU 7.2 `-icount shift=0`,
machine mps2-an386 (Cortex-M4F), arm-none-eabi-gcc 12.2.1, newlib-nano, TFLM at 90b983c2 in its release build, CMSIS-NN
at 4ab83cc3, -O2, only the int8 registrations of the operators that each model uses; the most of 4 inputs. The same
emulator, machine, clock and compiler are used here.

The second table is for Cortex-M0+, of which QEMU has no machine: the same programs, compiled for it, run on the
Cortex-M4F, which has all of its instructions, so that their number is the same. KWS, which fits micro:bit, a
Cortex-M0, takes as many there (`tinyops bench --board microbit`).
"""

from __future__ import annotations

import argparse
import math
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from _timing import heading, table

from tinyops.boards.loader import load_catalog
from tinyops.boards.model import Board
from tinyops.build.bench import Bench, bench, compile_file
from tinyops.compiler.compiled import CompiledModel
from tinyops.compiler.image.elf import section_bytes
from tinyops.compiler.library import library_files, write_library
from tinyops.compiler.options import PREFER
from tinyops.errors import TinyopsError
from tinyops.graph import read_graph
from tinyops.process import run
from tinyops.toolchain import CPU_FLAGS, installed

BOARD = "nano33ble"  # a Cortex-M4F whose twin is mps2-an386
ROOT = Path(__file__).resolve().parents[1]
KB = 1024
COLUMNS = ("flash", "RAM", "instructions")


@dataclass(frozen=True)
class Figures:
    """Bytes of flash with the model, bytes of RAM with arena and stack, instructions of one inference.

    Not a number where nobody measured, or where no goal is set."""

    flash: float
    ram: float
    instructions: float

    def __iter__(self) -> Iterator[float]:
        return iter((self.flash, self.ram, self.instructions))


@dataclass(frozen=True)
class Anchor:
    """One model: TFLM with its reference kernels and with CMSIS-NN, and the goals of this project.

    `stream_rows`: its input comes to tinyops's model row by row.
    """

    name: str
    file: str
    reference: Figures | None
    cmsis_nn: Figures
    goal: Figures
    stream_rows: bool = False


NONE = math.nan


def _v6m(name: str, file: str, flash: float, instructions: float) -> Anchor:
    """TFLM's RAM was not measured there. The goal is six tenths of the instructions."""
    goal = Figures(NONE, NONE, 0.6 * instructions)
    return Anchor(name, file, None, Figures(flash, NONE, instructions), goal)


ANCHORS_M4F = (
    Anchor(
        "KWS",
        "kws_ref_model.tflite",
        Figures(94_112, 24_060, 43.04e6),
        Figures(106_216, 24_288, 7.70e6),
        Figures(36 * KB, 10.5 * KB, 4.6e6),
    ),
    Anchor(
        "VWW",
        "vww_96_int8.tflite",
        Figures(373_464, 101_948, 100.25e6),
        Figures(385_568, 102_176, 24.10e6),
        Figures(243 * KB, 40 * KB, 14.5e6),
    ),
    Anchor(
        "IC",
        "pretrainedResnet_quant.tflite",
        Figures(143_084, 55_676, 107.40e6),
        Figures(148_580, 56_464, 29.86e6),
        Figures(92 * KB, 36.5 * KB, 18e6),
    ),
    Anchor(
        "AD",
        "ad01_int8.tflite",
        Figures(296_112, 2_996, 1.952e6),
        Figures(303_888, 3_480, 0.583e6),
        Figures(278 * KB, 2.0 * KB, 0.42e6),
    ),
    Anchor(
        "VWW, rows streamed",
        "vww_96_int8.tflite",
        None,
        Figures(385_568, 102_176, 24.10e6),
        Figures(243 * KB, 20 * KB, 14.5e6),
        stream_rows=True,
    ),
)
ANCHORS_M0PLUS = (
    _v6m("KWS", "kws_ref_model.tflite", 110_948, 29.0e6),
    _v6m("VWW", "vww_96_int8.tflite", 390_300, 86.9e6),
    _v6m("IC", "pretrainedResnet_quant.tflite", 153_088, 97.6e6),
    _v6m("AD", "ad01_int8.tflite", 308_100, 1.76e6),
)
CORES = {"cortex-m4f": ANCHORS_M4F, "cortex-m0plus": ANCHORS_M0PLUS}

HEADERS = ("model", "", *COLUMNS, "each of CMSIS-NN", "bit-exact")
NOTES = (
    "flash: the ELF with the model minus the same ELF with an empty model, libgcc and libc included. A model image, "
    "which tinyops ships, has a header and memory functions of its own; its bytes are in brackets.",
    "RAM: .data and .bss, arena, painted stack. instructions: the most of any input, in QEMU. KB is 1,024.",
    "rows streamed: the input comes row by row, as from a camera, and is never in memory as a whole; the instructions "
    "are those of all rows together.",
    "TFLM's rows were measured elsewhere, by the same emulator and compiler; how is written in this program.",
)

# The ELF of which flash is the difference: -O2, newlib-nano, what nothing calls is left out.
LINK = ("-std=c99", "-O2", "-ffunction-sections", "-fdata-sections", "-Iinclude", "-Isrc", "-Wl,--gc-sections")
LIBRARIES = ("--specs=nano.specs", "--specs=nosys.specs", "-Wl,--defsym=arena=0x20000000")
HARNESS = """#include "tinyops/model.h"
extern uint8_t arena[];
volatile int32_t sink;
int main(void) {
  sink = tinyops_model_init(arena);
  sink = tinyops_model_invoke(arena);
  return 0;
}
"""
EMPTY = """#include "tinyops/model.h"
int32_t tinyops_model_init(void *arena) { return arena == 0; }
int32_t tinyops_model_invoke(void *arena) { return arena == 0; }
"""


def main() -> None:
    arguments = _arguments()
    folder = arguments.folder or _models()
    for core in [arguments.core] if arguments.core else CORES:
        if arguments.markdown:
            print(f"\n{core}\n")
        else:
            heading(f"Compiled models beside TFLM, {core} in {BOARD}'s twin, prefer {arguments.prefer}")
        rows = [row for anchor in CORES[core] for row in _compared(anchor, folder, core, arguments.prefer)]
        if rows:
            _print(rows, markdown=arguments.markdown)


def _compared(anchor: Anchor, folder: Path, core: str, prefer: str) -> list[tuple[str, ...]]:
    """One model's rows; none, saying so, where its file is not there."""
    path = folder / anchor.file
    if path.is_file():
        return _rows(anchor, *_measured(path, core, prefer, stream_rows=anchor.stream_rows))
    print(
        f"{anchor.name} is left out: {anchor.file} is not in {folder.name} (name a folder, or set TINYOPS_SHARED_DATA)"
    )
    return []


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, help="where the models are")
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown, for the README")
    parser.add_argument("--prefer", choices=PREFER, default="balanced")
    parser.add_argument("--core", choices=tuple(CORES), help="one table instead of all")
    return parser.parse_args()


def _models() -> Path:
    shared = os.environ.get("TINYOPS_SHARED_DATA")
    return (Path(shared) if shared else ROOT.parent / "shared" / "data") / "models" / "mlperf_tiny"


def _measured(path: Path, core: str, prefer: str, *, stream_rows: bool) -> tuple[Bench | TinyopsError, int]:
    """What it costs and its bytes of flash, or why it does not run: one model's failure leaves the others' rows."""
    catalog = load_catalog()
    board = _with_core(catalog[BOARD], core)
    try:
        found = bench(path, board, catalog, prefer=prefer, inputs=None, report=lambda _: None, stream_rows=stream_rows)
        return found, _flash_bytes(compile_file(read_graph(path), board, prefer, catalog, stream_rows=stream_rows))
    except TinyopsError as error:
        return error, 0


def _with_core(board: Board, core: str) -> Board:
    """The board, as if it had that core."""
    return board.model_copy(update={"spec": board.spec.model_copy(update={"cpu": core})})


def _flash_bytes(compiled: CompiledModel) -> int:
    """An ELF with the model minus the same ELF with an empty model."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_library(library_files(compiled), folder)
        (folder / "harness.c").write_text(HARNESS)
        (folder / "empty.c").write_text(EMPTY)
        sources = sorted((folder / "src").rglob("*.c"))
        return _linked_bytes(sources, compiled.options.cpu, folder) - _linked_bytes(
            ["empty.c"], compiled.options.cpu, folder
        )


def _linked_bytes(sources: Sequence[str | Path], cpu: str, folder: Path) -> int:
    """Bytes of an ELF that lie in flash: code, constants, initial values."""
    compiler = installed("arm-none-eabi-gcc")
    command = [compiler.path, *CPU_FLAGS[cpu], *LINK, "harness.c", *sources, *LIBRARIES, "-o", "linked.elf"]
    run(command, timeout_s=120, cwd=folder)
    sections = section_bytes((folder / "linked.elf").read_bytes())
    return sum(size for name, size in sections.items() if name != ".bss")


def _rows(anchor: Anchor, found: Bench | TinyopsError, flash: int) -> list[tuple[str, ...]]:
    rows = [("TFLM, CMSIS-NN", *_cells(anchor.cmsis_nn), _ratios(anchor.cmsis_nn, anchor.cmsis_nn), "")]
    if anchor.reference:
        ratios = _ratios(anchor.reference, anchor.cmsis_nn)
        rows.insert(0, ("TFLM, reference kernels", *_cells(anchor.reference), ratios, ""))
    rows += _own_rows(anchor, found, flash)
    return [(anchor.name if number == 0 else "", *row) for number, row in enumerate(rows)]


def _own_rows(anchor: Anchor, found: Bench | TinyopsError, flash: int) -> list[tuple[str, ...]]:
    if isinstance(found, TinyopsError):
        return [(f"tinyops: {found.message.splitlines()[0]}", "-", "-", "-", "-", "NO")]
    ours = Figures(flash, found.ram.total, found.instructions or float("nan"))
    verdict = f"{found.vectors} of {found.vectors}" if found.bit_exact else "NO"
    with_image = f"{flash:,} ({found.flash.total:,})"
    goals = tuple(
        _goal(cell, mine, goal) for cell, mine, goal in zip(_cells(anchor.goal), ours, anchor.goal, strict=True)
    )
    return [
        ("tinyops", with_image, *_cells(ours)[1:], _ratios(ours, anchor.cmsis_nn), verdict),
        ("goal", *goals, _ratios(anchor.goal, anchor.cmsis_nn), ""),
    ]


def _goal(cell: str, mine: float, goal: float) -> str:
    if math.isnan(goal):
        return "-"
    return f"≤ {cell}: {'met' if mine <= goal else f'{mine / goal:.2f} of it'}"


def _cells(figures: Figures) -> tuple[str, ...]:
    texts = (f"{figures.flash:,.0f}", f"{figures.ram:,.0f}", f"{figures.instructions / 1e6:.3f} M")
    return tuple("-" if math.isnan(figure) else text for figure, text in zip(figures, texts, strict=True))


def _ratios(figures: Figures, of: Figures) -> str:
    ratios = [mine / theirs for mine, theirs in zip(figures, of, strict=True)]
    return ", ".join("-" if math.isnan(ratio) else f"{ratio:.2f}" for ratio in ratios)


def _print(rows: Sequence[tuple[str, ...]], *, markdown: bool) -> None:
    if markdown:
        print("\n".join(["| " + " | ".join(HEADERS) + " |", "|---|---|--:|--:|--:|--:|--:|"]))
        print("\n".join("| " + " | ".join(row) + " |" for row in rows))
        print("\n" + "\n".join(f"- {note}" for note in NOTES))
        return
    table(HEADERS, rows)
    print("\n".join(NOTES))


if __name__ == "__main__":
    main()
