"""Why a model is cut where it is, as JSON for split.json and as lines for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

from tinyops.chains.choosing import Choice
from tinyops.chains.settings import SplitSettings
from tinyops.compiler.effort import Arenas, Effort
from tinyops.files import JsonObject
from tinyops.split import PlacedPart, Placement
from tinyops.split.chain import UNLIMITED
from tinyops.split.explain import MS, cuts_text, table, total

ESTIMATED = "flash and times are estimates until images are linked and twins have run"


@dataclass(frozen=True)
class Single:
    """The whole model on one board of the chain; `effort` and `arenas` are None where its core cannot run it."""

    board: str
    room_bytes: int | None
    arena_bytes: int | None
    effort: Effort | None
    arenas: Arenas | None

    @property
    def flash_short(self) -> int:
        return _short(self.effort.flash_bytes if self.effort else 0, self.room_bytes)

    @property
    def arena_short(self) -> int:
        return _short(self.arenas.by_rows if self.arenas else 0, self.arena_bytes)

    @property
    def fits(self) -> bool:
        return self.effort is not None and not self.flash_short and not self.arena_short

    def to_json(self) -> JsonObject:
        found = {"flash_bytes": self.effort.flash_bytes if self.effort else None}
        arena = asdict(self.arenas) if self.arenas else None
        short = {"flash_short": self.flash_short, "arena_short": self.arena_short}
        return {"board": self.board, **found, "arena": arena, **short, "fits": self.fits}

    def line(self) -> str:
        """What the compiler's own means make of the whole model there."""
        if self.arenas is None or self.effort is None:
            return f"the whole on {self.board}: its core cannot run it"
        return f"the whole on {self.board}: {self._arena(self.arenas)}; {self._flash(self.effort)}"

    def _arena(self, arenas: Arenas) -> str:
        steps = [f"arena {arenas.plain:,} bytes in the file's order"]
        if arenas.reordered < arenas.plain:
            steps.append(f"{arenas.reordered:,} with operators reordered")
        if arenas.by_rows < arenas.reordered:
            steps.append(f"{arenas.by_rows:,} by rows in {arenas.strips} strips")
        return f"{', '.join(steps)}{_of(self.arena_bytes, self.arena_short)}"

    def _flash(self, effort: Effort) -> str:
        return f"flash {effort.flash_bytes:,}{_of(self.room_bytes, self.flash_short)}"


def explanation_json(choice: Choice, settings: SplitSettings, singles: Sequence[Single], compiled: int) -> JsonObject:
    """What split.json says beside the parts; `compiled` runs of operators were compiled for it."""
    explanation = choice.explanation
    return {
        "how": choice.how,
        "minimise": settings.minimise,
        "at_most_ms": settings.at_most_ms,
        "at_most_radio_bytes": settings.at_most_radio_bytes,
        "chosen": _placement(explanation.chosen),
        "others": [
            {
                **_placement(other.placement),
                "more_ms": other.more_ns / MS,
                "more_radio_bytes": other.more_radio_bytes,
                "more_sent_bytes": other.more_sent_bytes,
                "more_ram_share": other.more_ram_share,
            }
            for other in explanation.others
        ],
        "was": None if choice.was is None else {"cuts": list(choice.was), "why": choice.why},
        "single": [single.to_json() for single in singles],
        "compiled": compiled,
        "text": explanation_lines(choice, singles),
    }


def explanation_lines(choice: Choice, singles: Sequence[Single]) -> list[str]:
    """The same for people."""
    return [*_how(choice), *(single.line() for single in singles), *_need_not(singles), ESTIMATED]


def _how(choice: Choice) -> Iterator[str]:
    chosen = choice.explanation.chosen
    if choice.how == "searched":
        if choice.was is not None:
            was = ", ".join(map(str, choice.was))
            yield f"cut anew: the cuts that were released, {was}, fit no longer: {choice.why}"
        yield from choice.explanation.lines()
        return
    where = "as released, and still fits" if choice.how == "kept" else "as the spec says"
    yield f"{cuts_text(chosen)}, {where}"
    yield from table(chosen)
    yield total(chosen)


def _need_not(singles: Sequence[Single]) -> Iterator[str]:
    """Said, not done: who declares a chain gets one."""
    enough = [single.board for single in singles if single.fits]
    if enough:
        one = f"one board would do: {' or '.join(enough)} holds the whole model"
        yield f"{one}; the chain is declared, so it is cut all the same"


def _placement(placement: Placement) -> JsonObject:
    return {
        "cuts": list(placement.cuts),
        "latency_ms": placement.latency_ns / MS,
        "sent_bytes": placement.sent_bytes,
        "radio_bytes": placement.radio_bytes,
        "ram_share": placement.ram_share,
        "parts": [_part(part) for part in placement.parts],
    }


def _part(part: PlacedPart) -> JsonObject:
    """Without a limit a budget is null."""
    budgets = {name: getattr(part.budget, name) for name in ("flash_bytes", "ram_bytes")}
    return {
        "name": part.budget.name,
        "board": part.budget.board,
        "begin": part.begin,
        "end": part.end,
        "flash_bytes": part.cost.flash_bytes,
        "arena_bytes": part.cost.arena_bytes,
        "held_bytes": part.held_bytes,
        "instructions": part.cost.instructions,
        "compute_ms": part.compute_ns / MS,
        "tensor_bytes": part.tensor_bytes,
        "sent_bytes": part.sent_bytes,
        "link_ms": part.link_ns / MS,
        "budget": {name: None if value >= UNLIMITED else value for name, value in budgets.items()},
    }


def _short(needed: int, available: int | None) -> int:
    return 0 if available is None else max(0, needed - available)


def _of(available: int | None, short: int) -> str:
    if available is None:
        return ""
    return f" of {available:,}: {f'{short:,} short' if short else 'fits'}"
