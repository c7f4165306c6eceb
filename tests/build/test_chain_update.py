"""A chain of two programs of Linux is given another set while it runs; power fails at any moment of it.

Its parts keep two models side by side (runtime/port/part/models.h). Every answer is the whole model's, or none.
"""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fakes.chained import ReleasedParts, chain_document, layered, parts_of, repository_of
from tinyops.link import LinkTimeout, Refused, Tensor
from tinyops.process import kill_group
from tinyops.split.document import SplitDocument
from tinyops.twin.chained import NotAvailable, PartBoard, RunningChain, open_chain
from tinyops.twin.wire import Terms

pytestmark = pytest.mark.build

LIMIT_MS = 400
CUT = "  split: {{cuts: {}}}\n  on_part_lost: {{act: report-unavailable, after_ms: {}}}\n"
WAIT_S = 30.0
MOMENTS_S = (0.0, 0.2, 0.45, 0.8)  # after the second part was asked for the new set


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> tuple[ReleasedParts, ReleasedParts]:
    """One model cut in two ways for the same two boards."""
    documents = [
        chain_document(name, "layers", "linux", "linux", more=CUT.format(cuts, LIMIT_MS))
        for name, cuts in {"old": [2], "new": [1]}.items()
    ]
    bench = repository_of(tmp_path_factory.mktemp("update") / "bench", {"layers": layered()}, *documents)
    bench.ok("apply")
    return parts_of(bench, "old"), parts_of(bench, "new")


class Slots:
    """The models of one part, as an agent keeps them."""

    def __init__(self, folder: Path, first: Path) -> None:
        self.folder = folder
        (folder / "a").mkdir(parents=True)
        shutil.copyfile(first, folder / "a" / "model.so")

    @property
    def runs(self) -> str:
        path = self.folder / "runs"
        return path.read_text().strip() if path.exists() else "a"

    def install(self, model: Path) -> None:
        """Into the spare slot, as models.h says, and asks for it."""
        spare = "b" if self.runs == "a" else "a"
        for mark in ("before", "wanted"):
            (self.folder / mark).unlink(missing_ok=True)
        (self.folder / spare).mkdir(exist_ok=True)
        shutil.copyfile(model, self.folder / spare / ".new")
        (self.folder / spare / ".new").replace(self.folder / spare / "model.so")
        self.want(spare)

    def want(self, slot: str) -> None:
        (self.folder / "wanted.new").write_text(f"{slot}\n")
        (self.folder / "wanted.new").replace(self.folder / "wanted")


def slotted(folder: Path, released: ReleasedParts) -> tuple[list[Slots], list[PartBoard]]:
    slots = [Slots(folder / part.name, part.files["model.so"]) for part in released.parts]
    files = [{**part.files, "slots": one.folder} for part, one in zip(released.parts, slots, strict=True)]
    return slots, [replace(part, files=own) for part, own in zip(released.parts, files, strict=True)]


@contextlib.contextmanager
def running(parts: list[PartBoard]) -> Iterator[RunningChain]:
    with open_chain("chain", parts, [Terms()] * (len(parts) - 1), seed=2) as chain:
        yield chain


def wait_for(chain: RunningChain, wanted: SplitDocument) -> None:
    chain.link.wait_state(lambda told: told.running.hex() == wanted.set and told.state == 0, WAIT_S)


def infer(chain: RunningChain, released: ReleasedParts, number: int = 0) -> bool:
    """Whether there was an answer; it must be the whole model's."""
    tensor, expected = released.golden.vectors[number]
    try:
        chain.link.write_input(tensor)
        chain.link.invoke(5.0)
    except (NotAvailable, LinkTimeout, Refused):
        return False
    assert chain.link.read_tensor(Tensor.OUTPUT, released.golden.output_bytes) == expected
    return True


def test_a_chain_goes_to_another_set_and_back(sets: tuple[ReleasedParts, ReleasedParts], tmp_path: Path) -> None:
    old, new = sets
    assert old.split.set != new.split.set
    slots, parts = slotted(tmp_path, old)
    with running(parts) as chain:
        wait_for(chain, old.split)
        assert infer(chain, old)
        slots[0].install(new.parts[0].files["model.so"])
        time.sleep(1.0)
        assert infer(chain, old) and slots[0].runs == "a"  # it waits, and the chain computes
        slots[1].install(new.parts[1].files["model.so"])
        wait_for(chain, new.split)
        assert infer(chain, new, 1) and [one.runs for one in slots] == ["b", "b"]
        slots[0].want("a")  # back: the first part is asked, the others have it still
        wait_for(chain, old.split)
        assert infer(chain, old) and [one.runs for one in slots] == ["a", "a"]


def test_power_fails_while_a_chain_switches(sets: tuple[ReleasedParts, ReleasedParts], tmp_path: Path) -> None:
    old, new = sets
    for number, moment in enumerate(MOMENTS_S):
        slots, parts = slotted(tmp_path / str(number), old)
        with running(parts) as chain:
            wait_for(chain, old.split)
            for one, part in zip(slots, new.parts, strict=True):
                one.install(part.files["model.so"])
            time.sleep(moment)
            for part in chain.parts[:: 1 if number % 2 else -1]:
                kill_group(part.virtual.process)
        with running(parts) as chain:
            chain.link.wait_ready(WAIT_S)
            assert infer(chain, old)
            wait_for(chain, new.split)  # both have it, and the first one still wishes it
            assert infer(chain, new) and {one.runs for one in slots} == {"b"}


def test_a_part_that_has_it_not_keeps_all(sets: tuple[ReleasedParts, ReleasedParts], tmp_path: Path) -> None:
    old, new = sets
    slots, parts = slotted(tmp_path, old)
    with running(parts) as chain:
        wait_for(chain, old.split)
        slots[1].install(new.parts[1].files["model.so"])
        slots[0].install(old.parts[1].files["model.so"])  # another part's model is none of this one's
        for _ in range(4):
            time.sleep(0.4)
            assert infer(chain, old)
        assert [one.runs for one in slots] == ["a", "a"]
