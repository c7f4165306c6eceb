"""Variants in specs: every rule with the place of its error, and what is accepted."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from tinyops.boards import Board, load_catalog
from tinyops.errors import Problem, SpecError
from tinyops.specs import Repository, load_repository
from tinyops.specs.squeeze import Variant

PROJECT = """\
apiVersion: tinyops/v1
kind: Project
metadata: {name: motions}
spec:
  releases: {kind: directory, path: ../.tinyops/releases}
  signing: {image: {by: ci, key: {secret: IMAGE_KEY}}}
"""
DATASET = """\
apiVersion: tinyops/v1
kind: Dataset
metadata: {name: walks}
spec:
  classes: [still, walk]
  signal: {sensor: imu, channels: [ax, ay], units: [g, g], full_scale: [4, 4], rate_hz: 10}
  sources: [{kind: files, index: ../data/walks.index, format: npy}]
"""
OTHER = DATASET.replace("name: walks", "name: runs").replace("[still, walk]", "[still, run]")
ANOMALY = DATASET.replace("name: walks", "name: gaits").replace("spec:", "spec:\n  task: anomaly\n  normal: walk")
LAYERS = "{kind: layers, layers: [{kind: conv1d, filters: 8, kernel: 3}, {kind: conv1d, filters: 8, kernel: 5}, "
LAYERS += "{kind: global_average_pool}]}"
FLAT = "{kind: layers, layers: [{kind: flatten}]}"
CODER = "{kind: autoencoder, units: [8, 2, 8]}"
PYTHON = '{kind: python, entry: "../models/mine.py:build", args: {filters: 4}}'
FUNCTION = "def build(shape, classes, filters, width: float = 1.0):\n    return None\n"
MODEL = """\
apiVersion: tinyops/v1
kind: Model
metadata: {name: NAME}
spec:
  dataset: DATASET
  input: {window_s: 4, hop_s: 1}
  architecture: ARCHITECTURE
  training: {epochs: 2}
  squeeze:
    variants: [VARIANTS]
"""
TFLITE = b"\0\0\0\0TFL3"
FINISHED = """\
apiVersion: tinyops/v1
kind: Model
metadata: {name: small}
spec:
  input: {features: [tensor]}
  architecture: {kind: tflite, file: ../models/a.tflite,
    sha256: "sha256:ba7e0ea5d9f44b8c1fa6bc2a7fe7ea0cb1a5bd3ca9b2e76f1e0b0d4a2a1e5d6c"}
  squeeze:
    variants: [VARIANTS]
"""


@pytest.fixture(scope="module")
def catalog() -> Mapping[str, Board]:
    return load_catalog()


def spec(variants: str, architecture: str = LAYERS, name: str = "small", dataset: str = "walks") -> str:
    text = MODEL.replace("NAME", name).replace("DATASET", dataset).replace("ARCHITECTURE", architecture)
    return text.replace("VARIANTS", variants)


def load(folder: Path, catalog: Mapping[str, Board], *models: str) -> Repository:
    specs = {"a": PROJECT, "b": DATASET, "c": OTHER, "d": ANOMALY, **{f"m{n}": m for n, m in enumerate(models)}}
    for path, content in {
        "data/walks.index": "",
        "models/mine.py": FUNCTION,
        **{f"specs/{name}.yaml": text for name, text in specs.items()},
    }.items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_text(content)
    (folder / "models/a.tflite").write_bytes(TFLITE)
    return load_repository(folder, catalog=catalog)


def problems(folder: Path, catalog: Mapping[str, Board], *models: str) -> list[Problem]:
    with pytest.raises(SpecError) as caught:
        load(folder, catalog, *models)
    return list(caught.value.problems)


@pytest.mark.parametrize(
    ("architecture", "variants", "names"),
    [
        (LAYERS, "{width: 0.5}", ["w0.5"]),  # the first need not be the plain one
        (LAYERS, "int8, {width: [0.5, 0.75], prune_channels: 0.3}", ["int8", "w0.5-c0.3", "w0.75-c0.3"]),
        (LAYERS, "int8, {depth: 0.5}, {per: tensor}", ["int8", "d0.5", "pt"]),
        (LAYERS, "int8, {activations: int16}, {width: 0.5, activations: int16}", ["int8", "a16", "w0.5-a16"]),
        (CODER, "{width: 0.5, prune_weights: 0.5}", ["w0.5-s0.5"]),
        (CODER, "{activations: int16}", ["a16"]),
        (LAYERS, "{weights: [int8, int4, table]}", ["int8", "int4", "table"]),
        (CODER, "{width: 0.5, weights: int4, per: tensor}", ["w0.5-int4-pt"]),
        (PYTHON, "int8, {width: 0.5}, {prune_channels: 0.5}", ["int8", "w0.5", "c0.5"]),
        (FLAT, "int8, {prune_weights: 0.5}", ["int8", "s0.5"]),
    ],
)
def test_what_can_be_made_is_accepted(
    tmp_path: Path, catalog: Mapping[str, Board], architecture: str, variants: str, names: list[str]
) -> None:
    dataset = "gaits" if architecture is CODER else "walks"
    repository = load(tmp_path, catalog, spec(variants, architecture, dataset=dataset))
    assert [v.name for v in repository.models["small"].document.spec.squeeze.all] == names


@pytest.mark.parametrize(
    ("architecture", "variants", "column", "message"),
    [
        (LAYERS, "int8, {width: 0.99}", 30, "width: 0.99 of 8 units or filters, rounded, are as many"),
        (LAYERS, "int8, {width: [0.5, 0.99]}", 36, "width: 0.99 of 8 units or filters, rounded, are as many"),
        (FLAT, "int8, {width: 0.5}", 30, "width: no hidden layer has units or filters"),
        (FLAT, "int8, {depth: 0.5}", 30, "depth: no layer repeats the shape of the one before it"),
        (FLAT, "int8, {prune_channels: 0.5}", 39, "prune_channels: 0.5 of filters and units are none"),
        (LAYERS, "int8, {prune_channels: 0.1}", 39, "are none: no hidden layer has more than 8"),
        (LAYERS, "int8, {width: [1, 0.25], prune_channels: 0.3}", 57, "are none: no hidden layer has more than 2"),
        (CODER, "{depth: 0.5}", 24, "depth: no layer repeats the shape"),
        (CODER, "{teacher: big}", 26, "an autoencoder learns from windows, not from a teacher's classes"),
        (LAYERS, "{activations: int16}, {activations: int16}", 38, "a16 is variants[0] already"),
        (LAYERS, "int8, {width: 1.0}", 22, "int8 is variants[0] already"),
        (LAYERS, "{width: 0.5}, {width: [0.5, 0.25]}", 30, "w0.5 is variants[0] already"),
        (LAYERS, "int8, {width: [0.5, 0.5]}", 22, "w0.5 comes of it twice"),
        (LAYERS, "int8, {weights: int4, quantisation_aware: true}", 38, "weights of int4 are learnt with all of its"),
        (LAYERS, "int8, {weights: table, activations: int16}", 39, "no kernel of int16 activations looks weights of"),
        (PYTHON, "int8, {depth: 0.5}", 23, "build takes no argument depth"),
        (PYTHON.replace("filters:", "width:"), "int8, {width: 0.5}", 23, "width is among the architecture's args"),
    ],
)
def test_what_cannot_be_made_or_changes_nothing_is_refused_where_it_stands(
    tmp_path: Path, catalog: Mapping[str, Board], architecture: str, variants: str, column: int, message: str
) -> None:
    dataset = "gaits" if architecture is CODER else "walks"
    big = spec("int8", name="big")
    found = problems(tmp_path, catalog, spec(variants, architecture, dataset=dataset), big)[0]
    assert message in found.message
    assert (Path(found.file).name, found.line, found.column) == ("m0.yaml", 10, column)
    assert found.hint


def test_lists_that_multiply_too_far_are_counted_and_not_made(tmp_path: Path, catalog: Mapping[str, Board]) -> None:
    shares = "[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]"
    grid = f"{{width: {shares}, depth: {shares}, prune_channels: {shares}, prune_weights: {shares}}}"
    (found,) = problems(tmp_path, catalog, spec(f"int8, {grid}"))
    assert found.message == "4,097 variants once lists are spread; there may be 64" and found.line == 10


@pytest.mark.parametrize(
    "variant",
    [
        "{width: 0.5}",
        "{per: tensor}",
        "{quantisation_aware: true}",
        "{activations: int16}",
        "{weights: int4}",
        "{teacher: big}",
    ],
)
def test_a_finished_model_has_the_plain_variant_alone(
    tmp_path: Path, catalog: Mapping[str, Board], variant: str
) -> None:
    found = problems(tmp_path, catalog, FINISHED.replace("VARIANTS", f"int8, {variant}"), spec("int8", name="big"))
    about = next(p for p in found if "finished" in p.message)
    assert "neither float weights nor training" in about.message and about.line == 9


@pytest.mark.parametrize(
    ("teacher", "message"),
    [
        ("", "there is no Model 'big'"),
        (spec("int8", name="big", dataset="runs"), "its classes are still, run, not still, walk"),
        (spec("int8", name="big").replace("window_s: 4", "window_s: 2"), "its window_s is 2, not 4"),
        (spec("{width: 0.5}", name="big"), "big itself is not made: all of its variants are others"),
        (spec("int8", CODER, name="big", dataset="gaits"), "big is no classifier"),
    ],
)
def test_teachers_that_cannot_teach_are_refused(
    tmp_path: Path, catalog: Mapping[str, Board], teacher: str, message: str
) -> None:
    models = [spec("int8, {teacher: big}"), *([teacher] if teacher else [])]
    found = problems(tmp_path, catalog, *models)[0]
    assert message in found.message and (found.line, found.column) == (10, 32)


def test_a_model_does_not_teach_itself(tmp_path: Path, catalog: Mapping[str, Board]) -> None:
    assert problems(tmp_path, catalog, spec("int8, {teacher: small}"))[0].message == "a model does not teach itself"


def test_a_smaller_variant_learns_from_the_model_itself(tmp_path: Path, catalog: Mapping[str, Board]) -> None:
    repository = load(tmp_path, catalog, spec("int8, {width: 0.5, teacher: small}"))
    assert repository.models["small"].document.spec.squeeze.all[1].name == "w0.5-from-small"
    alone = problems(tmp_path, catalog, spec("{width: 0.5, teacher: small}"))[0]
    assert alone.message == "small itself is not made: all of its variants are others"


def test_a_teacher_of_the_same_task_is_accepted(tmp_path: Path, catalog: Mapping[str, Board]) -> None:
    repository = load(tmp_path, catalog, spec("int8, {teacher: big}"), spec("int8", name="big"))
    assert repository.models["small"].document.spec.squeeze.all[1].teacher == "big"


def test_weights_of_few_values_are_learnt_and_the_plain_ones_change_no_key() -> None:
    few, plain = Variant(weights="int4"), Variant(weights="int8")
    assert few.trains and few.settings == {"weights": "int4"}
    assert plain.settings == {} and not plain.trains and plain.name == "int8"
