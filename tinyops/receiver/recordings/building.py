"""What becomes of a take's bytes when it is closed: a take, or the file that they are, and its line in an index."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tinyops.collect.wire import Closing, Opening
from tinyops.datasets.adding import Addition, take_addition, with_statistics
from tinyops.datasets.formats import FORMATS
from tinyops.datasets.index import IndexEntry
from tinyops.datasets.take import Clock, Take, TakeFacts, read_take
from tinyops.errors import SpecError
from tinyops.link import Decoder
from tinyops.link.protocol import REPLIES, Type
from tinyops.specs.model import Signal

LINE_MAX = 4096
WRAP = 1 << 32
FLOAT32_MAX = 3.4e38
GAP_MAX = 1 << 24  # frames: more than that at once is a device that began anew
Gaps = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Frames:
    """What bytes hold: frames, before which of them how many are missing, and how many bytes were none."""

    values: NDArray[np.int16] | NDArray[np.float32]
    gaps: Gaps = ()
    cut_bytes: int = 0


@dataclass(frozen=True)
class Built:
    """An addition to a dataset, and what its receipt says."""

    addition: Addition
    frames: int | None
    lost: int
    cut_bytes: int


def build(opening: Opening, closing: Closing, gaps: Gaps, data: bytes, signal: Signal | None) -> Built:
    """Raises SpecError for bytes that hold no recording of this signal."""
    label, subject = closing.label or opening.label, closing.subject or opening.subject
    if opening.encoding == "file":
        return _file(opening, label, subject, data, signal)
    read = {"int16": _read_counts, "frames": _read_link, "csv": _read_lines}[opening.encoding]
    found = read(data, opening, gaps)
    if not len(found.values):
        raise SpecError(f"{opening.device}: the take holds no whole frame")
    facts = TakeFacts(
        sensor=opening.sensor or "unknown",
        channels=opening.channels,
        units=opening.units,
        full_scale=None if opening.encoding == "csv" else opening.full_scale,
        rate_hz=opening.rate_hz,
        clock=Clock(source="device"),
        started=opening.started,
        device=opening.device,
        board=opening.board,
        firmware=opening.firmware,
        gaps=found.gaps,
    )
    limits = opening.full_scale or None
    addition = take_addition(Take(facts, found.values), label=label, subject=subject, name=opening.take, limits=limits)
    return Built(addition, len(found.values), facts.lost, found.cut_bytes)


def _file(opening: Opening, label: str, subject: str, data: bytes, signal: Signal | None) -> Built:
    """A whole file as it is; checked, and measured, where its dataset's signal is known."""
    where = f"{opening.device}'s {opening.ending}"
    if opening.ending not in FORMATS:
        raise SpecError(f"{where}: is none of {', '.join(sorted(FORMATS))}")
    entry = IndexEntry(
        "",
        label=label,
        subject=subject,
        take=opening.take,
        device=opening.device,
        time=opening.started,
        rate_hz=opening.rate_hz,
        format=opening.ending,
    )
    if signal is None:
        if opening.ending == "take":
            read_take(data, where)
        return Built(Addition(data, entry), None, 0, 0)
    pieces = [item.values for item in FORMATS[opening.ending](data, signal, where)]
    if not pieces:
        raise SpecError(f"{where}: holds no recording")
    values = np.concatenate(pieces)
    measured = with_statistics(entry, values, len(signal.channels), limits=signal.full_scale)
    return Built(Addition(data, measured), len(values), 0, 0)


def _read_counts(data: bytes, opening: Opening, gaps: Gaps) -> Frames:
    whole = len(data) // opening.frame_bytes
    values = (
        np.frombuffer(data, "<i2", whole * len(opening.channels))
        .reshape(whole, len(opening.channels))
        .astype(np.int16, copy=False)
    )
    return Frames(values, _merged(gaps, whole), len(data) - whole * opening.frame_bytes)


def _merged(gaps: Iterable[tuple[int, int]], frames: int) -> Gaps:
    """Ascending, one a place, within the take."""
    found: dict[int, int] = {}
    for at, count in gaps:
        if at <= frames:
            found[at] = found.get(at, 0) + count
    return tuple(sorted(found.items()))


def _read_link(data: bytes, opening: Opening, _: Gaps) -> Frames:
    """Reports SAMPLES of frames that are not larger than one report; other frames of the link are passed over."""
    channels = len(opening.channels)
    layout, decoder = REPLIES[Type.SAMPLES], Decoder()
    parts: list[NDArray[np.int16]] = []
    gaps: list[tuple[int, int]] = []
    have, expected = 0, None
    for frame in decoder.feed(data):
        if frame.type != Type.SAMPLES:
            continue
        try:
            (_take, first, value, _clock), tail = layout.unpack(frame.payload)
        except ValueError:
            continue
        if not isinstance(first, int) or value or not tail or len(tail) % (2 * channels):
            raise SpecError(f"{opening.device}: its frames are not of {channels} channels")
        missing = 0 if expected is None else (first - expected) % WRAP
        if missing >= GAP_MAX:
            continue  # came before, or of another start of the device
        if missing:
            gaps.append((have, missing))
        parts.append(np.frombuffer(tail, "<i2").reshape(-1, channels))
        have += len(parts[-1])
        expected = (first + len(parts[-1])) % WRAP
    values = np.concatenate(parts).astype(np.int16) if parts else np.zeros((0, channels), np.int16)
    return Frames(values, _merged(gaps, have))


def _read_lines(data: bytes, opening: Opening, _: Gaps) -> Frames:
    """A frame a line; a first line may name the channels; a line that is none is a frame that is lost."""
    channels = len(opening.channels)
    rows: list[list[float]] = []
    gaps: list[tuple[int, int]] = []
    order: list[int] | None = None
    *lines, rest = data.split(b"\n")
    for number, line in enumerate([*lines, rest] if rest.strip() else lines):
        text = line[:LINE_MAX].decode("ascii", errors="replace").strip()
        if not text:
            continue
        cells = [cell.strip() for cell in text.split(",")]
        if number == 0 and sorted(cells) == sorted(opening.channels):
            order = [cells.index(channel) for channel in opening.channels]
            continue
        row = _row(cells, channels)
        if row is None:
            gaps.append((len(rows), 1))
        else:
            rows.append(row if order is None else [row[at] for at in order])
    values = np.array(rows, np.float32).reshape(-1, channels)
    return Frames(values, _merged(gaps, len(rows)))


def _row(cells: list[str], channels: int) -> list[float] | None:
    if len(cells) != channels:
        return None
    try:
        row = [float(cell) for cell in cells]
    except ValueError:
        return None
    return row if all(abs(value) < FLOAT32_MAX for value in row) else None  # nor NaN
