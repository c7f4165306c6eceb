"""Staged features -> frontend.h and frontend.c: their constants and tables, and the calls of the hand-written C."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import jinja2

from tinyops.features.specification import StagedFeatures
from tinyops.features.stages import STATISTICS, LogMel, Mfcc, Samples, Spectrum, Statistics
from tinyops.features.tables import (
    cosine_factors,
    cosine_table,
    log_table,
    mel_bands,
    twiddle_table,
    window_sum,
    window_table,
)
from tinyops.files import digest_json

LINE_CHARACTERS = 96
FILTER_STATE_BYTES = 20  # sizeof(tinyops_filter_state)
_HEADERS = "tinyops/features"


@dataclass(frozen=True)
class Front:
    """Sizes of a front end, in elements; `state_bytes` are kept from frame to frame, `scratch_bytes` are not."""

    channels: int
    length: int
    filter_states: int
    bins: int
    bands: int
    row: int

    @property
    def kept(self) -> int:
        return self.length * self.channels

    @property
    def state_bytes(self) -> int:
        return _words(4 + FILTER_STATE_BYTES * self.filter_states + 2 * self.kept)

    @property
    def scratch_bytes(self) -> int:
        size = 4 * self.bins + 2 * self.bands + 2 * self.row
        return _words(size) if self.bins else size


def _words(count: int) -> int:
    return -(-count // 4) * 4


@dataclass(frozen=True)
class Params:
    name: str
    type: str
    fields: Mapping[str, int]
    note: str


@dataclass(frozen=True)
class Table:
    name: str
    ctype: str
    values: Sequence[int]
    note: str

    @property
    def count(self) -> int:
        return len(self.values)

    @property
    def lines(self) -> Iterator[str]:
        """The values, as many to a line as fit."""
        texts = [str(v) for v in self.values]
        per_line = max(LINE_CHARACTERS // (max(map(len, texts)) + 2), 1)
        for i in range(0, len(texts), per_line):
            yield ", ".join(texts[i : i + per_line]) + ","


def front_of(features: StagedFeatures) -> Front:
    last, channels = features.last, features.signal_channels
    sections = sum(len(f.integers) for f in features.filters)
    bins = last.fft + 2 if isinstance(last, Spectrum | LogMel) else 0
    bands = last.mels if isinstance(last, Mfcc) else 0
    return Front(channels, last.length, sections * channels, bins, bands, features.row_values)


def front_sources(features: StagedFeatures) -> tuple[str, ...]:
    """Hand-written C sources that a front end needs, below runtime/."""
    return tuple(f"features/{name}.c" for name in sorted({"filter", "samples", "scalar", *_parts(features)}))


def front_headers(features: StagedFeatures) -> tuple[str, ...]:
    """Headers of those sources, as they are included."""
    names = (Path(source).stem for source in front_sources(features))
    return tuple(f"{_HEADERS}/{name}.h" for name in names)


def _parts(features: StagedFeatures) -> tuple[str, ...]:
    last = features.last
    if isinstance(last, Samples):
        return ()
    if isinstance(last, Statistics):
        return ("statistics",)
    return ("mel", "spectrum") if isinstance(last, LogMel) else ("spectrum",)


def front_code(features: StagedFeatures) -> dict[str, str]:
    """frontend.h and frontend.c as text. The same features give the same text on any machine."""
    last = features.last
    values = {
        "provenance": _provenance(features),
        "front": front_of(features),
        "headers": [f"{_HEADERS}/{name}.h" for name in _parts(features)],
        "params": [*_params(features)],
        "sections": [s for f in features.filters for s in f.integers],
        "filters_note": "; ".join(_filter_note(f.passes, f.order, f.corner_hz) for f in features.filters),
        "tables": [*_tables(features)],
        "kind": last.kind,
        "scale": last.scale if isinstance(last, Spectrum) else "",
    }
    return {name: _environment().get_template(f"{name}.j2").render(values) for name in ("frontend.h", "frontend.c")}


def _filter_note(passes: str | None, order: int, corner_hz: Sequence[float]) -> str:
    if passes is None:
        return "sections as given"
    return f"{passes}-pass of order {order}, {' to '.join(f'{f:g}' for f in corner_hz)} Hz"


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(  # noqa: S701 - C, not HTML; all values are numbers and words of tinyops's own
        loader=jinja2.FileSystemLoader(Path(__file__).resolve().parent / "templates"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _provenance(features: StagedFeatures) -> str:
    """Without what training decides, so that one library serves every training of the same stages."""
    said = {name: value for name, value in features.to_json().items() if name not in ("offset", "gain")}
    return f"/* Generated by tinyops: edits are lost.\n * stages {digest_json(said)} */"


def _params(features: StagedFeatures) -> Iterator[Params]:
    last, channels = features.last, features.signal_channels
    sections = sum(len(f.integers) for f in features.filters)
    samples = {"channels": channels, "length": last.length, "step": last.step, "sections": sections}
    yield Params("samples_params", "tinyops_samples_params", samples, f"samples at {features.rate_hz:g} Hz")
    if isinstance(last, Statistics):
        fields = {"length": last.length, "channels": channels, "count": len(last.statistics)}
        yield Params("statistics_params", "tinyops_statistics_params", fields, ", ".join(last.statistics))
    elif isinstance(last, Spectrum | LogMel):
        fields = {"length": last.length, "points": last.fft, "stride": channels}
        note = f"{last.window} window, bins {features.rate_hz / last.fft:g} Hz apart"
        yield Params("spectrum_params", "tinyops_spectrum_params", fields, note)
        yield from _band_params(features)


def _band_params(features: StagedFeatures) -> Iterator[Params]:
    last, channels = features.last, features.signal_channels
    if isinstance(last, Spectrum):
        amplitude = round((2 << 45) / window_sum(last.window, last.length))
        fields = {"first": last.first_bin(features.rate_hz), "count": last.values(features.rate_hz)}
        fields |= {"channels": channels, "amplitude": amplitude}
        yield Params("bins_params", "tinyops_bins_params", fields, f"{last.low_hz:g} to {last.high_hz:g} Hz")
    elif isinstance(last, LogMel):
        fields = {"bands": last.mels, "stride": 1 if isinstance(last, Mfcc) else channels}
        yield Params("mel_params", "tinyops_mel_params", fields, f"{last.low_hz:g} to {last.high_hz:g} Hz")
    if isinstance(last, Mfcc):
        first, rest = cosine_factors(last.mels)
        fields = {"inputs": last.mels, "outputs": last.coefficients, "stride": channels, "first": first, "rest": rest}
        yield Params("cosine_params", "tinyops_cosine_params", fields, "the cosine transform, over its inputs")


def _tables(features: StagedFeatures) -> Iterator[Table]:
    last = features.last
    if isinstance(last, Statistics):
        kinds = [STATISTICS.index(s) for s in last.statistics]
        yield Table("statistic_kinds", "uint8_t", kinds, "tinyops_statistic")
    if not isinstance(last, Spectrum | LogMel):
        return
    yield Table("window", "uint16_t", window_table(last.window, last.length), f"{last.window}, the first half * 2^15")
    yield Table("twiddles", "int16_t", twiddle_table(last.fft), f"-cos, -sin of 2 pi k / {last.fft}, * 2^15")
    if not isinstance(last, Spectrum) or last.scale == "log":
        yield Table("logarithms", "uint16_t", log_table(), "log2(1 + i/64) * 2^15")
    if isinstance(last, LogMel):
        bands = mel_bands(features.rate_hz, last.fft, last.mels, last.low_hz, last.high_hz)
        yield Table("mel_starts", "uint16_t", bands.starts, "the first bin after each edge")
        yield Table("mel_rises", "uint16_t", bands.rises, "rising weight of each bin from the first edge on, * 2^15")
    if isinstance(last, Mfcc):
        values = cosine_table(last.mels, last.coefficients)
        yield Table("cosines", "int16_t", values, "cos(pi k (2 m + 1) / (2 inputs)) * 2^15")
