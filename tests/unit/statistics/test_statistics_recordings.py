"""recordings.npz, windows that stay on their side, votes by recording."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinyops.errors import SpecError
from tinyops.features import RawFeatures, StagedFeatures
from tinyops.features.stages import Statistics
from tinyops.recordings import Recordings, Windows, cut_windows, in_rows, judge, load, save


def recordings(lengths: list[int], test: list[bool], values: int = 2) -> Recordings:
    """Recordings whose every count is the recording's number."""
    counts = np.concatenate([np.full((n, values), i, np.int16) for i, n in enumerate(lengths)])
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    labels = np.arange(len(lengths), dtype=np.int32) % 2
    return Recordings(counts, offsets, labels, np.array(test), tuple(f"r{i}" for i in range(len(lengths))))


def test_saved_recordings_come_back_and_give_the_same_bytes(tmp_path: Path) -> None:
    given_ = recordings([3, 5], [False, True])
    save(given_, tmp_path / "a.npz")
    save(given_, tmp_path / "b.npz")
    found = load(tmp_path / "a.npz")
    assert found.ids == given_.ids
    assert (found.counts == given_.counts).all() and (found.test == given_.test).all()
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    path.write_bytes(b"not a zip")
    with pytest.raises(SpecError, match="not a file of recordings"):
        load(path)
    np.savez(path, counts=np.zeros((2, 2), np.int16))
    with pytest.raises(SpecError, match="not a file of recordings"):
        load(path)


@pytest.mark.parametrize("offsets", [[0, 3], [1, 3, 8], [0, 3, 9], [0, 8, 8], [0, 9, 8]])
def test_offsets_that_do_not_cover_the_frames_are_refused(tmp_path: Path, offsets: list[int]) -> None:
    good = recordings([3, 5], [False, True])
    save(Recordings(good.counts, np.array(offsets, np.int64), good.labels, good.test, good.ids), tmp_path / "x.npz")
    with pytest.raises(SpecError, match=r"offsets|empty"):
        load(tmp_path / "x.npz")


@given(
    st.lists(st.tuples(st.integers(5, 30), st.booleans()), min_size=1, max_size=8),
    st.integers(1, 5),
    st.integers(1, 7),
)
def test_no_window_mixes_recordings_or_sides(parts: list[tuple[int, bool]], window: int, hop: int) -> None:
    all_ = recordings([n for n, _ in parts], [t for _, t in parts])
    for side in (False, True):
        windows = cut_windows(all_, test=side, window_frames=window, hop_frames=hop)
        assert len(windows) == sum((n - window) // hop + 1 for n, t in parts if t == side)
        for counts, owner in zip(windows.counts, windows.recording, strict=True):
            assert (counts == owner).all()
            assert all_.test[owner] == side


def test_a_recording_shorter_than_a_window_is_named() -> None:
    with pytest.raises(SpecError, match=r"r1: 3 frames \(and 1 more\), a window takes 4"):
        cut_windows(recordings([9, 3, 2], [False, False, True]), test=False, window_frames=4, hop_frames=1)


def windows_of(owners: list[int], labels: list[int]) -> Windows:
    counts = np.zeros((len(owners), 1, 1), np.int16)
    return Windows(counts, np.array(owners), np.array(labels, np.int32))


def test_a_recording_is_what_most_of_its_windows_are() -> None:
    outputs = np.array([[9, 1], [8, 2], [0, 9], [1, 9]], np.int8)
    found = judge(outputs, windows_of([4, 4, 4, 7], [0, 0, 0, 1]), ["a", "b"])
    assert (found.windows.accuracy.right, found.windows.accuracy.total) == (3, 4)
    assert (found.recordings.accuracy.right, found.recordings.accuracy.total) == (2, 2)


def test_a_tie_of_votes_goes_to_the_larger_sum() -> None:
    outputs = np.array([[100, 0], [10, 12]], np.int8)  # int8 sums would overflow in one more window
    found = judge(outputs, windows_of([0, 0], [0, 0]), ["a", "b"])
    assert found.recordings.confusion == ((1, 0), (0, 0))


def test_outputs_count_for_the_class_with_votes_only() -> None:
    outputs = np.array([[50, 49, 48], [0, 127, 126], [50, 0, 49]], np.int8)
    found = judge(outputs, windows_of([0, 0, 0], [0, 0, 0]), ["a", "b", "c"])
    assert found.recordings.confusion[0] == (1, 0, 0)


def test_rows_hold_the_windows_that_a_device_infers_on() -> None:
    """In 31 samples a window of 12 every 4 is due 5 times; what comes after the last one would make a sixth of rows."""
    features = StagedFeatures(50.0, 1, 2, 6, 2, (Statistics(5, 2, ("mean",)),), (0,), (1.0,))
    all_ = recordings([31, 12], [False, True], 1)
    rows = in_rows(all_, features)
    assert [len(rows.frames(r)) for r in range(2)] == [12, 4]
    for side, windows in ((False, 5), (True, 1)):
        cut = cut_windows(rows, test=side, window_frames=features.rows, hop_frames=features.hop_rows)
        assert cut.counts.shape == (windows, 4, 1)


def test_rows_of_raw_frames_of_several_samples() -> None:
    rows = in_rows(recordings([13], [False], 1), RawFeatures(3, 2, 1, (0,), (1.0,)))
    assert rows.counts.shape == (4, 3)


def test_raw_samples_are_their_own_rows() -> None:
    all_ = recordings([9, 3], [False, True], 1)
    assert in_rows(all_, RawFeatures(1, 3, 1, (0,), (1.0,))) is all_


def test_a_recording_shorter_than_a_window_of_samples_is_named() -> None:
    features = StagedFeatures(50.0, 1, 2, 6, 2, (Statistics(5, 2, ("mean",)),), (0,), (1.0,))
    with pytest.raises(SpecError, match="r1: 11 frames, a window takes 12"):
        in_rows(recordings([29, 11], [False, True], 1), features)
