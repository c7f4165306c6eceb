"""Why these cuts: the chosen placement and the next best as facts, as a table, and what is short where none fits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tinyops.errors import DoesNotFit
from tinyops.split.chain import UNLIMITED
from tinyops.split.placement import Placement, Problem, Shortage
from tinyops.split.search import Found

MS = 1e6
WANTED = {
    "latency": "the least time",
    "radio": "the fewest bytes over radio",
    "ram": "the smallest share of RAM on the fullest board",
}
HEADERS = ("part", "board", "operators", "flash", "RAM", "instructions", "time", "sends")


@dataclass(frozen=True)
class Alternative:
    """A placement beside the chosen one, and what it has more of (less: below zero)."""

    placement: Placement
    more_ns: int
    more_radio_bytes: int
    more_sent_bytes: int
    more_ram_share: float


@dataclass(frozen=True)
class Explanation:
    """What was wished for, what was chosen, and what came next, in order."""

    problem: Problem
    chosen: Placement
    others: tuple[Alternative, ...]

    def lines(self) -> list[str]:
        wish = self.problem.wish
        bounds = [f"at most {wish.at_most_ns / MS:,.1f} ms"] if wish.at_most_ns is not None else []
        if wish.at_most_radio_bytes is not None:
            bounds.append(f"at most {wish.at_most_radio_bytes:,} bytes over radio")
        where = ", ".join(map(str, self.chosen.cuts)) or "nowhere"
        wanted = " and ".join([WANTED[wish.minimise], *bounds])
        lines = [
            f"cut at {where}: {wanted}, within every board's flash and RAM",
            *table(self.chosen),
            total(self.chosen),
        ]
        lines += [f"next best: {cuts_text(other.placement)}: {_difference(other)}" for other in self.others]
        return lines if self.others else [*lines, "no other cuts fit"]


def explain(problem: Problem, found: Found) -> Explanation:
    """Facts about what a search found. Raises DoesNotFit where that is nothing: which part is short of what."""
    if not found.placements:
        raise does_not_fit(problem, found)
    chosen = found.placements[0]
    return Explanation(problem, chosen, tuple(_beside(other, chosen) for other in found.placements[1:]))


def does_not_fit(problem: Problem, found: Found) -> DoesNotFit:
    """The error of a search without a placement: every budget that the nearest one misses, by how much."""
    if found.nearest is None:
        return DoesNotFit(f"the model cannot be split: {found.reason}", hint="use fewer parts, or other boards")
    said = "; ".join(map(sentence, found.shortages))
    over = {s.budget for s in found.shortages}
    hint = "put a smaller variant of the model first, use more parts, or boards with more of it"
    if over <= {"latency", "radio"}:
        hint = "allow more, or use faster links and boards"
    nearest = f"the nearest of all cuts, {cuts_text(found.nearest)}, is short of it: {said}"
    return DoesNotFit(f"the model does not fit the chain of {len(problem.chain.parts)} boards; {nearest}", hint=hint)


def sentence(shortage: Shortage) -> str:
    """A missed budget in words."""
    if shortage.budget == "latency":
        needed, available, short = (f"{n / MS:,.1f} ms" for n in (shortage.needed, shortage.available, shortage.short))
        return f"it takes {needed}, {available} are allowed: {short} too long"
    if shortage.part is None:
        sent = f"it sends {shortage.needed:,} bytes over radio, {shortage.available:,} are allowed"
        return f"{sent}: {shortage.short:,} over"
    where = f"part {shortage.name!r} on {shortage.board}"
    kind = "RAM" if shortage.budget == "ram" else "flash"
    return f"{where} needs {shortage.needed:,} bytes of {kind} and has {shortage.available:,}: {shortage.short:,} short"


def table(placement: Placement) -> list[str]:
    """A row for each part, aligned."""
    rows = [HEADERS, *(_row(placement, index) for index in range(len(placement.parts)))]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(_aligned(row, widths)).rstrip() for row in rows]


def total(placement: Placement) -> str:
    """What all parts come to."""
    radio = f", {placement.radio_bytes:,} of them over radio" if placement.radio_bytes else ""
    sent = f"{placement.sent_bytes:,} bytes on links{radio}"
    return f"{placement.latency_ns / MS:,.1f} ms, {sent}, at most {placement.ram_share:.0%} of a board's RAM"


def _row(placement: Placement, index: int) -> tuple[str, ...]:
    part = placement.parts[index]
    held = f", {part.held_bytes:,} to pass on" if part.held_bytes else ""
    last = index == len(placement.parts) - 1
    overhead = f"{part.tensor_bytes:,} B in {part.sent_bytes:,}, {part.link_ns / MS:,.1f} ms"
    return (
        part.budget.name,
        part.budget.board,
        f"{part.begin}-{part.end - 1}" if part.begin < part.end else "none",
        f"{part.cost.flash_bytes:,}{_of(part.budget.flash_bytes, part.flash_share)}",
        f"{part.ram_bytes:,}{_of(part.budget.ram_bytes, part.ram_share, held)}",
        f"{part.cost.instructions:,}",
        f"{part.compute_ns / MS:,.1f} ms",
        "-" if last else overhead,
    )


def _of(budget: int, share: float, held: str = "") -> str:
    """What a figure is measured by; without a limit that is nothing."""
    if budget >= UNLIMITED:
        return f" ({held.removeprefix(', ')})" if held else ""
    return f" of {budget:,} ({share:.0%}{held})"


def _aligned(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    """Names to the left, numbers to the right."""
    return [c.ljust(w) if i in (0, 1, 7) else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))]


def _beside(other: Placement, chosen: Placement) -> Alternative:
    return Alternative(
        other,
        other.latency_ns - chosen.latency_ns,
        other.radio_bytes - chosen.radio_bytes,
        other.sent_bytes - chosen.sent_bytes,
        other.ram_share - chosen.ram_share,
    )


def _difference(other: Alternative) -> str:
    parts = [
        f"{other.more_ns / MS:+,.1f} ms" if other.more_ns else "",
        f"{other.more_radio_bytes:+,} bytes over radio" if other.more_radio_bytes else "",
        f"{other.more_sent_bytes:+,} bytes on links" if other.more_sent_bytes else "",
        f"{_points(other.more_ram_share)} of the largest share of RAM" if other.more_ram_share else "",
    ]
    return ", ".join(filter(None, parts)) or "the same; the earlier cut comes first"


def _points(share: float) -> str:
    """`+3 points`; of what would round to none, which way it goes."""
    whole = f"{share * 100:+.0f}"
    if whole in ("+0", "-0"):
        return f"under a point {'more' if share > 0 else 'less'}"
    return f"{whole} {'point' if whole in ('+1', '-1') else 'points'}"


def cuts_text(placement: Placement) -> str:
    """Where it is cut, in words."""
    return "cut at " + ", ".join(map(str, placement.cuts)) if placement.cuts else "all on one board"
