"""The variants of a model on one board as an SVG: accuracy over flash, RAM and instructions, the front of each in line.

It stands alone: no script, no font from elsewhere, light or dark as the reader's system is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from xml.sax.saxutils import escape, quoteattr

from tinyops.files import printable
from tinyops.manifest.choice import ChoiceFacts

PANELS = {"flash_bytes": "bytes of flash", "ram_bytes": "bytes of RAM", "instructions": "instructions"}
FONT = "system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif"
WIDTH, HEIGHT, LEFT, TOP, BOTTOM, GAP = 300, 210, 48, 26, 40, 20
TICKS = 5
NAME_MAX = 40
STYLE = """
.front text { fill: #59636e; font-size: 11px; }
.front .name { fill: #1c2128; font-weight: 600; paint-order: stroke; stroke: #f6f8fa; stroke-width: 3px; }
.front .head { fill: #1c2128; font-size: 13px; font-weight: 600; }
.front .paper { fill: #f6f8fa; }
.front .grid { stroke: #d6dce2; fill: none; }
.front .best { stroke: #1f6feb; fill: none; stroke-width: 1.6; }
.front .limit { stroke: #cf222e; fill: none; stroke-dasharray: 5 4; }
.front .on { fill: #1f6feb; stroke: #f6f8fa; }
.front .picked { fill: none; stroke: #1a8a4c; stroke-width: 2.5; }
.front .off { fill: #f6f8fa; stroke: #8c959f; stroke-width: 1.5; }
@media (prefers-color-scheme: dark) {
  .front text { fill: #9198a1; }
  .front .name, .front .head { fill: #e6edf3; }
  .front .name { stroke: #161b22; }
  .front .paper { fill: #161b22; }
  .front .grid { stroke: #30363d; }
  .front .best { stroke: #58a6ff; }
  .front .limit { stroke: #ff7b72; }
  .front .on { fill: #58a6ff; stroke: #161b22; }
  .front .picked { stroke: #3fb950; }
  .front .off { fill: #161b22; stroke: #6e7681; }
}
"""


@dataclass(frozen=True)
class _Panel:
    """One figure against accuracy: where values lie."""

    axis: str
    left: float
    values: tuple[float, float]
    accuracies: tuple[float, float]

    def x(self, value: float) -> float:
        low, high = self.values
        return self.left + (WIDTH - LEFT) * (value - low) / (high - low)

    def y(self, accuracy: float) -> float:
        low, high = self.accuracies
        return TOP + HEIGHT * (high - accuracy) / (high - low)


@dataclass(frozen=True)
class _Point:
    """A candidate that can be drawn; `figures` are those of PANELS that are known."""

    variant: str
    accuracy: float
    lost: str
    figures: Mapping[str, int]


def front_svg(choice: ChoiceFacts, title: str, *, alone: bool = True) -> str:
    """The picture as text; `alone` brings its style along, which a page has already."""
    drawn = [
        _Point(c.variant, c.accuracy, c.lost, {a: v for a in PANELS if (v := getattr(c, a)) is not None})
        for c in choice.candidates
        if c.accuracy is not None and c.flash_bytes is not None
    ]
    axes = [axis for axis in PANELS if drawn and all(axis in point.figures for point in drawn)]
    wide = len(axes) if alone else len(PANELS)  # on a page all pictures have one scale
    width, height = GAP + wide * (WIDTH + GAP), TOP + HEIGHT + BOTTOM
    panels = [_panel(axis, n, drawn, choice) for n, axis in enumerate(axes)]
    parts = [part for panel in panels for part in _drawn(panel, drawn, choice)]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" class="front" viewBox="0 0 {width} {height}" role="img"'
    style = [f"<style>{STYLE}</style>", f'<rect class="paper" width="{width}" height="{height}"/>'] if alone else []
    size = f' width="{width}" height="{height}"' if alone else ""
    name = quoteattr(printable(title))
    return "\n".join([f'{head}{size} font-family="{FONT}" aria-label={name}>', *style, *parts, "</svg>", ""])


def _panel(axis: str, number: int, drawn: Sequence[_Point], choice: ChoiceFacts) -> _Panel:
    values: list[float] = [point.figures[axis] for point in drawn]
    limit = _limit(axis, choice)
    if limit is not None and limit < 1.5 * max(values):
        values.append(limit)
    accuracies = [point.accuracy for point in drawn]
    return _Panel(axis, GAP + number * (WIDTH + GAP) + LEFT, _range(values), _range(accuracies))


def _limit(axis: str, choice: ChoiceFacts) -> float | None:
    """What a gate allows of a figure."""
    most = choice.budget.gates.get(f"{axis}_max")
    return most if isinstance(most, (int, float)) else None


def _range(values: Sequence[float]) -> tuple[float, float]:
    """With a margin, and never empty."""
    low, high = min(values), max(values)
    margin = 0.09 * (high - low) or max(abs(high) * 0.05, 0.01)
    return low - margin, high + margin


def _drawn(panel: _Panel, drawn: Sequence[_Point], choice: ChoiceFacts) -> Iterator[str]:
    right, floor = panel.left + WIDTH - LEFT, TOP + HEIGHT
    yield f'<text class="head" x="{panel.left}" y="{TOP - 10}">{PANELS[panel.axis]}</text>'
    for value in _ticks(*panel.accuracies):
        y = panel.y(value)
        yield f'<path class="grid" d="M{panel.left} {y:.1f}H{right}"/>'
        yield f'<text x="{panel.left - 6}" y="{y + 4:.1f}" text-anchor="end">{value:.3f}</text>'
    for value in _ticks(*panel.values):
        x = panel.x(value)
        yield f'<path class="grid" d="M{x:.1f} {floor}v4"/>'
        yield f'<text x="{x:.1f}" y="{floor + 17}" text-anchor="middle">{_short(value)}</text>'
    yield f'<path class="grid" d="M{panel.left} {TOP}V{floor}H{right}"/>'
    yield from _limits(panel, choice)
    yield from _line(panel, drawn, choice.front)
    for point in sorted(drawn, key=lambda p: (p.variant in choice.front, p.variant == choice.picked)):
        yield _mark(panel, point, choice)
    yield from _names(panel, drawn, choice)


def _limits(panel: _Panel, choice: ChoiceFacts) -> Iterator[str]:
    """What a gate allows, and how much less accurate than the best a variant may be."""
    limit = _limit(panel.axis, choice)
    if limit is not None and limit < panel.values[1]:
        what = f"<title>{panel.axis}_max</title>"
        yield f'<path class="limit" d="M{panel.x(limit):.1f} {TOP}V{TOP + HEIGHT}">{what}</path>'
    on = [c.accuracy for c in choice.candidates if c.variant in choice.front and c.accuracy is not None]
    least = max(on, default=0.0) - choice.loss_max
    if not choice.unmet and panel.accuracies[0] < least:
        what = f"<title>loss_max: {choice.loss_max:g} below the best that fits</title>"
        yield f'<path class="limit" d="M{panel.left} {panel.y(least):.1f}h{WIDTH - LEFT}">{what}</path>'


def _line(panel: _Panel, drawn: Sequence[_Point], front: Sequence[str]) -> Iterator[str]:
    """The steps between those of the front that nothing beats in this figure alone."""
    on = [(point.figures[panel.axis], point.accuracy) for point in drawn if point.variant in front]
    best: list[tuple[float, float]] = []
    for value, accuracy in sorted(on, key=lambda p: (p[0], -p[1])):
        if not best or accuracy > best[-1][1]:
            best.append((value, accuracy))
    steps = "".join(f"H{panel.x(b[0]):.1f}V{panel.y(b[1]):.1f}" for _, b in pairwise(best))
    if best:
        start = f"M{panel.x(best[0][0]):.1f} {panel.y(best[0][1]):.1f}"
        yield f'<path class="best" d="{start}{steps}H{panel.left + WIDTH - LEFT}"/>'


def _mark(panel: _Panel, point: _Point, choice: ChoiceFacts) -> str:
    value, name = point.figures[panel.axis], point.variant
    x, y = panel.x(value), panel.y(point.accuracy)
    why = point.lost or f"picked: {choice.why}"
    figure = f"{point.accuracy:.3f}, {value:,} {PANELS[panel.axis]}"
    kind = "on" if name in choice.front else "off"
    shape = f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="5"/>'
    if name == choice.picked:
        shape += f'<circle class="picked" cx="{x:.1f}" cy="{y:.1f}" r="9"/>'
    return f"<g><title>{escape(printable(f'{name}: {figure}; {why}'))}</title>{shape}</g>"


def _names(panel: _Panel, drawn: Sequence[_Point], choice: ChoiceFacts) -> Iterator[str]:
    """Of the front, from left to right, above or below each other where they would lie over one another."""
    shown = [p for p in drawn if p.variant in {*choice.front, choice.picked}]
    marks = [(panel.x(p.figures[panel.axis]), panel.y(p.accuracy)) for p in drawn]
    taken = [(x - 8, x + 8, y + 4) for x, y in marks]
    for point in sorted(shown, key=lambda p: (p.variant != choice.picked, p.figures[panel.axis])):
        x, y = panel.x(point.figures[panel.axis]), panel.y(point.accuracy)
        name = printable(point.variant)[:NAME_MAX]
        length = 6.4 * len(name)
        start = min(max(x - length / 2, panel.left + 2), panel.left + WIDTH - LEFT - length)
        for place in (y + 21, y - 13, y + 34, y - 26, y + 47, y - 39):
            if TOP < place < TOP + HEIGHT - 2 and not any(
                abs(place - other) < 12 and start < end and begin < start + length for begin, end, other in taken
            ):
                taken.append((start, start + length, place))
                yield f'<text class="name" x="{start:.1f}" y="{place:.1f}">{escape(name)}</text>'
                break


def _ticks(low: float, high: float) -> list[float]:
    """A few round values between two."""
    step = 10.0**-6
    factors = (2.0, 2.5, 2.0)
    number = 0
    while (high - low) / step > TICKS:
        step *= factors[number % 3]
        number += 1
    first = int(low / step) + (low > 0)
    return [value for n in range(first, first + TICKS + 2) if low <= (value := n * step) <= high]


def _short(value: float) -> str:
    for size, unit in ((1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"
