"""What users write of features: stages from samples to the rows that a model sees, in seconds and Hz."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Field, PositiveFloat

from tinyops.documents import Strict
from tinyops.features.stages import FFT_SIZES, Filter, LogMel, Mfcc, Samples, Spectrum, Stage, Statistics

Window: TypeAlias = Literal["hann", "hamming", "rectangular"]
Shape: TypeAlias = Literal["series", "picture"]
Statistic: TypeAlias = Literal["mean", "deviation", "rms", "minimum", "maximum", "zero_crossings", "mean_crossings"]
Hertz: TypeAlias = Annotated[float, Field(ge=0)]
Size: TypeAlias = Literal[16, 32, 64, 128, 256, 512, 1024]

_LENGTH = "Time that a row looks at; a whole number of samples."
_STEP = "Time from one row to the next; absent: `length_s`, rows that do not overlap."
_FFT = "Points of the FFT; absent: the power of two that holds `length_s`."
_SHAPE = "series: [rows, values]. picture: [rows, values of a channel, channels], for conv2d."


class RawFeature(Strict):
    """Samples, scaled."""

    kind: Literal["raw"]


class TensorFeature(Strict):
    """A finished .tflite that is fed tensors, not frames."""

    kind: Literal["tensor"]


class FilterFeature(Strict):
    """A filter that every sample passes before the next stage: a Butterworth design, or biquads of your own."""

    kind: Literal["filter"]
    passes: Literal["low", "high", "band", "stop"] | None = Field(default=None, description="What a design lets pass.")
    order: Annotated[int, Field(ge=1, le=8)] = Field(default=2, description="Of a design; band filters have twice it.")
    corner_hz: PositiveFloat | tuple[PositiveFloat, PositiveFloat] | None = Field(
        default=None, description="Where a design is down by 3 dB: one frequency, two for band and stop."
    )
    sections: tuple[tuple[float, float, float, float, float], ...] = Field(
        default=(), max_length=16, description="Biquads b0, b1, b2, a1, a2 with a0 = 1, instead of a design."
    )


class StatisticsFeature(Strict):
    """Statistics of each channel over `length_s`, in counts."""

    kind: Literal["statistics"]
    length_s: PositiveFloat | None = Field(default=None, description="Time that a row looks at; absent: the window.")
    step_s: PositiveFloat | None = Field(default=None, description=f"{_STEP[:-1]}; without that, one row a window.")
    statistics: tuple[Statistic, ...] = Field(
        default=("mean", "deviation", "minimum", "maximum", "mean_crossings"),
        min_length=1,
        description="deviation is the root mean square distance from the mean; crossings are counted.",
    )


class SpectrumFeature(Strict):
    """Bins of the FFT: amplitudes in counts, or the logarithm of their power."""

    kind: Literal["spectrum"]
    length_s: PositiveFloat = Field(description=_LENGTH)
    step_s: PositiveFloat | None = Field(default=None, description=_STEP)
    fft: Size | None = Field(default=None, description=_FFT)
    window: Window = "hann"
    low_hz: Hertz = Field(default=0.0, description="The lowest frequency that is looked at.")
    high_hz: PositiveFloat | None = Field(default=None, description="The highest one; absent: half the rate.")
    scale: Literal["log", "magnitude"] = "log"
    shape: Shape = Field(default="series", description=_SHAPE)


class LogMelFeature(Strict):
    """The logarithm of the power in triangular bands that are evenly apart on the mel scale."""

    kind: Literal["log_mel"]
    length_s: PositiveFloat = Field(default=0.03, description=_LENGTH)
    step_s: PositiveFloat = Field(default=0.02, description="Time from one row to the next.")
    fft: Size | None = Field(default=None, description=_FFT)
    window: Window = "hann"
    mels: Annotated[int, Field(ge=1, le=128)] = Field(default=40, description="Bands.")
    low_hz: Hertz = Field(default=20.0, description="Where the first band begins.")
    high_hz: PositiveFloat = Field(default=4000.0, description="Where the last band ends.")
    shape: Shape = Field(default="series", description=_SHAPE)


class MfccFeature(LogMelFeature):
    """The first `coefficients` of the cosine transform of log-mel."""

    kind: Literal["mfcc"]  # type: ignore[assignment]
    coefficients: Annotated[int, Field(ge=1, le=128)] = Field(default=13, description="The first of the transform.")


RowFeature: TypeAlias = RawFeature | StatisticsFeature | SpectrumFeature | LogMelFeature | MfccFeature
AnyFeature: TypeAlias = TensorFeature | FilterFeature | RowFeature


def _named(value: object) -> object:
    """A kind alone as a mapping. Lists become tuples: what a validator hands on is no longer JSON, but Python."""
    return {"kind": value} if isinstance(value, str) else _with_tuples(value)


def _with_tuples(value: object) -> object:
    if isinstance(value, dict):
        return {name: _with_tuples(item) for name, item in value.items()}
    return tuple(map(_with_tuples, value)) if isinstance(value, list) else value


Feature: TypeAlias = Annotated[
    Annotated[AnyFeature, Field(discriminator="kind")],
    BeforeValidator(
        _named, json_schema_input_type=Literal["raw", "tensor", "log_mel", "mfcc", "statistics"] | AnyFeature
    ),
]


def stage_of(feature: AnyFeature, rate_hz: float, window: int, hop: int) -> Stage | None:
    """The stage in samples, not yet checked; None where a time is no whole number of samples.

    `window` and `hop` are the model's, in samples.
    """
    if isinstance(feature, FilterFeature):
        corners = feature.corner_hz if isinstance(feature.corner_hz, tuple) else (feature.corner_hz,)
        return Filter(feature.passes, feature.order, tuple(c for c in corners if c is not None), feature.sections)
    if isinstance(feature, RawFeature | TensorFeature):
        return Samples()
    length = window if feature.length_s is None else samples_in(feature.length_s, rate_hz)
    step = min(hop, window) if feature.length_s is None else length
    if feature.step_s is not None:
        step = samples_in(feature.step_s, rate_hz)
    if length is None or step is None:
        return None
    if isinstance(feature, StatisticsFeature):
        return Statistics(length, step, feature.statistics)
    common: dict[str, Any] = {"length": length, "step": step, "fft": feature.fft or _fft_for(length)}
    common |= {"window": feature.window, "shape": feature.shape, "low_hz": feature.low_hz}
    if isinstance(feature, SpectrumFeature):
        return Spectrum(**common, high_hz=feature.high_hz or rate_hz / 2, scale=feature.scale)
    common |= {"mels": feature.mels, "high_hz": feature.high_hz}
    if isinstance(feature, MfccFeature):
        return Mfcc(**common, coefficients=feature.coefficients)
    return LogMel(**common)


def samples_in(seconds: float, rate_hz: float) -> int | None:
    """Samples in that time, or None when they are no whole number of at least one."""
    count = round(seconds * rate_hz)
    return count if count >= 1 and abs(seconds * rate_hz - count) < 1e-6 else None


def _fft_for(length: int) -> int:
    return next((size for size in FFT_SIZES if size >= length), FFT_SIZES[-1])
