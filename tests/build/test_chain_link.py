"""Parts of a chain in C: on lines that do anything, and as images on virtual boards, bit for bit the whole model."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tinyops import link

pytestmark = pytest.mark.build

ROOT = Path(__file__).parents[2]
RUNTIME = Path(link.__file__).parents[1] / "runtime"
FLAGS = ("-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror", "-DTINYOPS_PART")
SANITIZE = ("-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
APPLICATION = ("app", "frame", "health", "image", "kept", "line", "loop", "manage", "sensing", "try")
CHAIN = ("changing", "part", "pieces", "set", "standing", "telling")


def sources() -> list[Path]:
    chosen = [RUNTIME / "app" / f"{name}.c" for name in APPLICATION]
    return [*chosen, *(RUNTIME / "chain" / f"{name}.c" for name in CHAIN), *sorted((RUNTIME / "smp").glob("*.c"))]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    made = tmp_path_factory.mktemp("chain") / "run_chain"
    command = ["gcc", *FLAGS, "-Wno-conversion", *SANITIZE, "-I", str(RUNTIME / "include"), *map(str, sources())]
    subprocess.run([*command, str(ROOT / "tests/runtime/run_chain.c"), "-o", str(made)], check=True, timeout=120)
    yield made


def run(program: Path, *words: object) -> dict[str, dict[str, int]]:
    """What was seen, by when: frames, results, unavailable, parts said to be lost (a bit each), wrong, last."""
    done = subprocess.run([program, *map(str, words)], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = {}
    for line in done.stdout.splitlines():
        when, _, rest = line.partition(":")
        found[when] = {name: int(value, 0) for name, value in re.findall(r"(\w+) (0x[0-9a-f]+|\d+)", rest)}
    return found


@pytest.mark.parametrize(
    ("parts", "faults", "what"),
    [(2, 60, "quiet"), (3, 60, "quiet"), (3, 20, "restart"), (3, 20, "mixed"), (3, 30, "cut"), (3, 0, "tested")],
)
def test_every_result_is_the_whole_models_whatever_the_lines_do(
    program: Path, parts: int, faults: int, what: str
) -> None:
    seen = run(program, 7, parts, faults, 2000, what)
    assert seen["faults"]["wrong"] == seen["recovering"]["wrong"] == seen["after"]["wrong"] == 0
    assert seen["after"]["results"] >= 15 and seen["after"]["unavailable"] == 0
    assert what == "quiet" or seen["faults"]["unavailable"] > 0


@pytest.mark.parametrize("parts", [2, 3])
def test_a_part_that_dies_is_named_and_one_that_comes_back_is_counted_on(program: Path, parts: int) -> None:
    seen = run(program, 5, parts, 0, 0, "alone")
    assert seen["without"]["lost"] == 1 << (parts - 2)  # the last one that died
    assert seen["without"]["results"] <= 1 and seen["without"]["unavailable"] >= 2
    assert seen["after"]["results"] >= 15 and seen["after"]["lost"] == 0


@pytest.mark.parametrize("parts", [2, 3])
def test_who_computes_for_long_is_not_asked_whether_it_has_the_message(program: Path, parts: int) -> None:
    """For up to half of the time limit, on lines that lose nothing: at most where the last part holds up the middle."""
    seen, lossy = run(program, 7, parts, 0, 4000, "busy"), run(program, 7, parts, 60, 4000, "busy")
    assert seen["after"]["results"] >= 9 and seen["after"]["wrong"] == lossy["after"]["wrong"] == 0
    assert seen["after, first link"]["questions"] <= parts - 2
    assert lossy["recovering"]["unavailable"] == 0 and lossy["after"]["results"] >= 9


def test_the_messages_overhead_is_bounded(program: Path) -> None:
    """Of pieces and their acknowledgement, as the C code puts them on the line."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks/bench_chain.py"), "--json", "1152"],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    rows = json.loads(done.stdout)["messages"]
    assert {row["tensor_bytes"] for row in rows} == {1152}
    assert all(row["worst_overhead_percent"] <= 5 and row["busy_overhead_percent"] <= 5 for row in rows)
