"""docs/reference is what the models, the catalogue and the parsers say."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from tinyops.boards.loader import load_catalog
from tinyops.cli import COMMANDS
from tinyops.cli.reference import FOLDER, pages, parsers
from tinyops.report.fields import cell, field_table, reachable, type_text
from tinyops.report.reference import boards_page, commands_page

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("name", ["boards.md", "commands.md", "formats.md", "specs.md"])
def test_committed_pages_are_what_is_generated(name: str) -> None:
    assert (FOLDER / name).read_text() == pages()[name], "run `python -m tinyops.cli.reference` and commit the result"


def test_no_page_is_forgotten_and_none_is_left_over() -> None:
    assert FOLDER == ROOT / "docs" / "reference"
    assert {path.name for path in FOLDER.iterdir()} == set(pages())


def test_every_command_has_its_section() -> None:
    text = pages()["commands.md"]
    assert [line for line in text.splitlines() if line.startswith("## tinyops ")] == [
        f"## tinyops {name}" for name in COMMANDS
    ]
    assert "### tinyops keys new" in text
    assert "| `--if-absent` |" in text


def test_pages_say_nothing_of_the_machine_that_wrote_them(monkeypatch: pytest.MonkeyPatch) -> None:
    before = commands_page(parsers())
    monkeypatch.setattr("os.cpu_count", lambda: 77)
    monkeypatch.setattr("socket.gethostname", lambda: "a-very-special-host")
    assert commands_page(parsers()) == before


def test_hidden_arguments_stay_hidden_and_needed_ones_are_marked() -> None:
    parser = argparse.ArgumentParser(description="Tries.")
    parser.add_argument("--secret", help=argparse.SUPPRESS)
    parser.add_argument("--store", required=True, metavar="A|B", help="where")
    text = commands_page({"try": parser})
    assert "--secret" not in text
    assert "| `--store A|B` | where **Required.** |" in text


def test_the_catalogue_says_what_never_ran_on_silicon() -> None:
    catalog = load_catalog()
    text = boards_page(catalog)
    for board in catalog.values():
        row = next(line for line in text.splitlines() if line.startswith(f"| [{board.name}]"))
        assert row.endswith("| yes |" if board.spec.silicon.run else "| **never** |")


def test_what_never_ran_is_said_first_with_proof_and_guarantees() -> None:
    catalog = load_catalog()
    lines = boards_page(catalog).splitlines()
    never = next(line for line in lines if line.startswith("**Never run on silicon: "))
    named = {name for name in catalog if f"`{name}`" in never}
    assert named == {name for name, board in catalog.items() if not board.spec.silicon.run}
    guarantees = "own-bootloader | reverts, power-safe, no rollback"
    assert f"| `microbit-v2` | same-bytes | same-source | {guarantees} | gateway | usb |" in lines
    assert "| `esp32` | rendered | rendered | vendor-ab | reverts, power-safe | gateway | usb |" in lines
    assert "| `uno-r4` | data | 0x40100000 | 8,192 | 1,024 | 1 | 1 | dual-bank | 20 |" in lines


def test_a_figure_without_a_source_is_named_as_such() -> None:
    page = boards_page(load_catalog())
    assert "- **Without a source: erase time, rates of the microphone.**" in page
    assert page.count("Without a source") == sum(bool(b.spec.silicon.unsourced) for b in load_catalog().values())


def test_slot_maps_add_up_to_all_of_flash() -> None:
    catalog = load_catalog()
    for board in (board for board in catalog.values() if board.spec.memory):
        text = boards_page({board.name: board})
        inside = text.split("```")[1].splitlines()[2:]
        sizes = [int(line.split()[-1].replace(",", "")) for line in inside if " 0x" in line]
        assert board.spec.memory is not None
        assert sum(sizes) == board.spec.memory.flash_bytes


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ({"type": "integer", "exclusiveMinimum": 0}, "whole number above 0"),
        ({"type": "number", "minimum": 0, "maximum": 1}, "number, 0 to 1"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "text"),
        ({"enum": ["a", "b"]}, "`a` or `b`"),
        ({"type": "array", "items": {"$ref": "#/$defs/Fleet"}, "minItems": 1}, "list of [Fleet](#fleet) (at least 1)"),
        ({"type": "array", "prefixItems": [{"type": "number"}, {"type": "number"}]}, "[number, number]"),
        ({"type": "object", "additionalProperties": {"type": "boolean"}}, "mapping to `true` or `false`"),
    ],
)
def test_types_read_as_words(schema: dict[str, object], text: str) -> None:
    assert type_text(schema) == text


def test_fields_that_must_be_given_come_first() -> None:
    schema = {
        "properties": {"late": {"type": "string", "default": "x"}, "first": {"type": "string"}},
        "required": ["first"],
    }
    rows = list(field_table(schema))[2:]
    assert [row.split("`")[1] for row in rows] == ["first", "late"]
    assert "**required**" in rows[0]
    assert "`x`" in rows[1]


def test_models_are_met_once_even_in_a_circle() -> None:
    definitions = {"A": {"properties": {"b": {"$ref": "#/$defs/B"}}}, "B": {"properties": {"a": {"$ref": "#/$defs/A"}}}}
    assert reachable("A", definitions) == ["A", "B"]


def test_a_bar_does_not_end_a_cell() -> None:
    assert cell("A|B") == "A\\|B"
