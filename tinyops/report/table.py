"""Every model on every board of a release, one row each. Every figure is a released step's fact."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tinyops.build.measurements import Factor, read_factor
from tinyops.files import JsonObject
from tinyops.manifest.document import BoardEntry, FleetEntry, Manifest
from tinyops.manifest.sent import FIRMWARE, MODEL, sent

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
        (fleet, board, _model(entry, offered), *_cells(offered, _sent_bytes(manifest, fleet, board)))
        for fleet, entry in sorted(manifest.fleets.items())
        for board, offered in sorted(entry.boards.items())
    ]


def _model(entry: FleetEntry, offered: BoardEntry) -> str:
    """With its variant, where each board gets its own."""
    variant = offered.figures.get("variant")
    return f"{entry.model}/{variant}" if variant else entry.model


def time_lines(manifest: Manifest, measurements: Path) -> list[str]:
    """A line for each fleet and board whose time is known, which takes a measurement of such a board, ended by an
    empty one; none where nothing was measured."""
    found = [
        f"{fleet} on {board}: {factor.describe(offered.figures['instructions'])}"
        for fleet, board, offered in _offered(manifest)
        if (factor := _factor(offered, board, measurements)) is not None
    ]
    return [*found, ""] if found else []


def figure_json(manifest: Manifest, measurements: Path | None = None) -> list[JsonObject]:
    """The same for programs: unrounded, with units in the names. `milliseconds` where boards were measured."""
    return [
        _times(offered, board, measurements)
        | {
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


def _offered(manifest: Manifest) -> Iterator[tuple[str, str, BoardEntry]]:
    for fleet, entry in sorted(manifest.fleets.items()):
        for board, offered in sorted(entry.boards.items()):
            yield fleet, board, offered


def _factor(offered: BoardEntry, board: str, measurements: Path) -> Factor | None:
    return read_factor(measurements, board) if offered.figures.get("instructions") else None


def _times(offered: BoardEntry, board: str, measurements: Path | None) -> JsonObject:
    factor = _factor(offered, board, measurements) if measurements else None
    if factor is None:
        return {}
    return {"milliseconds": factor.milliseconds(offered.figures["instructions"]), "measured_runs": factor.runs}


def _sent_bytes(manifest: Manifest, fleet: str, board: str) -> int | None:
    """Of another model: its file, or its image with its signature where slots take those; of the firmware that it is
    linked into. None where only its maker's tools know."""
    if manifest.fleets[fleet].boards[board].figures.get("image_bytes") is None:
        return None
    found = sent(manifest, fleet, board)
    return found[MODEL if MODEL in found else FIRMWARE].bytes


def _cells(offered: BoardEntry, sent_bytes: int | None) -> tuple[str, ...]:
    figures = offered.figures
    firmware = offered.proof.firmware or "-"
    return (
        _share(figures.get("accuracy_float")),
        _share(figures.get("accuracy_int8"), interval=True),
        _right(figures.get("accuracy_int8")),
        _count(figures.get("flash_bytes")),
        _count(figures.get("ram_bytes")),
        _count(figures.get("instructions")),
        _count(sent_bytes),
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
