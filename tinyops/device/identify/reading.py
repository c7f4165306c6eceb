"""Reading the kernel's files: short, bounded, and a missing one is no fault."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from pathlib import Path

TEXT_LIMIT = 256
FILES_MAX = 512


def text(path: Path, limit: int = TEXT_LIMIT) -> str:
    """A file's text without control characters; empty where it cannot be read."""
    try:
        with path.open("rb") as stream:
            data = stream.read(limit)
    except OSError:
        return ""
    shown = data.split(b"\0")[0].decode(errors="replace")
    return "".join(c for c in shown if c.isprintable() or c in "\n\t").strip()


def hexadecimal(path: Path) -> int | None:
    """A number of 16 bits as the kernel writes ids: `2e8a` or `0x2e8a`."""
    try:
        value = int(text(path), 16)
    except ValueError:
        return None
    return value if 0 <= value <= 0xFFFF else None


def number(path: Path) -> int:
    """A small decimal number; 0 where there is none."""
    found = text(path, 16)
    return int(found) if found.isascii() and found.isdecimal() else 0


def below(folder: Path, pattern: str = "*") -> list[Path]:
    """What matches in a folder, in order; none where there is no such folder."""
    try:
        return sorted(islice(folder.glob(pattern), FILES_MAX))
    except OSError:
        return []


def first(found: Iterable[str]) -> str:
    return next((one for one in found if one), "")
