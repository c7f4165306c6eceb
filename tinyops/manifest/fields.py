"""What the documents of this package share: field types, strict reading of JSON, errors in one sentence."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Any, NoReturn, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, GetCoreSchemaHandler, ValidationError
from pydantic_core import CoreSchema, core_schema

from tinyops.errors import RemoteError
from tinyops.files import JsonObject, canonical_json

SHOWN_PROBLEMS = 5
SHOWN_VALUE_CHARACTERS = 60
HIGHEST = 2**31 - 1  # of versions, counters and lengths: fits a signed 32-bit integer on any device

_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z", re.ASCII)
_ASSET = re.compile(r"[A-Za-z0-9_-](?:[A-Za-z0-9._-]{0,198}[A-Za-z0-9_-])?")


class Strict(BaseModel):
    """Frozen; refuses fields it does not know and values of another type."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, validate_by_name=True, validate_by_alias=True)

    def to_json(self) -> JsonObject:
        return self.model_dump(mode="json", by_alias=True)


class Tolerant(Strict):
    """As strict about the fields it knows, but skips others.

    For what devices in the field read and write: one that is years old must still understand the
    next release, so a later tinyops may add fields. What may not be ignored gets a new schema name.
    """

    model_config = ConfigDict(extra="ignore")


class _DigestText:
    """Checked without Python: a manifest holds tens of thousands."""

    def __get_pydantic_core_schema__(self, _source: object, _handler: GetCoreSchemaHandler) -> CoreSchema:
        digest = core_schema.str_schema(pattern=r"^sha256:[0-9a-f]{64}$", max_length=71)
        sentence = 'must read "sha256:" and 64 lower-case hex digits'
        named = core_schema.custom_error_schema(digest, "digest", custom_error_message=sentence)
        return core_schema.chain_schema([core_schema.str_schema(strict=True), named])


def check_asset_name(value: str) -> str:
    """A name that GitHub keeps as it is and every file system takes: letters, digits, `.`, `_`, `-`."""
    if not _ASSET.fullmatch(value) or ".." in value:
        raise ValueError("an asset's name is at most 200 letters, digits, '.', '_', '-' without a dot at its ends")
    return value


@lru_cache(maxsize=8192)  # documents repeat their times
def _check_time(value: str) -> str:
    try:
        read_time(value)
    except ValueError:
        raise ValueError("must be a time such as 2027-06-30T12:00:00Z") from None
    return value


def time_text(moment: datetime) -> str:
    """RFC 3339 in UTC, to the second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def read_time(text: str) -> datetime:
    """The moment that `time_text` wrote. Raises ValueError."""
    if not _TIME.fullmatch(text):  # which strptime does, too, at twenty times the cost: a report holds dozens
        raise ValueError(f"{text!r} is no time such as 2027-06-30T12:00:00Z")
    return datetime.fromisoformat(text[:-1]).replace(tzinfo=UTC)


Digest = Annotated[str, _DigestText()]
HexDigest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Name = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
DeviceName = Annotated[str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$")]
AssetName = Annotated[str, AfterValidator(check_asset_name)]
PostUrl = Annotated[str, Field(pattern=r"^https?://[A-Za-z0-9][A-Za-z0-9._~!$&()*+=:@%/?-]*$", max_length=200)]
Tag = Annotated[str, Field(pattern=r"^v[1-9][0-9]{0,8}$")]
Version = Annotated[int, Field(ge=1, le=999_999_999)]
Counter = Annotated[int, Field(ge=0, le=HIGHEST)]
Length = Annotated[int, Field(ge=0, le=HIGHEST)]
Time = Annotated[str, AfterValidator(_check_time)]
Reason = Annotated[str, Field(max_length=2000)]

ModelT = TypeVar("ModelT", bound=BaseModel)


def read_json(data: bytes, *, limit_bytes: int, where: str) -> Any:
    """Bounded, strict JSON: UTF-8, no key twice in an object, no NaN or Infinity.

    Raises RemoteError that starts with `where`.
    """
    if len(data) > limit_bytes:
        raise RemoteError(f"{where}: larger than {limit_bytes:,} bytes")
    try:
        return json.loads(data.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant)
    except RecursionError:
        raise RemoteError(f"{where}: nested too deeply") from None
    except ValueError as error:
        page = data.lstrip()[:1] == b"<"
        what = "an HTML or XML page, not the document that was asked for" if page else f"not valid JSON: {error}"
        raise RemoteError(f"{where}: {what}") from None


def read_model(kind: type[ModelT], schema: str, value: Any, *, where: str, text: bytes | None = None) -> ModelT:
    """Checks a JSON object against its schema's name, then against its model. Raises RemoteError.

    `text` is the value's canonical JSON where the caller has it already.
    """
    if not isinstance(value, dict):
        raise RemoteError(f"{where}: not a JSON object")
    if value.get("schema") != schema:
        raise RemoteError(
            f"{where}: its schema is {_show(value.get('schema'))}, this tinyops reads {schema}",
            hint="it was written by another version of tinyops, or is another document",
        )
    try:
        return kind.model_validate_json(canonical_json(value) if text is None else text)
    except ValidationError as error:
        raise RemoteError(sentences(error, where)) from None
    except (ValueError, RecursionError) as error:  # NaN by overflow, lone surrogates, depth
        raise RemoteError(f"{where}: {error}") from None


def _unique(pairs: list[tuple[str, Any]]) -> JsonObject:
    value = dict(pairs)
    if len(value) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"key {_show(twice)} is there twice")
    return value


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a number that JSON knows")


def _show(value: object) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN_VALUE_CHARACTERS else text[:SHOWN_VALUE_CHARACTERS] + "…"


def sentences(error: ValidationError, where: str) -> str:
    """What is wrong, a line each, the first few."""
    lines = []
    for problem in error.errors(include_url=False)[:SHOWN_PROBLEMS]:
        path = ".".join(str(part) for part in problem["loc"])
        message = problem["msg"].removeprefix("Value error, ")
        shown = "" if isinstance(problem["input"], (dict, list)) else f" (it is {_show(problem['input'])})"
        lines.append(f"{where}: {path + ': ' if path else ''}{message}{shown}")
    more = error.error_count() - len(lines)
    return "\n".join([*lines, f"{where}: and {more} more problems"] if more > 0 else lines)
