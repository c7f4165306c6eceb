"""Adding recordings to an index: the bytes lie at their digest's place, no line is lost, nothing half written."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tinyops.datasets import editing
from tinyops.datasets.adding import Addition, add_recordings, take_addition, with_statistics
from tinyops.datasets.editing import edit_index, locked
from tinyops.datasets.index import IndexEntry, parse_index
from tinyops.datasets.objects import Folder, data_folder, read_entry
from tinyops.datasets.take import Clock, Take, TakeFacts, read_take
from tinyops.errors import SpecError, ToolError

FACTS = TakeFacts(
    sensor="imu",
    channels=("ax", "ay"),
    units=("g", "g"),
    full_scale=(4.0, 2.0),
    rate_hz=100.0,
    clock=Clock(source="device", measured_hz=99.5),
    started="2026-11-29T20:15:00Z",
    device="nano-1",
    gaps=((2, 3),),
)
TAKE = Take(FACTS, np.array([[0, 32767], [8192, -32768], [16384, 0]], np.int16))


def entries(index: Path) -> tuple[IndexEntry, ...]:
    return parse_index(index.read_bytes(), str(index))


def test_a_take_is_found_again_with_what_is_known_of_it(tmp_path: Path) -> None:
    index = tmp_path / "data" / "wrist.csv"
    added = add_recordings(index, [take_addition(TAKE, label="shake", subject="anna", name="one")])
    (line,) = entries(index)
    assert (line.label, line.subject, line.take, line.device) == ("shake", "anna", "one", "nano-1")
    assert (line.frames, line.lost, line.clipped, line.rate_hz) == (3, 3, 2, 99.5)
    assert (line.low, line.high) == ((0.0, -2.0), (2.0, 1.9999))
    assert line.mean[0] == 1.0
    assert line.spread[0] == pytest.approx(0.8165, abs=1e-4)
    found = read_take(read_entry(Folder(data_folder(index)), line), line.path)
    assert np.array_equal(found.values, TAKE.values)
    assert added.entries[0].sha256 == line.sha256
    assert sorted(p.name for p in index.parent.iterdir()) == ["wrist", "wrist.csv"]


def test_the_same_recording_twice_is_one_line(tmp_path: Path) -> None:
    index = tmp_path / "wrist.csv"
    addition = take_addition(TAKE, label="shake")
    assert len(add_recordings(index, [addition, addition]).repeated) == 1
    assert not add_recordings(index, [take_addition(TAKE, label="still")]).entries
    assert [e.label for e in entries(index)] == ["shake"]


def test_what_people_wrote_above_the_columns_stays(tmp_path: Path) -> None:
    index = tmp_path / "wrist.csv"
    index.write_text(f"# CC0, by Anna\nsha256,label,format\n{'cd' * 32},walk,npy\n")
    add_recordings(index, [take_addition(TAKE)])
    assert index.read_text().startswith("# CC0, by Anna\nsha256,label,")
    assert [e.label for e in entries(index)] == ["walk", ""] or [e.label for e in entries(index)] == ["", "walk"]


def test_a_wrong_line_leaves_the_index_as_it_was(tmp_path: Path) -> None:
    index = tmp_path / "wrist.csv"
    add_recordings(index, [take_addition(TAKE, label="shake")])
    before = index.read_bytes()
    with pytest.raises(SpecError, match="is no label"):
        add_recordings(index, [Addition(b"other", IndexEntry("", label="a/b", format="npy"))])
    assert index.read_bytes() == before


def test_a_damaged_file_of_the_same_name_is_written_again(tmp_path: Path) -> None:
    index = tmp_path / "wrist.csv"
    (line,) = add_recordings(index, [take_addition(TAKE)]).entries
    (data_folder(index) / line.path).write_bytes(b"torn")
    add_recordings(index, [take_addition(TAKE)])
    read_entry(Folder(data_folder(index)), line)


@pytest.mark.parametrize("values", [np.array([[np.nan, 1.0]]), np.array([[np.inf, 1.0]]), np.zeros((0, 2))])
def test_values_that_are_none_are_refused(values: np.ndarray) -> None:
    with pytest.raises(SpecError, match="no values"):
        with_statistics(IndexEntry(""), values, 2)


def test_values_in_units_are_judged_by_the_signals_full_scale() -> None:
    values = np.array([[4.0, 0.0], [3.9, -2.5], [-4.0, 1.0]])
    assert with_statistics(IndexEntry(""), values, 2, limits=(4.0, 2.0)).clipped == 3
    assert with_statistics(IndexEntry(""), values, 2).clipped is None


WRITER = """
import sys
from pathlib import Path
from dataclasses import replace
from tinyops.datasets.adding import Addition, add_recordings
from tinyops.datasets.index import IndexEntry
for number in range(25):
    data = f"{sys.argv[2]} {number}".encode()
    add_recordings(Path(sys.argv[1]), [Addition(data, IndexEntry("", label="a", take=data.decode(), format="npy"))])
"""


def test_two_who_write_at_once_lose_no_line(tmp_path: Path) -> None:
    index = tmp_path / "wrist.csv"
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(index), name]) for name in "ab"]
    assert [w.wait(timeout=60) for w in writers] == [0, 0]
    assert {e.take for e in entries(index)} == {f"{name} {n}" for name in "ab" for n in range(25)}


def test_an_index_that_stays_locked_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index = tmp_path / "wrist.csv"
    monkeypatch.setattr(editing, "AGAIN_S", 0.001)
    with locked(index), pytest.raises(ToolError, match="another process has kept it locked"), locked(index, 0.01):
        pass
    edit_index(index, lambda old: old)
