"""Bytes to plain values with positions, from the parser's events: nothing is built that YAML's extras could abuse.

Scalars follow YAML 1.2's core schema without its surprises: `no`, `on` and `2026-01-02` are text.
Aliases, anchors, tags, merge keys, duplicate keys, keys that are not text, infinity and NaN are
refused. Size, nesting and the number of nodes are bounded, so reading needs no recursion limit.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from tinyops.documents.cache import ParseCache
from tinyops.errors import Problem, SpecError
from tinyops.files import MIB, digest_bytes

if TYPE_CHECKING:
    from tinyops.documents.events import Place

FILE_LIMIT_BYTES = 1 * MIB

Loc: TypeAlias = tuple[str | int, ...]


@dataclass(frozen=True)
class YamlDocument:
    """One document of a file: a mapping of plain values. `file` is the name that messages show."""

    file: str
    index: int
    value: dict[str, Any]
    source: bytes = field(repr=False, compare=False)

    @cached_property
    def _place(self) -> Place:
        from tinyops.documents.events import parse_events

        return parse_events(self.source, self.file)[self.index].place

    def locate(self, loc: Loc, *, key: bool = False) -> tuple[int, int]:
        """Line and column, from 1, of the deepest existing place on the way to `loc`; with `key`, of its key."""
        place, parent, last = self._place, None, None
        for part in loc:
            child = place.children.get(part)
            if child is None:
                break
            place, parent, last = child, place, part
        else:
            if key and parent is not None and last in parent.keys:
                return parent.keys[last]
        return place.line, place.column

    def problem(self, loc: Loc, message: str, hint: str = "", *, key: bool = False) -> Problem:
        """A Problem at a place of this document."""
        line, column = self.locate(loc, key=key)
        return Problem(self.file, line, column, message, hint)


def parse(source: bytes, file: str, cache: ParseCache | None = None) -> tuple[YamlDocument, ...]:
    """All documents of a file's bytes, from the cache when it has them. Raises SpecError with every Problem."""
    if len(source) > FILE_LIMIT_BYTES:
        message = f"the file is larger than {FILE_LIMIT_BYTES:,} bytes"
        raise SpecError([Problem(file, 1, 1, message, "split it; data does not belong into YAML")])
    digest = digest_bytes(source) if cache is not None else ""
    values = cache.get(digest) if cache is not None else None
    if values is None:
        from tinyops.documents.events import parse_events

        values = [parsed.value for parsed in parse_events(source, file)]
        if cache is not None:
            cache.put(digest, values)
    return tuple(YamlDocument(file, index, value, source) for index, value in enumerate(values))


def read(path: Path, cache: ParseCache | None = None) -> tuple[YamlDocument, ...]:
    """All documents of a file. Raises SpecError with every Problem, also for a file that cannot be read."""
    shown = shown_path(path)
    try:
        with path.open("rb") as stream:
            source = stream.read(FILE_LIMIT_BYTES + 1)
    except OSError as error:
        raise SpecError([Problem(shown, 1, 1, f"cannot be read: {error.strerror}")]) from error
    return parse(source, shown, cache)


def shown_path(path: Path) -> str:
    """A path as messages show it: relative to the working directory when it lies below it."""
    text, here = os.fspath(path), os.getcwd() + os.sep  # noqa: PTH109 (called for every file)
    if text.startswith(here) and os.pardir not in text:
        return text[len(here) :]
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else Path(relative).as_posix()
