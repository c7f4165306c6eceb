"""Field types that every kind of document shares."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema


class Strict(BaseModel):
    """Frozen, and refuses fields it does not know; read by `validate`, it converts no types either."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Misplaced(ValueError):
    """Raised by a validator of a whole object when the fault lies at one place below it."""

    def __init__(self, loc: tuple[str | int, ...], message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.loc = loc
        self.hint = hint


@dataclass(frozen=True)
class Matching:
    """A text field's pattern, as JSON Schema gets it, and the sentence that a user reads instead.

    The pattern begins with ^ and ends with $; unlike in Python, a trailing newline does not match.
    """

    pattern: str
    sentence: str
    max_length: int = 1024

    def checker(self) -> Callable[[str], str]:
        compiled = re.compile(self.pattern.removeprefix("^").removesuffix("$"))

        def check(value: str) -> str:
            if len(value) > self.max_length:
                raise ValueError(f"longer than {self.max_length} characters")
            if not compiled.fullmatch(value):
                raise ValueError(self.sentence)
            return value

        return check

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.checker(), handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**handler(schema), "pattern": self.pattern, "maxLength": self.max_length}


Name: TypeAlias = Annotated[
    str,
    Matching(
        r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$",
        "a name is lower-case letters, digits and hyphens between them, at most 63",
        max_length=63,
    ),
]
Digest: TypeAlias = Annotated[
    str, Matching(r"^sha256:[0-9a-f]{64}$", 'a digest reads "sha256:" and 64 lower-case hex digits', max_length=71)
]


class Secret(Strict):
    """The name of a secret; its value comes from the environment, a file or a command where it is used."""

    secret: Annotated[
        str,
        Matching(r"^[A-Z][A-Z0-9_]*$", "the name of a secret is upper-case letters, digits and _", max_length=128),
    ] = Field(description="Name of the secret, never the secret itself.")
