"""The cells of an index: how each is read, checked and written."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

NAME_MAX = 63
PATH_MAX = 500
COUNT_MAX = 2**53
CHANNELS_MAX = 64
_DIGEST = re.compile(r"(sha256:)?[0-9a-f]{64}")
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9 ._+-]*[A-Za-z0-9.+])?")  # as specs/fields.py: Label
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9 ._+:@-]*[A-Za-z0-9])?")
_TIME = re.compile(r"[-0-9W]{7,10}[T ][-+0-9:.Z]{2,30}")  # Python takes anything between date and time
_FORMAT = re.compile(r"[a-z0-9]{1,12}(\.gz)?")


@dataclass(frozen=True)
class Cell:
    """A column: `read` raises ValueError with what follows the cell's text in a sentence."""

    read: Callable[[str], Any]
    write: Callable[[Any], str]


def _digest(text: str) -> str:
    if not _DIGEST.fullmatch(text):
        raise ValueError("is not a sha256 (64 lower-case hex digits)")
    return f"sha256:{text.removeprefix('sha256:')}"


def label(text: str) -> str:
    """A label as classes are written, or none. Raises ValueError."""
    return _matching(text, _LABEL, "is no label: letters, digits, spaces and . _ + -, at most 63 characters")


def name(text: str) -> str:
    """Of a subject, a take, a device; or none. Raises ValueError."""
    return _matching(text, _NAME, "is no name: letters, digits, spaces and . _ + : @ -, at most 63 characters")


def _matching(text: str, pattern: re.Pattern[str], sentence: str) -> str:
    if text and (len(text) > NAME_MAX or not pattern.fullmatch(text)):
        raise ValueError(sentence)
    return text


def _format(text: str) -> str:
    if text and not _FORMAT.fullmatch(text):
        raise ValueError("is no format, such as take, wav, csv, npy")
    return text


def path(text: str) -> str:
    """Below the data's folder, or none. Raises ValueError."""
    pure = PurePosixPath(text)
    if (
        not text.isprintable()
        or pure.is_absolute()
        or ".." in pure.parts
        or any(c in text for c in '\\\0\r\n?#%:"<>|*')
    ):
        raise ValueError("leads out of the data's folder, or is no plain path")
    if len(text) > PATH_MAX:
        raise ValueError(f"is longer than {PATH_MAX} characters")
    return text


def _time(text: str) -> str:
    try:
        if text and (datetime.fromisoformat(text).tzinfo is None or not _TIME.fullmatch(text)):
            raise ValueError
    except ValueError:
        raise ValueError("is no time such as 2026-11-29T20:15:00Z") from None
    return text


def _count(text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit()) or len(text) > 16 or int(text) > COUNT_MAX:
        raise ValueError("is no count")
    return int(text)


def _positive(text: str) -> float | None:
    if not text:
        return None
    value = _number(text)
    if value <= 0:
        raise ValueError("is not above zero")
    return value


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError("is no number")
    return value


def _numbers(text: str) -> tuple[float, ...]:
    parts = text.split()
    if len(parts) > CHANNELS_MAX:
        raise ValueError(f"has more than {CHANNELS_MAX} numbers")
    try:
        values = tuple(map(float, parts))
    except ValueError:
        values = (math.nan,)
    if not all(map(math.isfinite, values)):
        raise ValueError("is no number")
    return values


def _write_number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def _write_text(value: Any) -> str:
    return "" if value is None else str(value)


def _write_numbers(values: tuple[float, ...]) -> str:
    return " ".join(f"{value:.5g}" for value in values)


_COUNT = Cell(_count, _write_text)
_NUMBERS = Cell(_numbers, _write_numbers)
_NAMED = Cell(name, str)
CELLS: Mapping[str, Cell] = {
    "sha256": Cell(_digest, str),
    "label": Cell(label, str),
    "subject": _NAMED,
    "take": _NAMED,
    "device": _NAMED,
    "time": Cell(_time, str),
    "bytes": _COUNT,
    "frames": _COUNT,
    "begin": _COUNT,
    "end": _COUNT,
    "rate_hz": Cell(_positive, _write_number),
    "lost": _COUNT,
    "gap": _COUNT,
    "clipped": _COUNT,
    "low": _NUMBERS,
    "high": _NUMBERS,
    "mean": _NUMBERS,
    "spread": _NUMBERS,
    "format": Cell(_format, str),
    "file": Cell(path, str),
}
