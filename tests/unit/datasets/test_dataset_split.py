"""The split goes by content: no copy on both sides, and nothing moves without need."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinyops.datasets.split import split_by_content, unique_recordings
from tinyops.errors import SpecError

DIGESTS = st.lists(st.uuids().map(str), min_size=4, max_size=40, unique=True)


@given(DIGESTS, st.floats(0.05, 0.95), st.integers(0, 5))
def test_each_class_is_split_in_its_share(digests: list[str], share: float, seed: int) -> None:
    labels = ["a" if i % 2 else "b" for i in range(len(digests))]
    test = split_by_content(labels, digests, share, seed)
    for label in "ab":
        mine = [t for t, its in zip(test, labels, strict=True) if its == label]
        assert 1 <= sum(mine) <= len(mine) - 1
        assert abs(sum(mine) - share * len(mine)) <= 1


@given(DIGESTS, st.randoms(use_true_random=False))
def test_the_order_does_not_matter(digests: list[str], random: object) -> None:
    labels = ["a" if i % 2 else "b" for i in range(len(digests))]
    before = dict(zip(digests, split_by_content(labels, digests, 0.3, 1), strict=True))
    pairs = list(zip(labels, digests, strict=True))
    random.shuffle(pairs)  # type: ignore[attr-defined]
    after = split_by_content([p[0] for p in pairs], [p[1] for p in pairs], 0.3, 1)
    assert dict(zip([p[1] for p in pairs], after, strict=True)) == before


@given(DIGESTS)
def test_an_added_recording_moves_at_most_one_other_of_its_class(digests: list[str]) -> None:
    *old, new = digests
    labels = ["a" if i % 2 else "b" for i in range(len(old))]
    before = split_by_content(labels, old, 0.25, 7)
    after = split_by_content([*labels, "a"], [*old, new], 0.25, 7)
    moved = [label for label, b, a in zip(labels, before, after[:-1], strict=True) if b != a]
    assert moved in ([], ["a"])


def test_the_seed_changes_the_split() -> None:
    digests = [str(i) for i in range(40)]
    assert split_by_content(["a"] * 40, digests, 0.5, 1) != split_by_content(["a"] * 40, digests, 0.5, 2)


def test_copies_are_left_out() -> None:
    assert unique_recordings(["x", "y", "z"], ["a", "b", "a"], ["d1", "d2", "d1"]) == [0, 1]


def test_one_content_with_two_labels_is_an_error() -> None:
    with pytest.raises(SpecError, match="y has the same content as x, but is labelled b and not a"):
        unique_recordings(["x", "y"], ["a", "b"], ["d1", "d1"])
