"""The front end's C: any stages, any blocks, extreme values, under sanitizers, in all forms of its arithmetic."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes.compiled import SANITIZED
from fakes.staged import any_features, made_up_sound, run_front, staged
from tinyops.errors import SpecError
from tinyops.features import StagedFeatures, parse_features
from tinyops.features.code import front_code, front_of
from tinyops.features.host import extract_rows
from tinyops.features.planned import input_shape, planned_features
from tinyops.features.stages import Filter, LogMel, Mfcc, Samples, Spectrum, Statistics

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not on PATH")
SIGNAL = {"channels": ["x", "y"], "rate_hz": 100.0, "size": None}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("features")


def extremes(count: int, channels: int, seed: int) -> np.ndarray:
    """Silence, both ends of int16, a square wave between them, and noise of all sizes."""
    rng = np.random.default_rng(seed)
    parts = [np.zeros(count), np.full(count, 32767), np.full(count, -32768), rng.choice([-32768, 32767], count)]
    parts += [rng.normal(0, spread, count) for spread in (0.6, 50, 9000, 60000)]
    one = np.clip(np.concatenate(parts), -32768, 32767)
    return np.stack([np.roll(one, 7 * c) for c in range(channels)], axis=1).astype(np.int16)


@settings(max_examples=10, deadline=None, database=None)
@given(any_features(), st.integers(1, 400), st.integers(0, 99))
def test_any_stages_survive_anything_under_sanitizers(features: StagedFeatures, block: int, seed: int) -> None:
    """And give the same rows whatever the size of a block, as a library and as a program."""
    samples = extremes(max(features.last.length, 60), features.signal_channels, seed)
    assert (run_front(features, samples, SANITIZED, block) == extract_rows(samples, features)).all()


@pytest.mark.parametrize(
    "stage", [LogMel(480, 320, 512), Spectrum(64, 32, 64, high_hz=8000.0, scale="magnitude")], ids=lambda s: s.kind
)
def test_without_a_64_bit_product_the_rows_are_the_same(stage: LogMel | Spectrum, folder: Path) -> None:
    samples = np.concatenate([made_up_sound(0.2), extremes(480, 1, 1)])
    features = staged(stage)
    found = run_front(features, samples, ("-O1", "-D__ARM_ARCH_6M__"), 320)
    assert (found == extract_rows(samples, features, folder=folder)).all()


def test_the_generated_code_says_its_sizes() -> None:
    features = staged(Filter("high", 2, (100.0,)), LogMel(480, 320, 512))
    front = front_of(features)
    assert (front.state_bytes, front.scratch_bytes) == (4 + 20 + 960, 4 * 514 + 80)
    code = front_code(features)
    assert code == front_code(features)
    assert f"sizeof(tinyops_front_state) <= {front.state_bytes} ?" in code["frontend.c"]
    assert "float" not in code["frontend.c"].replace("Generated", "")


def test_tables_do_not_follow_from_training() -> None:
    """One library serves every training of the same stages."""
    one = staged(LogMel(480, 320, 512))
    other = StagedFeatures(**{**vars(one), "offset": (5,) * 40, "gain": (0.5,) * 40})
    assert front_code(one) == front_code(other)


def test_a_recording_shorter_than_a_row_has_none(folder: Path) -> None:
    assert extract_rows(np.zeros((479, 1), np.int16), staged(LogMel(480, 320, 512)), folder=folder).shape == (0, 40)


@pytest.mark.parametrize(
    ("samples", "match"),
    [
        (np.zeros((9, 2), np.int16), "samples have 2 channels, the features 1"),
        (np.zeros((9, 1), np.int32), "samples are int32"),
        (np.zeros(9, np.int16), r"samples are int16 \(9,\)"),
    ],
)
def test_refuses_other_samples(samples: np.ndarray, match: str) -> None:
    with pytest.raises(SpecError, match=match):
        extract_rows(samples, staged(Statistics(4, 4, ("mean",))))


# -- features.json ---------------------------------------------------------------------------------

ALL = (
    (Filter("band", 2, (5.0, 20.0)), Samples()),
    (Filter(sections=((1.0, 0.0, 0.0, 0.5, 0.2),)), Statistics(50, 32, ("mean", "rms"))),
    (Spectrum(64, 32, 64, "hamming", 1.0, 40.0, "magnitude", "picture"),),
    (LogMel(128, 64, 128, low_hz=2.0, high_hz=50.0, mels=8),),
    (Mfcc(128, 64, 128, low_hz=2.0, high_hz=50.0, mels=8, coefficients=4),),
)


@pytest.mark.parametrize("stages", ALL, ids=lambda s: s[-1].kind)
def test_features_are_read_as_they_were_written(stages: tuple[Samples, ...]) -> None:
    features = staged(*stages, rate_hz=100.0, channels=2, frame_samples=4, frames=(64, 32))
    assert parse_features(features.to_json()) == features


GOOD = staged(*ALL[3], rate_hz=100.0, channels=2, frame_samples=4, frames=(64, 32)).to_json()
FILTERED = staged(*ALL[0], rate_hz=100.0, frames=(64, 32)).to_json()


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"rate_hz": 0}, "rate_hz is 0"),
        ({"rate_hz": float("nan")}, "rate_hz is nan"),
        ({"channels": 0}, "channels is 0"),
        ({"frame_samples": 1 << 40}, "frame_samples is"),
        ({"stages": []}, "stages must be a list of 1 to 8"),
        ({"stages": [1]}, r"stages\[0\]: must be an object"),
        ({"stages": [{"kind": "fft"}]}, r"stages\[0\]: kind 'fft' is unknown"),
        ({"stages": [{"kind": "log_mel", "length": 128}]}, r"stages\[0\]: lacks step"),
        ({"stages": [GOOD["stages"][0] | {"color": 1}]}, r"stages\[0\]: unknown fields color"),
        ({"stages": [GOOD["stages"][0] | {"length": "128"}]}, r"length is '128', it must be an integer"),
        ({"stages": [GOOD["stages"][0] | {"length": 1 << 30}]}, r"length: is 1073741824 samples"),
        ({"stages": [GOOD["stages"][0] | {"step": 0}]}, r"stages\[0\].step: is 0 samples"),
        ({"stages": [GOOD["stages"][0] | {"fft": 100}]}, r"stages\[0\].fft: is 100, it must be one of 16, "),
        ({"stages": [GOOD["stages"][0] | {"fft": 64}]}, "of 64 points is shorter than the 128 samples"),
        ({"stages": [GOOD["stages"][0] | {"window": "square"}]}, "'square' is unknown"),
        ({"stages": [GOOD["stages"][0] | {"high_hz": 51.0}]}, "51 Hz is above half the rate of 100 Hz"),
        ({"stages": [GOOD["stages"][0] | {"mels": 120}]}, "120 bands are too many: band 7 from below lies between"),
        ({"stages": [GOOD["stages"][0] | {"mels": 1000}]}, "mels: is 1000, it must be 1 to 128"),
        ({"stages": [*GOOD["stages"], {"kind": "raw"}]}, "only filters stand before another stage, not log_mel"),
        ({"stages": [{"kind": "filter", "passes": "low", "corner_hz": [5.0]}]}, "a filter is not the last stage"),
        ({"window_frames": 31}, "length: a row looks at 128 samples, the window has 124"),
        ({"hop_frames": 9}, "step: the hop is 36 samples, no multiple of a row's step of 64"),
        ({"offset": [0] * 15}, "offset has 15 entries and gain 16"),
        ({"frame_samples": 1 << 20, "window_frames": 1 << 20}, "a frame has 2,097,152 values"),
    ],
)
def test_refuses_what_is_no_list_of_stages(change: dict[str, object], match: str) -> None:
    with pytest.raises(SpecError, match=match):
        parse_features({**GOOD, **change})


@pytest.mark.parametrize(
    ("integers", "match"),
    [
        ([[1, 2, 3, 4, 5]], "1 sections, the filter has 2"),
        ([[1, 2, 3, 4]] * 2, "must be five 32-bit coefficients"),
        ([[0, 0, 0, 0, 1 << 30]] * 2, "of a stable section"),
        ([[1 << 31, 0, 0, 0, 0]] * 2, "must be an integer"),
        (7, "must be a list"),
    ],
)
def test_refuses_integers_that_are_no_filter(integers: object, match: str) -> None:
    stages = [FILTERED["stages"][0] | {"integers": integers}, {"kind": "raw"}]
    with pytest.raises(SpecError, match=match):
        parse_features({**FILTERED, "stages": stages})


def test_settings_become_features_with_filters_designed() -> None:
    stages = [{"kind": "filter", "passes": "low", "order": 2, "corner_hz": [5.0]}, {"kind": "raw"}]
    given_ = {"features": stages, "window_frames": 50, "hop_frames": 25, "frame_samples": 2}
    features = planned_features(given_, SIGNAL)
    assert isinstance(features, StagedFeatures)
    assert features.filters[0].integers and features.frame_values == 4
    assert (features.rows, features.hop_rows, features.offset) == (100, 50, (0, 0))
    assert input_shape(features, SIGNAL) == (100, 2)


def test_the_input_of_raw_streams_and_images() -> None:
    raw = {"features": "raw", "window_frames": 10, "hop_frames": 5}
    assert input_shape(planned_features(raw, SIGNAL), SIGNAL) == (10, 2)
    assert input_shape(planned_features(raw | {"frame_samples": 4}, SIGNAL), SIGNAL) == (40, 2)
    image = {"channels": ["i"], "size": [8, 6]}
    features = planned_features(raw | {"window_frames": 1, "hop_frames": 1}, image)
    assert (features.frame_values, input_shape(features, image)) == (48, (8, 6, 1))


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["kind", "length", "fft"]), inner),
    max_leaves=4,
)


@settings(max_examples=150, deadline=None, database=None)
@given(st.sampled_from([GOOD, FILTERED]), st.data())
def test_damaged_features_are_read_or_refused(features: dict[str, object], data: st.DataObject) -> None:
    """Any one value replaced by anything: a SpecError, or features whose code can be written."""
    damaged = json.loads(json.dumps(features))
    stage = data.draw(st.sampled_from([damaged, *damaged["stages"]]))
    stage[data.draw(st.sampled_from(sorted(stage)))] = data.draw(ANYTHING)
    try:
        found = parse_features(damaged)
    except SpecError:
        return
    if isinstance(found, StagedFeatures):
        assert front_code(found)
