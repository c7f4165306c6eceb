"""The preview of features as one page that needs nothing from elsewhere, and as text; names on it are hostile."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from tinyops.features import StagedFeatures
from tinyops.features.stage_json import stage_json
from tinyops.features.stages import LogMel, Spectrum, Statistics
from tinyops.files import JsonObject, printable
from tinyops.report.pictures import (
    SPREADS,
    blocks,
    colours,
    data_url,
    envelope,
    grey_image,
    heat_map,
    line,
    png,
    sparkline,
)
from tinyops.report.templating import page_environment, policy_hash, read_template, shortened_to
from tinyops.train.preview import About, ClassView, Example, Preview, Shown

if TYPE_CHECKING:
    from jinja2 import Environment

WIDTH, SIGNAL_HEIGHT, ROWS_HEIGHT = 300, 56, 150
LINES_MAX = 9  # rows of so few values are drawn as lines, one in each colour
COUNTS = 32768
TEXT_WIDTH, TEXT_HEIGHT = 64, 12
TEXT_MAX = 120
TAIL = 26  # characters of a recording's name in a caption


def features_page(preview: Preview, about: About) -> str:
    """The page as text."""
    from markupsafe import Markup

    style = read_template("features.css")
    scale = png(np.arange(256, dtype=np.uint8)[None], colours())
    page: str = (
        _environment()
        .get_template("features.html.j2")
        .render(
            preview=preview,
            about=about,
            stages=stage_lines(preview),
            steps=[step_text(step) for step in about.augment],
            values=_values(preview, about.signal["channels"]),
            style=Markup(style),  # noqa: S704 - our own file
            style_hash=policy_hash(style),
            scale=_ours(data_url(scale)),
            spreads=SPREADS,
        )
    )
    return page


def stage_lines(preview: Preview) -> list[str]:
    """Each stage of the features in one line."""
    if not isinstance(preview.features, StagedFeatures):
        return ["raw: samples as they are"]
    return [step_text(stage_json(stage)) for stage in preview.features.stages]


def step_text(fields: JsonObject) -> str:
    """`mask_time: at_most_s 0.1, count 2`; what acts always says no chance."""
    told = {name: value for name, value in fields.items() if name != "kind" and value not in (None, [])}
    said = [f"{name} {_spoken(value)}" for name, value in told.items() if (name, value) != ("chance", 1.0)]
    return f"{fields['kind']}: {', '.join(said)}" if said else str(fields["kind"])


def _spoken(value: Any) -> str:
    if isinstance(value, list | tuple):
        return " to ".join(map(_spoken, value)) if len(value) == 2 else ", ".join(map(_spoken, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True)
class Values:
    """Offsets and spreads of a row's values: as a table's lines where they are few, else as two paths."""

    lines: tuple[tuple[str, int, float], ...]
    paths: tuple[str, ...]  # offsets, and a spread above and below them
    lowest: int
    highest: int
    count: int
    unit: str


def _values(preview: Preview, channels: Sequence[str]) -> Values:
    offsets = np.array(preview.features.offset, np.float64)
    spreads = 1 / np.array(preview.features.gain, np.float64)
    lowest, highest = float((offsets - spreads).min()), float((offsets + spreads).max())
    names = _names(preview, channels)
    lines = tuple((n, int(o), float(s)) for n, o, s in zip(names, offsets, spreads, strict=True))
    drawn = (offsets, offsets + spreads, offsets - spreads)
    paths = tuple(_ours(line(v, lowest, highest, 2 * WIDTH, ROWS_HEIGHT)) for v in drawn)
    few = lines if len(lines) <= LINES_MAX else ()
    return Values(few, paths, round(lowest), round(highest), len(lines), _unit(preview))


def _names(preview: Preview, channels: Sequence[str]) -> list[str]:
    """Of a row's values: their channel, and which of its values it is where it has several."""
    features = preview.features
    count = len(features.offset)
    each = count // len(channels)
    if isinstance(features, StagedFeatures) and isinstance(features.last, Statistics):
        kinds: Sequence[str] = features.last.statistics
    else:
        kinds = [""] if each == 1 else [str(number) for number in range(each)]
    return [f"{kinds[i // len(channels)]} {channels[i % len(channels)]}".strip() for i in range(count)]


def _unit(preview: Preview) -> str:
    last = preview.features.last if isinstance(preview.features, StagedFeatures) else None
    logarithmic = isinstance(last, LogMel) or (isinstance(last, Spectrum) and last.scale == "log")
    return "in 512ths of an octave of power" if logarithmic else "counts"


@dataclass(frozen=True)
class Drawn:
    """One picture: an image's address, or lines."""

    image: str = ""
    lines: tuple[str, ...] = ()
    bars: tuple[tuple[float, float, float], ...] = ()  # x, y, height


def draw_rows(inputs: Any) -> Drawn:
    """A window of rows: a heat map; lines where a row has few values; bars where there is one row."""
    if len(inputs) == 1:
        return Drawn(bars=tuple(_bars(inputs[0])))
    if inputs.shape[1] > LINES_MAX:
        return Drawn(image=_ours(heat_map(inputs)))
    return Drawn(lines=tuple(_ours(line(v, -SPREADS, SPREADS, WIDTH, ROWS_HEIGHT)) for v in inputs.T))


def _bars(values: Any) -> Iterator[tuple[float, float, float]]:
    step, middle = WIDTH / len(values), ROWS_HEIGHT / 2
    for number, value in enumerate(values):
        height = min(abs(float(value)), SPREADS) / SPREADS * middle
        yield round(number * step, 1), round(middle - height if value > 0 else middle, 1), round(max(height, 0.5), 1)


def draw_signal(shown: Shown, limit: float) -> Drawn:
    """Samples of each channel: around their extremes where they are many, else as lines."""
    if shown.samples.shape[1] == 1 and len(shown.samples) > 2 * WIDTH:
        sound = shown.samples[:, 0].astype(np.float64)
        return Drawn(lines=(_ours(envelope(sound, limit, WIDTH, SIGNAL_HEIGHT)),))
    return Drawn(lines=tuple(_ours(line(c, -limit, limit, WIDTH, SIGNAL_HEIGHT)) for c in shown.samples.T))


def _image(shown: Shown, size: Sequence[int], channels: int) -> str:
    return _ours(grey_image(shown.samples.reshape(int(size[0]), int(size[1]), channels).mean(axis=2)))


def example_note(example: Example) -> str:
    """Its side, and where its window begins."""
    side = "test side: never varied in training" if example.test else "training side"
    begin = f", from {example.begin_s:g} s" if example.begin_s else ""
    return f"{side}{begin}, up to {example.limit / COUNTS:.2g} of full scale"


def _tail(name: str) -> str:
    """The end of a long name, which tells it from others."""
    return name if len(name) <= TAIL else f"…{name[-TAIL:]}"


@cache
def _environment() -> Environment:
    made = page_environment(shortened_to(TEXT_MAX))
    made.globals |= {
        "draw_rows": draw_rows,
        "draw_signal": draw_signal,
        "image": _image,
        "note": example_note,
        "tail": _tail,
        "width": WIDTH,
        "signal_height": SIGNAL_HEIGHT,
        "rows_height": ROWS_HEIGHT,
    }
    return made


def _ours(picture: str) -> str:
    """A path or an address of a picture that was made here: neither cut nor escaped."""
    from markupsafe import Markup

    return Markup(picture)  # noqa: S704


def features_text(preview: Preview) -> str:
    """The same for a terminal: a class after the other, its mean and its recordings in blocks."""
    lines = [f"{' -> '.join(stage_lines(preview))} -> {'x'.join(map(str, preview.shape))}", ""]
    for view in preview.classes:
        lines += [_class_line(view)]
        if view.mean is not None:
            lines += ["  mean of the training side:", *_indented(view.mean)]
        for example in view.examples:
            lines += list(_example_lines(example))
        lines.append("")
    return "\n".join(lines[:-1])


def _class_line(view: ClassView) -> str:
    return f"{view.name}: {view.recordings['train']} recordings to train, {view.recordings['test']} to test"


def _example_lines(example: Example) -> Iterator[str]:
    yield f"  {printable(example.id)} ({example_note(example)}):"
    for number, shown in enumerate((example.plain, *example.variations)):
        if number:
            yield f"  varied, {number}:"
        yield f"    {sparkline(shown.samples, example.limit, TEXT_WIDTH)}"
        yield from _indented(shown.inputs)


def _indented(inputs: Any) -> Iterator[str]:
    return (f"    {text}" for text in blocks(inputs, TEXT_WIDTH, TEXT_HEIGHT))


def features_json(preview: Preview) -> JsonObject:
    """What is shown, in numbers."""
    return {
        "features": preview.features.to_json(),
        "shape": list(preview.shape),
        "classes": [
            {
                "name": view.name,
                "recordings": dict(view.recordings),
                "windows": view.windows,
                "shown": [example.id for example in view.examples],
            }
            for view in preview.classes
        ],
    }
