"""JSON Schema says what pydantic says, field by field; the examples are valid by it."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from tinyops.boards import catalog_folder
from tinyops.documents import Digest, Name, YamlDocument, read
from tinyops.files import pretty_json
from tinyops.specs.fields import Channel, Label, Unit
from tinyops.specs.loader import spec_files
from tinyops.specs.schema import schemas

ROOT = Path(__file__).parents[3]


@cache
def validator(name: str) -> Any:
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
    schema = schemas()[name]
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@cache
def examples() -> list[tuple[str, YamlDocument]]:
    files = [("spec.json", path) for path in spec_files(ROOT)]
    files += [("board.json", path) for path in sorted(catalog_folder().glob("*.yaml"))]
    return [(name, document) for name, path in files for document in read(path)]


def test_the_examples_are_valid() -> None:
    for name, document in examples():
        assert not list(validator(name).iter_errors(document.value)), document.file


@pytest.mark.parametrize("change", [{"spec": {}}, {"kind": "Modl"}, {"extra": 1}, {"metadata": {"name": "Bad Name"}}])
def test_the_schema_refuses_what_validation_refuses(change: dict[str, Any]) -> None:
    for name, document in examples():
        assert list(validator(name).iter_errors({**document.value, **change})), document.file


def test_every_example_names_its_schema() -> None:
    for path in [*spec_files(ROOT), *catalog_folder().glob("*.yaml")]:
        first = path.read_text().splitlines()[0]
        found = re.fullmatch(r"# yaml-language-server: \$schema=(\S+)", first)
        assert found, path
        assert (path.parent / found.group(1)).resolve().parent == ROOT / "generated/schema"


def test_schemas_are_documented_and_repeatable() -> None:
    for name, schema in schemas().items():
        assert schema["title"], name
        assert schema["description"], name
        assert pretty_json(schema) == pretty_json(schemas.__wrapped__()[name]), "made again, it is the same"


SAMPLES = [
    "a",
    "a-b",
    "-a",
    "a-",
    "a" * 63,
    "a" * 64,
    "A",
    "a b",
    "ax",
    "1",
    "m/s2",
    "é",
    "a\n",
    "",
    "sha256:" + "0" * 64,
    "0.5+",
    "x_1",
]


@pytest.mark.parametrize("kind", [Name, Label, Channel, Unit, Digest])
def test_patterns_agree_with_validation(kind: Any) -> None:
    adapter = TypeAdapter(kind)
    schema = adapter.json_schema()
    # JSON Schema's $ is the end of the text; Python's would let a newline follow.
    pattern = re.compile(schema["pattern"].replace("$", r"\Z"))
    for sample in SAMPLES:
        try:
            adapter.validate_python(sample)
            accepted = True
        except ValidationError:
            accepted = False
        assert accepted == (bool(pattern.search(sample)) and len(sample) <= schema["maxLength"]), sample


def test_every_field_of_a_board_is_described() -> None:
    schema = schemas()["board.json"]
    models = {"Board": schema, **schema["$defs"]}
    silent = [
        f"{model}.{name}"
        for model, definition in models.items()
        for name, field in definition.get("properties", {}).items()
        if not field.get("description")
    ]
    assert silent == []


@pytest.mark.parametrize(
    ("spec", "valid"),
    [
        ({"title": "Mine"}, True),
        ({"layout": {"arena_bytes": 1}}, True),
        ({"memory": {"ram": {"bytes": 4096}}}, True),
        ({"arduino": {"drivers": {"imu": {"libraries": []}}}}, True),
        ({"layout": {"arena_byte": 1}}, False),
        ({"title": 5}, False),
        ({"usb": [{"vid": 1}]}, False),  # lists are replaced: their entries are whole
        ({}, False),
    ],
)
def test_a_board_that_extends_another_may_leave_fields_out(spec: dict[str, Any], valid: bool) -> None:
    board = {"apiVersion": "tinyops/v1", "kind": "Board", "metadata": {"name": "mine"}, "spec": spec}
    faults = list(validator("board.json").iter_errors({**board, "extends": "nano33ble"}))
    assert valid != bool(faults), faults
    assert list(validator("board.json").iter_errors(board)), "without extends everything is required"
