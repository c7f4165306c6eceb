"""Devices that are let in and mean harm: none keeps the takes of others waiting, or writes what is not a take."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np
import pytest

from tinyops.collect.wire import Closing, Opening, Receipt
from tinyops.datasets.editing import read_index
from tinyops.receiver.guard import Refused
from tinyops.receiver.recordings.admission import Bounds
from tinyops.receiver.recordings.desk import Desk
from tinyops.receiver.recordings.journal import Journal
from tinyops.receiver.recordings.shelves import Inbox

FRAMES = np.arange(100, dtype="<i2")
HUGE = 1.79769e308  # five digits of it are infinite


def opening(device: str, **facts: object) -> Opening:
    said: dict[str, object] = {"channels": ("x",), "units": ("g",), "full_scale": (4.0,), "rate_hz": 100.0}
    return Opening.model_validate({"dataset": "wrist", "device": device, **said, **facts})


def at_desk(root: Path, work: Callable[[Desk], Awaitable[None]]) -> None:
    journal = Journal(root / "state", gather_s=0.001)
    desk = Desk(journal, Inbox(root / "inbox"), Bounds(), lambda _: None)

    async def run() -> None:
        await work(desk)

    try:
        asyncio.run(run())
    finally:
        desk.keeper.close()
        journal.close()


async def push(desk: Desk, data: bytes, facts: Opening) -> Receipt:
    incoming, _ = await desk.open(facts, "")
    await desk.append(incoming, 0, data)
    return await desk.close(incoming, Closing())


def test_values_that_no_index_can_hold_are_refused_and_nobody_waits_for_them(tmp_path: Path) -> None:
    async def work(desk: Desk) -> None:
        evil = push(desk, np.array([-32768, 32767], "<i2").tobytes(), opening("evil", full_scale=(HUGE,)))
        good = push(desk, FRAMES.tobytes(), opening("good"))
        refused, kept = await asyncio.gather(evil, good)
        assert "no sensor measures" in refused.problem
        assert kept.sha256 and not kept.problem

    at_desk(tmp_path, work)
    assert [entry.device for entry in read_index(tmp_path / "inbox/wrist.csv")] == ["good"]


def test_a_line_that_an_index_refuses_is_refused_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as that of two files whose digests begin alike, which takes a minute to make."""
    monkeypatch.setattr("tinyops.datasets.index.PLAIN_DIGITS", 0)

    async def work(desk: Desk) -> None:
        takes = [push(desk, FRAMES[: 10 + n].tobytes(), opening(f"d{n}")) for n in range(3)]
        receipts = await asyncio.gather(*takes)
        assert sorted(bool(receipt.problem) for receipt in receipts) == [False, True, True]

    at_desk(tmp_path, work)
    assert len(read_index(tmp_path / "inbox/wrist.csv")) == 1


def test_an_index_that_is_wrong_keeps_takes_waiting_and_refuses_none(tmp_path: Path) -> None:
    async def work(desk: Desk) -> None:
        index = tmp_path / "inbox/wrist.csv"
        index.parent.mkdir()
        index.write_text("sha256,label\nnonsense,\n")
        with pytest.raises(Refused, match="what you sent is safe"):
            await push(desk, FRAMES.tobytes(), opening("good"))
        index.unlink()
        await desk.tend_once()
        assert desk.keeper.kept == 1 and not desk.keeper.refused

    at_desk(tmp_path, work)


def test_a_take_that_was_dropped_is_not_closed(tmp_path: Path) -> None:
    async def work(desk: Desk) -> None:
        incoming, _ = await desk.open(opening("d"), "")
        await desk.append(incoming, 0, FRAMES.tobytes())
        dropped, closed = await asyncio.gather(
            desk.drop(incoming), desk.close(incoming, Closing(bytes=200)), return_exceptions=True
        )
        assert dropped is None
        assert isinstance(closed, Refused) and closed.status == 404

    at_desk(tmp_path, work)


@pytest.mark.parametrize("between", ["\n", "\x1b", "\r", ",", "\u202e"])
def test_a_time_has_nothing_odd_between_date_and_hour(between: str) -> None:
    with pytest.raises(ValueError, match="is no time"):
        opening("d", started=f"2026-11-29{between}20:15:00+00:00")
