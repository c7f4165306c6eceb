"""The split goes by content: no copy on both sides, and nothing moves without need."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinyops.datasets.index import IndexEntry
from tinyops.datasets.split import (
    Piece,
    choose_test,
    entry_group,
    place_units,
    split_by_content,
    suggest_test,
    unique_recordings,
)
from tinyops.errors import SpecError
from tinyops.specs.model import Split

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


# -- by subject or take ------------------------------------------------------------------------

SUBJECTS = st.lists(st.uuids().map(str), min_size=2, max_size=30, unique=True)


def pieces(owners: dict[str, list[str]]) -> list[Piece]:
    """One recording of each label that a subject has."""
    return [Piece(label, name, f"{name}-{label}") for name, labels in owners.items() for label in labels]


def both(names: list[str]) -> list[Piece]:
    return pieces({name: ["a", "b"] for name in names})


def sides(found: list[Piece], split: Split) -> dict[str, set[bool]]:
    placed: dict[str, set[bool]] = {}
    for piece, test in zip(found, choose_test(found, split), strict=True):
        placed.setdefault(piece.group, set()).add(test)
    return placed


def chosen(found: list[Piece], split: Split) -> set[str]:
    return {name for name, where in sides(found, split).items() if where == {True}}


def test_all_of_a_subject_lies_on_one_side() -> None:
    found = pieces({f"s{i:02}": ["walk", "sit", "jump"] for i in range(20)})
    placed = sides(found, Split(by="subject"))
    assert {len(where) for where in placed.values()} == {1}
    assert sum(where == {True} for where in placed.values()) == 5


@given(SUBJECTS, SUBJECTS, st.sampled_from(["subject", "take"]), st.integers(0, 9))
def test_nothing_moves_when_others_come(old: list[str], new: list[str], by: str, seed: int) -> None:
    split = Split.model_validate({"by": by, "test": 0.4, "seed": seed})
    before, after = both(old), both([*new, *old])
    try:
        first, second = sides(before, split), sides(after, split)
    except SpecError:
        return  # a side was empty: said, never mended in silence
    assert {name: second[name] for name in first} == first


def test_the_share_is_about_what_was_asked_for() -> None:
    found = pieces({f"s{i}": ["walk"] for i in range(4000)})
    assert 930 <= len(chosen(found, Split(by="subject"))) <= 1070


def test_what_is_only_tested_is_in_the_test_whoever_it_is_of() -> None:
    found = pieces({"s1": ["normal", "odd"], "s2": ["normal"]})
    assert choose_test(found, Split(by="subject", test=("s2",)), {"odd"}) == [False, True, True]


def test_a_suggestion_leaves_no_class_without_training() -> None:
    classes = {"a": {"s1", "s2"}, "b": {"s1", "s2", "s3"}, "c": {"s2", "s3"}}
    for seed in range(20):
        test = {*suggest_test(classes, 0.9, seed)}
        assert all(mine & test and mine - test for mine in classes.values())


def test_released_sides_stay_over_versions_of_tinyops() -> None:
    found = pieces({f"s{i:02}": ["walk", "sit"] for i in range(12)})
    assert chosen(found, Split(by="subject", seed=7)) == {"s00", "s02", "s03", "s05", "s10"}


def test_names_choose_the_test_side() -> None:
    found = pieces({"s05": ["walk", "sit"], "s19": ["walk"], "s02": ["sit", "walk"]})
    assert chosen(found, Split(by="subject", test=("s05", "s19"))) == {"s05", "s19"}


def test_an_unknown_name_is_an_error_that_says_who_is_there() -> None:
    found = pieces({"s05": ["walk", "sit"], "s02": ["sit", "walk"]})
    with pytest.raises(SpecError, match=r"split.test names s99: no recording has such a subject\n  there are s02, s05"):
        choose_test(found, Split(by="subject", test=("s05", "s99")))


def test_a_share_that_leaves_the_test_empty_names_the_subjects_and_what_to_write() -> None:
    found = pieces({name: ["walk", "sit"] for name in ("s01", "s02", "s03")})
    with pytest.raises(SpecError) as caught:
        choose_test(found, Split(by="subject", test=0.01))
    assert caught.value.message == (
        "split: class sit has nothing for test: its subjects s01, s02, s03 are all in training; "
        "class walk has nothing for test: its subjects s01, s02, s03 are all in training"
    )
    assert caught.value.hint == "choose them by name: `test: [s03]`; named subjects stay where they are"
    assert chosen(found, Split(by="subject", test=("s03",))) == {"s03"}


def test_a_class_that_only_the_test_has_is_an_error() -> None:
    found = pieces({"s01": ["walk", "sit"], "s02": ["walk", "sit"], "s05": ["walk", "jump"], "s06": ["walk", "jump"]})
    with pytest.raises(SpecError, match="class jump has nothing for training: its subjects s05, s06 are all in test"):
        choose_test(found, Split(by="subject", test=("s01", "s05", "s06")))


def test_a_class_of_one_subject_cannot_be_split() -> None:
    found = pieces({"s01": ["walk", "sit"], "s02": ["walk", "sit"], "s05": ["jump", "walk"]})
    with pytest.raises(SpecError, match="record class jump with another subject: one alone cannot lie on both sides"):
        choose_test(found, Split(by="subject", test=0.4))


@given(st.dictionaries(st.sampled_from([f"s{i}" for i in range(12)]), st.sets(st.sampled_from("abcd"), min_size=1)))
def test_what_is_suggested_is_right(owners: dict[str, set[str]]) -> None:
    found = pieces({name: sorted(labels) for name, labels in owners.items()})
    classes: dict[str, set[str]] = {}
    for piece in found:
        classes.setdefault(piece.label, set()).add(piece.group)
    names = suggest_test(classes, 0.25, 1) if len(owners) > 1 else ()
    if names:
        choose_test(found, Split(by="subject", test=names))


def test_of_many_takes_a_seed_is_suggested() -> None:
    found = [Piece("a", f"t{n}", f"a{n}") for n in range(200)] + [Piece("b", f"u{n}", f"b{n}") for n in range(3)]
    split = next(s for s in (Split(by="take", seed=n) for n in range(99)) if not sum(choose_unsafe(found, s)[200:]))
    with pytest.raises(
        SpecError, match=r"class b has nothing for test: its takes u0, u1, u2 are all in training"
    ) as caught:
        choose_test(found, split)
    words = caught.value.hint.split("`")
    assert words[1].startswith("seed: ") and words[2].startswith(" gives both sides every class")
    choose_test(found, Split(by="take", seed=int(words[1].removeprefix("seed: "))))


def choose_unsafe(found: list[Piece], split: Split) -> list[bool]:
    test = place_units(found, split)
    return [piece.unit in test for piece in found]


def test_suggestions_for_very_many_are_quick_enough_to_be_made() -> None:
    names = {f"t{n}" for n in range(60_000)}
    classes = {"a": names, "b": {*list(names)[:30_000], "u"}, "c": {"u", "v"}}
    test = suggest_test(classes, 0.25, 1)
    assert len(test) == 15_000 or len(test) == 15_001


def test_recordings_without_a_subject_cannot_be_split_by_it() -> None:
    found = [*pieces({"s01": ["walk"], "s02": ["walk"]}), Piece("walk", "", "d")]
    with pytest.raises(SpecError, match="1 of 3 recordings do not say whose they are"):
        choose_test(found, Split(by="subject"))


def test_a_recording_without_a_take_is_a_take_of_its_own() -> None:
    found = [Piece(label, "", f"{label}{i}") for label in "ab" for i in range(40)]
    test = choose_test(found, Split(by="take"))
    assert 10 <= sum(test) <= 30
    assert choose_test([*found, Piece("a", "", "new")], Split(by="take"))[:-1] == test


# -- by recording ------------------------------------------------------------------------------


def test_pieces_of_one_file_lie_on_one_side_and_do_not_move() -> None:
    found = [Piece(label, f"f{i}", f"f{i}-{label}") for i in range(40) for label in "ab"]
    placed = sides(found, Split(test=0.3))
    assert {len(where) for where in placed.values()} == {1}
    more = sides([*found, Piece("a", "g", "g-a")], Split(test=0.3))
    assert {name: more[name] for name in placed} == placed


def test_a_class_of_two_files_has_one_on_each_side() -> None:
    for seed in range(20):
        found = [Piece(label, f"{label}{i}", f"{label}{i}") for label in "ab" for i in range(2)]
        test = choose_test(found, Split(test=0.1, seed=seed))
        assert [sum(test[:2]), sum(test[2:])] == [1, 1]


def test_an_index_says_what_belongs_together() -> None:
    entry = IndexEntry("sha256:ab", "walk", "s01", "t7")
    assert [entry_group(entry, by) for by in ("subject", "take", "recording")] == ["s01", "t7", "sha256:ab"]
    alone = IndexEntry("sha256:ab", "walk")
    assert [entry_group(alone, by) for by in ("subject", "take")] == ["", "sha256:ab"]


@pytest.mark.parametrize(
    ("split", "message"),
    [
        ({"test": ["s05"]}, "names are of takes or of subjects"),
        ({"by": "subject", "test": ["s05", "s05"]}, "'s05' stands twice"),
        ({"by": "subject", "test": ["../s05"]}, "a subject or a take is named with letters"),
        ({"by": "subject", "test": []}, "at least 1 item"),
        ({"by": "subject", "test": 1}, "less than 1"),
        ({"by": "class"}, "'recording', 'take' or 'subject'"),
    ],
)
def test_bad_splits_are_refused(split: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Split.model_validate(split)
