"""Distances between an output and an input that it may lie over, from the order in which a kernel reads and writes.

What a distance means is said in overlap.py, which knows the kernels' names and parameters.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NEVER = 1 << 60  # read after everything else
MOST_RUNS = 1 << 16  # that are looked at one by one; a copy of more keeps its buffers apart


def window_distance(window: Mapping[str, int], pixels_at_once: int = 1) -> int:
    """For kernels that write output pixels in rows from the top, each from the left, all channels of one together.

    While a pixel is written, the windows of it and of all pixels behind it may still be read; where a kernel works on
    several pixels at once, those of the `pixels_at_once` - 1 before it, too.
    """
    import numpy as np

    first = _pending(window)
    pending = np.concatenate([np.repeat(first[:1], pixels_at_once - 1), first])[: len(first)]
    ends = np.arange(1, len(first) + 1) * window["out_c"]
    return int((ends - pending).max())


def _pending(window: Mapping[str, int]) -> NDArray[np.int64]:
    """For each output pixel: the first byte of the input that it or a pixel behind it reads."""
    g = window
    rows = _first_inside(g["out_h"], g["stride_h"], g["pad_top"], g["in_h"], g["kernel_h"], g["dilation_h"])
    columns = _first_inside(g["out_w"], g["stride_w"], g["pad_left"], g["in_w"], g["kernel_w"], g["dilation_w"])
    return _pending_pixels(rows, columns, g["in_w"], g["in_c"])


def _pending_pixels(rows: Sequence[int], columns: Sequence[int], width: int, channels: int) -> NDArray[np.int64]:
    """The same, from the first input row of each output row, and columns likewise; -1 where none is read."""
    import numpy as np

    y, x = np.array(rows)[:, None], np.array(columns)[None, :]
    first = np.where((y < 0) | (x < 0), NEVER, (y * width + x) * channels).reshape(-1)
    pending: NDArray[np.int64] = np.minimum.accumulate(first[::-1])[::-1]
    return pending


def _pixel_distance(pending: NDArray[np.int64], channels: int) -> int:
    """For kernels that read a pixel's input until they have written its last channel."""
    import numpy as np

    return int((np.arange(1, len(pending) + 1) * channels - 1 - pending).max())


def reached_distance(window: Mapping[str, int]) -> int:
    """For transposed convolutions, by output pixels in order."""
    g = window
    rows = _first_reaching(g["out_h"], g["stride_h"], g["pad_top"], g["in_h"], g["kernel_h"])
    columns = _first_reaching(g["out_w"], g["stride_w"], g["pad_left"], g["in_w"], g["kernel_w"])
    return _pixel_distance(_pending_pixels(rows, columns, g["in_w"], g["in_c"]), g["out_c"])


def _first_reaching(count: int, stride: int, pad: int, extent: int, taps: int) -> list[int]:
    """For each output row (or column): the first row of the input that reaches it; -1 where none does."""
    found = []
    for i in range(count):
        last, reaching = divmod(i + pad, stride)
        first = max(last - -(-(taps - reaching) // stride) + 1, 0)
        found.append(first if reaching < taps and first <= last and first < extent else -1)
    return found


def between(count: int, scale: int, half_pixel: bool) -> list[int]:
    """For each output row (or column) of a bilinear resize: the upper of the two input rows that it lies between."""
    start = scale // 2 - 512 if half_pixel else 0
    return [max(i * scale + start, 0) // 1024 for i in range(count)]


def interpolated_distance(p: Mapping[str, Any]) -> int:
    """For bilinear interpolation, by output pixels in order."""
    rows, columns = (between(p[f"out_{a}"], p[f"scale_{a}"], bool(p["half_pixel"])) for a in "hw")
    return _pixel_distance(_pending_pixels(rows, columns, p["in_w"], p["channels"]), p["channels"])


def buffered_distance(window: Mapping[str, int], pixels_at_once: int) -> int:
    """For kernels that first read the windows of several pixels, then write these pixels, then go on."""
    import numpy as np

    pending = _pending(window)
    last = np.arange(pixels_at_once, len(pending), pixels_at_once)  # the first pixel of each group but the first
    return int((last * window["out_c"] - pending[last]).max(initial=0))


def channel_distance(window: Mapping[str, int], rows_at_once: int) -> int:
    """For depthwise kernels that finish a channel before the next, and read each of its rows once.

    `rows_at_once` rows of the window are read before an output row is written. A multiple of the pixel's bytes.
    """
    g = window
    found = 0
    for y in range(g["out_h"]):
        pending = max(y * g["stride_h"] - g["pad_top"] + rows_at_once, 0)
        if pending < g["in_h"]:
            found = max(found, (y + 1) * g["out_w"] - pending * g["in_w"])
    return found * g["in_c"]


def _first_inside(count: int, stride: int, pad: int, extent: int, taps: int, dilation: int) -> list[int]:
    """For each output row (or column): the first row of the input that it reads; -1 where it reads none."""
    found = []
    for i in range(count):
        origin = i * stride - pad
        skipped = max(-(origin // dilation), 0) if origin < 0 else 0  # taps before the image
        at = origin + skipped * dilation
        found.append(at if skipped < taps and at < extent else -1)
    return found


def rows_distance(rows: int, inputs: int, outputs: int) -> int:
    """For kernels that need a whole row of `inputs` bytes until all `outputs` bytes of its row are written."""
    return max(outputs, outputs + (rows - 1) * (outputs - inputs))


def stream_distance(count: int, input_bytes: int, output_bytes: int) -> int:
    """For kernels that read one element, write one, and go on: byte by byte widths of an element."""
    return max(0, (count - 1) * output_bytes - (count - 1) * input_bytes) if count > 1 else 0


def pad_distance(before: tuple[int, ...], inner: tuple[int, ...], out: tuple[int, ...]) -> int:
    """For padding, which copies the input's elements in order between the added ones."""
    last = sum((b + i - 1) * math.prod(out[n + 1 :]) for n, (b, i) in enumerate(zip(before, inner, strict=True)))
    return last - (math.prod(inner) - 1)


def runs_distance(read: NDArray[np.int64], write: NDArray[np.int64], run: int) -> int:
    """For kernels that copy runs of bytes one after another, each from its front: where each run is read and written.

    While a run is written, the rest of it is still read, and all runs behind it.
    """
    import numpy as np

    pending = np.minimum.accumulate(read[::-1])[::-1]
    later = np.append(pending[1:], NEVER)
    itself = write - read if run > 1 else write - NEVER
    return int(np.maximum(itself, write + run - later).max())


def in_loops(extent: Sequence[int], step: Sequence[int], start: int) -> NDArray[np.int64]:
    """Where each turn of nested loops is, the innermost fastest."""
    import numpy as np

    found = np.full(1, start, np.int64)
    for count, width in zip(extent, step, strict=True):
        found = (found[:, None] + np.arange(count) * width).reshape(-1)
    return found


def copy_distance(p: Mapping[str, Any]) -> int:
    """Of tinyops_copy. More than any tensor's bytes where there are too many runs to tell."""
    if math.prod(p["extent"]) > MOST_RUNS:
        return NEVER
    read = in_loops(p["extent"], p["input_step"], p["input_start"])
    return runs_distance(read, in_loops(p["extent"], p["output_step"], p["output_start"]), p["run"])
