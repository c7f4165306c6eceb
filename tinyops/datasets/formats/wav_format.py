"""Format `wav`: sound, as integers of 8 to 32 bits or as floats.

Read here and not by a library: those that are always at hand refuse floats (Python's `wave`), and the others take what
is left of a truncated file without a word. RIFF is a list of chunks: a name of 4 bytes, a length of 4, then as many
bytes, padded to an even number.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyops.datasets.formats.limits import VALUES_LIMIT, refuse_many
from tinyops.datasets.recording import STRICT, Labelled, Leniency, Values, as_values
from tinyops.errors import SpecError, ToolError
from tinyops.specs.model import Signal

PCM, FLOAT, EXTENSIBLE = 1, 3, 0xFFFE
CODECS = {2: "ADPCM", 6: "A-law", 7: "mu-law", 0x11: "IMA ADPCM", 0x55: "MP3"}
STREAMED = (0, 0x7FFFFFFF, 0xFFFFFFFF)  # lengths of writers that could not go back: up to the end of the file
CHUNKS_LIMIT = 1000
CHANNELS_LIMIT = 64
RATE_TOLERANCE = 1e-3
FACTOR_LIMIT = 1000  # of up- and downsampling
REPAIR = "`tinyops data add --repair` keeps the whole frames that are there"


@dataclass(frozen=True)
class Layout:
    """What the chunk `fmt ` says of the samples."""

    codec: int
    channels: int
    rate_hz: int
    bits: int

    @property
    def frame_bytes(self) -> int:
        return self.channels * self.bits // 8


def read_wav(data: bytes, signal: Signal, where: str, leniency: Leniency = STRICT) -> Iterator[Labelled]:
    """A stream whose loudest possible sample is full_scale; a file of 16 bits gives its own samples as counts."""
    if signal.rate_hz is None:
        raise SpecError(f"{where}: sound, and the dataset's signal is images")
    layout, body = read_chunks(data, where, leniency)
    values = _channels(decode(body, layout), signal, where, leniency)
    values = _at_rate(values, layout.rate_hz, signal.rate_hz, where, leniency)
    yield Labelled("", values * np.array(signal.full_scale), 1)


def read_chunks(data: bytes, where: str, leniency: Leniency) -> tuple[Layout, memoryview]:
    """The layout of the samples and their bytes, of whole frames. Raises SpecError."""
    if data[:4] == b"RF64":
        raise SpecError(f"{where}: RF64, for more than 4 GB", hint="split it into plain WAV files")
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise SpecError(f"{where}: not a WAV file")
    layout: Layout | None = None
    at = 12
    for _ in range(CHUNKS_LIMIT):
        name, length = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        at += 8
        if at > len(data):
            break
        if name == b"fmt ":
            layout = _layout(data[at : at + length], where)
        elif name == b"data" and layout is not None:
            return layout, _body(memoryview(data)[at:], length, layout, where, leniency)
        at += length + length % 2
    raise SpecError(f"{where}: holds no {'sound' if layout else 'chunk `fmt ` before its sound'}: it ends too early")


def _layout(chunk: bytes, where: str) -> Layout:
    if len(chunk) < 16:
        raise SpecError(f"{where}: its chunk `fmt ` has {len(chunk)} bytes, wanted 16")
    codec, channels, rate_hz, _, _, bits = struct.unpack("<HHIIHH", chunk[:16])
    if codec == EXTENSIBLE and len(chunk) >= 26:
        codec = int.from_bytes(chunk[24:26], "little")  # the first of the 16 bytes that name the subformat
    known = {PCM: (8, 16, 24, 32), FLOAT: (32, 64)}.get(codec)
    if known is None:
        raise SpecError(
            f"{where}: compressed as {CODECS.get(codec, f'codec {codec}')}", hint="save it as PCM, such as 16 bits"
        )
    if bits not in known or not 1 <= channels <= CHANNELS_LIMIT or not rate_hz:
        raise SpecError(f"{where}: {channels} channels of {bits} bits at {rate_hz} Hz cannot be read")
    return Layout(codec, channels, rate_hz, bits)


def _body(rest: memoryview, length: int, layout: Layout, where: str, leniency: Leniency) -> memoryview:
    """The whole frames of the chunk `data`, which may claim more bytes than the file has."""
    streamed = length in STREAMED
    there, wanted = len(rest) // layout.frame_bytes, length // layout.frame_bytes
    if not streamed and length > len(rest):
        message = f"truncated: {there:,} of {wanted:,} frames are there"
        if not leniency.repair or not there:
            raise SpecError(f"{where}: {message}", hint=REPAIR if there else "bring the whole file")
        leniency.say(f"{where}: {message}; those are kept")
    frames = there if streamed else min(there, wanted)
    if not frames:
        raise SpecError(f"{where}: holds no frames")
    refuse_many(frames * layout.channels, where)
    return rest[: frames * layout.frame_bytes]


def decode(body: memoryview, layout: Layout) -> Values:
    """Samples [T, channels] from -1 to 1."""
    samples: NDArray[Any]
    if layout.codec == FLOAT:
        samples = as_values(np.frombuffer(body, f"<f{layout.bits // 8}"))
    elif layout.bits == 8:  # the only width without a sign
        samples = (np.frombuffer(body, np.uint8).astype(np.float64) - 128) / 128
    elif layout.bits == 24:
        wide = np.zeros((len(body) // 3, 4), np.uint8)
        wide[:, 1:] = np.frombuffer(body, np.uint8).reshape(-1, 3)
        samples = wide.view("<i4")[:, 0].astype(np.float64) / 2.0**31
    else:
        samples = np.frombuffer(body, f"<i{layout.bits // 8}").astype(np.float64) / 2.0 ** (layout.bits - 1)
    return samples.reshape(-1, layout.channels)


def _channels(values: Values, signal: Signal, where: str, leniency: Leniency) -> Values:
    found, wanted = values.shape[1], len(signal.channels)
    if found == wanted:
        return values
    if wanted != 1 or "channels" not in leniency.adapt:
        hint = "`adapt: [channels]` of the dataset's source mixes them into one" if wanted == 1 else ""
        raise SpecError(f"{where}: has {found} channels, the dataset's signal has {wanted}", hint=hint)
    mixed: Values = values.mean(axis=1, keepdims=True)
    return mixed


def _at_rate(values: Values, found_hz: float, wanted_hz: float, where: str, leniency: Leniency) -> Values:
    """The values at the signal's rate: as they are, or resampled where the spec allows it."""
    if abs(found_hz - wanted_hz) <= wanted_hz * RATE_TOLERANCE:
        return values
    if "rate" not in leniency.adapt:
        raise SpecError(
            f"{where}: {found_hz:g} Hz, the dataset's signal has {wanted_hz:g} Hz",
            hint="`adapt: [rate]` of the dataset's source resamples, or change the signal's rate_hz",
        )
    factor = Fraction(wanted_hz / found_hz).limit_denominator(FACTOR_LIMIT)
    if not 0 < factor <= FACTOR_LIMIT or values.size * factor > VALUES_LIMIT:
        raise SpecError(f"{where}: {found_hz:g} Hz cannot be resampled to {wanted_hz:g} Hz")
    try:
        from scipy.signal import resample_poly
    except ImportError:
        raise ToolError(f"{where}: resampling needs scipy", hint="pip install 'tinyops[data]'") from None
    return np.asarray(resample_poly(values, factor.numerator, factor.denominator, axis=0), np.float64)
