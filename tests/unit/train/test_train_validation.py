"""What is held back from training to choose variants by: whole groups, classes in their shares."""

from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinyops.errors import SpecError
from tinyops.recordings import Recordings
from tinyops.train.validation import SHARE, choose_groups, choose_validation, summary

OWNERS = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 3)), min_size=1, max_size=80)


def recordings(labels: list[int], test: list[bool] | None = None) -> Recordings:
    number = len(labels)
    ids = tuple(f"r{i}" for i in range(number))
    side = np.array(test or [False] * number, np.bool_)
    return Recordings(np.zeros((number, 1), np.int16), np.arange(number + 1), np.array(labels, np.int32), side, ids)


@given(OWNERS)
def test_every_class_keeps_a_group_and_gives_one_where_it_has_two(owned: list[tuple[int, int]]) -> None:
    groups, labels = [f"s{owner}" for owner, _ in owned], [label for _, label in owned]
    held = choose_groups(groups, labels)
    homes = defaultdict(set)
    for group, label in zip(groups, labels, strict=True):
        homes[label].add(group)
    assert held <= set(groups)
    assert all(its - held for its in homes.values())
    if len(homes) == 1 or all(len(its) == len(set(groups)) for its in homes.values()):
        assert bool(held) == (len(set(groups)) > 1)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=120))
def test_recordings_that_stand_alone_are_held_back_in_the_share_of_each_class(labels: list[int]) -> None:
    held = choose_groups([f"r{i}" for i in range(len(labels))], labels)
    found = Counter(labels[int(name[1:])] for name in held)
    for label, total in Counter(labels).items():
        assert found[label] == (0 if total == 1 else max(round(SHARE * total), 1))


def test_names_alone_decide_not_the_order() -> None:
    groups = [f"s{i % 7}" for i in range(70)]
    labels = [i % 3 for i in range(70)]
    held = choose_groups(groups, labels)
    assert held == choose_groups(groups[::-1], labels[::-1]) and len(held) == 1


def test_whole_subjects_of_the_training_side_are_held_back() -> None:
    labels, test = [i % 2 for i in range(40)], [i >= 30 for i in range(40)]
    subjects = [f"s{i // 5}" for i in range(40)]
    found = choose_validation(recordings(labels, test), subjects, "subject")
    assert not (found.held & np.array(test)).any()
    assert {subjects[int(i)] for i in np.flatnonzero(found.held)} == set(found.groups)
    assert int(found.held.sum()) == 5 * len(found.groups) and found.missing == ()
    record = found.to_json(recordings(labels, test), ["a", "b"])
    assert record["by"] == "subject" and record["groups"] == list(found.groups)
    assert summary(record)["recordings"] == int(found.held.sum())


def test_a_class_of_one_subject_stays_in_training_and_is_named() -> None:
    subjects = ["s0", "s0", "s1", "s1", "s2", "s2", "s0"]
    found = choose_validation(recordings([0, 1, 0, 1, 0, 1, 2]), subjects, "subject")
    assert found.missing == (2,) and "s0" not in found.groups


def test_where_one_subject_has_all_recordings_are_held_back() -> None:
    found = choose_validation(recordings([0, 1] * 5), ["s0"] * 10, "subject")
    assert found.by == "recording" and int(found.held.sum()) == 2
    assert found.to_json(recordings([0, 1] * 5), ["a", "b"])["groups"] == []


def test_too_few_recordings_to_choose_by_are_refused() -> None:
    with pytest.raises(SpecError, match="3 training recordings are too few to choose a variant by") as caught:
        choose_validation(recordings([0, 1, 2, 2], [False, False, False, True]), list("abcd"), "recording")
    assert "one variant" in caught.value.hint
