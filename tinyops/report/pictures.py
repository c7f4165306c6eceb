"""Pictures of signals and of rows, made here: PNG by zlib, lines as SVG, blocks for terminals."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

Shades = NDArray[np.uint8]

SPREADS = 2.5  # what is further from its mean has the last colour
LEVELS = 256
# Dark to light through blue and green: lightness rises evenly, so that it reads in grey and for any eye.
_ANCHORS = ((9, 11, 32), (31, 40, 100), (25, 86, 140), (18, 132, 142), (62, 176, 120), (160, 213, 86), (248, 240, 150))
BLOCKS = " ░▒▓█"
BARS = "▁▂▃▄▅▆▇█"


def shades(inputs: NDArray[Any]) -> Shades:
    """Model inputs [T, V], in spreads from their means, as 0 to 255."""
    scaled = (np.clip(inputs, -SPREADS, SPREADS) + SPREADS) / (2 * SPREADS)
    levels: Shades = np.rint(scaled * (LEVELS - 1)).astype(np.uint8)
    return levels


def colours() -> bytes:
    """256 times red, green, blue."""
    at = np.linspace(0, len(_ANCHORS) - 1, LEVELS)
    channels = np.array(_ANCHORS, np.float64).T
    mixed = [np.interp(at, np.arange(len(_ANCHORS)), channel) for channel in channels]
    return bytes(np.rint(np.stack(mixed, axis=1)).astype(np.uint8).tobytes())


def greys() -> bytes:
    """256 times red, green, blue, all alike."""
    return bytes(value for level in range(LEVELS) for value in (level, level, level))


def png(values: Shades, palette: bytes) -> bytes:
    """A PNG of indices [height, width] into a palette."""
    height, width = values.shape
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)  # 8 bits, palette
    lines = b"".join(b"\0" + line.tobytes() for line in np.ascontiguousarray(values))
    parts = ((b"IHDR", header), (b"PLTE", palette), (b"IDAT", zlib.compress(lines, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in parts)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def data_url(image: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(image).decode()}"


def heat_map(inputs: NDArray[Any]) -> str:
    """Rows [T, V] as a picture's address: time to the right, the first value at the bottom."""
    return data_url(png(np.ascontiguousarray(shades(inputs).T[::-1]), colours()))


def grey_image(frame: NDArray[Any]) -> str:
    """An image [height, width] as a picture's address, from its darkest value to its lightest."""
    low, high = float(frame.min()), float(frame.max())
    levels = (frame.astype(np.float64) - low) / max(high - low, 1.0) * (LEVELS - 1)
    return data_url(png(np.rint(levels).astype(np.uint8), greys()))


def envelope(samples: NDArray[Any], limit: float, width: int, height: int) -> str:
    """An SVG path around lowest and highest value of each of `width` stretches of one channel."""
    edges = np.linspace(0, len(samples), min(width, len(samples)) + 1).astype(np.int64)
    step, middle = width / (len(edges) - 1), height / 2
    tops, bottoms = [], []
    for i in range(len(edges) - 1):
        piece = samples[edges[i] : edges[i + 1] + 1]
        x = (i + 0.5) * step
        tops.append(f"{x:.1f} {middle - max(piece.max() / limit, -1) * middle:.1f}")
        bottoms.append(f"{x:.1f} {middle - min(piece.min() / limit, 1) * middle + 0.6:.1f}")
    return f"M{'L'.join(tops)}L{'L'.join(reversed(bottoms))}Z"


def line(values: Sequence[float] | NDArray[Any], low: float, high: float, width: int, height: int) -> str:
    """An SVG path of values from left to right; `low` lies at the bottom."""
    points = np.asarray(values, np.float64)
    if len(points) > width:  # more would not show
        points = points[np.linspace(0, len(points) - 1, width).astype(np.int64)]
    step = width / max(len(points) - 1, 1)
    ys = height - (np.clip(points, low, high) - low) / max(high - low, 1e-9) * height
    return "M" + "L".join(f"{i * step:.1f} {y:.1f}" for i, y in enumerate(ys))


def blocks(inputs: NDArray[Any], width: int, height: int) -> list[str]:
    """Rows [T, V] in characters: time to the right, the first value at the bottom."""
    values = _shrunk(_shrunk(shades(inputs).astype(np.float64), width).T, height)[::-1]
    levels = np.minimum(values / LEVELS * len(BLOCKS), len(BLOCKS) - 1).astype(np.int64)
    return ["".join(BLOCKS[level] for level in row) for row in levels]


def sparkline(samples: NDArray[Any], limit: float, width: int) -> str:
    """The largest magnitude of each stretch of samples [N, C], in eighths of a character."""
    loudest = np.abs(samples.astype(np.float64)).max(axis=1)
    edges = np.linspace(0, len(loudest), min(width, len(loudest)) + 1).astype(np.int64)
    peaks = [loudest[a:b].max() / limit for a, b in pairwise(edges)]
    return "".join(BARS[min(int(p * len(BARS)), len(BARS) - 1)] for p in peaks)


def _shrunk(values: NDArray[Any], size: int) -> NDArray[Any]:
    """Means of neighbours along the first axis, at most `size` of them."""
    count = min(size, len(values))
    edges = np.linspace(0, len(values), count + 1).astype(np.int64)
    return np.stack([values[a:b].mean(axis=0) for a, b in pairwise(edges)])
