"""The stages from samples to rows of feature values, as frozen objects that say what is wrong with them.

Lengths are in samples, frequencies in Hz. A list of stages is filters, then one stage that makes rows. The fields
bear the names that specs and features.json use for them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, TypeAlias

from tinyops.features.filters import COEFFICIENT_LIMIT, Section, butterworth, integer_sections, is_stable, largest_gain

FFT_SIZES = (16, 32, 64, 128, 256, 512, 1024)
WINDOWS = ("hann", "hamming", "rectangular")
PASSES = ("low", "high", "band", "stop")
STATISTICS = ("mean", "deviation", "rms", "minimum", "maximum", "zero_crossings", "mean_crossings")
SCALES = ("magnitude", "log")
SHAPES = ("series", "picture")
LENGTH_LIMIT = 65_536  # samples of a channel under one row: sums of squares then stay below 2^63
ORDER_LIMIT = 8
SECTIONS_LIMIT = 16
BANDS_LIMIT = 128
# A pole's distance from 1 shrinks with its frequency: below this share of the rate 30 bits no longer place it well.
LOWEST_CORNER = 1 / 500
HIGHEST_CORNER = 0.49
GAIN_LIMIT = 3.5  # between sections, where values saturate at four times full scale


@dataclass(frozen=True)
class StageFault:
    """What is wrong with a field of a stage."""

    field: str
    message: str
    hint: str = ""


@dataclass(frozen=True)
class Filter:
    """Biquads that every sample passes: a Butterworth design, or sections b0, b1, b2, a1, a2 of the user's.

    `integers` are the coefficients times 2^30 that the device uses; a filter that comes from specs has none yet.
    """

    kind: ClassVar[str] = "filter"
    passes: str | None = None
    order: int = 2
    corner_hz: tuple[float, ...] = ()
    sections: tuple[Section, ...] = ()
    integers: tuple[tuple[int, ...], ...] = ()

    def faults(self, rate_hz: float) -> Iterator[StageFault]:
        if (self.passes is None) == (not self.sections):
            yield StageFault("passes", "a filter has either passes and corner_hz, or sections", "give one of the two")
        elif self.passes is None:
            yield from self._section_faults()
        else:
            yield from self._design_faults(rate_hz)

    def _section_faults(self) -> Iterator[StageFault]:
        for number, section in enumerate(self.sections, 1):
            if len(section) != 5 or any(not abs(c) < COEFFICIENT_LIMIT for c in section):
                message = f"section {number} must be b0, b1, b2, a1, a2, each within ±{COEFFICIENT_LIMIT}"
                yield StageFault("sections", message, "divide b0, b1 and b2 by a number, a0 is 1")
            elif not is_stable(section):
                message = f"section {number} is unstable: its poles are not inside the unit circle"
                yield StageFault("sections", message, "wanted are |a2| < 1 and |a1| < 1 + a2")

    def _design_faults(self, rate_hz: float) -> Iterator[StageFault]:
        wanted = 2 if self.passes in ("band", "stop") else 1
        if not 1 <= self.order <= ORDER_LIMIT:
            yield StageFault("order", f"is {self.order}, it must be 1 to {ORDER_LIMIT}")
        if len(self.corner_hz) != wanted:
            yield StageFault("corner_hz", f"has {len(self.corner_hz)} corners, passes: {self.passes} takes {wanted}")
            return
        lowest, highest = rate_hz * LOWEST_CORNER, rate_hz * HIGHEST_CORNER
        for corner in self.corner_hz:
            if not lowest <= corner <= highest:
                message = f"{corner:g} Hz is outside {lowest:g} to {highest:g} Hz, what samples at {rate_hz:g} Hz allow"
                yield StageFault("corner_hz", message, "half the rate is the highest frequency that there is")
                return
        if wanted == 2 and self.corner_hz[0] >= self.corner_hz[1]:
            yield StageFault("corner_hz", "the lower corner is not below the upper one")
        elif 1 <= self.order <= ORDER_LIMIT and not self._fits(rate_hz):
            message = f"these corners and order {self.order} make no filter that 32 bits hold"
            yield StageFault("corner_hz", message, "lower the order, or use a high-pass and a low-pass")

    def _fits(self, rate_hz: float) -> bool:
        assert self.passes is not None
        sections = butterworth(self.passes, self.order, self.corner_hz, rate_hz)
        sound = all(is_stable(s) and max(map(abs, s)) < COEFFICIENT_LIMIT for s in sections)
        return sound and (len(self.corner_hz) == 1 or largest_gain(sections) < GAIN_LIMIT)

    @property
    def count(self) -> int:
        """Biquads."""
        if self.passes is None:
            return len(self.sections)
        return self.order if self.passes in ("band", "stop") else (self.order + 1) // 2

    def designed(self, rate_hz: float) -> Filter:
        """The filter with its integers."""
        sections = self.sections
        if self.passes is not None:
            sections = butterworth(self.passes, self.order, self.corner_hz, rate_hz)
        return replace(self, integers=integer_sections(sections))


@dataclass(frozen=True)
class Samples:
    """Rows are samples as they are: for filters before a model that takes raw values."""

    kind: ClassVar[str] = "raw"
    length: ClassVar[int] = 1
    step: ClassVar[int] = 1
    shape: ClassVar[str] = "series"

    def faults(self, _: float) -> Iterator[StageFault]:
        yield from ()

    def values(self, _: float) -> int:
        return 1


@dataclass(frozen=True)
class Statistics:
    """Statistics of the newest `length` samples of each channel, every `step` samples."""

    kind: ClassVar[str] = "statistics"
    shape: ClassVar[str] = "series"
    length: int
    step: int
    statistics: tuple[str, ...]

    def faults(self, _: float) -> Iterator[StageFault]:
        yield from _length_faults(self.length, self.step)
        unknown = [s for s in self.statistics if s not in STATISTICS]
        if unknown or not self.statistics or len(set(self.statistics)) != len(self.statistics):
            what = f"{unknown[0]!r} is unknown" if unknown else "must name each statistic once, and at least one"
            yield StageFault("statistics", what, f"there is: {', '.join(STATISTICS)}")

    def values(self, _: float) -> int:
        return len(self.statistics)


@dataclass(frozen=True)
class Spectrum:
    """Bins low_hz to high_hz of the FFT of `length` windowed samples: amplitudes in counts, or log2 of their power."""

    kind: ClassVar[str] = "spectrum"
    length: int
    step: int
    fft: int
    window: str = "hann"
    low_hz: float = 0.0
    high_hz: float = 0.0
    scale: str = "log"
    shape: str = "series"

    def faults(self, rate_hz: float) -> Iterator[StageFault]:
        yield from _spectral_faults(self, rate_hz)
        if self.scale not in SCALES:
            yield StageFault("scale", f"{self.scale!r} is unknown", f"there is: {', '.join(SCALES)}")
        if self.fft in FFT_SIZES and self.values(rate_hz) < 1:
            message = f"no bin lies in {self.low_hz:g} to {self.high_hz:g} Hz: they are {rate_hz / self.fft:g} Hz apart"
            yield StageFault("high_hz", message, "take a larger fft, or a wider range")

    def first_bin(self, rate_hz: float) -> int:
        return math.ceil(self.low_hz * self.fft / rate_hz - 1e-9)

    def values(self, rate_hz: float) -> int:
        return math.floor(self.high_hz * self.fft / rate_hz + 1e-9) - self.first_bin(rate_hz) + 1


@dataclass(frozen=True)
class LogMel:
    """log2 of the power in `mels` triangles over the mel scale, low_hz to high_hz."""

    kind: ClassVar[str] = "log_mel"
    length: int
    step: int
    fft: int
    window: str = "hann"
    low_hz: float = 20.0
    high_hz: float = 4000.0
    mels: int = 40
    shape: str = "series"

    def faults(self, rate_hz: float) -> Iterator[StageFault]:
        before = [*_spectral_faults(self, rate_hz)]
        if not 1 <= self.mels <= BANDS_LIMIT:
            before.append(StageFault("mels", f"is {self.mels}, it must be 1 to {BANDS_LIMIT}"))
        yield from before
        if not before and (empty := self._empty_band(rate_hz)) is not None:
            message = f"{self.mels} bands are too many: band {empty} from below lies between two bins of the FFT"
            hint = f"bins are {rate_hz / self.fft:g} Hz apart: fewer mels, a higher low_hz or a larger fft"
            yield StageFault("mels", message, hint)

    def _empty_band(self, rate_hz: float) -> int | None:
        from tinyops.features.tables import mel_bands

        bands = mel_bands(rate_hz, self.fft, self.mels, self.low_hz, self.high_hz)
        return next((b for b in range(self.mels) if not bands.has_weight(b)), None)

    def values(self, _: float) -> int:
        return self.mels


@dataclass(frozen=True)
class Mfcc(LogMel):
    """The first `coefficients` of the cosine transform of log-mel."""

    kind: ClassVar[str] = "mfcc"
    coefficients: int = 13

    def faults(self, rate_hz: float) -> Iterator[StageFault]:
        yield from super().faults(rate_hz)
        if not 1 <= self.coefficients <= self.mels:
            message = f"{self.coefficients} coefficients of {self.mels} mels: it must be 1 to {self.mels}"
            yield StageFault("coefficients", message)

    def values(self, _: float) -> int:
        return self.coefficients


Rows: TypeAlias = Samples | Statistics | Spectrum | LogMel | Mfcc
Stage: TypeAlias = Filter | Rows
ROWS: dict[str, type[Rows]] = {c.kind: c for c in (Samples, Statistics, Spectrum, LogMel, Mfcc)}


def window_faults(rows: Rows, window: int, hop: int) -> Iterator[StageFault]:
    """Whether rows fill a model's window of `window` samples, which moves on by `hop` samples."""
    if rows.length > window:
        message = f"a row looks at {rows.length} samples, the window has {window}"
        yield StageFault("length", message, "make window_s longer, or length_s shorter")
    elif hop % rows.step:
        message = f"the hop is {hop} samples, no multiple of a row's step of {rows.step}"
        yield StageFault("step", message, "each window must begin with a row of its own")


def rows_in(rows: Rows, window: int) -> int:
    """Rows that a window of so many samples holds."""
    return (window - rows.length) // rows.step + 1


def count_faults(stages: Sequence[Stage]) -> Iterator[tuple[int, str]]:
    """The filter with which a model has more biquads than it may, by its position."""
    total = 0
    for number, stage in enumerate(stages):
        total += stage.count if isinstance(stage, Filter) else 0
        if total > SECTIONS_LIMIT:
            yield number, f"makes {total} biquads, at most {SECTIONS_LIMIT}: use filters of lower order"
            return


def order_faults(kinds: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Positions of stages that stand where they cannot."""
    for number, kind in enumerate(kinds):
        if number + 1 < len(kinds) and kind != "filter":
            yield number, f"only filters stand before another stage, not {kind}"
    if kinds[-1] == "filter":
        yield len(kinds) - 1, "a filter is not the last stage: add raw, or what is to be made of its output"


def _length_faults(length: int, step: int, least: int = 2) -> Iterator[StageFault]:
    if not least <= length <= LENGTH_LIMIT:
        yield StageFault("length", f"is {length} samples, it must be {least} to {LENGTH_LIMIT:,}")
    if not 1 <= step <= length:
        yield StageFault("step", f"is {step} samples, it must be 1 to the length, {length}")


def _spectral_faults(stage: Spectrum | LogMel, rate_hz: float) -> Iterator[StageFault]:
    yield from _length_faults(stage.length, stage.step, least=4)
    if stage.length > FFT_SIZES[-1]:
        yield StageFault("length", f"is {stage.length} samples, an FFT has at most {FFT_SIZES[-1]} points")
    elif stage.fft not in FFT_SIZES:
        yield StageFault("fft", f"is {stage.fft}, it must be one of {', '.join(map(str, FFT_SIZES))}")
    elif stage.fft < stage.length:
        hint = f"a longer fft up to {FFT_SIZES[-1]}, or a shorter length_s"
        yield StageFault("fft", f"of {stage.fft} points is shorter than the {stage.length} samples under it", hint)
    if stage.window not in WINDOWS:
        yield StageFault("window", f"{stage.window!r} is unknown", f"there is: {', '.join(WINDOWS)}")
    if stage.shape not in SHAPES:
        yield StageFault("shape", f"{stage.shape!r} is unknown", f"there is: {', '.join(SHAPES)}")
    if not 0 <= stage.low_hz < stage.high_hz:
        yield StageFault("low_hz", f"{stage.low_hz:g} Hz is not below high_hz, {stage.high_hz:g} Hz")
    elif stage.high_hz > rate_hz / 2:
        message = f"{stage.high_hz:g} Hz is above half the rate of {rate_hz:g} Hz, the highest frequency that there is"
        yield StageFault("high_hz", message)
