"""Features in specs: what they become in samples, and every rule with the exact place of its error."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from tinyops.boards import Board, load_catalog
from tinyops.build.contracts import trained_contract
from tinyops.build.steps import window_settings
from tinyops.errors import Problem, SpecError
from tinyops.features.planned import input_shape, planned_features
from tinyops.plan.diff import field_reasons
from tinyops.specs import Repository, load_repository, window
from tinyops.specs.feature_rules import input_shape as shape_of_specs

PROJECT = """\
apiVersion: tinyops/v1
kind: Project
metadata: {name: voices}
spec:
  releases: {kind: directory, path: ../.tinyops/releases}
  signing: {image: {by: ci, key: {secret: IMAGE_KEY}}}
"""
DATASET = """\
apiVersion: tinyops/v1
kind: Dataset
metadata: {name: words}
spec:
  classes: [yes, no]
  signal: {sensor: microphone, channels: [audio], units: ["1"], full_scale: [1], rate_hz: 16000}
  sources:
    - {kind: files, index: ../data/words.index, format: npy}
"""
MODEL = """\
apiVersion: tinyops/v1
kind: Model
metadata: {name: spotter}
spec:
  dataset: words
  input:
    window_s: 1
    hop_s: 0.5
    block_s: 0.02
    features:
      - FEATURE
  architecture: {kind: layers, layers: [{kind: conv1d, filters: 4, kernel: 3}, {kind: flatten}]}
  training: {epochs: 2}
"""
LOG_MEL = "{kind: log_mel, length_s: 0.03, step_s: 0.02, mels: 40}"
BEFORE = "{kind: filter, passes: high, order: 2, corner_hz: 100}\n      - "


@pytest.fixture(scope="module")
def catalog() -> Mapping[str, Board]:
    return load_catalog()


def load(folder: Path, catalog: Mapping[str, Board], feature: str, **edits: str) -> Repository:
    """A repository whose model has these features; `edits` replace text of the model."""
    model = MODEL.replace("FEATURE", feature)
    for old, new in edits.items():
        assert old in model
        model = model.replace(old, new)
    files = {"specs/a.yaml": PROJECT, "specs/b.yaml": DATASET.replace("[yes, no]", '["yes", "no"]')}
    for name, text in {**files, "specs/c.yaml": model, "data/words.index": ""}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return load_repository(folder, catalog=catalog)


def problem(folder: Path, catalog: Mapping[str, Board], feature: str, **edits: str) -> Problem:
    with pytest.raises(SpecError) as caught:
        load(folder, catalog, feature, **edits)
    (found,) = caught.value.problems
    return found


def test_log_mel_in_samples(tmp_path: Path, catalog: Mapping[str, Board]) -> None:
    repository = load(tmp_path, catalog, BEFORE + LOG_MEL)
    model, signal = repository.models["spotter"].document, repository.datasets["words"].document.spec.signal
    assert window(model.spec, signal) == (50, 25)
    settings = window_settings(repository, model)
    assert (settings["window_frames"], settings["hop_frames"], settings["frame_samples"]) == (50, 25, 320)
    first, last = settings["features"]
    assert first == {"kind": "filter", "passes": "high", "order": 2, "corner_hz": [100.0]}
    assert last["kind"] == "log_mel" and (last["length"], last["step"], last["fft"]) == (480, 320, 512)
    features = planned_features(settings, signal.model_dump(mode="json"))
    assert input_shape(features, {}) == shape_of_specs(model.spec, signal) == (49, 40)


def test_the_contract_has_frames_of_a_block(tmp_path: Path, catalog: Mapping[str, Board]) -> None:
    """And nothing of the features, which belong to the image."""
    contract = trained_contract(load(tmp_path, catalog, LOG_MEL), "spotter", catalog["nano33ble"])
    assert contract is not None
    assert [contract["input"][n] for n in ("frame_values", "window_frames", "hop_frames")] == [320, 50, 25]
    assert contract == trained_contract(load(tmp_path, catalog, "mfcc"), "spotter", catalog["nano33ble"])


def test_a_plan_names_what_changed(tmp_path: Path, catalog: Mapping[str, Board]) -> None:
    settings = []
    for mels, corner in ((40, 100), (32, 80)):
        feature = BEFORE.replace("100", str(corner)) + LOG_MEL.replace("40", str(mels))
        repository = load(tmp_path, catalog, feature)
        settings.append(window_settings(repository, repository.models["spotter"].document))
    found = [(r.field, r.old, r.new) for r in field_reasons(*settings)]
    assert found == [("features[0].corner_hz[0]", "100.0", "80.0"), ("features[1].mels", "40", "32")]


@pytest.mark.parametrize(
    ("feature", "shape"),
    [
        ("log_mel", (49, 40)),
        ("mfcc", (49, 13)),
        ("statistics", (1, 5)),
        ("raw", (16000, 1)),
        ("{kind: spectrum, length_s: 0.004, scale: magnitude}", (250, 33)),
        ("{kind: spectrum, length_s: 0.004, step_s: 0.002, low_hz: 1000, high_hz: 2000}", (499, 5)),
        (BEFORE + "raw", (16000, 1)),
    ],
)
def test_shapes(tmp_path: Path, catalog: Mapping[str, Board], feature: str, shape: tuple[int, ...]) -> None:
    repository = load(tmp_path, catalog, feature)
    spec, signal = repository.models["spotter"].document.spec, repository.datasets["words"].document.spec.signal
    assert shape_of_specs(spec, signal) == shape
    if feature == "raw":
        assert window_settings(repository, repository.models["spotter"].document)["features"] == "raw"


def test_a_picture_takes_conv2d(tmp_path: Path, catalog: Mapping[str, Board]) -> None:
    picture = LOG_MEL.replace("}", ", shape: picture}")
    old = "{kind: conv1d, filters: 4, kernel: 3}"
    load(tmp_path, catalog, picture, **{old: "{kind: conv2d, filters: 4, kernel: [3, 3]}"})
    found = problem(tmp_path, catalog, picture)
    assert "conv1d: its input is 49x40x1" in found.message


WRONG = [
    ("{kind: log_mel, length_s: 2}", (11, 35), "log_mel: length is 32000 samples, an FFT has at most 1024 points", ""),
    ("{kind: log_mel, length_s: 0.03, step_s: 0.04}", (11, 49), "step is 640 samples, it must be 1 to the", ""),
    ("{kind: log_mel, length_s: 0.00003}", (11, 9), "its times are no whole numbers of samples at 16000 Hz", "one"),
    ("{kind: log_mel, step_s: 0.03}", (11, 33), "the hop is 8000 samples, no multiple of a row's step of 480", "row"),
    ("{kind: log_mel, fft: 256}", (11, 30), "fft of 256 points is shorter than the 480 samples", "shorter length_s"),
    ("{kind: log_mel, fft: 500}", (11, 30), "fft: must be one of 16, 32, 64", ""),
    ("{kind: log_mel, high_hz: 9000}", (11, 34), "9000 Hz is above half the rate of 16000 Hz", ""),
    ("{kind: log_mel, low_hz: 5000}", (11, 33), "low_hz 5000 Hz is not below high_hz, 4000 Hz", ""),
    ("{kind: log_mel, mels: 128}", (11, 31), "mels 128 bands are too many", "bins are 31.25 Hz apart: fewer mels"),
    ("{kind: log_mel, mels: 0}", (11, 31), "mels: must be at least 1", ""),
    ("{kind: mfcc, mels: 12}", (11, 9), "13 coefficients of 12 mels", ""),
    ("{kind: mfc}", (11, 16), "kind: must be one of filter, log_mel, mfcc", "did you mean mfcc?"),
    ("fft", (11, 9), "must be a mapping with a kind", "log_mel"),
    ("{kind: spectrum}", (11, 9), 'field "length_s" is missing', "whole number of samples"),
    ("{kind: spectrum, length_s: 0.01, low_hz: 10, high_hz: 50}", (11, 63), "10 to 50 Hz", "larger fft"),
    ("{kind: statistics, length_s: 2}", (11, 38), "a row looks at 32000 samples, the window has 16000", "window_s"),
    ("{kind: statistics, statistics: [mean, mode]}", (11, 47), "must be one of mean, deviation", ""),
    ("{kind: statistics, statistics: [rms, rms]}", (11, 40), "must name each statistic once", ""),
    ("{kind: filter, passes: high, corner_hz: 100}", (11, 9), "a filter is not the last stage", "raw]"),
    (
        "{kind: filter, passes: high, corner_hz: 9000}\n      - raw",
        (11, 49),
        "9000 Hz is outside 32 to 7840 Hz",
        "half",
    ),
    ("{kind: filter, passes: high, corner_hz: 1}\n      - raw", (11, 49), "1 Hz is outside 32 to 7840 Hz", "half"),
    ("{kind: filter, passes: band, corner_hz: 100}\n      - raw", (11, 49), "1 corners, passes: band takes 2", ""),
    ("{kind: filter, passes: band, corner_hz: [900, 300]}\n      - raw", (11, 49), "lower corner is not below", ""),
    (
        "{kind: filter, passes: stop, order: 4, corner_hz: [32, 7000]}\n      - raw",
        (11, 59),
        "no filter that 32 bits",
        "",
    ),
    ("{kind: filter, corner_hz: 100}\n      - raw", (11, 9), "either passes and corner_hz, or sections", ""),
    ("{kind: filter, sections: [[1, 0, 0, 0, 1]]}\n      - raw", (11, 34), "unstable: its poles are not", "|a2| < 1"),
    ("{kind: filter, sections: [[1, 0, 0, -1.9, 0.8]]}\n      - raw", (11, 34), "unstable", "|a1| < 1 + a2"),
    ("{kind: filter, sections: [[2.5, 0, 0, 0, 0]]}\n      - raw", (11, 34), "each within ±2", "a0 is 1"),
    ("{kind: filter, sections: [[1, 0, 0, 0]]}\n      - raw", (11, 35), "sections[0]", ""),
    ("raw\n      - log_mel", (11, 9), "only filters stand before another stage, not raw", "filter"),
    ("tensor", (11, 9), "only a finished .tflite takes tensors", "raw"),
]


@pytest.mark.parametrize(("feature", "place", "words", "hint"), WRONG, ids=[w[0] for w in WRONG])
def test_what_is_wrong_is_said_where_it_stands(
    tmp_path: Path, catalog: Mapping[str, Board], feature: str, place: tuple[int, int], words: str, hint: str
) -> None:
    found = problem(tmp_path, catalog, feature)
    assert words in found.message and hint in found.hint, found
    assert (Path(found.file).name, found.line, found.column) == ("c.yaml", *place)


def test_more_biquads_than_there_is_room_for(tmp_path: Path, catalog: Mapping[str, Board]) -> None:
    eight = "{kind: filter, passes: band, order: 8, corner_hz: [1000, 2000]}\n      - "
    found = problem(tmp_path, catalog, eight * 3 + "raw")
    assert (found.line, found.message) == (13, "filter makes 24 biquads, at most 16: use filters of lower order")


@pytest.mark.parametrize(
    ("old", "new", "place", "words"),
    [
        ("block_s: 0.02", "block_s: 0.03", (7, 15), "16000 samples are no whole number of blocks of 480"),
        ("hop_s: 0.5", "hop_s: 0.03", (8, 12), "480 samples are no whole number of blocks of 320"),
        ("block_s: 0.02", "block_s: 0.00001", (9, 14), "1e-05 s at 16000 frames a second are 0.16 frames"),
    ],
)
def test_blocks(
    tmp_path: Path, catalog: Mapping[str, Board], old: str, new: str, place: tuple[int, int], words: str
) -> None:
    with pytest.raises(SpecError) as caught:
        load(tmp_path, catalog, "raw", **{old: new})
    first = caught.value.problems[0]
    assert words in first.message and (first.line, first.column) == place


def test_images_have_no_features_but_raw(tmp_path: Path, catalog: Mapping[str, Board]) -> None:
    load(tmp_path, catalog, "log_mel")
    data = (tmp_path / "specs/b.yaml").read_text().replace("rate_hz: 16000", "size: [8, 8]")
    (tmp_path / "specs/b.yaml").write_text(data)
    model = (tmp_path / "specs/c.yaml").read_text()
    for line in ("    window_s: 1\n", "    hop_s: 0.5\n", "    block_s: 0.02\n"):
        model = model.replace(line, "")
    (tmp_path / "specs/c.yaml").write_text(model)
    with pytest.raises(SpecError, match="images have no features but raw"):
        load_repository(tmp_path, catalog=catalog)
