"""The status of fleets as one page: no server, no script or font from elsewhere; every text on it is hostile.

It shows the document of `tinyops fleet status --json`. What people look at first is HTML and SVG made here; the table
of devices is filled by its script, from the same data, by text nodes only. Its policy (CSP) lets nothing else run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinyops.files import JsonObject, canonical_json, printable, write_atomic
from tinyops.report.templating import page_environment, policy_hash, read_template

if TYPE_CHECKING:
    from jinja2 import Environment

NEEDS_SHOWN = 100
BAR_WIDTH = 1000
CHART_WIDTH, CHART_HEIGHT = 280, 96
NEEDS_OPEN = 6
COLUMNS = (
    "fleet",
    "board",
    "device",
    "state",
    "wave",
    "running",
    "wanted",
    "version",
    "reported",
    "seen",
    "reporter",
    "since",
    "slot",
    "inferences",
    "crashes",
    "errors",
    "self_test",
    "confidence_mean",
    "why",
    "problem",
)
TEXT_CHARACTERS_MAX = 300  # of one cell: a reason may have thousands


@dataclass(frozen=True)
class Piece:
    """A part of a bar, in units of its width."""

    state: str
    count: int
    x: float
    width: float


@dataclass(frozen=True)
class Column:
    """One class or one tenth of confidence: shares of what devices counted and of the reference, as heights."""

    label: str
    x: float
    width: float
    seen: float
    reference: float
    title: str


def write_page(status: JsonObject, folder: Path) -> tuple[Path, Path]:
    """Writes `index.html` and `fleet.json`, the same data for programs; returns both paths."""
    page, data = folder / "index.html", folder / "fleet.json"
    write_atomic(data, canonical_json(status) + b"\n")
    write_atomic(page, fleet_page(status).encode())
    return page, data


def fleet_page(status: JsonObject) -> str:
    """The page as text."""
    from markupsafe import Markup

    script, style = read_template("fleet.js"), read_template("fleet.css")
    needs = status["needs"]
    return (
        _environment()
        .get_template("fleet.html.j2")
        .render(
            status=status,
            needs=needs[:NEEDS_SHOWN],
            more_needs=max(len(needs) - NEEDS_SHOWN, 0),
            totals=_totals(status),
            script=Markup(script),  # noqa: S704 - our own files
            style=Markup(style),  # noqa: S704
            script_hash=policy_hash(script),
            style_hash=policy_hash(style),
            data=Markup(embedded_json(device_table(status))),  # noqa: S704 - escaped for a script element
        )
    )


def device_table(status: JsonObject) -> JsonObject:
    """What the script shows: a list of cells for each device, and the number of each one that needs a person."""
    needs = {(need["fleet"], need["device"]): need["why"] for need in status["needs"]}
    rows: list[list[Any]] = []
    people: dict[str, str] = {}
    for fleet in status["fleets"]:
        for device in fleet["devices"]:
            if (device["fleet"], device["device"]) in needs:
                people[str(len(rows))] = str(_cell(needs[device["fleet"], device["device"]]))
            rows.append([_cell(device.get(column)) for column in COLUMNS])
    return {"columns": list(COLUMNS), "rows": rows, "needs": people}


def embedded_json(value: JsonObject) -> str:
    """JSON inside a script element: nothing in it ends the element or begins a comment."""
    text = canonical_json(value).decode()
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def pieces(states: Mapping[str, int], width: float = BAR_WIDTH, total: int | None = None) -> Iterator[Piece]:
    """A bar of devices by state, converged ones first; all of `total` is the whole width."""
    whole, x = total or sum(states.values()), 0.0
    for state, count in states.items():
        part = width * count / whole if whole else 0.0
        yield Piece(state, count, round(x, 2), round(part, 2))
        x += part


def class_columns(health: JsonObject) -> list[Column]:
    """Shares of each class, as devices count them and as the training side has them."""
    reference = (health["reference"] or {}).get("classes", {})
    names = list(health["classes"]) or list(reference)
    return _columns(
        names, [health["classes"].get(n, 0) for n in names], [reference.get(n, 0) for n in names], "training"
    )


def confidence_columns(health: JsonObject) -> list[Column]:
    """Shares of each tenth of confidence, as devices count them and as the test side has them."""
    tenths = [f"{n / 10:.1f}" for n in range(10)]
    reference = (health["reference"] or {}).get("confidence") or []
    return _columns(tenths, health["confidence"], reference or [0] * len(tenths), "test side")


def _columns(names: Sequence[str], seen: Sequence[int], reference: Sequence[int], what: str) -> list[Column]:
    found, wanted = (_shares(counts) for counts in (seen, reference))
    highest = max([*found, *wanted, 0.0]) or 1.0
    width = CHART_WIDTH / max(len(names), 1)
    return [
        Column(
            name,
            round(number * width, 2),
            round(width, 2),
            round(CHART_HEIGHT * found[number] / highest, 2),
            round(CHART_HEIGHT * wanted[number] / highest, 2),
            f"{name}: {found[number]:.1%} on devices, {wanted[number]:.1%} in {what}",
        )
        for number, name in enumerate(names)
    ]


def _shares(counts: Sequence[int]) -> list[float]:
    total = sum(counts)
    return [count / total if total else 0.0 for count in counts]


def _totals(status: JsonObject) -> dict[str, int]:
    """Devices of all fleets by state, in the order of states."""
    found: dict[str, int] = {}
    for state in _STATES:
        count = sum(fleet["states"].get(state, 0) for fleet in status["fleets"])
        found |= {state: count} if count else {}
    return found


_STATES = (
    "converged",
    "on trial",
    "waiting",
    "behind",
    "gave up",
    "silent",
    "unreported",
    "unknown",
    "revoked",
    "cloned",
)


def _cell(value: object) -> object:
    if not isinstance(value, str):
        return value
    text = printable(value)
    return text if len(text) <= TEXT_CHARACTERS_MAX else f"{text[:TEXT_CHARACTERS_MAX]}…"


def _short(digest: str | None) -> str:
    return digest.removeprefix("sha256:")[:12] if digest else "–"


@cache
def _environment() -> Environment:
    made = page_environment(_clean_text)
    made.filters |= {"short": _short, "count": lambda n: f"{n:,}", "share": lambda n: f"{n:.1%}"}
    made.globals |= {
        "pieces": pieces,
        "class_columns": class_columns,
        "confidence_columns": confidence_columns,
        "bar_width": BAR_WIDTH,
        "chart_width": CHART_WIDTH,
        "chart_height": CHART_HEIGHT,
        "needs_open": NEEDS_OPEN,
    }
    return made


def _clean_text(value: object) -> object:
    """Applied to every value that a template prints, before it is escaped; markup of our own stays."""
    return value if hasattr(value, "__html__") else _cell(value)
