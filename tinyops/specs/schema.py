"""JSON Schema for editors: one file for specs of all kinds, one for boards, one for the lock."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, TypeAdapter

from tinyops.boards.model import Board
from tinyops.files import JsonObject
from tinyops.specs.lock import Lock
from tinyops.specs.model import Document

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schemas() -> Mapping[str, JsonObject]:
    """By file name below generated/schema/. They refuse no less than validation does in a single field."""
    return {
        "spec.json": _schema(Document, "tinyops spec", "A Project, Dataset, Model or Fleet, told apart by kind."),
        "board.json": _schema(Board, "tinyops board", "A board of the catalogue, or of a repository's specs/boards/."),
        "lock.json": _schema(Lock, "tinyops lock", "Written by `tinyops lock`."),
    }


def _schema(kind: Any, title: str, description: str) -> JsonObject:
    adapter: TypeAdapter[BaseModel] = TypeAdapter(kind)
    schema = adapter.json_schema(mode="validation")
    return {"$schema": DIALECT, **schema, "title": title, "description": description}
