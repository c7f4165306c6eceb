"""What init writes validates at once, and never replaces a file."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tinyops.boards import load_catalog
from tinyops.datasets.index import parse_index
from tinyops.documents import parse, read
from tinyops.errors import SpecError, UsageError
from tinyops.files import digest_bytes
from tinyops.scaffold import EXAMPLES, FinishedModel, Recording, scaffold, spec_name, write_scaffold
from tinyops.specs import load_repository
from tinyops.specs.board_rules import sensor_mismatches
from tinyops.specs.model import RecordingsSource

ROOT = Path(__file__).parents[3]
CATALOG = load_catalog()
TFLITE = FinishedModel("My Model.v2.tflite", b"\x1c\0\0\0TFL3" + bytes(100))


@pytest.mark.parametrize("board", sorted(CATALOG))
def test_a_new_repository_is_valid_for_every_board(tmp_path: Path, board: str) -> None:
    write_scaffold(tmp_path, scaffold("plant 7", CATALOG, board=board))
    repository = load_repository(tmp_path, catalog=CATALOG)
    assert repository.project.document.name == "plant-7"
    assert list(repository.fleets["first"].document.spec.boards) == [board]


@pytest.mark.parametrize("board", sorted(CATALOG))
def test_a_finished_model_is_valid_for_every_board(tmp_path: Path, board: str) -> None:
    files = scaffold("x", CATALOG, board=board, tflite=TFLITE)
    assert files["models/My-Model.v2.tflite"] == TFLITE.data
    assert "specs/motions.yaml" not in files
    write_scaffold(tmp_path, files)
    repository = load_repository(tmp_path, catalog=CATALOG)
    (model,) = repository.models.values()
    assert model.document.name == "my-model-v2"
    assert model.document.spec.architecture.sha256 == digest_bytes(TFLITE.data)  # type: ignore[union-attr]
    assert repository.datasets == {}


@pytest.mark.parametrize("example", EXAMPLES)
@pytest.mark.parametrize("board", ["nano33ble", "microbit", "linux"])
def test_an_example_is_valid_and_names_its_data_by_digest(tmp_path: Path, board: str, example: str) -> None:
    write_scaffold(tmp_path, scaffold("x", CATALOG, board=board, example=example))
    repository = load_repository(tmp_path, catalog=CATALOG)
    assert list(repository.fleets["first"].document.spec.boards) == [board]
    (dataset,) = repository.datasets.values()
    spec = dataset.document.spec
    (source,) = spec.sources
    assert isinstance(source, RecordingsSource)
    assert source.url is not None and source.url.startswith("https://")
    assert re.search(r"/[0-9a-f]{40}/", source.url), "a commit, not a branch"
    assert spec.licence and spec.origin
    index = repository.source(dataset, source.index).path
    entries = parse_index(index.read_bytes(), index.name)
    assert {entry.label for entry in entries} == set(spec.classes)
    assert all(entry.subject and entry.bytes for entry in entries)
    assert f"`{example}`" in (tmp_path / "README.md").read_text()


def test_an_unknown_example_is_refused() -> None:
    with pytest.raises(UsageError, match="no example 'activty'") as caught:
        scaffold("x", CATALOG, example="activty")
    assert "activity" in caught.value.hint


def test_the_starter_is_the_example() -> None:
    files = scaffold("x", CATALOG)
    for name in ("motions", "activity"):
        (mine,) = parse(files[f"specs/{name}.yaml"], name)
        (example,) = read(ROOT / f"specs/{name}.yaml")
        assert mine.value == example.value


def test_workflows_are_yaml_that_fork_runs_cannot_abuse() -> None:
    files = scaffold("x", CATALOG)
    (plan,) = parse(files[".github/workflows/plan.yml"], "plan.yml")
    (apply,) = parse(files[".github/workflows/apply.yml"], "apply.yml")
    assert list(plan.value["on"]) == ["pull_request"]
    assert plan.value["permissions"] == apply.value["permissions"] == {}
    assert "secrets." not in files[".github/workflows/plan.yml"].decode()
    for document in (plan, apply):
        runs = [step["run"] for job in document.value["jobs"].values() for step in job["steps"] if "run" in step]
        assert not any("${{" in run for run in runs), "values reach a shell through env only"


def test_readme_says_what_there_is() -> None:
    assert "specs/motions.yaml" in scaffold("x", CATALOG)["README.md"].decode()
    finished = scaffold("x", CATALOG, tflite=TFLITE)["README.md"].decode()
    assert "My-Model.v2.tflite" in finished
    assert "motions" not in finished


def test_never_overwrites(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("mine")
    with pytest.raises(UsageError, match=r"README\.md: exists already, and init overwrites nothing"):
        write_scaffold(tmp_path, scaffold("x", CATALOG))
    assert [p.name for p in tmp_path.iterdir()] == ["README.md"], "all or nothing"
    (tmp_path / "README.md").unlink()
    (tmp_path / ".gitignore").symlink_to(tmp_path / "nowhere")
    with pytest.raises(UsageError, match=r"\.gitignore"):
        write_scaffold(tmp_path, scaffold("x", CATALOG))


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("")
    with pytest.raises(UsageError, match="is not a folder"):
        write_scaffold(tmp_path / "x", {"a": b""})


def test_wrong_arguments() -> None:
    with pytest.raises(UsageError, match="no board 'nano33bl' in the catalogue") as caught:
        scaffold("x", CATALOG, board="nano33bl")
    assert caught.value.hint == "did you mean nano33ble?"
    with pytest.raises(SpecError, match=r"m\.tflite: is no \.tflite file"):
        scaffold("x", CATALOG, tflite=FinishedModel("m.tflite", b"PK\x03\x04 a keras file"))


@pytest.mark.parametrize(
    ("text", "name"),
    [("My Model v2", "my-model-v2"), ("---", "thing"), ("ÄÖ", "thing"), ("a" * 80, "a" * 63), ("a.b", "a-b")],
)
def test_names(text: str, name: str) -> None:
    assert spec_name(text, "thing") == name


@pytest.mark.parametrize("board", sorted(CATALOG))
def test_what_is_yet_to_be_recorded_is_valid_and_as_the_boards_sensor_has_it(tmp_path: Path, board: str) -> None:
    write_scaffold(tmp_path, scaffold("x", CATALOG, board=board, recording=Recording(("yes", "no"))))
    repository = load_repository(tmp_path, catalog=CATALOG)
    (dataset,) = repository.datasets.values()
    assert dataset.document.spec.classes == ("yes", "no")
    streams = [s for s in CATALOG[board].spec.sensors if s.rates_hz and s.size is None]
    if streams:
        assert list(sensor_mismatches(streams[0], dataset.document.spec.signal)) == []
    assert parse_index((tmp_path / "data" / "motion.csv").read_bytes(), "motion.csv") == ()


def test_another_sensor_of_the_board_is_recorded_by_its_name(tmp_path: Path) -> None:
    recording = Recording(("hum", "silence"), "onboard-microphone")
    write_scaffold(tmp_path, scaffold("x", CATALOG, board="microbit-v2", recording=recording))
    repository = load_repository(tmp_path, catalog=CATALOG)
    assert repository.datasets["sound"].document.spec.signal.rate_hz == 16000


@pytest.mark.parametrize(
    ("recording", "message"),
    [
        (Recording(("rest",)), "two classes or more"),
        (Recording(("rest", " rest")), "each once"),
        (Recording(("rest", "a/b")), "is no label"),
        (Recording(("rest", "shake"), "onboard-micro"), "has no sensor 'onboard-micro'"),
        (Recording(("rest", "shake"), "kit-camera"), "has no sensor 'kit-camera'"),
    ],
)
def test_what_nobody_can_record_is_refused(recording: Recording, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        scaffold("x", CATALOG, recording=recording)
