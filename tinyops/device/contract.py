"""The contract as an agent reads it: which frames a model takes, which classes it tells apart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from tinyops.errors import RemoteError
from tinyops.files import JsonObject, canonical_json, digest_json
from tinyops.manifest.fields import read_json

CONTRACT_LIMIT_BYTES = 256 * 1024

Text = Annotated[str, Field(max_length=200)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)


class ContractInput(_Part):
    """Frames of `frame_values` int16 values; 0 when the model takes tensors only.

    `channels` and `full_scale` are null for a model whose signal is not known.
    """

    sensor: Text | None = None
    channels: tuple[Text, ...] | None = None
    full_scale: tuple[Annotated[float, Field(gt=0, allow_inf_nan=False)], ...] | None = None
    rate_hz: Annotated[float, Field(gt=0)] | None = None
    frame_values: Annotated[int, Field(ge=0)] = 0


class ContractOutput(_Part):
    """`bytes` is the length of all outputs, 0 of a part that is not its chain's last; `classes` is null for a model
    that names none."""

    classes: Annotated[tuple[Text, ...], Field(max_length=1000)] | None = None
    type: Text
    bytes: Annotated[int, Field(ge=0)]


class ContractPart(_Part):
    """The place of a part in its chain."""

    parts: Annotated[int, Field(ge=2)]
    position: Annotated[int, Field(ge=0)]


@dataclass(frozen=True)
class Frames:
    """How a recording's lines become frames: `full_scale` by channel, `frame_values` int16 values a frame.

    A line is a sample of a stream, of which a frame may hold several, or a whole image: `line_values`.
    """

    channels: tuple[str, ...]
    full_scale: tuple[float, ...]
    frame_values: int
    line_values: int


class Contract(_Part):
    abi: Literal[1]
    input: ContractInput
    output: ContractOutput
    part: ContractPart | None = None

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Contract:
        channels = self.input.channels or ()
        uneven = bool(channels) and self.input.frame_values % len(channels) != 0
        if len(self.input.full_scale or ()) != len(channels) or uneven:
            raise ValueError("channels, full_scale and frame_values do not agree")
        if not self.output.bytes and (self.part is None or self.part.position + 1 >= self.part.parts):
            raise ValueError("a result of no bytes")
        return self

    @property
    def frames(self) -> Frames | None:
        """None when the model takes no frames of a known signal, so that nothing can be replayed."""
        if not self.input.frame_values or not self.input.channels or not self.input.full_scale:
            return None
        values = self.input.frame_values
        line = values if self.input.rate_hz is None else len(self.input.channels)
        return Frames(self.input.channels, self.input.full_scale, values, line)


def read_contract(data: bytes, *, where: str) -> tuple[Contract, JsonObject]:
    """A contract and its whole JSON, of which `contract_digest` makes the digest. Raises RemoteError."""
    value = read_json(data, limit_bytes=CONTRACT_LIMIT_BYTES, where=where)
    if not isinstance(value, dict):
        raise RemoteError(f"{where}: not a contract")
    try:
        return Contract.model_validate_json(canonical_json(value)), value
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        path = ".".join(str(part) for part in first["loc"])
        raise RemoteError(f"{where}: not a contract: {path}: {first['msg']}") from None
    except ValueError as error:
        raise RemoteError(f"{where}: not a contract: {error}") from None


def contract_digest(value: JsonObject) -> str:
    return digest_json(value)


def differences(device: JsonObject, offered: JsonObject) -> list[str]:
    """Each field in which two contracts differ, by name: `input.rate_hz: 10 here, 25 offered`."""
    here, there = dict(_leaves(device)), dict(_leaves(offered))
    names = sorted(name for name in {*here, *there} if here.get(name, _GONE) != there.get(name, _GONE))
    return [f"{name}: {here.get(name, _GONE)} here, {there.get(name, _GONE)} offered" for name in names]


_GONE = "nothing"


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, f"{path}.{key}" if path else key)
    else:
        yield path, value
