"""A channel as a WAV file, for a browser to play."""

from __future__ import annotations

import io
import wave

import numpy as np

from tinyops.errors import SpecError
from tinyops.label.signals import Shown

FRAMES_MAX = 4_000_000  # that are fetched at once: the page asks for 20 s at a time
RATE_MIN_HZ = 3000  # below, no browser takes it, and nobody hears it
RATE_MAX_HZ = 768_000  # what a take says of itself may be anything


def wav(shown: Shown, channel: int, begin: int, end: int) -> bytes:
    """Frames of one channel, 16 bits, at their own rate. Raises SpecError for what cannot be heard."""
    if shown.rate_hz is None or not RATE_MIN_HZ <= shown.rate_hz <= RATE_MAX_HZ:
        raise SpecError(f"{shown.rate_hz or 0:g} frames a second are no sound")
    if not 0 <= begin < end <= shown.frames or end - begin > FRAMES_MAX or not 0 <= channel < len(shown.limits):
        raise SpecError(f"frames {begin:,} to {end:,} of channel {channel} cannot be played at once")
    values = shown.values[begin:end, channel] / shown.limits[channel]
    counts = np.clip(np.rint(np.nan_to_num(values, posinf=1, neginf=-1) * 32768), -32768, 32767).astype("<i2")
    out = io.BytesIO()
    with wave.open(out, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(round(shown.rate_hz))
        writer.writeframes(counts.tobytes())
    return out.getvalue()
