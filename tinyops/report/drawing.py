"""A memory plan as an SVG: operators from left to right, the arena from bottom to top, a rectangle for each buffer.

It stands alone: no script, no font from elsewhere, text that any viewer can show.
"""

from __future__ import annotations

from dataclasses import dataclass
from xml.sax.saxutils import escape

from tinyops.report.memory import Placed, Plan

COLOURS = ("#3b6ea5", "#c2570c", "#3b8132", "#9a4f86", "#2a7f7a", "#c0392b", "#80593f", "#6d4fa1", "#94700a", "#4a6678")
FONT = "system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif"
LEFT, TOP, RIGHT, BOTTOM = 84, 76, 28, 128
PLOT_HEIGHT, LEAST_COLUMN, MOST_COLUMN, LEAST_PLOT = 420, 16, 96, 880
CHARACTER = 6.6  # average width at 11 px
LINE = 13
ACROSS = 16  # characters that are worth reading without turning one's head
TICKS = 8
LEAST_HEIGHT = 3  # so that a buffer of a few bytes is seen


@dataclass(frozen=True)
class _Frame:
    """Where operators and bytes lie on the page."""

    plan: Plan

    @property
    def column(self) -> float:
        return min(max(LEAST_PLOT / len(self.plan.times), LEAST_COLUMN), MOST_COLUMN)

    @property
    def right(self) -> float:
        return LEFT + self.column * len(self.plan.times)

    @property
    def width(self) -> float:
        return max(self.right + RIGHT, LEFT + LEAST_PLOT)

    @property
    def bottom(self) -> int:
        return TOP + PLOT_HEIGHT

    def x(self, time: int) -> float:
        """The left edge of an operator; -1 is the time before the first."""
        return LEFT + (time + 1) * self.column

    def y(self, byte: float) -> float:
        top = max(self.plan.arena_bytes, self.plan.lower_bound, 1)
        return self.bottom - PLOT_HEIGHT * byte / top


def memory_svg(plan: Plan, title: str) -> str:
    """The picture as text."""
    frame = _Frame(plan)
    parts = [*_axes(frame), *(_rectangle(frame, b, n) for n, b in enumerate(plan.buffers)), *_marks(frame)]
    size = f'width="{frame.width:.0f}" height="{frame.bottom + BOTTOM}"'
    box = f'viewBox="0 0 {frame.width:.0f} {frame.bottom + BOTTOM}"'
    head = f"{title}: the arena"
    detail = f"{plan.arena_bytes:,} bytes for {len(plan.buffers)} buffers over {len(plan.operators)} operators"
    if any(_written_over(buffer, plan) <= buffer.last for buffer in plan.buffers):
        detail += "; where rectangles overlap, an operator writes over its input"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} {box} font-family="{FONT}" font-size="11">',
            f"<title>{escape(head)}</title>",
            '<rect width="100%" height="100%" fill="#ffffff"/>',
            _text(LEFT, 28, head, size=17, weight=600),
            _text(LEFT, 47, detail, size=12, fill="#57606a"),
            *parts,
            "</svg>",
            "",
        ]
    )


def _axes(frame: _Frame) -> list[str]:
    """Bytes on the left, operators below; grid lines behind everything."""
    plan, parts = frame.plan, []
    for byte in _ticks(plan.arena_bytes):
        y = frame.y(byte)
        parts.append(f'<path d="M{LEFT} {y:.1f}H{frame.right:.1f}" stroke="#e4e7eb"/>')
        parts.append(_text(LEFT - 8, y + 4, f"{byte:,}", anchor="end", fill="#57606a"))
    every = max(round(LINE / frame.column), 1)
    for time in plan.times:
        x = frame.x(time) + frame.column / 2
        if 0 <= time < len(plan.operators) and time % every:
            continue
        label = {-1: "before", len(plan.operators): "after"}.get(time) or f"{time} {plan.operators[time]}"
        where = f'transform="translate({x + 4:.1f} {frame.bottom + 10}) rotate(-60)"'
        parts.append(f'<text {where} text-anchor="end" fill="#57606a" font-size="10">{escape(label[:24])}</text>')
    parts.append(f'<path d="M{LEFT} {TOP}V{frame.bottom}H{frame.right:.1f}" fill="none" stroke="#8c959f"/>')
    parts.append(_text(LEFT - 8, TOP - 12, "bytes", anchor="end", fill="#57606a"))
    return parts


def _ticks(arena_bytes: int) -> list[int]:
    """Multiples of a power of two, as memory is counted, from 0 up to the arena's end."""
    step = 16
    while arena_bytes / step > TICKS:
        step *= 2
    return list(range(0, arena_bytes + 1, step))


def _rectangle(frame: _Frame, buffer: Placed, number: int) -> str:
    x, floor = frame.x(buffer.first), frame.y(buffer.offset)
    y = min(frame.y(buffer.end), floor - LEAST_HEIGHT)
    width, height = frame.x(buffer.last + 1) - x, floor - y
    seen = frame.x(_written_over(buffer, frame.plan)) - x
    colour = COLOURS[number % len(COLOURS)]
    tip = f"{buffer.label} ({buffer.name}): {buffer.bytes:,} bytes at {buffer.offset:,}, live {buffer.live}"
    shape = (
        f'<rect x="{x + 0.75:.2f}" y="{y + 0.75:.2f}" width="{width - 1.5:.2f}" height="{height - 1.5:.2f}" '
        f'rx="2" fill="{colour}" fill-opacity="0.88" stroke="{colour}"/>'
    )
    return f"<g><title>{escape(tip)}</title>{shape}{_label(buffer, x, y, seen, height)}</g>"


def _written_over(buffer: Placed, plan: Plan) -> int:
    """The first operator that writes over a buffer while it is live; that after its last where none does."""
    later = [
        other.first
        for other in plan.buffers
        if buffer.first < other.first <= buffer.last and other.offset < buffer.end and buffer.offset < other.end
    ]
    return min(later, default=buffer.last + 1)


def _label(buffer: Placed, x: float, y: float, width: float, height: float) -> str:
    """Name and bytes inside the rectangle: across, or upwards where it is narrow; nothing where neither fits."""
    upright = width < height and width < min(len(buffer.label), ACROSS) * CHARACTER + 8
    along, across = (height, width) if upright else (width, height)
    name, size = _fitted(buffer.label, along), f"{buffer.bytes:,}"
    if not name or across < LINE:
        return ""
    lines = [name]
    if across >= 2 * LINE + 4 and len(size) * CHARACTER + 8 <= along:
        lines.append(size)
    elif (len(name) + len(size) + 2) * CHARACTER + 8 <= along:
        lines = [f"{name}  {size}"]
    start = -(len(lines) - 1) * LINE / 2 + 4
    turned = " rotate(-90)" if upright else ""
    texts = "".join(
        f'<text y="{start + i * LINE:.1f}" text-anchor="middle" fill="#ffffff">{escape(line)}</text>'
        for i, line in enumerate(lines)
    )
    return f'<g transform="translate({x + width / 2:.1f} {y + height / 2:.1f}){turned}">{texts}</g>'


def _fitted(label: str, room: float) -> str:
    """A label as far as it fits: a tensor's number, and the end of its name, which tells tensors apart."""
    most = int((room - 8) / CHARACTER)
    if len(label) <= most:
        return label
    number, _, name = label.partition(" ")
    left = most - len(number) - 2
    if name and left >= 7:
        return f"{number} …{name[-left:]}"
    return number if len(number) <= most else ""


def _marks(frame: _Frame) -> list[str]:
    """The peak and the lower bound, as lines with their names above the plot."""
    plan = frame.plan
    peak = f"peak {plan.arena_bytes:,} bytes"
    if plan.arena_bytes == plan.lower_bound:
        return _mark(frame, plan.arena_bytes, f"{peak} = lower bound", "#1a7f37")
    low = _mark(frame, plan.lower_bound, f"lower bound {plan.lower_bound:,}", "#1a7f37")
    return [*_mark(frame, plan.arena_bytes, peak, "#cf222e"), *low]


def _mark(frame: _Frame, byte: int, text: str, colour: str) -> list[str]:
    y = frame.y(byte)
    return [
        f'<path d="M{LEFT} {y:.1f}H{frame.right:.1f}" stroke="{colour}" stroke-width="1.5" stroke-dasharray="6 4"/>',
        f'<text x="{frame.right:.1f}" y="{y - 6:.1f}" text-anchor="end" fill="{colour}" font-weight="600" '
        f'stroke="#ffffff" stroke-width="3" paint-order="stroke">{escape(text)}</text>',
    ]


def _text(
    x: float, y: float, text: str, *, size: int = 11, weight: int = 400, anchor: str = "start", fill: str = "#1f2328"
) -> str:
    style = f'font-size="{size}" font-weight="{weight}" text-anchor="{anchor}" fill="{fill}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{escape(text)}</text>'
