"""Whole repositories: what is accepted, and every rule across documents with the exact place of its error."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from tinyops.boards import Board, load_catalog
from tinyops.errors import ExitCode, Problem, SpecError
from tinyops.specs import Repository, load_repository, transport_of, window

TFLITE = b"\0\0\0\0TFL3 not much of a model"
TFLITE_SHA256 = f"sha256:{hashlib.sha256(TFLITE).hexdigest()}"

PROJECT = """\
apiVersion: tinyops/v1
kind: Project
metadata: {name: wearables}
spec:
  releases: {kind: directory, path: ../.tinyops/releases}
  signing: {image: {by: ci, key: {secret: IMAGE_KEY}}}
"""
DATASET = """\
apiVersion: tinyops/v1
kind: Dataset
metadata: {name: motions}
spec:
  classes: [still, walk]
  signal:
    sensor: imu
    channels: [ax, ay]
    units: [m/s2, m/s2]
    full_scale: [20, 20]
    rate_hz: 10
  sources:
    - {kind: files, index: ../data/wrist.index, format: csv}
"""
MODEL = """\
apiVersion: tinyops/v1
kind: Model
metadata: {name: activity}
spec:
  dataset: motions
  input: {window_s: 4, hop_s: 1}
  architecture:
    kind: layers
    layers:
      - {kind: conv1d, filters: 4, kernel: 3}
      - {kind: global_average_pool}
  training: {epochs: 2}
  gates: {recall_min: {walk: 0.5}}
"""
FLEET = """\
apiVersion: tinyops/v1
kind: Fleet
metadata: {name: wrist}
spec:
  model: activity
  boards:
    nano33ble: {sensor: onboard-imu, transport: ble, framework: arduino}
    microbit: {sensor: {kind: stream, port: serial}}
    linux: {sensor: {kind: replay, file: ../data/walk.csv}}
"""
FINISHED = f"""\
apiVersion: tinyops/v1
kind: Model
metadata: {{name: person}}
spec:
  input: {{features: [tensor]}}
  architecture:
    kind: tflite
    file: ../models/person.tflite
    sha256: "{TFLITE_SHA256}"
"""
FILES = {
    "specs/a-project.yaml": PROJECT,
    "specs/b-data.yaml": DATASET,
    "specs/c-model.yaml": MODEL,
    "specs/d-fleet.yaml": FLEET,
    "data/wrist.index": "",
    "data/walk.csv": "ax,ay\n1,2\n",
    "models/person.tflite": TFLITE,
}


@pytest.fixture(scope="module")
def catalog() -> Mapping[str, Board]:
    return load_catalog()


class Tree:
    """A repository on disk that a test changes and loads."""

    def __init__(self, root: Path, catalog: Mapping[str, Board]) -> None:
        self.root, self.catalog = root, catalog
        for path, content in FILES.items():
            self.write(path, content)

    def write(self, path: str, content: str | bytes) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_bytes(content if isinstance(content, bytes) else content.encode())

    def edit(self, path: str, old: str, new: str) -> None:
        text = (self.root / path).read_text()
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {path}"
        self.write(path, text.replace(old, new))

    def load(self) -> Repository:
        return load_repository(self.root, catalog=self.catalog)

    def problems(self) -> list[Problem]:
        with pytest.raises(SpecError) as caught:
            self.load()
        assert caught.value.exit_code == ExitCode.SPEC
        return list(caught.value.problems)


@pytest.fixture
def tree(tmp_path: Path, catalog: Mapping[str, Board], monkeypatch: pytest.MonkeyPatch) -> Tree:
    monkeypatch.chdir(tmp_path)
    return Tree(tmp_path, catalog)


def test_loads_a_repository(tree: Tree) -> None:
    repository = tree.load()
    assert repository.root == tree.root.resolve()
    assert repository.project.document.name == "wearables"
    assert (list(repository.datasets), list(repository.models), list(repository.fleets)) == (
        ["motions"],
        ["activity"],
        ["wrist"],
    )
    fleet = repository.fleets["wrist"]
    assert fleet.file == "specs/d-fleet.yaml"
    assert fleet.document.spec.model_name == "activity"
    assert fleet.document.spec.boards["nano33ble"].sensor.kind == "onboard"
    source = repository.source(fleet, "../data/walk.csv")
    assert source.path == tree.root.resolve() / "data/walk.csv"
    assert source.digest == f"sha256:{hashlib.sha256(b'ax,ay' + bytes([10]) + b'1,2' + bytes([10])).hexdigest()}"
    assert repository.resolve(repository.project, "../.tinyops/releases") == tree.root.resolve() / ".tinyops/releases"


def test_derived_settings(tree: Tree, catalog: Mapping[str, Board]) -> None:
    repository = tree.load()
    spec, signal = repository.models["activity"].document.spec, repository.datasets["motions"].document.spec.signal
    assert window(spec, signal) == (40, 10)
    boards = repository.fleets["wrist"].document.spec.boards
    assert {name: transport_of(binding, catalog[name]) for name, binding in boards.items()} == {
        "nano33ble": "ble",
        "microbit": "usb",
        "linux": "local",
    }


def test_the_hop_is_the_window_when_it_is_left_out(tree: Tree) -> None:
    tree.edit("specs/c-model.yaml", ", hop_s: 1", "")
    repository = tree.load()
    signal = repository.datasets["motions"].document.spec.signal
    assert window(repository.models["activity"].document.spec, signal) == (40, 40)


def test_later_errors_find_their_line(tree: Tree) -> None:
    problem = tree.load().problem_at("Model", "activity", ("spec", "gates", "recall_min", "walk"), "missed", "train")
    assert problem == Problem("specs/c-model.yaml", 13, 30, "missed", "train")
    assert tree.load().problem_at("Project", "wearables", ("spec",), "x").line == 5


def test_the_digest_is_that_of_values(tree: Tree) -> None:
    before = tree.load().digest
    tree.write("specs/c-model.yaml", "# a comment\n" + MODEL.replace("{epochs: 2}", "{epochs:   2}"))
    assert tree.load().digest == before
    tree.edit("specs/c-model.yaml", "epochs:   2", "epochs: 3")
    assert tree.load().digest != before


def test_several_documents_in_one_file_and_folders(tree: Tree) -> None:
    for name in ("b-data", "c-model", "d-fleet"):
        (tree.root / f"specs/{name}.yaml").unlink()
    tree.write("specs/deep/all.yaml", "---\n".join([DATASET, MODEL, FLEET]).replace("../data", "../../data"))
    assert list(tree.load().models) == ["activity"]


def test_lock_boards_and_hidden_files_are_no_specs(tree: Tree) -> None:
    for path in ("specs/tinyops.lock.yaml", "specs/boards/mine.yaml", "specs/.hidden.yaml", "specs/.git/x.yaml"):
        tree.write(path, "kind: [")
    tree.load()


def test_a_finished_model_goes_without_dataset_and_training(tree: Tree) -> None:
    tree.write("specs/c-model.yaml", MODEL + "---\n" + FINISHED)
    repository = tree.load()
    source = repository.source(repository.models["person"], "../models/person.tflite")
    assert source.digest == TFLITE_SHA256


def test_the_parse_cache_changes_nothing(tree: Tree, tmp_path: Path) -> None:
    plain = tree.load()
    for _ in range(2):
        cached = load_repository(tree.root, catalog=tree.catalog, cache=tmp_path / "cache")
        assert cached.digest == plain.digest
    tree.edit("specs/c-model.yaml", "epochs: 2", "epochs: 0")
    with pytest.raises(SpecError, match=r"specs/c-model\.yaml:12:22: spec\.training\.epochs: must be at least 1: 0"):
        load_repository(tree.root, catalog=tree.catalog, cache=tmp_path / "cache")


@pytest.mark.parametrize(
    ("shares", "message", "hint"),
    [
        ("{still: 0.9, walk: 0.2}", "the shares add up to 1.1, not to 1", ""),
        ("{still: 0.9, wolk: 0.1}", "'wolk' is no class of the model's dataset", "walk"),
        ("{still: 0.9, walk: 1.1}", "spec.class_shares.walk: must be at most 1.0: 1.1", ""),
    ],
)
def test_what_a_fleet_expects_of_its_classes_is_checked(tree: Tree, shares: str, message: str, hint: str) -> None:
    tree.edit("specs/d-fleet.yaml", "  model: activity\n", f"  model: activity\n  class_shares: {shares}\n")
    (problem,) = tree.problems()
    assert problem.message == message and hint in problem.hint and problem.line == 6


def test_what_a_fleet_expects_is_loaded(tree: Tree) -> None:
    shares = "{still: 0.9, walk: 0.1}"
    tree.edit("specs/d-fleet.yaml", "  model: activity\n", f"  model: activity\n  class_shares: {shares}\n")
    assert tree.load().fleets["wrist"].document.spec.class_shares == {"still": 0.9, "walk": 0.1}


# -- one rule, one error, one place ------------------------------------------------------------

MODEL_FILE, FLEET_FILE, DATA_FILE = "specs/c-model.yaml", "specs/d-fleet.yaml", "specs/b-data.yaml"


@pytest.mark.parametrize(
    ("file", "old", "new", "place", "words", "hint"),
    [
        (
            MODEL_FILE,
            "dataset: motions",
            "dataset: motion",
            (5, 12),
            "there is no Dataset 'motion'",
            "did you mean motions?",
        ),
        (MODEL_FILE, "  dataset: motions\n", "", (4, 1), 'field "dataset" is missing', "name a Dataset"),
        (
            DATA_FILE,
            "{kind: files, index: ../data/wrist.index, format: csv}",
            "{kind: recordings, index: ../data/wrist.index, columns: {az: z}}",
            (13, 7),
            "'az' is no channel",
            "the signal has ax, ay",
        ),
        (DATA_FILE, "  signal:", "  normal: walk\n  signal:", (6, 11), "belongs to task: anomaly", "remove it"),
        (DATA_FILE, "  signal:", "  task: anomaly\n  signal:", (5, 3), "names the class that is normal", ""),
        (
            DATA_FILE,
            "  signal:",
            "  task: anomaly\n  normal: run\n  signal:",
            (7, 11),
            "'run' is not one of the classes still, walk",
            "",
        ),
        (
            DATA_FILE,
            "[still, walk]",
            "[still, walk, run]\n  task: anomaly\n  normal: walk",
            (5, 12),
            "an anomaly task has two classes",
            "what is normal, and what is not",
        ),
        (
            MODEL_FILE,
            MODEL[MODEL.index("kind: layers") : MODEL.index("  training:")],
            "kind: autoencoder\n    units: [8]\n",
            (8, 5),
            "the task of dataset motions is classification",
            "task: anomaly",
        ),
        (MODEL_FILE, "  training: {epochs: 2}\n", "", (4, 1), 'field "training" is missing', "training: {epochs: 30}"),
        (MODEL_FILE, "window_s: 4, hop_s: 1", "hop_s: 1", (6, 10), 'field "window_s" is missing', "10 frames a second"),
        (MODEL_FILE, "window_s: 4", "window_s: 0.25", (6, 21), "0.25 s at 10 frames a second are 2.5 frames", "whole"),
        (MODEL_FILE, "hop_s: 1", "hop_s: 0.01", (6, 31), "0.01 s at 10 frames a second are 0.1 frames", "whole"),
        (
            MODEL_FILE,
            "window_s: 4",
            "window_s: 1000000",
            (6, 21),
            "1e+06 s at 10 frames a second are 1e+07",
            "1,000,000",
        ),
        (
            MODEL_FILE,
            "hop_s: 1",
            "hop_s: 1, features: [tensor]",
            (6, 45),
            "only a finished .tflite takes tensors",
            "raw",
        ),
        (
            MODEL_FILE,
            "{walk: 0.5}",
            "{walks: 0.5}",
            (13, 24),
            "dataset motions has no class 'walks'",
            "did you mean walk?",
        ),
        (
            MODEL_FILE,
            "kernel: 3}",
            "kernel: 50, padding: valid}",
            (10, 9),
            "conv1d: its input is 40x2, smaller than",
            "",
        ),
        (
            MODEL_FILE,
            "{kind: global_average_pool}",
            "{kind: conv2d, filters: 1, kernel: [3, 3]}",
            (11, 9),
            "conv2d: its input is 40x4, it needs images",
            "",
        ),
        (
            MODEL_FILE,
            "{kind: global_average_pool}",
            "{kind: dense, units: 3}",
            (11, 9),
            "dense: its input is 40x4, it needs flatten",
            "",
        ),
        (
            MODEL_FILE,
            "{kind: global_average_pool}",
            "{kind: max_pool, size: 2}",
            (9, 5),
            "the last layer leaves 20x4",
            "flatten",
        ),
        (
            FLEET_FILE,
            "model: activity",
            "model: activty",
            (5, 10),
            "there is no Model 'activty'",
            "did you mean activity?",
        ),
        (
            FLEET_FILE,
            "nano33ble:",
            "nano33blee:",
            (7, 5),
            "no board 'nano33blee' in the catalogue",
            "did you mean nano33ble?",
        ),
        (
            FLEET_FILE,
            "transport: ble",
            "transport: wifi",
            (7, 49),
            "nano33ble cannot be reached by wifi",
            "it has: usb, ble",
        ),
        (
            FLEET_FILE,
            ", framework: arduino",
            "",
            (7, 25),
            "the bare-metal firmware of nano33ble has no driver for onboard-imu",
            "its arduino firmware has one: framework: arduino; or let a host feed it",
        ),
        (
            FLEET_FILE,
            "framework: arduino",
            "framework: library",
            (7, 65),
            "there is no library firmware for nano33ble",
            "frameworks of nano33ble: bare-metal, arduino",
        ),
        (
            FLEET_FILE,
            "serial}}",
            "serial}, framework: arduino}",
            (8, 65),
            "there is no arduino firmware for microbit",
            "frameworks of microbit: bare-metal",
        ),
        (
            FLEET_FILE,
            "walk.csv}}",
            "walk.csv}, framework: arduino}",
            (9, 72),
            "there is no arduino firmware for linux",
            "none: it runs an operating system",
        ),
        (
            FLEET_FILE,
            "onboard-imu",
            "onboard-imo",
            (7, 25),
            "nano33ble has no sensor 'onboard-imo'",
            "did you mean onboard-imu?",
        ),
        (
            FLEET_FILE,
            "{kind: stream, port: serial}",
            "{kind: replay, file: ../data/walk.csv}",
            (8, 24),
            "microbit cannot replay a file",
            "linux",
        ),
        (
            FLEET_FILE,
            "linux: {sensor: {kind: replay, file: ../data/walk.csv}}",
            "linux: {sensor: camera}",
            (9, 21),
            "linux has no sensor 'camera'",
            "linux has no sensors of its own",
        ),
        (
            FLEET_FILE,
            "../data/walk.csv",
            "../data/wolk.csv",
            (9, 42),
            "../data/wolk.csv does not exist",
            "data/wolk.csv",
        ),
        (
            FLEET_FILE,
            "../data/walk.csv",
            "../../walk.csv",
            (9, 42),
            "../../walk.csv lies outside the repository",
            "bring",
        ),
        (FLEET_FILE, "../data/walk.csv", "/etc/passwd", (9, 42), "'/etc/passwd' is not a relative path", "folder"),
        (FLEET_FILE, "../data/walk.csv", "../data", (9, 42), "../data is not a file", ""),
        (FLEET_FILE, "../data/walk.csv", "'..\\data\\walk.csv'", (9, 42), "is not a relative path", "with /"),
        (DATA_FILE, "../data/wrist.index", "../data/other.index", (13, 28), "../data/other.index does not exist", ""),
        (
            DATA_FILE,
            "{kind: files, index: ../data/wrist.index, format: csv}",
            "{kind: recordings, index: ../data/new.csv}",
            (13, 33),
            "../data/new.csv does not exist",
            "`echo sha256,label > data/new.csv` begins one",
        ),
        (DATA_FILE, "[still, walk]", "[still, still]", (5, 20), "'still' stands twice", "remove one"),
        (DATA_FILE, "[m/s2, m/s2]", "[m/s2]", (9, 12), "spec.signal.units: has 1 entries, channels has 2", "one entry"),
        (DATA_FILE, "[ax, ay]", "[ax, ax]", (8, 20), "'ax' stands twice", "remove one"),
        (DATA_FILE, "[m/s2, m/s2]", "[m/s2, g]", (7, 25), "ay is in m/s2, not g", "no board's own sensor would do"),
        (
            DATA_FILE,
            "[20, 20]",
            "[900, 20]",
            (7, 25),
            "ax reaches 39.2 m/s2, not 900",
            "no board's own sensor would do",
        ),
        (
            DATA_FILE,
            "rate_hz: 10",
            "rate_hz: 15",
            (7, 25),
            "it does not run at 15 Hz (it has 10, 25, 50, 100)",
            "no board",
        ),
        (DATA_FILE, "[ax, ay]", "[ax, tilt]", (7, 25), "it has no channel tilt", "these take frames from their host"),
        (DATA_FILE, "rate_hz: 10", "rate_hz: 10\n    size: [2, 2]", (7, 5), "either rate_hz (a stream) or size", ""),
        (
            "specs/a-project.yaml",
            "../.tinyops/releases",
            "s3://releases",
            (5, 37),
            "URLs are not part of this version",
            "name a folder",
        ),
    ],
)
def test_a_rule_names_its_place(
    tree: Tree, file: str, old: str, new: str, place: tuple[int, int], words: str, hint: str
) -> None:
    tree.edit(file, old, new)
    found = tree.problems()
    (problem,) = [p for p in found if words in p.message] or pytest.fail(f"{words!r} not in {found}")
    assert found == [problem]
    assert (problem.line, problem.column) == place, problem
    assert hint in problem.hint
    assert problem.file == (FLEET_FILE if "own sensor" in hint or "host" in hint or hint == "no board" else file)


@pytest.mark.parametrize(
    ("old", "new", "message", "would_do"),
    [
        ("[ax, ay]", "[ax, pressure]", "it has no channel pressure", ""),
        ("[m/s2, m/s2]", "[g, m/s2]", "ax is in m/s2, not g", ""),
        ("[20, 20]", "[90, 20]", "ax reaches 39.2 m/s2, not 90", "onboard-accelerometer of microbit-v2"),
        ("rate_hz: 10", "rate_hz: 20", "it does not run at 20 Hz (it has 10, 25, 50, 100)", "motion of phone"),
    ],
)
def test_what_a_sensor_lacks_is_said_with_boards_that_would_do(
    tree: Tree, old: str, new: str, message: str, would_do: str
) -> None:
    tree.edit(DATA_FILE, old, new)
    (problem,) = [p for p in tree.problems() if "does not deliver" in p.message]
    assert message in problem.message
    assert (would_do or "no board's own sensor would do; these take frames") in problem.hint


def test_a_sensor_that_does_not_fit_names_boards_that_would_do(tree: Tree) -> None:
    tree.edit(DATA_FILE, "[20, 20]", "[19, 19]")
    tree.edit(
        FLEET_FILE, "microbit: {sensor: {kind: stream, port: serial}}", "microbit: {sensor: onboard-accelerometer}"
    )
    tree.edit(DATA_FILE, "[ax, ay]", "[ax, gx]")
    tree.edit(DATA_FILE, "[m/s2, m/s2]", "[m/s2, rad/s]")
    (problem,) = tree.problems()
    assert (problem.line, problem.column) == (8, 24)
    assert "it has no channel gx" in problem.message
    assert problem.hint.startswith("these would do: ")
    assert "onboard-imu of nano33ble" in problem.hint


@pytest.mark.parametrize(
    ("document", "old", "new", "place", "words"),
    [
        (FINISHED, "[tensor]", "[raw]", (5, 22), "without a dataset a finished .tflite takes tensors only"),
        (
            FINISHED,
            "features: [tensor]",
            "features: [tensor], hop_s: 1",
            (5, 3),
            "a model that takes tensors has no window",
        ),
        (FINISHED, TFLITE_SHA256, "sha256:" + "0" * 64, (8, 11), "is not the file with the digest that the spec names"),
        (FINISHED, f'"{TFLITE_SHA256}"', "12345", (9, 13), "must be text, not 12345"),
        (FINISHED, TFLITE_SHA256, "sha256:abc", (9, 13), 'a digest reads "sha256:" and 64 lower-case hex digits'),
        (FINISHED, "../models/person.tflite", "../models/none.tflite", (8, 11), "../models/none.tflite does not exist"),
        (FINISHED, "  input:", "  training: {epochs: 1}\n  input:", (5, 3), "a finished .tflite is not trained"),
        (FINISHED, "  input:", "  gates: {accuracy_min: 0.5}\n  input:", (5, 3), "nothing to judge by"),
        (
            FINISHED,
            "{features: [tensor]}",
            "{features: [tensor, raw]}",
            (5, 22),
            "tensor stands alone",
        ),
    ],
)
def test_finished_models(tree: Tree, document: str, old: str, new: str, place: tuple[int, int], words: str) -> None:
    assert document.count(old) == 1
    tree.write("specs/e-finished.yaml", document.replace(old, new))
    (problem,) = tree.problems()
    assert words in problem.message
    assert (problem.file, problem.line, problem.column) == ("specs/e-finished.yaml", *place)


def test_a_model_of_tensors_is_fed_by_its_host_only(tree: Tree) -> None:
    tree.write("specs/e-finished.yaml", FINISHED)
    tree.edit(FLEET_FILE, "model: activity", "model: person")
    found = tree.problems()
    assert [(p.line, p.column, p.message) for p in found] == [
        (7, 25, "a model that takes tensors reads no sensor"),
        (9, 21, "a model that takes tensors has no frames to replay"),
    ]


def test_images(tree: Tree) -> None:
    tree.edit(DATA_FILE, "rate_hz: 10", "size: [8, 8]")
    found = tree.problems()
    assert [(p.file, p.line, p.column) for p in found if "no window" in p.message] == [
        (MODEL_FILE, 6, 11),
        (MODEL_FILE, 6, 24),
    ]


def test_a_classifier_learns_nothing_from_one_class(tree: Tree) -> None:
    tree.edit(DATA_FILE, "  signal:", "  task: anomaly\n  normal: walk\n  signal:")
    (problem,) = tree.problems()
    assert str(problem).startswith("specs/c-model.yaml:8:5: dataset motions trains on walk alone")
    assert problem.hint == "choose kind: autoencoder"


def test_anomaly_models_are_not_searched_for_they_have_nothing_to_choose_by(tree: Tree) -> None:
    tree.edit(DATA_FILE, "  signal:", "  task: anomaly\n  normal: walk\n  signal:")
    text = MODEL[: MODEL.index("    kind: layers")] + "    kind: autoencoder\n    units: [4]\n  training: {}\n"
    tree.write(MODEL_FILE, text + "  squeeze: {variants: [{width: 0.5}]}\n")
    tree.load()
    tree.write(MODEL_FILE, text + "  squeeze: {variants: [{width: [0.5, 0.25]}]}\n")
    (problem,) = tree.problems()
    assert problem.message.startswith("nothing to choose by: dataset motions has no ")


def test_python_architectures_name_a_file_of_the_repository(tree: Tree) -> None:
    text = MODEL[: MODEL.index("    kind: layers")] + "    kind: python\n    entry: ../models/activity.py:build\n"
    tree.write(MODEL_FILE, text + "  training: {}\n")
    (problem,) = tree.problems()
    assert (problem.line, problem.column, problem.message) == (9, 12, "../models/activity.py does not exist")
    tree.write("models/activity.py", "def build(): ...\n")
    tree.load()
    tree.edit(MODEL_FILE, "activity.py:build", "activity.py")
    (problem,) = tree.problems()
    assert "an entry reads path/to/file.py:function" in problem.message


# -- across files ------------------------------------------------------------------------------


def test_all_problems_of_all_files_at_once(tree: Tree) -> None:
    tree.write("specs/a-project.yaml", PROJECT.replace("kind: directory", "kind: directroy"))
    tree.edit(DATA_FILE, "rate_hz: 10", "rate_hz: -1")
    tree.edit(FLEET_FILE, "nano33ble", "nano33bl")
    tree.write("specs/e.yaml", "a: [\n")
    tree.write("specs/f.yml", "a: 1\n")
    assert [(p.file, p.line) for p in tree.problems()] == [
        ("specs/a-project.yaml", 5),
        (DATA_FILE, 11),
        (FLEET_FILE, 7),
        ("specs/e.yaml", 2),
        ("specs/f.yml", 1),
    ]


def test_what_follows_from_another_error_is_not_reported(tree: Tree) -> None:
    tree.edit(DATA_FILE, "rate_hz: 10", "rate_hz: -1")
    tree.edit(MODEL_FILE, "epochs: 2", "epochs: two")
    tree.write("specs/a-project.yaml", PROJECT.replace("signing", "singing"))
    assert [(p.file, p.line) for p in tree.problems()] == [
        ("specs/a-project.yaml", 5),
        ("specs/a-project.yaml", 6),
        (DATA_FILE, 11),
        (MODEL_FILE, 12),
    ]


def test_names_are_unique_in_their_kind(tree: Tree) -> None:
    tree.write("specs/z.yaml", MODEL)
    (problem,) = tree.problems()
    assert str(problem).startswith("specs/z.yaml:3:18: Model 'activity' exists already, in specs/c-model.yaml:3")


def test_exactly_one_project(tree: Tree) -> None:
    tree.write("specs/z.yaml", PROJECT.replace("wearables", "other"))
    (problem,) = tree.problems()
    assert str(problem).startswith("specs/z.yaml:2:7: a second Project; the first is in specs/a-project.yaml:1")
    (tree.root / "specs/a-project.yaml").unlink()
    (tree.root / "specs/z.yaml").unlink()
    (problem,) = tree.problems()
    assert "there is no Project" in problem.message
    assert "tinyops init" in problem.hint


def test_no_specs_folder(tmp_path: Path, catalog: Mapping[str, Board]) -> None:
    with pytest.raises(SpecError, match="there is no such folder") as caught:
        load_repository(tmp_path, catalog=catalog)
    assert "tinyops init" in caught.value.hint


def test_retired_fleets(tree: Tree) -> None:
    entries = "{fleet: wrist, until: 2027-06-30}, {fleet: old, until: '2027-06-30'}, {fleet: old, until: 2028-01-01"
    entries += ", action: erase}"
    retired = f"  retired: [{entries}]\n"
    tree.write("specs/a-project.yaml", PROJECT + retired)
    found = tree.problems()
    assert [(p.line, p.column, p.message) for p in found] == [
        (7, 21, "fleet wrist is retired, but its spec exists"),
        (7, 91, "fleet old is retired twice"),
        (7, 123, "erasing what devices run is not part of this version"),
    ]


@pytest.mark.parametrize(
    ("text", "place", "words", "hint"),
    [
        ("a: 1\n", (1, 1), 'field "kind" is missing', "kinds: Project, Dataset, Model, Fleet"),
        ("kind: Modl\n", (1, 7), "there is no kind 'Modl'", "did you mean Model?"),
        ("kind: [Model]\n", (1, 7), "there is no kind ['Model']", ""),
        ("kind: Board\n", (1, 7), "a Board does not belong into this file", "specs/boards/"),
        ("kind: Lock\n", (1, 7), "a Lock does not belong into this file", "tinyops.lock.yaml"),
    ],
)
def test_kinds(tree: Tree, text: str, place: tuple[int, int], words: str, hint: str) -> None:
    tree.write("specs/z.yaml", text)
    (problem,) = tree.problems()
    assert (problem.line, problem.column, problem.message) == (*place, words)
    assert hint in problem.hint


def test_links_may_not_lead_out(tree: Tree, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (outside / "x.yaml").write_text(MODEL)
    (outside / "walk.csv").write_text("1,2\n")
    (tree.root / "specs/z.yaml").symlink_to(outside / "x.yaml")
    (tree.root / "data/walk.csv").unlink()
    (tree.root / "data/walk.csv").symlink_to(outside / "walk.csv")
    assert [(p.file, p.message) for p in tree.problems()] == [
        (FLEET_FILE, "../data/walk.csv lies outside the repository"),
        ("specs/z.yaml", "leads out of the repository"),
    ]


def test_a_pipe_is_not_read(tree: Tree) -> None:
    os.mkfifo(tree.root / "specs/z.yaml")
    (problem,) = tree.problems()
    assert (problem.file, problem.message) == ("specs/z.yaml", "is not a file")


# -- what this version cannot act on is refused ------------------------------------------------


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ("settings: {wifi: {}}", "settings of devices, such as Wi-Fi, are not part of this version"),
    ],
)
def test_fields_of_later_versions(tree: Tree, field: str, words: str) -> None:
    tree.write(FLEET_FILE, FLEET + f"  {field}\n")
    (problem,) = tree.problems()
    assert (problem.line, problem.column) == (10, 3)
    assert words in problem.message
    assert problem.hint == "remove it"


@pytest.mark.parametrize(
    ("file", "old", "new", "place", "words"),
    [
        (
            "specs/a-project.yaml",
            "by: ci",
            "by: people",
            (6, 25),
            "let people sign `targets`",
        ),
        (
            "specs/a-project.yaml",
            "by: ci",
            "threshold: 2",
            (6, 21),
            "let people sign `targets`",
        ),
        (FLEET_FILE, "{kind: stream, port: serial}", "{kind: camera}", (8, 31), "camera modules are not part of"),
    ],
)
def test_kinds_of_later_versions(tree: Tree, file: str, old: str, new: str, place: tuple[int, int], words: str) -> None:
    tree.edit(file, old, new)
    problem = next(p for p in tree.problems() if words in p.message)
    assert (problem.file, problem.line, problem.column) == (file, *place)
