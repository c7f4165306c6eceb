"""`tinyops data check`: by the index, by the files, for people and for programs; and what is said after adding."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from fakes.projects import PROJECT, TRAINED, Repository
from tinyops.cli import main
from tinyops.cli.data_notes import NotesLater, note_added
from tinyops.datasets.index import IndexEntry, format_index, parse_index
from tinyops.specs.recorded import recorded_dataset

DATASETS = """\
apiVersion: tinyops/v1
kind: Dataset
metadata: {name: shakes}
spec:
  classes: [rest, shake]
  signal: {sensor: accelerometer, channels: [ax, ay], units: [g, g], full_scale: [2, 2], rate_hz: 10}
  sources: [{kind: recordings, index: ../data/shakes.csv}]
  split: {by: subject, test: [s1]}
"""
FRAMES = 30


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    bench = Repository(tmp_path)
    monkeypatch.chdir(tmp_path)
    bench.write("specs/project.yaml", PROJECT)
    bench.write("specs/data.yaml", DATASETS)
    bench.write("specs/model.yaml", TRAINED)
    entries = []
    for number in range(8):
        label, subject = ("rest", "shake")[number % 2], ("s1", "s2")[number // 4]
        size = (0.05, 1.5)[number % 2]
        text = "ax,ay\n" + "".join(f"{size * (-1) ** i:.3f},{0.01 * number:.3f}\n" for i in range(FRAMES))
        bench.write(f"data/shakes/{number}.csv", text)
        digest = f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
        entries.append(IndexEntry(digest, label, subject, frames=FRAMES, rate_hz=10.0, file=f"{number}.csv"))
    bench.write("data/shakes.csv", format_index(entries))
    return bench


def edit(bench: Repository, number: int, **values: object) -> None:
    entries = [*parse_index((bench.root / "data/shakes.csv").read_bytes(), "x")]
    entries[number] = replace(entries[number], **values)  # type: ignore[arg-type]
    bench.write("data/shakes.csv", format_index(entries))


def test_a_good_dataset(bench: Repository, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["data", "check"], ["data", "check", "shakes", "--files"]):
        assert main(arguments) == 0
        assert capsys.readouterr().out == "shakes: nothing to say.\n"


def test_warnings_are_shown_and_end_well(bench: Repository, capsys: pytest.CaptureFixture[str]) -> None:
    edit(bench, 3, lost=10)
    assert main(["data", "check"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "  ! warning data      shakes: gaps: 1 recording with more than 5.0% of the frames lost",
        "        data/shakes.csv:5: 3.csv: 25.0%",
        "        record them again, slower or over a better line, or raise checks.gaps",
        "shakes: 0 errors, 1 warning.",
    ]


def test_errors_end_as_wrong_specs_do_and_programs_get_all(
    bench: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(bench, 3, frames=9)
    assert main(["data", "check", "--json"]) == 65
    value = json.loads(capsys.readouterr().out)
    assert value["datasets"] == ["shakes"]
    assert [(f["check"], f["level"], f["places"]) for f in value["findings"]] == [
        ("short", "error", ["data/shakes.csv:5: 3.csv: 9 frames"])
    ]


def test_files_are_read_on_request(bench: Repository, capsys: pytest.CaptureFixture[str]) -> None:
    bench.write("data/shakes/2.csv", "ax,ay\n1,1\n")
    assert main(["data", "check"]) == 0
    assert main(["data", "check", "--files"]) == 65
    said = capsys.readouterr().out
    assert "shakes: files: " in said and "2.csv: has changed: the index says sha256:" in said


def test_what_files_and_index_both_say_is_said_once(bench: Repository, capsys: pytest.CaptureFixture[str]) -> None:
    edit(bench, 3, lost=10)
    assert main(["data", "check", "--files"]) == 0
    assert capsys.readouterr().out.count("gaps:") == 1


def test_an_unknown_dataset_is_refused(bench: Repository, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "check", "shake"]) == 64
    assert "there is no dataset 'shake'\n  did you mean shakes?" in capsys.readouterr().err


def test_releases_that_cannot_be_read_leave_the_rest_judged(
    bench: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.write(".tinyops/releases/latest", "nonsense")
    bench.write(".tinyops/trusted.pem", "nonsense")
    edit(bench, 3, lost=10)
    assert main(["data", "check"]) == 0
    said = capsys.readouterr()
    assert said.err.startswith("drift is not judged: ") and "gaps:" in said.out


def test_whoever_adds_is_told_at_once_and_whatever_is_wrong_with_specs(bench: Repository) -> None:
    edit(bench, 3, rate_hz=20.0)
    dataset = recorded_dataset(bench.root, "shakes")
    entries = parse_index((bench.root / "data/shakes.csv").read_bytes(), "x")
    said: list[str] = []
    note_added(bench.root, dataset, [entries[2]], said.append)
    note_added(bench.root, dataset, [], said.append)
    assert said == []
    note_added(bench.root, dataset, [entries[3]], said.append)
    first, place, *_ = said[0].splitlines()
    assert first == "warning: rate: 1 recording more than 10% off the signal's 10 Hz"
    assert place == "  data/shakes.csv:5: 3.csv: 20 Hz"
    (bench.root / "data/shakes.csv").write_text("nonsense")
    note_added(bench.root, dataset, [entries[3]], said.append)
    assert said[1].startswith("not checked: data/shakes.csv:1:")


def test_recordings_that_come_all_the_time_are_judged_together(bench: Repository) -> None:
    edit(bench, 3, rate_hz=20.0)
    edit(bench, 4, rate_hz=20.0)
    entries = parse_index((bench.root / "data/shakes.csv").read_bytes(), "x")
    said: list[str] = []
    notes = NotesLater(bench.root, said.append, pause_s=3600)
    for entry in (entries[3], entries[4]):
        notes.add("shakes", [entry])
    notes.add("nothing", [entries[4]])
    notes.close()
    rates = [text for text in said if text.startswith("shakes: warning: rate: ")]
    assert sum(text.count("Hz\n") for text in rates) >= 2 and len(rates) <= 2, said
    assert any(text.startswith("nothing: not checked: there is no dataset") for text in said)
    bench.write("specs/data.yaml", "nonsense")
    broken = NotesLater(bench.root, said.append)
    broken.add("shakes", [entries[3]])
    broken.close()
    assert said[-1].startswith("shakes: not checked: "), "what was recorded stays, whatever is wrong with specs"
