"""Writes docs/reference and the udev rules of this checkout: `python -m tinyops.cli.reference`.

The pages are made in tinyops.report.
"""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Mapping
from pathlib import Path

from tinyops.boards.loader import load_catalog
from tinyops.boards.udev import RULES_NAME, SHIPPED, rules_text
from tinyops.cli import COMMANDS
from tinyops.files import write_if_changed
from tinyops.report.formats import formats_page
from tinyops.report.reference import WRITTEN, boards_page, commands_page, specs_page

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "reference"


def parsers() -> dict[str, argparse.ArgumentParser]:
    """The parser of every command, with all that its module adds."""
    return {name: _parser(name, text) for name, text in COMMANDS.items()}


def _parser(name: str, text: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"tinyops {name}", description=f"{text[0].upper()}{text[1:]}.", allow_abbrev=False
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")
    importlib.import_module(f"tinyops.cli.commands.{name}").add_arguments(parser)
    return parser


def pages() -> Mapping[str, str]:
    """Every page by its file name."""
    return {
        "boards.md": boards_page(load_catalog()),
        "commands.md": commands_page(parsers()),
        "formats.md": formats_page(WRITTEN),
        "specs.md": specs_page(),
    }


def main() -> None:
    for name, text in pages().items():
        changed = write_if_changed(FOLDER / name, text.encode())
        print(f"docs/reference/{name}: {'written' if changed else 'no change'}")
    changed = write_if_changed(SHIPPED, rules_text(load_catalog()).encode())
    print(f"tinyops/boards/{RULES_NAME}: {'written' if changed else 'no change'}")


if __name__ == "__main__":
    main()
