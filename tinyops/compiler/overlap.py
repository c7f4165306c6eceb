"""How far each kernel's output may lie over its input, as a pure function of the call's parameters.

A kernel that goes through its output in ascending order stops needing input while it writes output. It says here, by
the name of its C function, in what order it reads and writes; from that and the shapes follows a distance: with
output byte k written at `output + k`, no input byte may be read later that lies at or below it. An output that starts
`distance` bytes before its input, or earlier, is therefore safe, and so is one that shares no byte with it.

A kernel that is not listed here never gets overlapping buffers. One that is listed must keep its order, must not
declare its pointers `restrict`, and says so in its header.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tinyops.compiler.lowered import Call, Constant, Read

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Overlap:
    """The output may start `distance` bytes before input tensor `tensor`, or earlier by a multiple of `step`."""

    tensor: int
    distance: int
    step: int = 1


Params = Mapping[str, Any]
_NEVER = 1 << 60  # read after everything else
MOST_RUNS = 1 << 16  # that are looked at one by one; a copy of more keeps its buffers apart


def overlaps_of(call: Call) -> tuple[Overlap, ...]:
    """What a call allows, one entry an input that its output may lie over."""
    distances = _DISTANCES.get(call.function)
    if distances is None and call.function not in _BY_TABLES:
        return ()
    tensors = [a.tensor for a in call.arguments if isinstance(a, Read)]
    each = distances(call.params) if distances else _BY_TABLES[call.function](call)
    found = zip(tensors, each, strict=True)
    params: Params = call.params
    step = 1
    if call.function in _BY_CHANNELS:
        step = _NEVER if by_columns(params) else params["window"]["in_c"]
    return tuple(Overlap(tensor, max(d, 0), step) for tensor, d in found if d is not None)


# -- distances -----------------------------------------------------------------------------------


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
    first = np.where((y < 0) | (x < 0), _NEVER, (y * width + x) * channels).reshape(-1)
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


def interpolated_distance(p: Params) -> int:
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
    later = np.append(pending[1:], _NEVER)
    itself = write - read if run > 1 else write - _NEVER
    return int(np.maximum(itself, write + run - later).max())


def _in_loops(extent: Sequence[int], step: Sequence[int], start: int) -> NDArray[np.int64]:
    """Where each turn of nested loops is, the innermost fastest."""
    import numpy as np

    found = np.full(1, start, np.int64)
    for count, width in zip(extent, step, strict=True):
        found = (found[:, None] + np.arange(count) * width).reshape(-1)
    return found


def copy_distance(p: Params) -> int:
    """Of tinyops_copy. More than any tensor's bytes where there are too many runs to tell."""
    if math.prod(p["extent"]) > MOST_RUNS:
        return _NEVER
    read = _in_loops(p["extent"], p["input_step"], p["input_start"])
    return runs_distance(read, _in_loops(p["extent"], p["output_step"], p["output_start"]), p["run"])


def _picked(call: Call) -> list[int | None]:
    """Of tinyops_pick: offsets of each dimension are in a table, the output is written from its start on."""
    import numpy as np

    p: Params = call.params
    extent, run = p["extent"], p["run"]
    if math.prod(extent) > MOST_RUNS:
        return [None]
    (table,) = (a for a in call.arguments if isinstance(a, Constant))
    read = np.zeros(1, np.int64)
    for part in np.split(table.values.astype(np.int64), np.cumsum(extent)[:-1]):
        read = (read[:, None] + part).reshape(-1)
    return [runs_distance(read, np.arange(len(read)) * run, run)]


def _windowed(p: Params) -> list[int | None]:
    return [window_distance(p["window"])]


def _by_channels(p: Params) -> list[int | None]:
    """Taken by columns, the output lies exactly over an input of the same shape or nowhere."""
    g = p["window"]
    if by_columns(p) and (g["in_h"], g["in_w"]) != (g["out_h"], g["out_w"]):
        return [None]
    return [channel_distance(g, 3)]


def by_columns(p: Params) -> bool:
    """Whether a depthwise kernel takes an image's columns for its rows; the one in lanes never does."""
    return "input" in p and bool(p["input"]["value"] != p["window"]["in_c"])


def _dense(p: Params) -> list[int | None]:
    return [rows_distance(p["rows"], p["inputs"], p["outputs"])]


def _recurrent(p: Params) -> list[int | None]:
    return [rows_distance(p["steps"], p["inputs"], p["units"])]


def _elementwise(p: Params) -> list[int | None]:
    """In place over an operand that is not broadcast: its bytes are read in the order of the output's."""
    shape = p["shape"]
    extent = shape["extent"]
    whole = [0 if e == 1 else math.prod(extent[i + 1 :]) for i, e in enumerate(extent)]
    return [0 if list(shape[steps]) == whole else None for steps in ("a_step", "b_step")]


def _in_place(_p: Params) -> list[int | None]:
    return [0]


_DISTANCES: Mapping[str, Callable[[Params], list[int | None]]] = {
    "tinyops_conv_2d": _windowed,
    "tinyops_conv_2d_packed": lambda p: [buffered_distance(p["window"], 2)],
    "tinyops_conv_2d_lanes": lambda p: [buffered_distance(p["window"], 4)],
    "tinyops_depthwise_conv_2d": _windowed,
    "tinyops_depthwise_3x3": _by_channels,
    "tinyops_lstm": _recurrent,
    "tinyops_lstm_packed": _recurrent,
    "tinyops_depthwise_3x3_lanes": lambda p: [channel_distance(p["window"], 3)],
    "tinyops_average_pool_2d": _windowed,
    "tinyops_max_pool_2d": _windowed,
    "tinyops_average_pool_2d_packed": _windowed,
    "tinyops_max_pool_2d_packed": _windowed,
    "tinyops_fully_connected": _dense,
    "tinyops_fully_connected_packed": _dense,
    "tinyops_fully_connected_eights": _dense,
    "tinyops_add": _elementwise,
    "tinyops_sub": _elementwise,
    "tinyops_squared_difference": _elementwise,
    "tinyops_mul": _elementwise,
    "tinyops_div": _elementwise,
    "tinyops_prelu": _elementwise,
    "tinyops_minimum": _elementwise,
    "tinyops_maximum": _elementwise,
    "tinyops_add_packed": _elementwise,
    "tinyops_sub_packed": _elementwise,
    "tinyops_mul_packed": _elementwise,
    "tinyops_mean": _in_place,  # an output reads columns of which it is the first, and writes behind none of them
    "tinyops_reduce_max": _in_place,
    "tinyops_reduce_min": _in_place,
    "tinyops_softmax": _in_place,
    "tinyops_softmax_table": _in_place,
    "tinyops_softmax_int16": lambda p: [stream_distance(p["rows"] * p["depth"], 1, 2)],
    "tinyops_log_softmax": _in_place,
    "tinyops_softmax_real": _in_place,
    "tinyops_log_softmax_real": _in_place,
    "tinyops_l2_normalization": _in_place,
    "tinyops_lookup": _in_place,
    "tinyops_quantize": _in_place,  # from wider elements
    "tinyops_quantize_real": _in_place,
    "tinyops_requantize_int16": _in_place,
    "tinyops_requantize": lambda p: [stream_distance(p["count"], p["input_bytes"], p["output_bytes"])],
    "tinyops_dequantize": lambda p: [stream_distance(p["count"], 1, 4)],
    "tinyops_transpose_conv": lambda p: [reached_distance(p["window"])],
    "tinyops_resize_bilinear": lambda p: [interpolated_distance(p)],
    "tinyops_copy": lambda p: [copy_distance(p)],
    "tinyops_dequantize_real": lambda p: [stream_distance(p["count"], p["input_bytes"], 4)],
    "tinyops_pad": lambda p: [pad_distance(p["before"], p["in"], p["out"])],
}

# Kernels whose order of reading lies in a constant.
_BY_TABLES: Mapping[str, Callable[[Call], list[int | None]]] = {"tinyops_pick": _picked}

# Kernels that go through a channel of the whole image before the next: the output's channels must meet the input's.
_BY_CHANNELS = frozenset({"tinyops_depthwise_3x3", "tinyops_depthwise_3x3_lanes"})
