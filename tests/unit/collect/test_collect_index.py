"""Recordings that an index pins, through the step: who is on which side, and what the manifest says of it."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinyops.collect
from tinyops.artifacts import Step
from tinyops.datasets.adding import add_recordings, take_addition
from tinyops.datasets.index import IndexEntry, format_index, parse_index
from tinyops.datasets.take import Clock, Take, TakeFacts
from tinyops.errors import SpecError
from tinyops.recordings import load
from tinyops.specs.model import DatasetSpec

SIGNAL = {"sensor": "imu", "channels": ["ax", "ay"], "units": ["g", "g"], "full_scale": [2, 4], "rate_hz": 10}
SUBJECTS = ("s02", "s05", "s09", "s10")
SOURCE = {"kind": "recordings", "index": "wrist.csv"}


def write_index(folder: Path, subjects: tuple[str, ...] = SUBJECTS) -> Path:
    """Two labelled pieces of each subject's file; the subject's number is in its values."""
    (folder / "wrist").mkdir(exist_ok=True)
    entries = []
    for subject in subjects:
        values = np.linspace(-1, 1, 40) * np.full(40, int(subject[1:]) / 20)
        text = "ax,ay\n" + "".join(f"{v:.6f},{-v:.6f}\n" for v in values)
        file = f"{subject or 'nobody'}.csv"
        (folder / "wrist" / file).write_text(text)
        digest = f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
        for label, begin in (("rest", 0), ("walk", 20)):
            entries.append(IndexEntry(digest, label, subject, frames=40, begin=begin, end=begin + 20, file=file))
    index = folder / "wrist.csv"
    index.write_bytes(format_index(entries))
    return index


def run(index: Path, split: dict[str, Any]) -> tuple[dict[str, Any], Path]:
    dataset = {"classes": ["rest", "walk"], "signal": SIGNAL, "sources": [SOURCE], "split": split}
    settings = {"dataset": DatasetSpec.model_validate(dataset).model_dump(mode="json"), "revision": 1}
    out = index.parent / "out"
    out.mkdir(exist_ok=True)
    return tinyops.collect.run(Step("collect", "x", settings), {"index-0": index}, out, lambda _: None), out


def test_subjects_lie_on_one_side_each(tmp_path: Path) -> None:
    facts, out = run(write_index(tmp_path), {"by": "subject", "test": ["s05", "s09"]})
    assert facts["subjects"] == {"train": ["s02", "s10"], "test": ["s05", "s09"]}
    assert facts["subjects_total"] == {"train": 2, "test": 2}
    recordings = load(out / "recordings.npz")
    assert recordings.ids[:2] == ("s02.csv[0:20]", "s02.csv[20:40]")
    listed = json.loads((out / "dataset.json").read_text())["recordings"]
    assert {r["id"][:3] for r in listed if r["side"] == "test"} == {"s05", "s09"}


def test_an_added_subject_moves_nobody(tmp_path: Path) -> None:
    split = {"by": "subject", "test": 0.5, "seed": 3}
    before, _ = run(write_index(tmp_path), split)
    after, _ = run(write_index(tmp_path, (*SUBJECTS, "s01", "s16", "s19")), split)
    for side in ("train", "test"):
        assert set(before["subjects"][side]) <= set(after["subjects"][side])


def test_a_line_without_a_subject_stops_a_split_by_subject(tmp_path: Path) -> None:
    index = write_index(tmp_path)
    index.write_text(index.read_text().replace(",s05,", ",,"))
    with pytest.raises(SpecError, match=r"split\.by is subject, but 2 of 8 recordings do not say whose they are"):
        run(index, {"by": "subject"})


def test_pieces_of_a_file_share_a_side(tmp_path: Path) -> None:
    _, out = run(write_index(tmp_path), {"by": "recording", "test": 0.4})
    recordings = load(out / "recordings.npz")
    assert recordings.test[::2].tolist() == recordings.test[1::2].tolist()
    assert 0 < recordings.test.sum() < 8


# -- checks --------------------------------------------------------------------------------------


def edited(index: Path, **values: Any) -> Path:
    """The same index, the first of its lines (or those given by `number`) with other cells."""
    number = values.pop("number", 0)
    entries = [*parse_index(index.read_bytes(), "x")]
    entries[number] = replace(entries[number], **values)
    index.write_bytes(format_index(entries))
    return index


def checked(index: Path, checks: dict[str, Any], **more: Any) -> dict[str, Any]:
    dataset = {"classes": ["rest", "walk"], "signal": SIGNAL, "sources": [{**SOURCE, **more}], "checks": checks}
    settings = {"dataset": DatasetSpec.model_validate(dataset).settings(), "revision": 1}
    out = index.parent / "out"
    out.mkdir(exist_ok=True)
    return tinyops.collect.run(Step("collect", "x", settings), {"index-0": index}, out, lambda _: None)


NO_LEAKS = {"leakage": {"level": "off"}}


def test_a_good_dataset_has_no_warnings_and_says_what_it_is_made_of(tmp_path: Path) -> None:
    facts = checked(write_index(tmp_path), NO_LEAKS)
    assert "warnings" not in facts
    assert facts["population"]["counts"] == {"rest": 4, "walk": 4}
    number, mean, _, spread, _ = facts["population"]["channels"]["rest"]["ax"]
    assert (number, mean < 0, 0 < spread < 0.2) == (4, True, True)


def test_warnings_are_facts(tmp_path: Path) -> None:
    facts = checked(edited(write_index(tmp_path), lost=5), NO_LEAKS)
    (warning,) = facts["warnings"]
    assert (warning["check"], warning["level"], warning["total"]) == ("gaps", "warning", 1)
    assert warning["places"][0].endswith("wrist.csv:2: s02.csv[0:20]: 20.0%")


def test_errors_stop_the_step_and_name_lines(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        checked(edited(write_index(tmp_path), number=2, rate_hz=20.0), NO_LEAKS)
    first, second, third = caught.value.message.splitlines()
    assert first == "rate: 1 recording more than 10% off the signal's 10 Hz"
    assert second.endswith("wrist.csv:4: s05.csv[0:20]: 20 Hz") and third.startswith("  record them again")


def test_a_rate_that_reading_changes_is_no_error(tmp_path: Path) -> None:
    assert "warnings" not in checked(edited(write_index(tmp_path), rate_hz=20.0), NO_LEAKS, adapt=["rate"])


def test_values_are_judged_as_the_files_hold_them_whatever_the_index_says(tmp_path: Path) -> None:
    index = edited(write_index(tmp_path), low=(-1.0, -1.0), high=(1.0, 1.0), mean=(0.5, 0.5), spread=(0.1, 0.1))
    (warning,) = checked(index, {**NO_LEAKS, "ranges": {"ax": [-2, 2]}})["warnings"]
    assert warning["message"] == "1 recording whose line in the index says other values than the file holds"
    assert warning["places"][0].endswith("wrist.csv:2: s02.csv[0:20]")
    with pytest.raises(SpecError, match="ranges: 4 recordings with ax outside"):
        checked(index, {**NO_LEAKS, "ranges": {"ax": [-0.3, 0.3]}})


def test_lines_that_are_true_are_not_doubted(tmp_path: Path) -> None:
    index = write_index(tmp_path)
    values = np.loadtxt(tmp_path / "wrist" / "s02.csv", delimiter=",", skiprows=1)[:20]
    edited(index, mean=tuple(values.mean(axis=0)), spread=tuple(values.std(axis=0)), low=tuple(values.min(axis=0)))
    assert "warnings" not in checked(index, NO_LEAKS)


def test_subjects_on_both_sides_are_said_by_the_step(tmp_path: Path) -> None:
    entries = [*parse_index(write_index(tmp_path).read_bytes(), "x")]
    (tmp_path / "wrist.csv").write_bytes(format_index([replace(e, subject="s02") for e in entries]))
    (warning,) = checked(tmp_path / "wrist.csv", {})["warnings"]
    assert warning["message"] == "1 subject in training and in the test: s02"


def test_a_gap_makes_two_recordings_and_one_row(tmp_path: Path) -> None:
    index = write_index(tmp_path)
    for subject in SUBJECTS:
        values = np.loadtxt(tmp_path / "wrist" / f"{subject}.csv", delimiter=",", skiprows=1).astype(np.float32)
        facts = TakeFacts(
            sensor="imu",
            channels=("ax", "ay"),
            units=("g", "g"),
            clock=Clock(source="device"),
            started="2026-11-29T20:00:00Z",
            gaps=((10, 4),) if subject == "s02" else (),
        )
        for label, piece in (("rest", values[:20]), ("walk", values[20:])):
            take = take_addition(Take(facts, piece), label=label, subject=subject, name=f"{subject}-{label}")
            add_recordings(index.with_name("takes.csv"), [take])
    found = checked(index.with_name("takes.csv"), NO_LEAKS)
    assert found["recordings"] == 10 and found["population"]["counts"] == {"rest": 4, "walk": 4}
    assert [(w["check"], w["total"]) for w in found["warnings"]] == [("gaps", 2)]
    assert [e.gap for e in parse_index(index.with_name("takes.csv").read_bytes(), "x") if e.subject == "s02"] == [4, 4]
