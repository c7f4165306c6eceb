"""Which set a part of a chain runs, as parts in C decide it: every way that a chain can go, power cut at any step."""

from __future__ import annotations

import functools
import itertools
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.compiled import BASE, SANITIZED
from tinyops.link.part_sets import SetView, decide

pytestmark = pytest.mark.build

ROOT = Path(__file__).parents[2]
RUNTIME = ROOT / "tinyops/runtime"
SOURCES = [RUNTIME / "chain/set.c", ROOT / "tests/runtime/run_sets.c"]
MORE = ["3 2 csl - install", "3 2 csl - back"] if "TINYOPS_EXHAUSTIVE" in os.environ else []


@functools.cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="tinyops-sets-")


@functools.cache
def program(*flags: str) -> Path:
    path = Path(_folder().name) / f"sets{len(flags)}"
    command = ["gcc", *BASE, *flags, "-I", RUNTIME / "include", *SOURCES, "-o", path]
    subprocess.run(command, check=True, timeout=120)
    return path


def explore(arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([program("-O2"), "explore", *arguments.split()], capture_output=True, text=True, timeout=600)


@pytest.mark.parametrize(
    "arguments",
    [
        *("2 0 csl - install", "2 4 csplw - install", "2 3 cspl - back", "2 3 csl - fresh"),
        *("3 0 csl - install", "3 1 csplw - install", "3 1 csplw - back", "3 1 csl - fresh"),
        *("2 2 csl 0 install", "2 2 csl 1 install", "3 1 csl 0 install", "3 1 csl 1 install", "3 1 csl 2 install"),
        *MORE,
    ],
)
def test_every_way_ends_in_one_set(arguments: str) -> None:
    """Nobody goes round for ever; no part switches without a commit; who has a set in common with all runs it."""
    done = explore(arguments)
    assert done.returncode == 0, done.stderr
    print(f"{arguments}: {done.stdout.strip()}")


def views() -> Iterator[SetView]:
    """All that a part of a chain of three may know, of three sets."""
    sets = range(4)
    for position, wished, doubted, offer_wished in itertools.product(range(3), *[(False, True)] * 3):
        for running, spare, offered, also, committed in itertools.product(sets, repeat=5):
            if position == 0 and (offered or also or offer_wished):
                continue  # nobody is before the first
            told = (bytes([offered]) * 16, bytes([also]) * 16, offer_wished, bytes([committed]) * 16)
            yield SetView(position, 3, bytes([running]) * 16, bytes([spare]) * 16, wished, doubted, *told)


def test_parts_in_python_decide_the_same() -> None:
    known = list(views())
    asked = b"".join(
        bytes([view.position, view.parts, view.wished, view.doubted, view.offer_wished])
        + bytes(one[0] for one in (view.running, view.spare, view.offered, view.also, view.committed))
        for view in known
    )
    done = subprocess.run([program(*SANITIZED), "answer"], input=asked, capture_output=True, check=True, timeout=60)
    assert len(known) > 16_000 and len(done.stdout) == 5 * len(known)
    for at, view in enumerate(known):
        mine = decide(view)
        expected = (mine.offered[0], mine.also[0], mine.wished, mine.committed[0], mine.switches)
        assert tuple(done.stdout[5 * at : 5 * at + 5]) == expected, view
