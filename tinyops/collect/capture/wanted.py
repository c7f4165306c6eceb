"""What a person wants recorded, as one frozen object; every field is judged before a device is opened."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from tinyops.datasets import index_cells
from tinyops.errors import SpecError, UsageError
from tinyops.specs.model import DatasetSpec, Signal

SECONDS_MAX = 7 * 86_400
COUNT_MAX = 100_000
STANDARD_GRAVITY = 9.80665
RADIAN_DEGREES = 57.29577951308232
COUNT_STEPS = 32768
# What one of a unit is, in a unit that others of its kind are told in.
_SAME: dict[str, tuple[str, float]] = {
    "g": ("m/s2", STANDARD_GRAVITY),
    "mg": ("m/s2", STANDARD_GRAVITY / 1000),
    "m/s2": ("m/s2", 1.0),
    "m/s^2": ("m/s2", 1.0),
    "dps": ("dps", 1.0),
    "mdps": ("dps", 0.001),
    "deg/s": ("dps", 1.0),
    "rad/s": ("dps", RADIAN_DEGREES),
    "uT": ("uT", 1.0),
    "µT": ("uT", 1.0),
    "G": ("uT", 100.0),
    "mG": ("uT", 0.1),
    "V": ("V", 1.0),
    "mV": ("V", 0.001),
    "A": ("A", 1.0),
    "mA": ("A", 0.001),
    "Pa": ("Pa", 1.0),
    "hPa": ("Pa", 100.0),
    "kPa": ("Pa", 1000.0),
}


@dataclass(frozen=True)
class Wanted:
    """`seconds` and `count` None: until somebody ends it. `take`: its name, "" for one made of the time."""

    label: str = ""
    subject: str = ""
    device: str = ""
    take: str = ""
    seconds: float | None = None
    count: int | None = None


@dataclass(frozen=True)
class LineForm:
    """How a line of numbers becomes a frame: which of them are the channels, what each is multiplied by."""

    columns: tuple[int, ...]
    scale: tuple[float, ...]


def check_wanted(wanted: Wanted, spec: DatasetSpec) -> None:
    """Raises UsageError or SpecError for what no line of an index may hold, or no take can be."""
    check_label(wanted.label, spec)
    for option, text in (("--subject", wanted.subject), ("--device", wanted.device), ("--take", wanted.take)):
        _named(option, text)
    if wanted.seconds is not None and not 0 < wanted.seconds <= SECONDS_MAX:
        raise UsageError(f"--seconds {wanted.seconds:g} is not above 0 and at most {SECONDS_MAX:,}")
    if wanted.count is not None and not 0 < wanted.count <= COUNT_MAX:
        raise UsageError(f"--count {wanted.count} is not 1 to {COUNT_MAX:,}")
    if wanted.count is not None and wanted.count > 1 and len(wanted.take) > index_cells.NAME_MAX - len(str(COUNT_MAX)):
        raise UsageError(f"--take {wanted.take[:40]}… is too long for a number behind it")


def check_label(label: str, spec: DatasetSpec) -> None:
    """Raises UsageError for what is no label at all, SpecError for one that is no class of the dataset."""
    try:
        index_cells.label(label)
    except ValueError as error:
        raise UsageError(f"--label {label[:60]!r} {error}") from None
    if label and label not in spec.classes:
        near = difflib.get_close_matches(label, spec.classes, n=1, cutoff=0.5)
        guess = f"did you mean {near[0]}?" if near else f"it has {', '.join(spec.classes[:20])}"
        hint = "label it later: --label '', or add the class to the dataset's spec"
        raise SpecError(f"--label {label}: no class of the dataset: {guess}", hint=hint)


def _named(option: str, text: str) -> None:
    try:
        index_cells.name(text)
    except ValueError as error:
        raise UsageError(f"{option} {text[:60]!r} {error}") from None


def line_form(signal: Signal, columns: str, scale: str, units: str) -> LineForm:
    """From `--columns 2,3,4`, `--scale 0.001` or one a channel, `--units mg` or one a channel. Raises UsageError."""
    channels = len(signal.channels)
    chosen = tuple(range(channels)) if not columns else _columns(columns, channels)
    factors = _per_channel("--scale", scale, channels) if scale else ["1"] * channels
    given = _per_channel("--units", units, channels) if units else list(signal.units)
    numbers = []
    for factor, unit, wanted, full_scale in zip(factors, given, signal.units, signal.full_scale, strict=True):
        numbers.append(_factor(factor) * _conversion(unit, wanted, full_scale))
    return LineForm(chosen, tuple(numbers))


def _columns(text: str, channels: int) -> tuple[int, ...]:
    parts = text.split(",")
    if len(parts) != channels or not all(p.isascii() and p.isdigit() and 1 <= int(p) <= 256 for p in parts):
        raise UsageError(
            f"--columns {text[:60]!r} does not name {channels} columns, counted from 1",
            hint=f"one a channel, such as --columns {','.join(str(n + 2) for n in range(channels))}",
        )
    return tuple(int(p) - 1 for p in parts)


def _per_channel(option: str, text: str, channels: int) -> list[str]:
    parts = [part.strip() for part in text.split(",")]
    if len(parts) not in (1, channels):
        raise UsageError(
            f"{option} has {len(parts)} entries, the signal {channels} channels", hint="one for all, or one each"
        )
    return parts * channels if len(parts) == 1 else parts


def _factor(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 1e-30 < abs(value) < 1e30:
        raise UsageError(f"--scale {text[:40]!r} is no number to multiply by")
    return value


def _conversion(given: str, wanted: str, full_scale: float) -> float:
    if given == wanted:
        return 1.0
    if given == "counts":
        return full_scale / COUNT_STEPS
    one, other = _SAME.get(given), _SAME.get(wanted)
    if one is None or other is None or one[0] != other[0]:
        raise UsageError(
            f"--units {given[:20]} cannot be told in {wanted}, which the dataset's signal has",
            hint=f"give the factor: --scale; known are counts, {', '.join(_SAME)}",
        )
    return one[1] / other[1]


def described(signal: Signal) -> str:
    """The signal for people: `ax, ay, az in g at 100 Hz`."""
    units: Sequence[str] = tuple(dict.fromkeys(signal.units))
    rate = "" if signal.rate_hz is None else f" at {signal.rate_hz:g} Hz"
    size = "" if signal.size is None else f", {signal.size[1]} x {signal.size[0]} pixels"
    return f"{', '.join(signal.channels)} in {', '.join(units)}{rate}{size}"
