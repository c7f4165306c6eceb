"""How far outputs may lie over inputs: computed distances against kernels' order of reading and writing, replayed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinyops.compiler.distances import (
    between,
    buffered_distance,
    channel_distance,
    interpolated_distance,
    pad_distance,
    reached_distance,
    rows_distance,
    runs_distance,
    stream_distance,
    window_distance,
)
from tinyops.compiler.lowered import Call, Read, Write
from tinyops.compiler.memory import aligned
from tinyops.compiler.overlap import Overlap, overlaps_of

# What a kernel does, byte by byte: ("r", input byte) and ("w", output byte).
Access = tuple[str, int]


def clobbers(accesses: Iterable[Access], distance: int) -> bool:
    """Whether an input byte is read after the output, `distance` bytes before the input, was written over it."""
    written = set()
    for kind, at in accesses:
        if kind == "w":
            written.add(at - distance)
        elif at in written:
            return True
    return False


def window_accesses(g: dict[str, int], pixels_at_once: int = 1) -> Iterator[Access]:
    """A kernel that reads the windows of several pixels, writes a byte of each, and starts again with the reading."""
    pixels = [(y, x) for y in range(g["out_h"]) for x in range(g["out_w"])]
    for start in range(0, len(pixels), pixels_at_once):
        group = range(start, min(start + pixels_at_once, len(pixels)))
        for c in range(g["out_c"]):
            for p in group:
                yield from (("r", at) for at in taps(g, *pixels[p]))
            yield from (("w", p * g["out_c"] + c) for p in group)


def taps(g: dict[str, int], oy: int, ox: int) -> Iterator[int]:
    for ky in range(g["kernel_h"]):
        for kx in range(g["kernel_w"]):
            y = oy * g["stride_h"] - g["pad_top"] + ky * g["dilation_h"]
            x = ox * g["stride_w"] - g["pad_left"] + kx * g["dilation_w"]
            if 0 <= y < g["in_h"] and 0 <= x < g["in_w"]:
                yield from ((y * g["in_w"] + x) * g["in_c"] + c for c in range(g["in_c"]))


small = st.integers(1, 4)
windows = st.fixed_dictionaries(
    {
        **dict.fromkeys(("in_h", "in_w"), st.integers(1, 6)),
        **dict.fromkeys(("out_h", "out_w"), st.integers(1, 6)),
        **dict.fromkeys(("in_c", "out_c"), small),
        **dict.fromkeys(("kernel_h", "kernel_w"), small),
        **dict.fromkeys(("stride_h", "stride_w", "dilation_h", "dilation_w"), st.integers(1, 3)),
        **dict.fromkeys(("pad_top", "pad_left"), st.integers(0, 3)),
    }
)


@settings(deadline=None)
@given(windows, st.integers(1, 3), st.integers(0, 20))
def test_windows_are_never_written_over(g, pixels_at_once, further):
    distance = max(window_distance(g, pixels_at_once), 0)
    assert not clobbers(window_accesses(g, pixels_at_once), distance + further)


def test_a_distance_that_is_one_too_small_is_seen():
    """Padding 1, 3x3: a row and a pixel above, and the pixel itself. One byte less is written over."""
    g = {
        **dict.fromkeys(("in_h", "in_w", "out_h", "out_w"), 5),
        **dict.fromkeys(("in_c", "out_c"), 2),
        **dict.fromkeys(("kernel_h", "kernel_w"), 3),
        **dict.fromkeys(("stride_h", "stride_w", "dilation_h", "dilation_w", "pad_top", "pad_left"), 1),
    }
    assert window_distance(g) == (5 + 1) * 2 + 2
    assert not clobbers(window_accesses(g), window_distance(g))
    assert clobbers(window_accesses(g), window_distance(g) - 2)


@given(st.integers(1, 4), st.integers(1, 9), st.integers(1, 9))
def test_rows_of_a_dense_layer(rows, inputs, outputs):
    def accesses():
        for r in range(rows):
            for o in range(outputs):
                yield from (("r", r * inputs + i) for i in range(inputs))
                yield ("w", r * outputs + o)

    assert not clobbers(accesses(), rows_distance(rows, inputs, outputs))


@given(st.integers(1, 12), st.sampled_from([1, 2, 4]), st.sampled_from([1, 2, 4]))
def test_streams_of_elements(count, wide_in, wide_out):
    def accesses():
        for i in range(count):
            yield from (("r", i * wide_in + b) for b in range(wide_in))
            yield from (("w", i * wide_out + b) for b in range(wide_out))

    distance = stream_distance(count, wide_in, wide_out)
    assert not clobbers(accesses(), distance)
    assert distance == 0 or clobbers(accesses(), distance - 1)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 3), st.integers(0, 2)), min_size=4, max_size=4))
def test_padding(dimensions):
    before, inner = (tuple(d[i] for d in dimensions) for i in (0, 1))
    out = tuple(map(sum, dimensions))

    def accesses():
        read = 0
        for k in range(out[0] * out[1] * out[2] * out[3]):
            at, place = k, []
            for extent in reversed(out):
                place.append(at % extent)
                at //= extent
            if all(b <= p < b + i for p, b, i in zip(reversed(place), before, inner, strict=True)):
                yield ("r", read)
                read += 1
            yield ("w", k)

    distance = pad_distance(before, inner, out)
    assert not clobbers(accesses(), distance)
    assert distance == 0 or clobbers(accesses(), distance - 1)


@given(st.integers(1, 3), st.integers(1, 4), st.integers(1, 4))
def test_means(outer, reduced, inner):
    def accesses():
        for o in range(outer):
            for i in range(inner):
                yield from (("r", (o * reduced + r) * inner + i) for r in range(reduced))
                yield ("w", o * inner + i)

    assert not clobbers(accesses(), 0)


def _add(a_step: tuple[int, ...], b_step: tuple[int, ...]) -> Call:
    shape = {"extent": (1, 2, 3, 4), "a_step": a_step, "b_step": b_step}
    return Call("tinyops_add", "tinyops_add_params", {"shape": shape}, (Read(7), Read(8), Write(9)))


def test_only_whole_operands_are_written_over():
    assert overlaps_of(_add((0, 12, 4, 1), (0, 12, 4, 1))) == (Overlap(7, 0), Overlap(8, 0))
    assert overlaps_of(_add((0, 12, 4, 1), (0, 0, 4, 1))) == (Overlap(7, 0),)


@pytest.mark.parametrize("function", ["tinyops_move", "something_new"])
def test_kernels_that_promise_nothing(function):
    assert overlaps_of(Call(function, "p", {}, (Read(1), Write(2)))) == ()


def buffered_accesses(g: dict[str, int], pixels_at_once: int) -> Iterator[Access]:
    """A kernel that keeps the windows of several pixels apart before it writes any of these pixels."""
    pixels = [(y, x) for y in range(g["out_h"]) for x in range(g["out_w"])]
    for start in range(0, len(pixels), pixels_at_once):
        group = range(start, min(start + pixels_at_once, len(pixels)))
        for p in group:
            yield from (("r", at) for at in taps(g, *pixels[p]))
        yield from (("w", p * g["out_c"] + c) for p in group for c in range(g["out_c"]))


@settings(deadline=None)
@given(windows, st.integers(1, 3), st.integers(0, 20))
def test_windows_that_are_kept_apart_are_never_written_over(g, pixels_at_once, further):
    distance = buffered_distance(g, pixels_at_once)
    assert not clobbers(buffered_accesses(g, pixels_at_once), distance + further)
    assert distance <= max(window_distance(g, pixels_at_once), 0)


def channel_accesses(g: dict[str, int], rows_at_once: int) -> Iterator[Access]:
    """A depthwise kernel: channel after channel, each input row read once, in order, before the output needs it."""
    for c in range(g["in_c"]):
        read = 0
        for y in range(g["out_h"]):
            needed = min(y * g["stride_h"] - g["pad_top"] + rows_at_once, g["in_h"])
            for row in range(read, needed):
                yield from (("r", (row * g["in_w"] + x) * g["in_c"] + c) for x in range(g["in_w"]))
            read = max(read, needed)
            yield from (("w", (y * g["out_w"] + x) * g["in_c"] + c) for x in range(g["out_w"]))


@settings(deadline=None)
@given(windows, st.integers(0, 3))
def test_channels_are_never_written_over(g, pixels_further):
    distance = channel_distance(g, g["kernel_h"]) + pixels_further * g["in_c"]
    assert not clobbers(channel_accesses(g, g["kernel_h"]), distance)


def test_kernels_by_channels_keep_channels_upon_channels():
    g = {
        **dict.fromkeys(("in_h", "in_w", "out_h", "out_w"), 5),
        **dict.fromkeys(("in_c", "out_c"), 3),
        **dict.fromkeys(("kernel_h", "kernel_w"), 3),
        **dict.fromkeys(("stride_h", "stride_w", "dilation_h", "dilation_w", "pad_top", "pad_left"), 1),
    }
    assert overlaps_of(by_channels(g, {"value": 3, "row": 15})) == (Overlap(1, 0, 3),)
    assert clobbers(channel_accesses(g, 3), 1), "a byte off its channel"


def by_channels(g, step):
    return Call("tinyops_depthwise_3x3", "p", {"window": g, "input": step}, (Read(1), Write(2)))


def test_kernels_by_columns_keep_places_upon_places():
    g = {
        **dict.fromkeys(("in_h", "in_w", "out_h", "out_w", "kernel_h", "kernel_w"), 3),
        **dict.fromkeys(("in_c", "out_c"), 2),
        **dict.fromkeys(("stride_h", "stride_w", "dilation_h", "dilation_w", "pad_top", "pad_left"), 1),
    }
    (overlap,) = overlaps_of(by_channels(g, {"value": 6, "row": 2}))
    image = aligned(18)
    assert overlap.distance == 0
    assert all(ahead % overlap.step for ahead in range(1, image))
    smaller = {**g, "out_h": 1, "out_w": 1, "pad_top": 0, "pad_left": 0}
    assert overlaps_of(by_channels(smaller, {"value": 6, "row": 2})) == ()


@given(st.lists(st.tuples(st.integers(0, 12), st.permutations(range(6))), min_size=1, max_size=6), st.integers(1, 3))
def test_copies_of_runs(turns, run):
    """Runs from anywhere, in any order, to places of their own."""
    read, order = np.array([r for r, _ in turns], np.int64), turns[0][1]
    write = np.array([order[i] * run for i in range(len(turns))], np.int64)

    def accesses():
        for r, w in zip(read.tolist(), write.tolist(), strict=True):
            for i in range(run):
                yield from [("r", r + i), ("w", w + i)]

    distance = runs_distance(read, write, run)
    assert not clobbers(accesses(), max(distance, 0))
    assert distance <= 0 or clobbers(accesses(), distance - 1)


def reaching(g: dict[str, int], oy: int, ox: int) -> Iterator[int]:
    """The input bytes that reach a pixel of a transposed convolution."""
    for y in range(g["in_h"]):
        for x in range(g["in_w"]):
            ky, kx = oy + g["pad_top"] - y * g["stride_h"], ox + g["pad_left"] - x * g["stride_w"]
            if 0 <= ky < g["kernel_h"] and 0 <= kx < g["kernel_w"]:
                yield from ((y * g["in_w"] + x) * g["in_c"] + c for c in range(g["in_c"]))


@settings(deadline=None)
@given(windows)
def test_transposed_convolutions(g):
    def accesses():
        for oy in range(g["out_h"]):
            for ox in range(g["out_w"]):
                for c in range(g["out_c"]):
                    yield from (("r", at) for at in reaching(g, oy, ox))
                    yield ("w", (oy * g["out_w"] + ox) * g["out_c"] + c)

    distance = reached_distance(g)
    assert not clobbers(accesses(), max(distance, 0))
    assert distance <= 0 or clobbers(accesses(), distance - 1)


@settings(deadline=None)
@given(st.tuples(*[st.integers(1, 6)] * 4), st.integers(1, 3), st.booleans())
def test_interpolation(extents, channels, half_pixel):
    in_h, in_w, out_h, out_w = extents
    scale_h, scale_w = ((1024 * i + o // 2) // o for i, o in ((in_h, out_h), (in_w, out_w)))
    sizes = {"in_w": in_w, "channels": channels, "out_h": out_h, "out_w": out_w}
    params = {**sizes, "scale_h": scale_h, "scale_w": scale_w, "half_pixel": int(half_pixel)}

    def accesses():
        for oy, y in enumerate(between(out_h, scale_h, half_pixel)):
            for ox, x in enumerate(between(out_w, scale_w, half_pixel)):
                for c in range(channels):
                    for row in (y, min(y + 1, in_h - 1)):
                        yield from (("r", (row * in_w + at) * channels + c) for at in (x, min(x + 1, in_w - 1)))
                    yield ("w", (oy * out_w + ox) * channels + c)

    assert not clobbers(accesses(), max(interpolated_distance(params), 0))
