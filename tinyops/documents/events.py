"""The parser's event stream to values and places. Imported only for files that the parse cache has not seen."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Any, NoReturn

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, StringMark, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from ruamel.yaml.reader import ReaderError

from tinyops.errors import Problem, SpecError

PROBLEM_LIMIT = 100
NESTING_LIMIT = 50
NODE_LIMIT = 200_000
INTEGER_LIMIT = 2**63

_NULL = frozenset(("", "~", "null", "Null", "NULL"))
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)|0o[0-7]+|0x[0-9a-fA-F]+")
_PADDED = re.compile(r"[-+]?0[0-9]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_SPECIAL_FLOAT = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_TAB_INDENT = re.compile(r"^ *\t[ \t]*(?=[^\s#])", re.MULTILINE)
_BREAK = re.compile(r"\r\n|[\n\r\x85\u2028\u2029]")


@dataclass(slots=True)
class Place:
    """Where a value stands; its children by key or index, its keys' own places. Lines and columns from 1."""

    line: int
    column: int
    children: dict[str | int, Place] = field(default_factory=dict)
    keys: dict[str | int, tuple[int, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class Parsed:
    value: dict[str, Any]
    place: Place


@dataclass(slots=True)
class _Open:
    """A mapping or sequence that has begun; `key` is the mapping's key that waits for its value."""

    value: dict[str, Any] | list[Any]
    place: Place
    key: str | None = None


def parse_events(source: bytes, file: str) -> list[Parsed]:
    """All documents of a file within the limits. Raises SpecError with every Problem found."""
    text = _decode(source, file)
    _refuse_tabs(text, file)
    builder = _Builder(file)
    try:
        for event in YAML(typ="safe", pure=True).parse(text):
            builder.take(event)
    except ReaderError as error:
        where = _line_column(text, error.position if isinstance(error.position, int) else 0)
        builder.stop(where, f"U+{ord_of(error.character):04X} is not allowed in YAML", "remove it")
    except MarkedYAMLError as error:
        builder.stop(*_explain(error))
    except (YAMLError, ValueError, OverflowError) as error:  # an escape such as "\UFFFFFFFF"
        builder.stop(builder.where, f"not valid YAML near this place: {error}")
    if not builder.documents and not builder.problems:
        builder.report(
            (1, 1), "the file is empty", "delete it, or write a document with apiVersion, kind, metadata, spec"
        )
    if builder.problems:
        raise SpecError(builder.problems)
    return builder.documents


def _decode(source: bytes, file: str) -> str:
    try:
        return source.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line, column = _line_column(source[: error.start].decode("utf-8"), error.start)
        message = f"not UTF-8: byte 0x{source[error.start]:02x}"
        raise SpecError([Problem(file, line, column, message, "save the file as UTF-8")]) from None


def _line_column(text: str, offset: int) -> tuple[int, int]:
    lines = _BREAK.split(text[:offset])
    return len(lines), len(lines[-1]) + 1


def _refuse_tabs(text: str, file: str) -> None:
    found = list(_TAB_INDENT.finditer(text))[:PROBLEM_LIMIT]
    if found:
        places = [_line_column(text, text.index("\t", m.start())) for m in found]
        raise SpecError([Problem(file, *p, "a tab in the indentation", "indent with spaces") for p in places])


def _explain(error: MarkedYAMLError) -> tuple[tuple[int, int], str, str]:
    """Place, message and hint of a syntax error."""
    mark: StringMark | None = error.problem_mark or error.context_mark
    where = (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
    message = f"not valid YAML: {error.problem or error.context}"
    opened = error.context_mark
    if error.context and opened is not None and error.problem and opened.line + 1 != where[0]:
        message += f" ({error.context} that begins in line {opened.line + 1})"
    return where, message, _syntax_hint(error.problem or "")


def ord_of(character: object) -> int:
    return ord(character) if isinstance(character, str | bytes) else int(str(character))


def _syntax_hint(problem: str) -> str:
    if "mapping values are not allowed" in problem:
        return "quote text that holds a colon and a space, and look at the indentation"
    if "cannot start any token" in problem:
        return "quote text that begins with one of @ ` % or a similar sign"
    return "look at indentation, brackets and quotes there and in the line above"


class _Builder:
    """Builds values and places from events, on a stack of its own; collects what it refuses."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.documents: list[Parsed] = []
        self.problems: list[Problem] = []
        self.stack: list[_Open] = []
        self.nodes = 0
        self.where = (1, 1)

    def report(self, where: tuple[int, int], message: str, hint: str = "") -> None:
        self.problems.append(Problem(self.file, *where, message, hint))
        if len(self.problems) >= PROBLEM_LIMIT:
            self.stop(where, "too many problems in this file; those after this place are not listed")

    def stop(self, where: tuple[int, int], message: str, hint: str = "") -> NoReturn:
        """Reading further makes no sense."""
        raise SpecError([*self.problems, Problem(self.file, *where, message, hint)]) from None

    def take(self, event: Event) -> None:
        self.where = (event.start_mark.line + 1, event.start_mark.column + 1)
        if isinstance(event, ScalarEvent):
            self._begin(event)
            self._scalar(event)
        elif isinstance(event, MappingStartEvent | SequenceStartEvent):
            self._begin(event)
            self._open({} if isinstance(event, MappingStartEvent) else [])
        elif isinstance(event, MappingEndEvent | SequenceEndEvent):
            self._close()
        elif isinstance(event, AliasEvent):
            self.report(self.where, f"alias *{event.anchor}: aliases are not allowed", "write the value out again")
            self._put(None, Place(*self.where))
        elif isinstance(event, DocumentStartEvent) and (event.version or event.tags):
            self.report(self.where, "YAML directives (lines that begin with %) are not allowed", "remove them")

    def _begin(self, event: ScalarEvent | MappingStartEvent | SequenceStartEvent) -> None:
        self.nodes += 1
        if self.nodes > NODE_LIMIT:
            self.stop(self.where, f"more than {NODE_LIMIT:,} values in one file", "split it")
        if event.anchor is not None:
            self.report(self.where, f"anchor &{event.anchor}: anchors are not allowed", "remove it")
        if event.tag is not None:
            self.report(self.where, f"tag {event.tag}: tags are not allowed", "remove it; quote text that must be text")

    def _open(self, value: dict[str, Any] | list[Any]) -> None:
        if len(self.stack) >= NESTING_LIMIT:
            self.stop(self.where, f"nested more than {NESTING_LIMIT} levels deep", "flatten it")
        top = self.stack[-1] if self.stack else None
        if top is not None and isinstance(top.value, dict) and top.key is None:
            self.report(self.where, "a key must be text, not a mapping or a list")
        self.stack.append(_Open(value, Place(*self.where)))

    def _close(self) -> None:
        done = self.stack.pop()
        self._put(done.value, done.place)

    def _put(self, value: Any, place: Place) -> None:
        """Adds a finished value to what is open, or ends a document with it."""
        if not self.stack:
            self._finish(value, place)
            return
        top = self.stack[-1]
        if isinstance(top.value, list):
            top.place.children[len(top.value)] = place
            top.value.append(value)
        elif top.key is None:  # an alias or a mapping as a key: reported already
            top.key = _UNREADABLE
        else:
            top.value[top.key], top.place.children[top.key] = value, place
            top.key = None

    def _finish(self, value: Any, place: Place) -> None:
        where = (place.line, place.column)
        if value is None:
            self.report(where, "the document is empty", "delete it, or write apiVersion, kind, metadata and spec")
        elif not isinstance(value, dict):
            self.report(where, "a document must be a mapping", "begin it with apiVersion, kind, metadata and spec")
        else:
            self.documents.append(Parsed(value, place))

    def _scalar(self, event: ScalarEvent) -> None:
        top = self.stack[-1] if self.stack else None
        if top is not None and isinstance(top.value, dict) and top.key is None:
            self._key(event, top)
        else:
            value = self._plain_value(event)
            # The parser places a value that is left out at whatever follows it: show its key instead.
            where = self.where
            if top is not None and top.key is not None and not event.value and not event.style:
                where = top.place.keys.get(top.key, where)
            self._put(value, Place(*where))

    def _key(self, event: ScalarEvent, top: _Open) -> None:
        key = self._plain_value(event)
        if not isinstance(key, str):
            self.report(self.where, f"key {event.value!r} is not text", f'quote it: "{event.value}"')
            key = event.value
        if key == "<<" and not event.style:
            self.report(self.where, "merge keys (<<) are not allowed", "write the fields out")
        if key in top.place.keys:
            first = top.place.keys[key][0]
            self.report(self.where, f"key {key!r} stands twice in one mapping, first in line {first}", "remove one")
        top.place.keys.setdefault(key, self.where)
        top.key = key

    def _plain_value(self, event: ScalarEvent) -> Any:
        text: str = event.value
        if _CONTROL.search(text):
            self.report(self.where, "text with a control character or half a surrogate pair", "remove it")
            return None
        if event.style:  # quoted, literal or folded
            return text
        try:
            return resolve(text)
        except ValueError as error:
            self.report(self.where, str(error), f'quote it if it is meant as text: "{text[:80]}"')
            return None


_UNREADABLE = "\0"  # stands for a key that was reported; no readable key holds a NUL


def resolve(text: str) -> None | bool | int | float | str:
    """The value of a plain scalar. Raises ValueError for numbers that have no exact meaning here."""
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    if text[0] not in "+-.0123456789":
        return text
    if _PADDED.fullmatch(text):
        raise ValueError(f"{text[:80]}: a number must not begin with 0")
    if _INTEGER.fullmatch(text):
        return _integer(text)
    if _SPECIAL_FLOAT.fullmatch(text):
        raise ValueError(f"{text} is not allowed: every number here is finite")
    if _FLOAT.fullmatch(text):
        number = float(text)
        if math.isinf(number):
            raise ValueError(f"{text[:80]} is too large a number")
        return number
    return text


def _integer(text: str) -> int:
    base = {"0o": 8, "0x": 16}.get(text[:2], 10)
    if len(text) > 30:
        raise ValueError(f"{text[:80]} is too large a number")
    number = int(text, base)
    if abs(number) >= INTEGER_LIMIT:
        raise ValueError(f"{text} is too large a number")
    return number
