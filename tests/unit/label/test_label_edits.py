"""What people do to an index: pure edits, and that each can be undone to the same bytes."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinyops.datasets.index import IndexEntry, format_index, parse_index
from tinyops.errors import SpecError
from tinyops.label import edits
from tinyops.label.edits import Entries, Run, Span, Whole
from tinyops.label.history import Change, History, carry_out, difference

FRAMES = 100
A, B = (IndexEntry("sha256:" + digit * 64, file=f"{digit}.npy", subject="anna", low=(1.0,)) for digit in "ab")
WHOLE = Whole("a.npy", FRAMES)


def pieces(entries: Entries, path: str = "a.npy") -> list[tuple[int, int, str]]:
    mine = [entry for entry in entries if entry.path == path]
    return sorted((edits.span_of(e, FRAMES).begin, edits.span_of(e, FRAMES).end, e.label) for e in mine)


def test_a_label_in_the_middle_leaves_what_is_around_waiting() -> None:
    found = edits.paint((A, B), WHOLE, [Run(Span(20, 40), "wave")])
    assert pieces(found) == [(0, 20, ""), (20, 40, "wave"), (40, 100, "")]
    assert B in found and {entry.subject for entry in found} == {"anna"}
    assert all(entry.low == () and entry.frames == FRAMES for entry in found if entry.path == "a.npy")


def test_the_whole_file_is_one_line_without_begin_and_end() -> None:
    cut = edits.paint((A,), WHOLE, [Run(Span(20, 40), "wave")])
    again = edits.paint(cut, WHOLE, [Run(Span(0, FRAMES), "rest")])
    assert [(e.begin, e.end, e.label) for e in again] == [(None, None, "rest")]


def test_a_label_on_the_same_frames_keeps_the_statistics() -> None:
    (found,) = edits.paint((A,), WHOLE, [Run(Span(0, FRAMES), "wave")])
    assert found == replace(A, label="wave")
    assert edits.set_labels((A, B), {A.id, B.id}, "wave") == (replace(A, label="wave"), replace(B, label="wave"))


def test_split_trim_and_erase() -> None:
    halves = edits.split((A, B), WHOLE, 30)
    assert pieces(halves) == [(0, 30, ""), (30, 100, "")]
    assert pieces(edits.trim(halves, "a.npy[30:100]", Span(50, 500), WHOLE)) == [(0, 30, ""), (50, 100, "")]
    assert pieces(edits.erase(halves, WHOLE, Span(20, 60))) == [(0, 20, ""), (60, 100, "")]
    assert edits.erase(halves, WHOLE, Span(0, FRAMES)) == (B,)


def test_an_edge_between_two_pieces_moves_both() -> None:
    halves = edits.split((A,), WHOLE, 30)
    assert pieces(edits.move_edge(halves, WHOLE, 30, 45)) == [(0, 45, ""), (45, 100, "")]
    assert pieces(edits.move_edge(halves, WHOLE, 100, 90)) == [(0, 30, ""), (30, 90, "")]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda e: edits.split(e, WHOLE, 0), "begins at frame 0 already"),
        (lambda e: edits.split(e, WHOLE, FRAMES), "no piece has frame 100"),
        (lambda e: edits.split(e, Whole("c.npy", 10), 3), "c.npy: is not in the index"),
        (lambda e: edits.trim(e, "a.npy", Span(100, 120), WHOLE), "are not in a.npy"),
        (lambda e: edits.paint(e, WHOLE, [Run(Span(5, 5), "x")]), "not 5 to 5"),
        (lambda e: edits.paint(e, WHOLE, [Run(Span(5, 101), "x")]), "has 100 frames, not 5 to 101"),
        (lambda e: edits.move_edge(e, WHOLE, 100, 0), "nothing would be left"),
        (lambda e: edits.move_edge(e, WHOLE, 7, 9), "no piece begins or ends at frame 7"),
        (lambda e: edits.move_edge(e, WHOLE, 100, 101), "no edge at 101"),
        (lambda e: edits.delete(e, {"a.npy", "nobody"}), "nobody: is not in the index"),
        (lambda e: edits.set_labels(e, set(), "x"), "nothing: is not in the index"),
        (lambda e: edits.erase(edits.delete(e, {"a.npy"}), WHOLE, Span(1, 2)), "a.npy: is not in the index"),
    ],
)
def test_what_cannot_be_is_refused(change: object, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        change((A, B))  # type: ignore[operator]


def test_pieces_that_would_overlap_are_refused() -> None:
    apart = edits.erase((A,), WHOLE, Span(40, 60))
    with pytest.raises(SpecError, match="frame 60 would be in two pieces"):
        edits.move_edge(apart, WHOLE, 40, 70)


frames = st.integers(0, FRAMES)
spans = st.tuples(frames, frames).filter(lambda pair: pair[0] < pair[1]).map(lambda pair: Span(*pair))
labels = st.sampled_from(["", "rest", "wave"])


@st.composite
def edited(draw: st.DrawFn, entries: Entries) -> Entries:
    """Some edit of these entries, or the same entries where it is refused."""
    if not entries:
        return entries
    ids = frozenset(draw(st.lists(st.sampled_from([e.id for e in entries]), min_size=1)))
    choices = [
        lambda: edits.set_labels(entries, ids, draw(labels)),
        lambda: edits.set_subjects(entries, ids, draw(st.sampled_from(["", "ben"]))),
        lambda: edits.delete(entries, ids),
        lambda: edits.split(entries, WHOLE, draw(frames)),
        lambda: edits.trim(entries, draw(st.sampled_from(sorted(ids))), draw(spans), WHOLE),
        lambda: edits.paint(entries, WHOLE, [Run(draw(spans), draw(labels))]),
        lambda: edits.erase(entries, WHOLE, draw(spans)),
        lambda: edits.move_edge(entries, WHOLE, draw(frames), draw(frames)),
    ]
    try:
        return draw(st.sampled_from(choices))()
    except SpecError:
        return entries


@given(st.data())
def test_any_edits_undone_give_the_same_bytes_and_redone_too(data: st.DataObject) -> None:
    entries: Entries = (A, replace(B, label="rest"))
    history, texts = History(), [format_index(entries)]
    for _ in range(data.draw(st.integers(1, 6))):
        after = data.draw(edited(entries))
        history.add(difference("edit", entries, after))
        entries = carry_out(entries, history.done[-1])
        assert set(entries) == set(after)
        texts.append(format_index(entries))
        parse_index(texts[-1], "a.csv")  # no edit makes an index that is refused
        found = pieces(entries)
        assert all(before[1] <= later[0] for before, later in pairwise(found))
    for text in reversed(texts[:-1]):
        entries, _ = history.undo(entries)
        assert format_index(entries) == text
    for text in texts[1:]:
        entries, _ = history.redo(entries)
        assert format_index(entries) == text


def test_undoing_leaves_what_others_did_meanwhile() -> None:
    change = difference("labelled", (A, B), (replace(A, label="wave"), B))
    other = replace(B, label="rest")
    assert set(carry_out((replace(A, label="wave"), other), change.back)) == {A, other}
    with pytest.raises(SpecError, match=r"a.npy was changed by another program since"):
        carry_out((replace(A, label="rest"), B), change.back)
    with pytest.raises(SpecError, match="changed by another program"):
        carry_out((A, B), Change("brought back", (), (A,)))


def test_there_is_nothing_to_undo_at_first() -> None:
    with pytest.raises(SpecError, match="nothing to undo"):
        History().undo((A,))
    with pytest.raises(SpecError, match="nothing to redo"):
        History().redo((A,))
