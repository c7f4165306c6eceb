"""Labelling an index on the disk: saved at once, undone to the same bytes, never over what others wrote."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fakes.labelling import motion_take, motions
from tinyops.datasets.adding import add_recordings, take_addition
from tinyops.datasets.editing import edit_index
from tinyops.datasets.index import IndexEntry, parse_index
from tinyops.datasets.objects import Folder, Objects, data_folder
from tinyops.errors import SpecError
from tinyops.label.actions import parse_action
from tinyops.label.session import Session
from tinyops.label.signals import Gallery
from tinyops.specs.model import Signal

CLASSES = ("rest", "wave", "shake")
SIGNAL = Signal(
    sensor="imu",
    channels=("ax", "ay", "az", "gx", "gy", "gz"),
    units=("m/s2",) * 3 + ("rad/s",) * 3,
    full_scale=(40, 40, 40, 20, 20, 20),
    rate_hz=100,
)


@pytest.fixture
def index(tmp_path: Path) -> Path:
    return motions(tmp_path / "bench", 6)


@pytest.fixture
def session(index: Path) -> Session:
    return Session(index, Gallery(Objects(Folder(data_folder(index))), SIGNAL))


def act(session: Session, **action: Any) -> None:
    session.act(parse_action(json.dumps(action).encode(), CLASSES))


def lines(index: Path) -> tuple[IndexEntry, ...]:
    return parse_index(index.read_bytes(), "i")


def changed(before: str, after: str) -> tuple[list[str], list[str]]:
    """Lines that went and lines that came, as a diff has them."""
    old, new = before.splitlines(), after.splitlines()
    return [line for line in old if line not in new], [line for line in new if line not in old]


def test_a_label_is_a_diff_of_one_line_and_undone_is_the_same_file(session: Session, index: Path) -> None:
    before = index.read_text()
    waiting = next(entry for entry in lines(index) if not entry.label)
    act(session, do="label", ids=[waiting.id], label="shake")
    gone, come = changed(before, index.read_text())
    assert len(gone) == len(come) == 1 and come[0] == gone[0].replace(",,", ",shake,", 1)
    after = index.read_text()
    session.undo()
    assert index.read_text() == before
    session.redo()
    assert index.read_text() == after


def test_what_was_written_is_known_until_it_is_undone(session: Session, index: Path) -> None:
    entry = lines(index)[1]
    assert session.added() == ()
    act(session, do="split", path=entry.path, frame=300)
    act(session, do="label", ids=[lines(index)[2].id], label="shake")
    written = [e for e in lines(index) if e.path == entry.path and e.begin is not None]
    assert len(written) == 2 and written[1] in session.added()
    assert {e.id for e in session.added()} == {written[0].id, written[1].id}
    session.undo()
    session.undo()
    assert session.added() == ()


def test_pieces_have_the_statistics_of_their_frames(session: Session, index: Path) -> None:
    entry = lines(index)[1]  # it lost 40 frames before 250 and 5 before 400
    act(session, do="split", path=entry.path, frame=300)
    first, second = (e for e in lines(index) if e.path == entry.path)
    assert (first.begin, first.end, first.lost, second.lost) == (0, 300, 40, 5)
    values = motion_take(1).physical()
    assert second.mean == pytest.approx(values[300:].mean(axis=0), rel=1e-3)
    assert second.high == pytest.approx(values[300:].max(axis=0), rel=1e-3)
    assert second.spread == pytest.approx(values[300:].std(axis=0), rel=1e-3)
    act(session, do="move", path=entry.path, frame=300, to=200)
    first, second = (e for e in lines(index) if e.path == entry.path)
    assert (first.end, second.begin, first.lost, second.lost) == (200, 200, 0, 45)
    assert np.allclose(first.low, values[:200].min(axis=0), rtol=1e-3)


def test_a_long_session_is_undone_to_the_bytes_that_people_wrote(index: Path) -> None:
    header, *rest = index.read_text().splitlines()
    index.write_text("\n".join(["# recorded in the gym", header, *reversed(rest), ""]))
    own = index.read_bytes()
    session = Session(index, Gallery(Objects(Folder(data_folder(index))), SIGNAL))
    first, second = lines(index)[:2]
    act(session, do="paint", path=first.path, runs=[{"begin": 100, "end": 200, "label": "rest"}])
    act(session, do="trim", path=first.path, id=f"{first.id}[0:100]", span={"begin": 50, "end": 90})
    act(session, do="erase", path=first.path, span={"begin": 60, "end": 70})
    act(session, do="subject", ids=[second.id], subject="dana")
    act(session, do="delete", ids=[second.id])
    assert index.read_bytes().startswith(b"# recorded in the gym\n")
    assert not [e for e in lines(index) if e.path == second.path]
    for _ in range(5):
        session.undo()
    assert index.read_bytes() == own
    with pytest.raises(SpecError, match="nothing to undo"):
        session.undo()


def test_what_another_program_adds_meanwhile_stays(session: Session, index: Path) -> None:
    entry = lines(index)[0]
    act(session, do="label", ids=[entry.id], label="wave")
    add_recordings(index, [take_addition(motion_take(99), label="rest", name="t-9999")])
    act(session, do="subject", ids=[entry.id], subject="dana")
    assert {e.take for e in lines(index)} >= {"t-9999"} and len(lines(index)) == 7
    session.undo()
    session.undo()
    assert len(lines(index)) == 7
    assert next(e for e in lines(index) if e.id == entry.id) == entry


def test_what_another_program_changed_is_not_undone_over(session: Session, index: Path) -> None:
    entry = lines(index)[0]
    act(session, do="label", ids=[entry.id], label="wave")
    edit_index(index, lambda old: [replace(e, label="shake") if e.id == entry.id else e for e in old])
    there = index.read_bytes()
    with pytest.raises(SpecError, match="was changed by another program since"):
        session.undo()
    assert index.read_bytes() == there and len(session.history.done) == 1
    edit_index(index, lambda old: [e for e in old if e.id != entry.id])
    with pytest.raises(SpecError, match="is not in the index"):
        act(session, do="label", ids=[entry.id], label="rest")


def test_suggestions_are_accepted_and_undone_at_once(session: Session, index: Path) -> None:
    before = index.read_bytes()
    first, second, *_ = lines(index)
    groups = [{"ids": [first.id], "label": "shake"}, {"ids": [second.id], "label": "rest"}]
    act(session, do="labels", groups=groups)
    assert [e.label for e in lines(index)][:2] == ["shake", "rest"]
    session.undo()
    assert index.read_bytes() == before
    with pytest.raises(SpecError, match="'jump' is no class"):
        act(session, do="labels", groups=[groups[0], {"ids": [second.id], "label": "jump"}])


def test_an_index_that_was_broken_meanwhile_is_left_alone(session: Session, index: Path) -> None:
    entry = lines(index)[0]
    index.write_text("<<<<<<< HEAD\n")
    with pytest.raises(SpecError, match="unknown columns"):
        act(session, do="label", ids=[entry.id], label="wave")
    assert index.read_text() == "<<<<<<< HEAD\n"


def test_a_new_piece_adds_no_column_to_an_index_that_has_pieces(session: Session, index: Path) -> None:
    entry = lines(index)[0]
    act(session, do="split", path=entry.path, frame=300)
    edit_index(index, lambda old: [replace(e, clipped=None, spread=()) for e in old])
    before = index.read_text()
    act(session, do="split", path=lines(index)[3].path, frame=100)
    gone, come = changed(before, index.read_text())
    assert (len(gone), len(come)) == (1, 2)


def test_a_file_that_changed_is_not_cut(session: Session, index: Path) -> None:
    entry = lines(index)[0]
    (data_folder(index) / entry.path).write_bytes(b"other")
    before = index.read_bytes()
    with pytest.raises(SpecError, match="has changed"):
        act(session, do="split", path=entry.path, frame=10)
    assert index.read_bytes() == before and session.history.done == []


def test_an_action_that_changes_nothing_is_no_change(session: Session, index: Path) -> None:
    entry = next(e for e in lines(index) if e.label == "wave")
    with pytest.raises(SpecError, match="nothing was changed"):
        act(session, do="label", ids=[entry.id], label="wave")
    assert session.history.done == []


@pytest.mark.parametrize(
    ("action", "message"),
    [
        ({"do": "label", "ids": ["x"], "label": "a/b"}, "'a/b' is no label: letters"),
        ({"do": "label", "ids": ["x"], "label": "x" * 300}, "is no label: letters"),
        ({"do": "label", "ids": ["x"], "label": "größe"}, "is no label: letters"),
        ({"do": "label", "ids": ["x"], "label": "\u202erest"}, "is no label: letters"),
        ({"do": "label", "ids": ["x"], "label": "jump"}, "'jump' is no class of the dataset"),
        ({"do": "label", "ids": ["x"], "label": "rest\n"}, "is no label"),
        ({"do": "label", "ids": [], "label": "rest"}, "no action: label.ids"),
        ({"do": "subject", "ids": ["x"], "subject": "=cmd|' /C calc'!A0"}, "is no name"),
        ({"do": "subject", "ids": ["x"], "subject": "x" * 1001}, "no action: subject.subject"),
        ({"do": "paint", "path": "p", "runs": [{"begin": -1, "end": 2, "label": "rest"}]}, "paint.runs.0.begin"),
        ({"do": "paint", "path": "p", "runs": [{"begin": 0, "end": 2**60, "label": "rest"}]}, "paint.runs.0.end"),
        ({"do": "paint", "path": "p", "runs": [{"begin": 0, "end": 2, "label": "jump"}]}, "no class"),
        ({"do": "split", "path": "../../etc/passwd", "frame": 1, "more": 1}, "no action: split.more"),
        ({"do": "format", "path": "p"}, "no action"),
        (["label"], "no action"),
    ],
)
def test_a_hostile_action_is_refused(action: Any, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        parse_action(json.dumps(action).encode(), CLASSES)
    with pytest.raises(SpecError, match="no action"):
        parse_action(b"\xff{", CLASSES)


def test_a_path_outside_the_index_is_not_read(session: Session) -> None:
    with pytest.raises(SpecError, match="is not in the index"):
        act(session, do="split", path="../../specs/project.yaml", frame=1)
    with pytest.raises(SpecError, match="is not in the index"):
        session.shown("../wrist.csv")
