"""What a link between two parts costs: bytes on the wire beside the tensors', as the C code puts them there.

python benchmarks/bench_chain.py [--json]
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from _timing import heading, table

sys.path.insert(0, str(Path(__file__).parents[1]))

from tinyops.link.protocol import DATA_MAX

ROOT = Path(__file__).resolve().parents[1]
RUNTIME = ROOT / "tinyops/runtime"
# Tensors of a boundary: one of 4 bytes and a large one. VWW's, a KWS model's, 10 KB.
SIZES = (1152, 8000, 10_240)
SMALL = 4
MOST_PERCENT = 5.0
MOST = ("worst_overhead_percent", "busy_overhead_percent")
BUSY_AFTER_MS = 400
ANSWER_BYTES = 7  # MISSING without ranges: type, sequence, CRC, one byte of COBS, two zeros
SECONDS = 4  # of the time that the program measures
APPLICATION = ("app", "frame", "health", "image", "kept", "line", "loop", "manage", "sensing", "try")
CHAIN = ("changing", "part", "pieces", "set", "standing", "telling")
LINE = re.compile(
    r"^(\w+), first link: pieces (\d+) bytes (\d+) answers (\d+) states (\d+) questions (\d+)$", re.MULTILINE
)


def build(folder: Path, tensor_bytes: int, *, worst: bool, after_ms: int = 20_000) -> Path:
    """The program of tests/runtime/run_chain.c; `worst`: without a zero, which takes the most bytes on a line."""
    made = folder / f"run_{tensor_bytes}_{worst}_{after_ms}"
    sources = [*(RUNTIME / "app" / f"{n}.c" for n in APPLICATION), *(RUNTIME / "chain" / f"{n}.c" for n in CHAIN)]
    sources += sorted((RUNTIME / "smp").glob("*.c"))
    defined = ["-DTINYOPS_PART", f"-DTENSOR_BYTES={tensor_bytes - SMALL}", f"-DAFTER_MS={after_ms}"]
    defined += ["-DNO_ZEROS"] if worst else []
    command = ["gcc", "-std=c99", "-O1", *defined, "-I", str(RUNTIME / "include"), *map(str, sources)]
    subprocess.run([*command, str(ROOT / "tests/runtime/run_chain.c"), "-o", str(made)], check=True, timeout=120)
    return made


def measure(program: Path, tensor_bytes: int, how: str = "quiet") -> dict[str, float]:
    """A message with its acknowledgement, in the time in which nothing is lost; states by themselves. `busy`: the part
    after computes for up to half of the chain's time limit."""
    said = subprocess.run([program, "1", "2", "0", "0", how], capture_output=True, text=True, timeout=120).stdout
    counted = {when: [int(n) for n in rest] for when, *rest in LINE.findall(said)}
    counts = (b - a for a, b in zip(counted["recovering"], counted["after"], strict=True))
    frames, pieces, answers, states, questions = counts
    messages = (frames - questions) / -(-tensor_bytes // DATA_MAX)  # nothing was lost: so no piece went twice
    return {"message": (pieces + messages * ANSWER_BYTES) / messages, "answers": answers, "states": states / SECONDS}


def row(folder: Path, tensor_bytes: int) -> dict[str, float]:
    found = {worst: measure(build(folder, tensor_bytes, worst=worst), tensor_bytes) for worst in (False, True)}
    busy = measure(build(folder, tensor_bytes, worst=True, after_ms=BUSY_AFTER_MS), tensor_bytes, "busy")
    percent = {worst: 100 * (one["message"] / tensor_bytes - 1) for worst, one in found.items()}
    return {
        "tensor_bytes": tensor_bytes,
        "wire_bytes": round(found[False]["message"]),
        "overhead_percent": round(percent[False], 2),
        "worst_overhead_percent": round(percent[True], 2),
        "busy_overhead_percent": round(100 * (busy["message"] / tensor_bytes - 1), 2),
        "states_a_second": round(found[False]["states"]),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("sizes", nargs="*", type=int, default=SIZES, help="bytes of tensors")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = [row(Path(folder), size) for size in arguments.sizes]
    if arguments.json:
        print(json.dumps({"messages": rows}))
    else:
        heading("A message between two parts, with its acknowledgement, bytes")
        names = (
            "tensors",
            "on the wire, both ways",
            "overhead, %",
            "without a zero, %",
            "and the part after busy, %",
            "states, bytes a second",
        )
        table(names, [tuple(f"{value:,}" for value in found.values()) for found in rows])
        print(f"\nat most {MOST_PERCENT} %")
    return int(any(found[which] > MOST_PERCENT for found in rows for which in MOST))


if __name__ == "__main__":
    sys.exit(main())
