"""Every model on every board of a release, one row each. Every figure is a released step's fact."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tinyops.files import JsonObject
from tinyops.manifest.document import BoardEntry, Manifest

HEADERS = (
    "fleet",
    "board",
    "model",
    "float",
    "int8 [95 %]",
    "right",
    "flash",
    "RAM",
    "instr.",
    "o.t.a.",
    "input",
    "proof: model/firmware",
)
FOOTNOTE = (
    "float, int8: accuracy, the share of test recordings that are right, with Wilson's 95 % interval;\n"
    "flash, RAM (with painted stack) and o.t.a. (over the air) in bytes; instr.: instructions, the most of\n"
    "any golden vector; input: what feeds the model (replay and stream are no sensor of the board)"
)


def rows(manifest: Manifest) -> list[tuple[str, ...]]:
    """One row a fleet and board, as texts, in the order of HEADERS."""
    return [
        (fleet, board, entry.model, *_cells(offered))
        for fleet, entry in sorted(manifest.fleets.items())
        for board, offered in sorted(entry.boards.items())
    ]


def figure_json(manifest: Manifest) -> list[JsonObject]:
    """The same for programs: unrounded, with units in the names."""
    return [
        {
            "fleet": fleet,
            "board": board,
            "model": entry.model,
            "model_digest": offered.model.digest,
            "proof": offered.proof.model_dump(),
            "carried": entry.carried.reason if entry.carried else None,
            **offered.figures,
        }
        for fleet, entry in manifest.fleets.items()
        for board, offered in entry.boards.items()
    ]


def _cells(offered: BoardEntry) -> tuple[str, ...]:
    figures = offered.figures
    firmware = offered.proof.firmware or "-"
    return (
        _share(figures.get("accuracy_float")),
        _share(figures.get("accuracy_int8"), interval=True),
        _right(figures.get("accuracy_int8")),
        _count(figures.get("flash_bytes")),
        _count(figures.get("ram_bytes")),
        _count(figures.get("instructions")),
        _count(figures.get("image_bytes")),
        str(figures.get("input", "-")),
        f"{offered.proof.model}/{firmware}",
    )


def _share(value: Mapping[str, Any] | None, *, interval: bool = False) -> str:
    if not value:
        return "-"
    text = f"{value['point']:.3f}"
    if not interval:
        return text
    return f"{text} [{value['low']:.3f}, {value['high']:.3f}]"


def _right(value: Mapping[str, Any] | None) -> str:
    return f"{value['right']}/{value['total']}" if value else "-"


def _count(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"
