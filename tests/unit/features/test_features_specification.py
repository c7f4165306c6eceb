"""features.json: what is read, what is refused, what integers follow."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinyops.errors import SpecError
from tinyops.features import RawFeatures, TensorFeatures, parse_features, read_features

RAW = {"kind": "raw", "frame_values": 2, "window_frames": 4, "hop_frames": 1, "offset": [0, 5], "gain": [0.5, 2]}


def test_reads_both_kinds():
    found = parse_features(RAW)
    assert found == RawFeatures(2, 4, 1, (0, 5), (0.5, 2.0))
    assert parse_features(found.to_json()) == found
    assert parse_features({"kind": "tensor"}) == TensorFeatures()


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"kind": "fft"}, "kind 'fft' is unknown"),
        ({"window_frames": 0}, r"window_frames is 0, it must be an integer in 1\.\."),
        ({"hop_frames": True}, "hop_frames is True"),
        ({"frame_values": 1 << 30}, "frame_values is"),
        ({"frame_values": 1 << 20, "window_frames": 1 << 20}, "a window has"),
        ({"frame_values": 3}, "multiple of that"),
        ({"offset": [0]}, "offset has 1 entries and gain 2"),
        ({"offset": [0.5, 0]}, r"offset\[0\] is 0.5"),
        ({"offset": [1 << 20, 0]}, r"offset\[0\] is 1048576"),
        ({"gain": [1.0, 0.0]}, r"gain\[1\] is 0.0"),
        ({"gain": [1.0, float("nan")]}, r"gain\[1\] is nan"),
        ({"gain": ["1", 2]}, "gain must be a list of numbers"),
        ({"gain": None}, "gain must be a list of numbers"),
        ({"extra": 1}, "unknown fields extra"),
    ],
)
def test_refuses(change, match):
    with pytest.raises(SpecError, match=match):
        parse_features({**RAW, **change})


@pytest.mark.parametrize("text", ["", "[", "[1]", '"raw"', "[" * 100_000])
def test_refuses_other_files(tmp_path, text):
    (tmp_path / "features.json").write_text(text)
    with pytest.raises(SpecError, match=r"features\.json: (not JSON|must be an object)"):
        read_features(tmp_path / "features.json")


def test_reads_a_file(tmp_path):
    (tmp_path / "features.json").write_text(json.dumps(RAW))
    assert read_features(tmp_path / "features.json") == parse_features(RAW)


@given(st.floats(1e-6, 1e3), st.floats(1e-4, 10))
def test_integer_factor_is_close_to_the_real_one(gain, scale):
    channel = RawFeatures(1, 1, 1, (0,), (gain,)).channels(scale)[0]
    assert 2**30 <= channel.multiplier < 2**31
    assert 1 <= channel.shift <= 62
    assert channel.multiplier * 2.0**-channel.shift == pytest.approx(gain / scale, rel=2.0**-30)


@pytest.mark.parametrize(("gain", "scale"), [(1e-12, 1.0), (1e12, 1.0), (1e300, 1e-30)])
def test_factors_beyond_the_integers(gain, scale):
    with pytest.raises(SpecError, match="channel 0 would be multiplied by"):
        RawFeatures(1, 1, 1, (0,), (gain,)).channels(scale)
