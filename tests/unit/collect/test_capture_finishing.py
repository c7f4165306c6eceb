"""From a journal to a take: what the blocks' times and numbers say of gaps and rates."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tinyops.collect.capture.block import Block
from tinyops.collect.capture.finishing import take_of
from tinyops.collect.capture.journal import NO_CLOCK, Heading, Journal, Unfinished, read_journal
from tinyops.collect.capture.recording import Limit, Recording
from tinyops.datasets.take import Clock, TakeFacts
from tinyops.errors import SpecError


def heading(source: str, *, clocked: bool = False) -> Heading:
    facts = TakeFacts(
        sensor="imu",
        channels=("ax",),
        units=("g",),
        rate_hz=100.0,
        clock=Clock(source=source),  # type: ignore[arg-type]
        started="2026-11-29T20:15:00Z",
    )
    return Heading(facts=facts, values=1, clocked=clocked, limits=(4.0,))


def journal(folder: Path, head: Heading, blocks: list[Block]) -> Unfinished:
    written = Journal(folder, head)
    for block in blocks:
        written.add(block)
    written.close()
    return read_journal(written.path)


def frames(first: int, count: int) -> np.ndarray:
    return np.arange(first, first + count, dtype=np.float32)[:, None]


def every_tenth(seconds: float, silent_at: float = 1e9, silent_s: float = 0.0) -> list[Block]:
    """Blocks of ten frames at 100 Hz, with a silence."""
    ends = np.arange(0.1, seconds + 0.05, 0.1)
    return [Block(frames(10 * n, 10), 50 + t + silent_s * (t > silent_at)) for n, t in enumerate(ends)]


def test_what_is_written_is_read(tmp_path: Path) -> None:
    blocks = [Block(frames(0, 3), 1.5, 0, 7), Block(frames(3, 0), 1.6, 2), Block(frames(9, 1), 2.5, 4, 1 << 40)]
    found = journal(tmp_path, heading("host"), blocks)
    assert found.values[:, 0].tolist() == [0, 1, 2, 9]
    assert (found.ends.tolist(), found.lost.tolist(), found.torn) == ([3, 3, 4], [0, 2, 4], False)
    take, _, _ = take_of(found)
    assert take.facts.gaps == ((3, 6),)


def test_a_device_of_lines_that_was_silent_leaves_a_gap_of_about_as_many_frames(tmp_path: Path) -> None:
    take, measured, notes = take_of(journal(tmp_path, heading("host"), every_tenth(8, 4.05, 3.0)))
    ((at, missing),) = take.facts.gaps
    assert (at, missing) == (400, pytest.approx(300, abs=5))
    assert measured.rate_hz == pytest.approx(100, rel=0.01)
    assert notes == (f"nothing came for 3.0 s before frame 400: a gap of about {missing} frames",)


def test_where_frames_are_numbered_a_silence_is_none(tmp_path: Path) -> None:
    take, *_ = take_of(journal(tmp_path, heading("host", clocked=True), every_tenth(8, 4.05, 3.0)))
    assert take.facts.gaps == ()


def test_times_of_a_file_are_no_rate(tmp_path: Path) -> None:
    take, measured, notes = take_of(journal(tmp_path, heading("file"), every_tenth(3)))
    assert (measured.rate_hz, take.facts.clock.measured_hz, notes) == (None, None, ())


def test_a_journal_of_another_shape_is_refused(tmp_path: Path) -> None:
    for data in (b"", b"{}", b"{}\n", b'{"journal":2}\n', b"\xff\n" + bytes(100)):
        (tmp_path / "x.journal").write_bytes(data)
        with pytest.raises(SpecError, match="not the journal of a take"):
            read_journal(tmp_path / "x.journal")


def test_what_is_beyond_the_end_takes_its_clock_with_it(tmp_path: Path) -> None:
    head = heading("device", clocked=True)
    recording = Recording(Journal(tmp_path, head), head, Limit(frames=5))
    assert recording.add(Block(frames(0, 4), 50.0, 0, 30)) is None
    beyond = recording.add(Block(frames(4, 4), 50.1, 0, 70))
    assert beyond is not None and beyond.values[:, 0].tolist() == [5, 6, 7]
    recording.journal.close()
    found = read_journal(recording.journal.path)
    assert (found.ends.tolist(), found.clock_ms.tolist()) == ([4, 5], [30, NO_CLOCK])


def test_a_rate_that_changes_is_a_note(tmp_path: Path) -> None:
    blocks = [Block(frames(n, 5), 50 + (n / 50 if n < 400 else 8 + (n - 400) / 200)) for n in range(0, 2000, 5)]
    _, _, notes = take_of(journal(tmp_path, heading("host"), blocks))
    assert any(note.startswith("the rate changed from 50") for note in notes)
