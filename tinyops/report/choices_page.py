"""Why each board has the variant that it has: a page that needs nothing from elsewhere, rows of a table, JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from tinyops.artifacts import Record
from tinyops.files import JsonObject
from tinyops.manifest.choice import CandidateFacts, ChoiceFacts, Gate, read_choice
from tinyops.report.front_drawing import STYLE, front_svg
from tinyops.report.templating import page_environment, policy_hash, read_template, shortened_to

if TYPE_CHECKING:
    from jinja2 import Environment

HEADERS = ("", "variant", "validation", "right", "flash", "RAM", "image", "arena", "instr.", "why not")
PICKED, FRONT = "→", "·"
FOOTNOTE = (
    f"{PICKED} picked, {FRONT} on the Pareto front; validation: the share of right windows, of recordings held back\n"
    "from training; right: of those recordings; flash, RAM (with painted stack), image and arena in bytes, as the\n"
    "board's twin measured them; instr.: the most of any golden vector"
)
TEXT_MAX = 600


@dataclass(frozen=True)
class Chosen:
    """What was decided for one board of a fleet."""

    fleet: str
    board: str
    choice: ChoiceFacts

    @property
    def title(self) -> str:
        return f"{self.fleet}/{self.board}"

    @property
    def allowed(self) -> str:
        """What was chosen by, in a line."""
        budget = self.choice.budget
        rooms = ((budget.model_room_bytes, "bytes for a model"), (budget.arena_room_bytes, "bytes of arena"))
        said = [f"prefer {self.choice.prefer}", f"loss_max {self.choice.loss_max:g}"]
        said += [f"{room:,} {what}" for room, what in rooms if room is not None]
        gates = {**budget.gates, **budget.model_gates}
        return ", ".join([*said, *(f"{name} {_spoken(most)}" for name, most in sorted(gates.items()))])

    def to_json(self) -> JsonObject:
        return {"fleet": self.fleet, "target": self.board, **self.choice.to_json()}


def _spoken(gate: Gate) -> str:
    if isinstance(gate, dict):
        return " ".join(f"{name} {share:g}" for name, share in sorted(gate.items()))
    if isinstance(gate, float):
        return f"{gate:g}"
    return f"{gate:,}" if isinstance(gate, int) else gate or "none"


def choices_of(records: Mapping[str, Record]) -> list[Chosen]:
    """Every decision among some records, by fleet and board."""
    found = []
    for step, record in sorted(records.items()):
        kind, _, subject = step.partition(":")
        choice = read_choice(record) if kind == "choose" else None
        if choice is not None:
            fleet, _, board = subject.partition("/")
            found.append(Chosen(fleet, board, choice))
    return found


def choice_rows(chosen: Chosen) -> list[tuple[str, ...]]:
    """One a variant, in the order of HEADERS: the picked one first, then the front, then the others, as the spec has
    them."""
    choice = chosen.choice
    ranked = sorted(choice.candidates, key=lambda c: (c.variant != choice.picked, _off_front(c, choice)))
    return [_row(candidate, choice) for candidate in ranked]


def _off_front(candidate: CandidateFacts, choice: ChoiceFacts) -> bool:
    return candidate.variant not in choice.front


def _row(one: CandidateFacts, choice: ChoiceFacts) -> tuple[str, ...]:
    picked = one.variant == choice.picked
    mark = PICKED if picked else "" if _off_front(one, choice) else FRONT
    share = f"{one.accuracy:.3f}" if one.accuracy is not None else "-"
    right = f"{one.recordings.right}/{one.recordings.total}" if one.recordings else "-"
    figures = (one.flash_bytes, one.ram_bytes, one.image_bytes, one.arena_bytes, one.instructions)
    counts = [f"{figure:,}" if figure is not None else "-" for figure in figures]
    return (mark, one.variant, share, right, *counts, "" if picked else one.lost)


def choices_page(title: str, chosen: Iterable[Chosen]) -> str:
    """The page as text; titles and names on it are hostile."""
    from markupsafe import Markup

    style = read_template("choices.css") + STYLE
    sections = [
        {
            "of": one,
            "svg": Markup(front_svg(one.choice, f"{one.title}: variants", alone=False)),  # noqa: S704 - escaped there
            "rows": choice_rows(one),
        }
        for one in chosen
    ]
    page: str = (
        _environment()
        .get_template("choices.html.j2")
        .render(
            title=title,
            sections=sections,
            headers=HEADERS,
            footnote=FOOTNOTE.replace("\n", " "),
            style=Markup(style),  # noqa: S704 - our own files
            style_hash=policy_hash(style),
        )
    )
    return page


@cache
def _environment() -> Environment:
    return page_environment(shortened_to(TEXT_MAX))
