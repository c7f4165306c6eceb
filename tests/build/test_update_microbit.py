"""Power fails on the micro:bit's twin while it is updated over SMP: its own bootloader and firmware, a signed model.

After each cut the board answers, runs a model that it verified, has lost none, and is updated again. By itself this
runs a sample; with TINYOPS_EXHAUSTIVE=1 all operations of a model of 4 KB, every erase and metadata write of a model
that fills its slot and 200 of its data writes.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from fakes.faults import count_faults
from fakes.updatable import CRASHES, INPUT_BYTES, Live, Updatable, WasReset, digest_of

pytestmark = pytest.mark.build

ALL = "TINYOPS_EXHAUSTIVE" in os.environ
SMALL, FULL = 4096, 86016
REVERTED = 2  # tinyops_trial_outcome: by a reset
ADDS = (0, 3, 5)  # what tells the models apart
SECONDS = (1, 2, 7, 20, 38, 39, 40, 41, 78, 79)  # operations from the first cut to the second
DATA_WRITES = 200  # of a model that fills its slot


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Updatable:
    return Updatable("microbit", tmp_path_factory.mktemp("kit"))


@dataclass(frozen=True)
class Flash:
    """A board's flash in a folder that is copied for each cut: it runs the first of two models, the second comes.

    With `uploaded` that one lies in its slot already, and is tested and confirmed.
    """

    kit: Updatable
    folder: Path
    models: Sequence[bytes]
    again: bytes  # what is brought there after each cut
    uploaded: bool = False

    def update(self, live: Live) -> None:
        live.update_model(self.models[1], uploaded=self.uploaded)

    @contextlib.contextmanager
    def copied(self) -> Iterator[Live]:
        with self.kit.copied(self.folder, self.folder.with_name("copy")) as live:
            yield live

    def operations(self) -> Operations:
        """Of an update without a cut, by what they do."""
        assert self.kit.spec.layout is not None and self.kit.spec.layout.state is not None
        log, found = self.kit.spec.layout.state, Operations([], [], [])
        with self.copied() as live:
            before = live.operations()
            self.update(live)
            for number in range(before + 1, live.operations() + 1):
                what, address = live.virtual.operation(number)
                data = found.erases if what == "erase" else found.data
                (found.metadata if log.origin <= address < log.end else data).append(number - before)
        return found

    def runs(self, live: Live, adds: Sequence[int] = ADDS, *, on_trial: bool = False) -> int:
        """Which model runs, and that it is verified, whole and confirmed, or on trial."""
        slot, test = live.active(1), live.manager.self_test()
        assert slot.bootable and slot.confirmed != on_trial
        assert all(status == 0 for _, status in test.checks), test
        which = [digest_of(model) for model in (*self.models, self.again)].index(slot.digest or b"")
        assert test.outputs_crc == zlib.crc32(bytes([adds[which]]) * INPUT_BYTES)
        return which

    def survive(self, operation: int, then: int = 0) -> int:
        """An update in which power fails, at most twice; returns how often it did. Then another one that succeeds."""
        with self.copied() as live:
            firmware = live.active(0).digest
            live.virtual.cut_twice(operation, then)
            with pytest.raises(WasReset):
                self.update(live)
            confirming = live.phase == "confirm"
            live.wait()
            live.virtual.keep_power()
            cuts = live.virtual.measure().resets or 0
            if not live.active(1).confirmed:  # it was pending: its trial began at the start, and ends with the next one
                assert self.runs(live, on_trial=True) == 1
                live.restart()
                confirming = False
            assert self.runs(live) == 0 or confirming, f"operation {operation}: confirmed by nobody"
            assert live.active(0).digest == firmware
            live.update_model(self.again)
            assert self.runs(live) == 2
            return cuts


@dataclass(frozen=True)
class Operations:
    """Numbers of an update's operations of flash, from 1 on, by what they do."""

    erases: list[int]
    metadata: list[int]  # the log's, its erases among them
    data: list[int]

    @property
    def all(self) -> list[int]:
        return sorted([*self.erases, *self.metadata, *self.data])


def some(numbers: Sequence[int], count: int) -> list[int]:
    """So many of them, evenly, the first and the last among them."""
    if ALL or count >= len(numbers):
        return list(numbers)
    return sorted({numbers[i * (len(numbers) - 1) // (count - 1)] for i in range(count)})


@pytest.fixture(scope="module")
def small(kit: Updatable, tmp_path_factory: pytest.TempPathFactory) -> Flash:
    """Of a board that runs a model of 4 KB; another is to come."""
    models = [kit.model(adds, total=SMALL) for adds in ADDS]
    return Flash(kit, kit.prepare(models[0], tmp_path_factory.mktemp("small") / "flash"), models[:2], models[2])


@pytest.fixture(scope="module")
def full(kit: Updatable, tmp_path_factory: pytest.TempPathFactory) -> Flash:
    """The same with models that fill their slots."""
    models = [kit.model(adds, total=FULL) for adds in ADDS[:2]]
    again = kit.model(ADDS[2], total=SMALL)
    return Flash(kit, kit.prepare(models[0], tmp_path_factory.mktemp("full") / "flash"), models, again)


def test_power_fails_at_every_operation_of_an_update(small: Flash) -> None:
    found = small.operations()
    assert len(found.data) == -(-len(small.models[1]) // 4) and len(found.erases) == SMALL // 1024
    points = [*found.erases, *some(found.metadata, 10), *some(found.data, 4)]
    for operation in points:
        assert small.survive(operation) == 1
    assert not ALL or len(points) == len(found.all)
    count_faults("power cuts in updates to a 4 KB model, micro:bit twin", len(points))


def test_power_fails_in_an_update_to_a_model_that_fills_its_slot(full: Flash) -> None:
    """Cuts behind the upload begin with the flash as it is then: the upload is what takes long."""
    found = full.operations()
    assert len(found.data) == -(-len(full.models[1]) // 4) and len(found.erases) == FULL // 1024
    with full.copied() as live:
        before = live.operations()
        live.upload(1, full.models[1])
        uploading = live.operations() - before
        shutil.copytree(full.folder.with_name("copy"), full.folder.with_name("uploaded"))
    data = [found.data[i * (len(found.data) - 1) // (DATA_WRITES - 1)] for i in range(DATA_WRITES)]
    behind = replace(full, folder=full.folder.with_name("uploaded"), uploaded=True)
    points = [*some(found.erases, 2), *some(data, 2), *some([n for n in found.metadata if n <= uploading], 3)]
    for operation in points:
        assert full.survive(operation) == 1
    later = some([n - uploading for n in found.metadata if n > uploading], 4)
    for operation in later:
        assert behind.survive(operation) == 1
    count_faults("power cuts in updates to an 84 KB model, micro:bit twin", len(points) + len(later))


def test_power_fails_again_while_the_board_recovers(small: Flash) -> None:
    """The first cut in what the log records, where there is something to put right; the second in doing so."""
    metadata = small.operations().metadata
    firsts = [metadata[i * (len(metadata) - 1) // 39] for i in range(40)]
    tried = [small.survive(first, then) for first in some(firsts, 5) for then in some(SECONDS, 3)]
    assert set(tried) <= {1, 2} and tried.count(2) > 0
    count_faults("second power cuts while it recovers, micro:bit twin", tried.count(2))


def test_power_fails_while_a_firmware_that_crashes_is_tried_and_reverted(small: Flash) -> None:
    """Operations of the bootloader's: it records the trial, and its end; the new firmware crashes between them."""
    kit, cuts = small.kit, 0
    bad = kit.firmware(1, instead=CRASHES)
    with small.copied() as live:
        put_on_trial(live, bad)
        before = live.operations()
        live.manager.reset()
        live.wait_for_reset(2)
        total = live.operations() - before
    for operation in some(list(range(1, total + 1)), 5):
        with small.copied() as live:
            firmware, model = live.active(0).digest, live.active(1).digest
            put_on_trial(live, bad)
            live.virtual.cut_in(operation)
            live.manager.reset()
            live.wait_for_reset(3)
            assert (live.active(0).digest, live.active(0).confirmed) == (firmware, True), operation
            assert live.active(1).digest == model and live.infer(b"\1" * INPUT_BYTES) == b"\1" * INPUT_BYTES
            assert live.manager.update_state(0).outcome == REVERTED
            cuts += 1
    count_faults("power cuts while the bootloader tries and reverts a firmware, micro:bit twin", cuts)


def put_on_trial(live: Live, firmware: bytes) -> None:
    """At the next reset."""
    live.upload(0, firmware)
    live.manager.test_image(digest_of(firmware))
