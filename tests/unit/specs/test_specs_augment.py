"""Augmentation in specs: every rule with the place of its error, keys that stay, backgrounds of other datasets."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from tinyops.boards import Board, load_catalog
from tinyops.build.steps import model_steps
from tinyops.errors import Problem, SpecError
from tinyops.plan.diff import field_reasons
from tinyops.specs import Repository, load_repository
from tinyops.specs.lock import Lock, TinyopsPins

PROJECT = """\
apiVersion: tinyops/v1
kind: Project
metadata: {name: voices}
spec:
  releases: {kind: directory, path: ../.tinyops/releases}
  signing: {image: {by: ci, key: {secret: IMAGE_KEY}}}
"""
SPOKEN = """\
apiVersion: tinyops/v1
kind: Dataset
metadata: {name: words}
spec:
  classes: [silence, stop]
  signal: {sensor: microphone, channels: [audio], units: ["1"], full_scale: [1], rate_hz: 16000}
  sources: [{kind: files, index: ../data/words.index, format: npy}]
"""
STREETS = SPOKEN.replace("name: words", "name: streets").replace("[silence, stop]", "[traffic, park]")
MOVED = """\
apiVersion: tinyops/v1
kind: Dataset
metadata: {name: words}
spec:
  classes: [walk, run]
  signal: {sensor: imu, channels: [ax, ay, az, t], units: [g, g, g, degC], full_scale: [4, 4, 4, 100], rate_hz: 100}
  sources: [{kind: files, index: ../data/words.index, format: npy}]
"""
SEEN = MOVED.replace("rate_hz: 100", "size: [8, 8]")
MODEL = """\
apiVersion: tinyops/v1
kind: Model
metadata: {name: spotter}
spec:
  dataset: words
  input: {window_s: 1, hop_s: 0.5, block_s: 0.02, features: [FEATURE]}
  architecture: {kind: layers, layers: [{kind: flatten}]}
  training:
    epochs: 2
    augment:
      - STEP
"""


@pytest.fixture(scope="module")
def catalog() -> Mapping[str, Board]:
    return load_catalog()


def load(folder: Path, catalog: Mapping[str, Board], model: str, dataset: str = SPOKEN) -> Repository:
    files = {"project": PROJECT, "b": dataset, "c": STREETS, "model": model}
    (folder / "specs").mkdir(exist_ok=True)
    (folder / "data").mkdir(exist_ok=True)
    (folder / "data" / "words.index").write_text("")
    for name, text in files.items():
        (folder / "specs" / f"{name}.yaml").write_text(text)
    return load_repository(folder, catalog=catalog)


def with_step(step: str, feature: str = "log_mel", dataset: str = SPOKEN) -> str:
    text = MODEL.replace("STEP", step).replace("FEATURE", feature)
    return text.replace("  input: {window_s: 1, hop_s: 0.5, block_s: 0.02, ", "  input: {") if dataset is SEEN else text


def problem(folder: Path, catalog: Mapping[str, Board], step: str, feature: str, dataset: str) -> Problem:
    with pytest.raises(SpecError) as caught:
        load(folder, catalog, with_step(step, feature, dataset), dataset)
    (found,) = caught.value.problems
    return found


DIGEST = f"sha256:{0:064d}"
ROTATE = "{kind: rotate, at_most_deg: 9, channels: "
SPOKEN_WRONG = [
    ("{kind: noise, level: [0.2, 0.1]}", (11, 30), "0.2 is above 0.1", "lower end"),
    ("{kind: noise, level: [0, 1.5]}", (11, 34), "must be at most 1.0: 1.5", ""),
    ("{kind: nois, level: [0, 1]}", (11, 16), "must be one of", "noise"),
    ("{kind: scale, factor: [0, 1]}", (11, 32), "must be greater than 0.0: 0", ""),
    ("{kind: speed, factor: [0.1, 1]}", (11, 32), "must be at least 0.5: 0.1", ""),
    ("{kind: shift, at_most_s: 1}", (11, 34), "1 s is not below the window of 1 s", "left"),
    ("{kind: shift, at_most_s: 0.00001}", (11, 34), "less than one sample", ""),
    ("{kind: mask_time, at_most_s: 0.01}", (11, 38), "less than one row, 0.02 s", ""),
    ("{kind: mask_bands, at_most: 40}", (11, 37), "40 is not below the 40 bands", ""),
    ("{kind: mask_bands, at_most: 4, count: 0}", (11, 47), "must be greater than 0: 0", ""),
    ("{kind: mix, of: silense, factor: [0, 1]}", (11, 25), "dataset words has no class 'silense'", "silence"),
    ("{kind: mix, of: park, dataset: street, factor: [0, 1]}", (11, 40), "no Dataset 'street'", "streets"),
    ("{kind: mix, of: parks, dataset: streets, factor: [0, 1]}", (11, 25), "dataset streets has no class", "park"),
    (ROTATE + "[[audio, x, y]]}", (11, 51), "the dataset has no channel 'x'", ""),
    ("{kind: noise, level: [0, 1], chance: 0}", (11, 46), "must be greater than 0", ""),
]


@pytest.mark.parametrize(("step", "place", "words", "hint"), SPOKEN_WRONG, ids=[w[0] for w in SPOKEN_WRONG])
def test_what_is_wrong_is_said_where_it_stands(
    tmp_path: Path, catalog: Mapping[str, Board], step: str, place: tuple[int, int], words: str, hint: str
) -> None:
    found = problem(tmp_path, catalog, step, "log_mel", SPOKEN)
    assert words in found.message and hint in found.hint, found
    assert (Path(found.file).name, found.line, found.column) == ("model.yaml", *place), found


OTHERS_WRONG = [
    ("{kind: mask_bands, at_most: 4}", "mfcc", SPOKEN, "rows of kind mfcc have no bands beside each other"),
    ("{kind: mask_bands, at_most: 4}", "raw", SPOKEN, "rows of kind raw have no bands beside each other"),
    (ROTATE + "[[ax, ay, t]]}", "raw", MOVED, "units of the three are g, g, degC"),
    (ROTATE + "[[ax, ay, ay]]}", "raw", MOVED, "a channel stands twice"),
    ("{kind: mix, of: park, dataset: streets, factor: [0, 1]}", "raw", MOVED, "channels of dataset streets is audio"),
    ("{kind: shift, at_most_s: 0.1}", "raw", SEEN, "images take noise and scale alone"),
]


@pytest.mark.parametrize(("step", "feature", "dataset", "words"), OTHERS_WRONG)
def test_what_does_not_suit_the_signal_is_refused(
    tmp_path: Path, catalog: Mapping[str, Board], step: str, feature: str, dataset: str, words: str
) -> None:
    found = problem(tmp_path, catalog, step, feature, dataset)
    assert words in found.message and found.line == 11, found


IDLE = [
    ("copies: 3", SPOKEN, "{kind: layers, layers: [{kind: flatten}]}", "without augment all copies are alike"),
    (
        "label_smoothing: 0.1",
        MOVED.replace("  classes", "  task: anomaly\n  normal: walk\n  classes"),
        "{kind: autoencoder, units: [4]}",
        "an autoencoder learns from windows, not from labels",
    ),
]


@pytest.mark.parametrize(("field", "dataset", "architecture", "words"), IDLE, ids=[i[0] for i in IDLE])
def test_fields_that_would_do_nothing_are_refused(
    tmp_path: Path, catalog: Mapping[str, Board], field: str, dataset: str, architecture: str, words: str
) -> None:
    model = with_step("", "raw").replace("    augment:\n      - \n", f"    {field}\n")
    model = model.replace("{kind: layers, layers: [{kind: flatten}]}", architecture)
    with pytest.raises(SpecError) as caught:
        load(tmp_path, catalog, model, dataset)
    (found,) = caught.value.problems
    assert words in found.message and (found.line, found.column) == (10, 5), found


@pytest.mark.parametrize("step", ["{kind: noise, level: [0, 0.1]}", "{kind: scale, factor: [0.5, 2]}"])
def test_images_take_noise_and_scale(tmp_path: Path, catalog: Mapping[str, Board], step: str) -> None:
    load(tmp_path, catalog, with_step(step, "raw", SEEN), SEEN)


def train_step(folder: Path, catalog: Mapping[str, Board], model: str) -> tuple[dict[str, object], set[str]]:
    lock = Lock(tinyops=TinyopsPins(version="1.0.0", compiler=DIGEST, firmware=DIGEST))
    step, _ = model_steps(load(folder, catalog, model), "spotter", lock)
    return dict(step.settings), set(step.inputs)


def test_a_model_without_augmentation_keeps_its_key(tmp_path: Path, catalog: Mapping[str, Board]) -> None:
    plain = with_step("").replace("    augment:\n      - \n", "")
    settings, _ = train_step(tmp_path, catalog, plain)
    assert settings["training"] == {"batch": 16, "epochs": 2, "learning_rate": 0.001, "seed": 1}


def test_each_field_of_a_step_is_in_the_key(tmp_path: Path, catalog: Mapping[str, Board]) -> None:
    old, _ = train_step(tmp_path, catalog, with_step("{kind: mix, of: silence, factor: [0, 0.5]}"))
    new, _ = train_step(tmp_path, catalog, with_step("{kind: mix, of: silence, factor: [0, 0.6], chance: 0.5}"))
    found = {(r.field, r.old, r.new) for r in field_reasons(old, new)}
    assert found == {
        ("training.augment[0].chance", "1.0", "0.5"),
        ("training.augment[0].factor[1]", "0.5", "0.6"),
    }


def test_a_background_is_an_input_of_the_step(tmp_path: Path, catalog: Mapping[str, Board]) -> None:
    _, inputs = train_step(tmp_path, catalog, with_step("{kind: mix, of: silence, factor: [0, 1]}"))
    assert inputs == {"recordings.npz", "dataset.json"}
    _, inputs = train_step(tmp_path, catalog, with_step("{kind: mix, of: park, dataset: streets, factor: [0, 1]}"))
    assert inputs == {
        *("recordings.npz", "dataset.json"),
        "background-streets.recordings.npz",
        "background-streets.dataset.json",
    }
