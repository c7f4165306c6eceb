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
        "board.json": _board_schema(),
        "lock.json": _schema(Lock, "tinyops lock", "Written by `tinyops lock`."),
    }


def _schema(kind: Any, title: str, description: str) -> JsonObject:
    adapter: TypeAdapter[BaseModel] = TypeAdapter(kind)
    schema = adapter.json_schema(mode="validation")
    return {"$schema": DIALECT, **schema, "title": title, "description": description}


def _board_schema() -> JsonObject:
    """With `extends` no field of the spec must be there, and none of what it merges; entries of lists stay whole."""
    schema = _schema(Board, "tinyops board", "A board of the catalogue, or of a repository's specs/boards/.")
    definitions: JsonObject = schema["$defs"]
    partial: JsonObject = {}
    _add_partial("BoardSpec", definitions, partial)
    partial[_partial("BoardSpec")]["minProperties"] = 1
    whole = {"properties": {"spec": schema["properties"].pop("spec")}}
    schema["properties"]["spec"] = {"description": whole["properties"]["spec"].get("description", "")}
    part = {"properties": {"spec": {"$ref": f"#/$defs/{_partial('BoardSpec')}"}}}
    return {
        **schema,
        "$defs": definitions | partial,
        "if": {"required": ["extends"], "properties": {"extends": {"type": "string"}}},
        "then": part,
        "else": whole,
    }


def _partial(name: str) -> str:
    return f"{name}Part"


def _add_partial(name: str, definitions: JsonObject, found: JsonObject) -> None:
    """Adds a definition without required fields, and those of the mappings in it."""
    if _partial(name) in found:
        return
    definition = {key: value for key, value in definitions[name].items() if key != "required"}
    found[_partial(name)] = definition
    definition["properties"] = {
        field: _lead_to_partial(value, definitions, found) for field, value in definition.get("properties", {}).items()
    }


def _lead_to_partial(value: Any, definitions: JsonObject, found: JsonObject) -> Any:
    if not isinstance(value, dict):
        return value
    reference = str(value.get("$ref", "")).removeprefix("#/$defs/")
    if reference and "properties" in definitions[reference]:
        _add_partial(reference, definitions, found)
        return {**value, "$ref": f"#/$defs/{_partial(reference)}"}
    if "anyOf" in value:
        return {**value, "anyOf": [_lead_to_partial(v, definitions, found) for v in value["anyOf"]]}
    if isinstance(value.get("additionalProperties"), dict):
        inner = _lead_to_partial(value["additionalProperties"], definitions, found)
        return {**value, "additionalProperties": inner}
    return value
