"""A dataset's card: what it is, whence, whose, how much, what is wrong with it. A pure function of spec and indexes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tinyops.datasets.difference import TEST, TRAIN, entry_key, sides
from tinyops.datasets.index import IndexEntry
from tinyops.datasets.stats import all_stats, group_stats, rates_text, seconds_text
from tinyops.errors import SpecError
from tinyops.specs.checks import Checks
from tinyops.specs.dataset import FilesSource, RecordingsSource, WheelSource
from tinyops.specs.model import DatasetSpec

SHOWN = 100
NOTE = "<!-- Written by `tinyops render` from the dataset's spec and index; do not edit it. -->"
NOT_SAID = "not said"


@dataclass(frozen=True)
class Described:
    """A dataset with the lines of its indexes: `entries` is None where none of its sources has such an index."""

    name: str
    description: str
    spec: DatasetSpec
    entries: Sequence[IndexEntry] | None


def data_card(data: Described) -> str:
    """Markdown."""
    parts = [f"# {data.name}", NOTE, data.description, *_head(data.spec), *_signal(data.spec), *_sources(data.spec)]
    if data.entries is not None:
        parts += [*_amounts(data, data.entries), *_values(data.spec, data.entries)]
    parts += [*_split(data.spec), *_checks(data.spec.checks), *_gaps(data)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _head(spec: DatasetSpec) -> Iterator[str]:
    kind = spec.task if spec.normal is None else f"{spec.task}, {spec.normal} is normal"
    rows = [("Task", kind), ("Classes", ", ".join(spec.classes)), ("Licence", spec.licence), ("Origin", spec.origin)]
    yield table(("", ""), [(name, value or NOT_SAID) for name, value in rows])


def _signal(spec: DatasetSpec) -> Iterator[str]:
    signal = spec.signal
    size = f"images of {signal.size[0]} x {signal.size[1]} (height x width)" if signal.size else ""
    yield "## Signal"
    yield f"{signal.sensor}: {size or f'{signal.rate_hz:g} frames a second'}."
    rows = zip(signal.channels, signal.units, (f"{scale:g}" for scale in signal.full_scale), strict=True)
    yield table(("channel", "unit", "full scale"), list(rows))


def _sources(spec: DatasetSpec) -> Iterator[str]:
    yield "## Sources"
    yield "\n".join(f"- {_source(source)}" for source in spec.sources)


def _source(source: WheelSource | FilesSource | RecordingsSource) -> str:
    if isinstance(source, WheelSource):
        return f"`{source.package}` {source.version} (`{source.sha256}`): {', '.join(source.members)}"
    where = getattr(source, "url", None) or "beside it"
    return f"`{source.index}`, the files {where}"


def _amounts(data: Described, entries: Sequence[IndexEntry]) -> Iterator[str]:
    rate_hz = data.spec.signal.rate_hz
    total = group_stats("all", entries, rate_hz)
    yield "## Recordings"
    length = f", {seconds_text(total.seconds)}" if total.seconds else ""
    yield f"{total.recordings:,} recordings in {total.files:,} files{length}, {total.bytes / 1e6:,.1f} MB."
    side = _sides(entries, data.spec)
    for field, groups in all_stats(entries, rate_hz).items():
        rows = []
        for group in groups[:SHOWN]:
            mine = [e for e in entries if (getattr(e, field) or f"(no {field})") == group.name]
            on = [side.get(entry_key(e)) for e in mine]
            length = seconds_text(group.seconds) if group.seconds else "-"
            subjects = len({e.subject for e in mine if e.subject})
            figures = (group.recordings, length, rates_text(group.rates), subjects or "-")
            rows.append((group.name, *map(str, figures), str(on.count(TRAIN)), str(on.count(TEST))))
        yield table(("class" if field == "label" else field, *HEADERS), rows)
        if len(groups) > SHOWN:
            yield f"… and {len(groups) - SHOWN:,} more."


HEADERS = ("recordings", "length", "rate Hz", "subjects", "train", "test")


def _sides(entries: Sequence[IndexEntry], spec: DatasetSpec) -> Mapping[Any, str]:
    try:
        return sides(entries, spec)
    except SpecError:
        return {}


def _values(spec: DatasetSpec, entries: Sequence[IndexEntry]) -> Iterator[str]:
    channels = group_stats("all", entries).channels
    if not channels:
        return
    rows = [
        (name, unit, *(f"{figure:.5g}" for figure in (c.low, c.high, c.mean, c.spread)))
        for name, unit, c in zip(spec.signal.channels, spec.signal.units, channels, strict=False)
    ]
    yield "## Values"
    yield table(("channel", "unit", "low", "high", "mean", "spread"), rows)


def _split(spec: DatasetSpec) -> Iterator[str]:
    split = spec.split
    test = ", ".join(split.test) if isinstance(split.test, tuple) else f"{split.test:.0%}"
    yield "## Split"
    yield f"By {split.by}; for the test: {test}; seed {split.seed}. Nothing of one {split.by} lies on both sides."


def _checks(checks: Checks) -> Iterator[str]:
    given = checks.model_dump(mode="json", exclude_defaults=True)
    if given:
        yield "## Checks"
        yield "Beside those of every dataset:"
        yield "\n".join(f"- `{name}`: {_shown(value)}" for name, value in sorted(given.items()))


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_shown(inner)}" for name, inner in sorted(value.items()))
    return " to ".join(f"{v:g}" for v in value) if isinstance(value, list) else str(value)


def _gaps(data: Described) -> Iterator[str]:
    """What whoever uses the data should know."""
    known = [
        *([] if data.spec.licence else ["The licence is not said."]),
        *([] if data.spec.origin else ["The origin is not said."]),
        *(_gaps_of(data.entries, data.spec) if data.entries is not None else []),
    ]
    if known:
        yield "## Known gaps"
        yield "\n".join(f"- {sentence}" for sentence in known)


def _gaps_of(entries: Sequence[IndexEntry], spec: DatasetSpec) -> Iterator[str]:
    def count(what: str, found: int) -> Iterator[str]:
        if found:
            yield f"{found:,} of {len(entries):,} recordings {what}."

    lost, clipped = sum(e.lost or 0 for e in entries), sum(e.clipped or 0 for e in entries)
    yield from count("have no label yet", sum(not e.label for e in entries))
    yield from count(
        "have a label that is no class", sum(bool(e.label) and e.label not in spec.classes for e in entries)
    )
    yield from count("do not say whose they are", sum(not e.subject for e in entries))
    if spec.signal.rate_hz is not None:
        yield from count("do not say at which rate they were measured", sum(e.rate_hz is None for e in entries))
    yield from count(f"have lost frames, {lost:,} in all", sum(bool(e.lost) for e in entries))
    yield from count(f"have values at full scale, {clipped:,} in all", sum(bool(e.clipped) for e in entries))
    missing = [name for name in spec.classes if not any(e.label == name for e in entries)]
    if missing:
        yield f"No recording of {', '.join(missing)}."


def table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; without headers its first row is empty."""
    lines = [headers, ["---"] * len(headers), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
