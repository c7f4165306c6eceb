"""split.json and part.json: what a cut model's parts are, what crosses between them, and over which links.

Both are read strictly and within bounds: they come from stores and releases, and sizes in them become offsets on
devices. The boundary message of an inference is the bytes of all tensors that cross, `takes` in order, without gaps.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, TypeVar

from pydantic import Field, PositiveInt, ValidationError, model_validator

from tinyops.boards.model import LinkKind
from tinyops.documents import Matching, Name, Strict
from tinyops.errors import RemoteError, SpecError
from tinyops.files import JsonObject, digest_json, pretty_json, read_bounded

SPLIT_FILE, PART_FILE = "split.json", "part.json"
LIMIT_BYTES = 1024 * 1024
PARTS_MAX = 16
CROSSING_MAX = 64  # tensors of one boundary
OPERATORS_MAX = 65_536
TENSOR_BYTES_MAX = 16 * 1024 * 1024
SET_DIGITS = 32  # of a SHA-256, in hex: what parts compare

Index: TypeAlias = Annotated[int, Field(ge=0, lt=CROSSING_MAX)]
Place: TypeAlias = Annotated[int, Field(ge=0, le=OPERATORS_MAX)]
SetDigest: TypeAlias = Annotated[
    str, Matching(r"^[0-9a-f]{32}$", "a set is 32 lower-case hex digits", max_length=SET_DIGITS)
]


def set_digest(model_digest: str, cuts: Sequence[int]) -> str:
    """What all parts of one cut model share, 32 hex digits: parts of one set compute one model.

    `model_digest` is that of the whole int8.tflite. Compilers make no difference: they are bit-exact.
    """
    named = digest_json({"model": model_digest, "cuts": list(cuts)})
    return named.removeprefix("sha256:")[:SET_DIGITS]


class Crossing(Strict):
    """A tensor that crosses a boundary; `tensor` is its index in the whole model."""

    tensor: Annotated[int, Field(ge=0, le=OPERATORS_MAX * 4)]
    name: Annotated[str, Field(max_length=256)]
    bytes: Annotated[int, Field(ge=1, le=TENSOR_BYTES_MAX)]
    shape: Annotated[tuple[Annotated[int, Field(ge=0, le=TENSOR_BYTES_MAX)], ...], Field(max_length=8)]


class Part(Strict):
    """One part: operators begin to end - 1 of the whole model, on its board.

    `inputs` are the takes that its file has as inputs, in the file's order; `outputs` the gives that it has as outputs.
    `passed` pairs (take, give) what it keeps beside its arena until it is sent on.
    """

    name: Name
    board: Name
    position: Annotated[int, Field(ge=0, lt=PARTS_MAX)]
    begin: Place
    end: Place
    takes: Annotated[tuple[Crossing, ...], Field(min_length=1, max_length=CROSSING_MAX)]
    gives: Annotated[tuple[Crossing, ...], Field(min_length=1, max_length=CROSSING_MAX)]
    inputs: Annotated[tuple[Index, ...], Field(max_length=CROSSING_MAX)]
    outputs: Annotated[tuple[Index, ...], Field(max_length=CROSSING_MAX)]
    passed: Annotated[tuple[tuple[Index, Index], ...], Field(max_length=CROSSING_MAX)]

    @property
    def take_offsets(self) -> tuple[int, ...]:
        """Where each of `takes` begins in the message that comes."""
        return offsets(self.takes)

    @property
    def give_offsets(self) -> tuple[int, ...]:
        """Where each of `gives` begins in the message that is sent."""
        return offsets(self.gives)

    @property
    def take_bytes(self) -> int:
        return message_bytes(self.takes)

    @property
    def give_bytes(self) -> int:
        return message_bytes(self.gives)

    @property
    def held_bytes(self) -> int:
        """What lies beside the arena until it is sent on."""
        return sum(self.takes[take].bytes for take, _ in self.passed)

    @model_validator(mode="after")
    def _consistent(self) -> Part:
        if not self.begin < self.end:
            raise ValueError(f"part {self.name!r} ends at {self.end}, where it begins or before")
        takes, gives = len(self.takes), len(self.gives)
        sent = [*self.outputs, *(give for _, give in self.passed)]
        if sorted(sent) != list(range(gives)):
            raise ValueError(f"part {self.name!r}: each tensor that it gives is an output or passed on, once")
        taken = [*self.inputs, *(take for take, _ in self.passed)]
        if set(taken) != set(range(takes)) or len(set(self.inputs)) != len(self.inputs):
            raise ValueError(f"part {self.name!r}: each tensor that it takes is an input once, or passed on")
        if any(self.takes[take] != self.gives[give] for take, give in self.passed):
            raise ValueError(f"part {self.name!r}: what it passes on changes on its way")
        return self


class PartDocument(Part):
    """part.json: a part with the set that it belongs to and how many parts that has."""

    schema_: Literal[1] = Field(default=1, alias="schema")
    set: SetDigest
    parts: Annotated[int, Field(ge=2, le=PARTS_MAX)]

    @model_validator(mode="after")
    def _counted(self) -> PartDocument:
        if self.position >= self.parts:
            raise ValueError(f"part {self.name!r} is at {self.position} of {self.parts} parts")
        return self

    @property
    def first(self) -> bool:
        return self.position == 0

    @property
    def last(self) -> bool:
        return self.position == self.parts - 1


class Link(Strict):
    """From a part to the next, as cuts were chosen for it; a uart has a baud rate, the others bytes a second."""

    kind: LinkKind
    baud: PositiveInt | None = None
    bytes_s: PositiveInt | None = None
    latency_ms: Annotated[float, Field(ge=0, le=60_000)] = 0.0
    loss: Annotated[float, Field(ge=0, le=0.9)] = 0.0

    @model_validator(mode="after")
    def _rated(self) -> Link:
        if (self.baud is None) == (self.kind == "uart") or (self.bytes_s is None) == (self.kind != "uart"):
            raise ValueError(f"a link over {self.kind} has {'baud' if self.kind == 'uart' else 'bytes_s'} alone")
        return self


class SplitDocument(Strict):
    """split.json: all parts of a cut model, in the order in which tensors pass them."""

    schema_: Literal[1] = Field(default=1, alias="schema")
    set: SetDigest
    cuts: Annotated[tuple[Place, ...], Field(min_length=1, max_length=PARTS_MAX - 1)]
    parts: Annotated[tuple[Part, ...], Field(min_length=2, max_length=PARTS_MAX)]
    links: Annotated[tuple[Link, ...], Field(min_length=1, max_length=PARTS_MAX - 1)]
    explanation: JsonObject

    @model_validator(mode="after")
    def _chained(self) -> SplitDocument:
        parts = self.parts
        if len({part.name for part in parts}) != len(parts):
            raise ValueError("two parts have one name")
        if not len(self.links) == len(self.cuts) == len(parts) - 1:
            raise ValueError(f"{len(parts)} parts with {len(self.cuts)} cuts and {len(self.links)} links")
        if [part.position for part in parts] != list(range(len(parts))) or parts[0].begin:
            raise ValueError("parts are not in their order")
        if tuple(part.begin for part in parts[1:]) != self.cuts or tuple(part.end for part in parts[:-1]) != self.cuts:
            raise ValueError("parts do not end and begin at the cuts")
        for before, after in pairwise(parts):
            if before.gives != after.takes:
                raise ValueError(f"part {after.name!r} does not take what {before.name!r} gives")
        return self

    def part(self, name: str) -> PartDocument:
        """A part as its part.json says it. Raises KeyError."""
        for part in self.parts:
            if part.name == name:
                fields = {field: getattr(part, field) for field in Part.model_fields}
                return PartDocument(**fields, set=self.set, parts=len(self.parts))
        raise KeyError(name)


def offsets(crossing: Sequence[Crossing]) -> tuple[int, ...]:
    """Where each tensor begins in a boundary message."""
    return tuple(accumulate((tensor.bytes for tensor in crossing), initial=0))[:-1]


def message_bytes(crossing: Sequence[Crossing]) -> int:
    return sum(tensor.bytes for tensor in crossing)


AnyDocument = TypeVar("AnyDocument", SplitDocument, PartDocument)


def parse_split(data: bytes, name: str = SPLIT_FILE) -> SplitDocument:
    """Raises RemoteError for what is no split.json."""
    return _parse(SplitDocument, data, name)


def parse_part(data: bytes, name: str = PART_FILE) -> PartDocument:
    """Raises RemoteError for what is no part.json."""
    return _parse(PartDocument, data, name)


def read_split(path: Path) -> SplitDocument:
    """Raises RemoteError for a file that is missing, too long or no split.json."""
    return parse_split(_read(path), str(path))


def read_part(path: Path) -> PartDocument:
    """Raises RemoteError for a file that is missing, too long or no part.json."""
    return parse_part(_read(path), str(path))


def document_bytes(document: SplitDocument | PartDocument) -> bytes:
    """As files hold it."""
    value: dict[str, Any] = document.model_dump(mode="json", by_alias=True)
    for link in value.get("links", ()):  # which has one of the two
        for rate in [name for name in ("baud", "bytes_s") if link[name] is None]:
            del link[rate]
    return pretty_json(value)


def _read(path: Path) -> bytes:
    try:
        return read_bounded(path, LIMIT_BYTES)
    except SpecError as error:
        raise RemoteError(error.message, hint="build again: `tinyops build`") from error


def _parse(kind: type[AnyDocument], data: bytes, name: str) -> AnyDocument:
    if len(data) > LIMIT_BYTES:
        raise RemoteError(f"{name}: larger than {LIMIT_BYTES:,} bytes")
    try:
        return kind.model_validate_json(data, strict=True)
    except (ValidationError, RecursionError) as error:
        raise RemoteError(f"{name}: {_said(error)}", hint="build it again: `tinyops build`") from None


def _said(error: ValidationError | RecursionError) -> str:
    if isinstance(error, RecursionError):
        return "nested too deeply"
    first = error.errors(include_url=False)[0]
    where = ".".join(map(str, first["loc"]))
    said = str(first["msg"]).removeprefix("Value error, ")
    return f"{where}: {said}" if where else said
