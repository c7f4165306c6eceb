"""Frames for a model from a recorded CSV file. Standard library only: the model's child process reads it."""

from __future__ import annotations

import csv
import math
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

LINE_CHARACTERS_MAX = 64 * 1024
COUNTS = 32768


class SensorError(Exception):
    """The recording is wrong, which is not the model's fault; the message names file and line."""


class MissingChannels(SensorError):
    """The recording lacks channels that the contract names."""


@dataclass(frozen=True)
class Columns:
    """Which column of a line holds each value of a frame, and whether the first line is a header."""

    of_values: tuple[int, ...]
    has_header: bool


def read_columns(path: Path, channels: Sequence[str], line_values: int) -> Columns:
    """The column of each value of a line, as a recording's first line has them.

    A header names channels, in any order; columns that the contract does not name are skipped.
    Without one, the columns are the values in the contract's order; an image's class may follow.
    Raises SensorError; MissingChannels names what is missing.
    """
    with _open(path) as stream:
        first = next(_rows(stream, path), (0, []))[1]
    names = [name.strip() for name in first]
    if names and all(_is_number(name) for name in names[:line_values]):
        spare = 0 if line_values == len(channels) else 1
        if not line_values <= len(names) <= line_values + spare:
            raise MissingChannels(f"{path}:1: {len(names)} columns, the contract has frames of {line_values} values")
        return Columns(tuple(range(line_values)), has_header=False)
    missing = [channel for channel in channels if channel not in names]
    if missing or len(channels) != line_values:
        raise MissingChannels(
            f"{path}:1: no column {', '.join(missing or channels)}: the contract wants {', '.join(channels)}, "
            f"the recording has {', '.join(names) or 'nothing'}"
        )
    return Columns(tuple(names.index(channel) for channel in channels), has_header=True)


def read_frames(
    path: Path, channels: Sequence[str], full_scale: Sequence[float], frame_values: int, line_values: int
) -> Iterator[array[int]]:
    """int16 arrays of `frame_values`, from a line each or several, `value / full_scale * 32768`, rounded and saturated.

    Values of an image go by pixel, its channels side by side; lines at the end that make no whole frame are left out.
    Raises SensorError.
    """
    columns = read_columns(path, channels, line_values)
    scales = [full_scale[i % len(channels)] for i in range(line_values)]
    frame = array("h")
    with _open(path) as stream:
        for number, (line, row) in enumerate(_rows(stream, path)):
            if row and not (number == 0 and columns.has_header):
                frame.extend(_frame(row, columns.of_values, scales, f"{path}:{line}"))
            if len(frame) == frame_values:
                yield frame
                frame = array("h")


def to_count(value: float, full_scale: float) -> int:
    """The int16 count of a measured value: half rounds to even, beyond full scale saturates."""
    return round(max(-COUNTS, min(COUNTS - 1, value / full_scale * COUNTS)))


def _frame(row: list[str], columns: Sequence[int], full_scale: Sequence[float], where: str) -> list[int]:
    counts = []
    for column, scale in zip(columns, full_scale, strict=True):
        try:
            value = float(row[column])
        except (IndexError, ValueError):
            raise SensorError(f"{where}: column {column + 1} is not a number") from None
        if not math.isfinite(value):
            raise SensorError(f"{where}: column {column + 1} is {row[column].strip()}")
        counts.append(to_count(value, scale))
    return counts


def _open(path: Path) -> TextIO:
    try:
        return path.open(encoding="utf-8-sig", newline="")
    except OSError as error:
        raise SensorError(f"{path}: cannot be read: {error.strerror}") from None


def _rows(stream: TextIO, path: Path) -> Iterator[tuple[int, list[str]]]:
    """Line numbers and fields; quoted line ends are not taken, so a line is a line."""
    number = 0
    try:
        while line := stream.readline(LINE_CHARACTERS_MAX + 1):
            number += 1
            if len(line) > LINE_CHARACTERS_MAX:
                raise SensorError(f"{path}:{number}: longer than {LINE_CHARACTERS_MAX:,} characters")
            yield number, next(csv.reader([line.rstrip("\r\n")]), [])
    except (UnicodeDecodeError, csv.Error) as error:
        raise SensorError(f"{path}:{number + 1}: not CSV in UTF-8: {error}") from None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
