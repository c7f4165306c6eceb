"""Physical values to counts, counts to model inputs; the device's C code against its written definition."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinyops.errors import SpecError
from tinyops.features import RawFeatures
from tinyops.features.host import build_features, quantise_rows
from tinyops.features.values import counts_from_values, float_inputs

needs_gcc = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not on PATH")


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("features")


def test_counts_round_half_away_and_saturate():
    values = np.array([[0.5], [-0.5], [1.5], [-1.5], [0.49], [1e30], [-1e30], [np.inf], [-np.inf], [32767.4]]) / 32768
    wanted = [1, -1, 2, -2, 0, 32767, -32768, 32767, -32768, 32767]
    assert counts_from_values(values, [1.0])[:, 0].tolist() == wanted


def test_counts_use_each_channels_scale():
    assert counts_from_values(np.array([[1.0, 1.0]]), [2.0, 4.0]).tolist() == [[16384, 8192]]


@pytest.mark.parametrize(
    ("values", "full_scale", "match"),
    [
        ([[1.0, np.nan]], [1.0, 1.0], "frame 0, channel 1 is NaN"),
        ([[1.0]], [1.0, 1.0], "do not match 2 channels"),
        ([1.0], [1.0], "do not match 1 channels"),
        ([[1.0]], [0.0], "must be finite and above zero"),
    ],
)
def test_counts_refuse(values, full_scale, match):
    with pytest.raises(SpecError, match=match):
        counts_from_values(np.array(values), full_scale)


def test_float_inputs_repeat_channels_over_a_frame():
    features = RawFeatures(4, 1, 1, (10, -10), (2.0, 0.5))
    assert float_inputs(np.array([[11, 0, 12, 2]], np.int16), features).tolist() == [[2.0, 5.0, 4.0, 6.0]]


@needs_gcc
@settings(deadline=None, max_examples=40)
@given(st.data())
def test_device_code_equals_its_definition(folder, data):
    channels = data.draw(st.integers(1, 3))
    offset = tuple(data.draw(st.integers(-65536, 65536)) for _ in range(channels))
    gain = tuple(data.draw(st.floats(1e-6, 10)) for _ in range(channels))
    scale, zero_point = data.draw(st.floats(1e-4, 1)), data.draw(st.integers(-128, 127))
    features = RawFeatures(channels * 2, 1, 1, offset, gain)
    counts = np.random.default_rng(data.draw(st.integers(0, 99))).integers(-32768, 32768, (9, channels * 2))
    counts = counts.astype(np.int16)
    counts[0], counts[1] = -32768, 32767
    found = quantise_rows(counts, features, scale, zero_point, folder=folder)
    constants = features.channels(scale)
    for (row, column), count in np.ndenumerate(counts):
        c = constants[column % channels]
        scaled = ((int(count) - c.offset) * c.multiplier + (1 << (c.shift - 1))) >> c.shift
        assert found[row, column] == min(max(scaled + zero_point, -128), 127)


@needs_gcc
def test_device_code_is_within_half_a_step_of_the_float_input(folder):
    features = RawFeatures(1, 1, 1, (100,), (1 / 8192,))
    counts = np.arange(-32768, 32768, dtype=np.int16)[:, None]
    real = float_inputs(counts, features)[:, 0] / 0.03 + 7
    found = quantise_rows(counts, features, 0.03, 7, folder=folder)[:, 0]
    assert np.abs(found - np.clip(real, -128, 127)).max() <= 0.5 + 1e-4


@needs_gcc
def test_refuses_what_is_no_frame(folder):
    features = RawFeatures(2, 1, 1, (0,), (1.0,))
    with pytest.raises(SpecError, match=r"wanted int16 \(rows, 2\)"):
        quantise_rows(np.zeros((3, 3), np.int16), features, 1.0, 0, folder=folder)
    with pytest.raises(SpecError, match="counts are int32"):
        quantise_rows(np.zeros((3, 2), np.int32), features, 1.0, 0, folder=folder)  # type: ignore[arg-type]
    with pytest.raises(SpecError, match="takes no frames"):
        quantise_rows(np.zeros((3, 2), np.int16), {"kind": "tensor"}, 1.0, 0, folder=folder)
    with pytest.raises(SpecError, match="zero point 300"):
        quantise_rows(np.zeros((3, 2), np.int16), features, 1.0, 300, folder=folder)


@needs_gcc
def test_the_library_is_built_once(folder):
    first = build_features(folder)
    stamp = first.stat().st_mtime_ns
    assert build_features(folder) == first
    assert first.stat().st_mtime_ns == stamp
