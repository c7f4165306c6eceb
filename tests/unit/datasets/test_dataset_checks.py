"""Each check has nothing to say of a good dataset, and says one thing of one that is bad in one way."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from tinyops.datasets.checks import CHECKS, Evidence, judge, judge_new
from tinyops.datasets.findings import PLACES_SHOWN, Finding, errors_of, read_finding
from tinyops.datasets.index import IndexEntry, IndexRow
from tinyops.datasets.population import Population, population_of, read_population
from tinyops.specs.checks import Checks
from tinyops.specs.model import DatasetSpec

SIGNAL = {
    "sensor": "imu",
    "channels": ["ax", "ay", "az", "gx"],
    "units": ["g", "g", "g", "rad/s"],
    "full_scale": [4, 4, 4, 35],
    "rate_hz": 50,
}
SUBJECTS = ("s01", "s02", "s03", "s04", "s05", "s06")
MORE = "record and label more, or lower checks.min_recordings_per_class"
Entries = list[IndexEntry]
Edit = Callable[[Entries], object]


def spec(checks: dict[str, Any] | None = None, **more: Any) -> DatasetSpec:
    value = {
        "classes": ["rest", "walk"],
        "signal": SIGNAL,
        "sources": [{"kind": "recordings", "index": "wrist.csv"}],
        "split": {"by": "subject", "test": ["s05", "s06"]},
        "checks": checks or {},
    }
    return DatasetSpec.model_validate({**value, **more})


def entry(number: int, label: str, subject: str) -> IndexEntry:
    """A recording of 10 s as a watch makes it, with gravity on z; no two have the same values."""
    turn = number / 100
    return IndexEntry(
        sha256=f"sha256:{number:064x}",
        label=label,
        subject=subject,
        take=f"t{number}",
        frames=500,
        rate_hz=50.0 + turn,
        lost=0,
        clipped=0,
        low=(-0.5 - turn, -0.5, 0.5, -2.0),
        high=(0.5, 0.5 + turn, 1.5, 2.0),
        mean=(turn, 0.1, 0.99, 0.0),
        spread=(0.1 + turn, 0.1, 0.1, 0.7),
        format="take",
        file=f"{label}-{number}.take",
    )


def good() -> Entries:
    """Two recordings of each class and subject."""
    pairs = [(label, subject) for subject in SUBJECTS for label in ("rest", "walk") for _ in range(2)]
    return [entry(number, label, subject) for number, (label, subject) in enumerate(pairs)]


def rows_of(entries: Sequence[IndexEntry]) -> tuple[IndexRow, ...]:
    return tuple(IndexRow(its, "data/wrist.csv", line) for line, its in enumerate(entries, 2))


def look(edit: Edit = lambda _: None, of: DatasetSpec | None = None, **more: Any) -> tuple[Finding, ...]:
    entries = good()
    edit(entries)
    return judge(Evidence(of or spec(), rows_of(entries), **more))


def change(*numbers: int, **values: Any) -> Edit:
    def edit(entries: Entries) -> None:
        for number in numbers:
            entries[number] = replace(entries[number], **values)

    return edit


def keep(wanted: Callable[[IndexEntry], bool]) -> Edit:
    def edit(entries: Entries) -> None:
        entries[:] = [its for its in entries if wanted(its)]

    return edit


def one(found: Sequence[Finding], check: str, level: str) -> Finding:
    """The only finding, of that check and level."""
    (finding,) = found
    assert (finding.check, finding.level) == (check, level)
    return finding


def test_nothing_is_said_of_a_good_dataset() -> None:
    checks = {"min_recordings_per_class": 12, "min_seconds_per_class": 120, "range": [-4, 4], "ranges": {"gx": [-9, 9]}}
    released = population_of(good(), ("rest", "walk"), SIGNAL["channels"])  # type: ignore[arg-type]
    of = spec({**checks, "gaps": {"longest_s_max": 0.5}})
    assert look(of=of, windows={"motion": 500}, released=released) == ()


# -- labels --------------------------------------------------------------------------------------


def test_a_label_that_is_no_class_is_an_error_that_says_which_was_meant() -> None:
    found = one(look(change(3, 7, label="Walk")), "labels", "error")
    assert found.message == "2 recordings labelled 'Walk', which is not one of the dataset's classes"
    assert found.hint == "did you mean walk?"
    assert found.places == ("data/wrist.csv:5: walk-3.take", "data/wrist.csv:9: walk-7.take")


def test_a_label_like_none_gets_the_classes() -> None:
    assert one(look(change(3, label="jumping")), "labels", "error").hint == "the dataset has rest, walk"


def test_very_many_labels_that_are_none_are_summed_up() -> None:
    def nonsense(entries: Entries) -> None:
        entries += [replace(entry(100 + n, f"x{n:03}", "s01"), rate_hz=50.0) for n in range(30)]

    found = look(nonsense)
    assert [f.check for f in found] == ["labels"] * 21
    assert found[-1].message == "10 recordings with 10 other labels that are not among the dataset's classes"
    assert found[-1].total == 10 and found[-1].level == "error"


def test_lines_with_other_numbers_of_channels_are_no_defect() -> None:
    released_before = population_of(good(), ("rest", "walk"), SIGNAL["channels"])  # type: ignore[arg-type]
    for short in ({"mean": (1.0,)}, {"spread": (1.0,)}, {"low": ()}, {"high": (1.0,) * 9}, {"mean": (), "spread": ()}):
        of = spec({"ranges": {"gx": [-9, 9]}})
        assert look(change(4, **short), of, released=released_before) == ()
        drifted = look(lambda e, s=short: (moved(1, 0.3)(e), change(4, 6, **s)(e)), of, released=released_before)
        assert [f.check for f in drifted] == ["drift"]


def test_classes_that_differ_by_case_are_said() -> None:
    def shout(entries: Entries) -> None:
        entries += [replace(entry(60 + n, "Walk", s), rate_hz=50.0) for n, s in enumerate(SUBJECTS)]

    found = one(look(shout, spec(classes=["rest", "walk", "Walk"])), "labels", "warning")
    assert found.message == "the classes walk, Walk differ by case or a sign only"


def test_recordings_that_wait_for_a_label_are_counted_and_named() -> None:
    found = one(look(change(1, label="")), "unlabelled", "warning")
    assert found.message == "1 recording without a label is left out"
    assert found.places == ("data/wrist.csv:3: rest-1.take",)
    assert look(change(1, label=""), spec({"unlabelled": {"level": "off"}})) == ()


# -- amounts -------------------------------------------------------------------------------------


def test_too_few_recordings_of_a_class() -> None:
    found = one(look(of=spec({"min_recordings_per_class": 13})), "amounts", "error")
    assert found.message == "too few recordings that differ: rest 12, walk 12; wanted at least 13 of each class"


def test_copies_are_no_recordings_of_their_own() -> None:
    copy = {name: getattr(good()[0], name) for name in ("sha256", "begin", "end")}
    of = spec({"min_recordings_per_class": 12, "duplicates": {"level": "off"}})
    found = one(look(change(1, **copy), of), "amounts", "error")
    assert found.message == "too few recordings that differ: rest 11; wanted at least 12 of each class"


def test_a_class_that_nobody_recorded_is_too_few() -> None:
    found = [f.message for f in look(of=spec(classes=["rest", "walk", "jump"]))]
    assert found == ["too few recordings that differ: jump 0; wanted at least 2 of each class"]


def test_too_few_seconds_of_a_class() -> None:
    found = one(look(change(0, frames=400), spec({"min_seconds_per_class": 119})), "amounts", "error")
    assert found.message == "too little: rest 118.0 s; wanted at least 119 s of each class"


def test_amounts_are_unknown_where_a_source_has_no_index() -> None:
    assert look(of=spec({"min_recordings_per_class": 13}), complete=False) == ()


# -- split and leakage ---------------------------------------------------------------------------


def test_a_side_without_a_class_names_the_subjects_and_a_list() -> None:
    only = keep(lambda its: its.label == "rest" or its.subject in ("s01", "s05"))
    found = one(look(only, spec(split={"by": "subject", "test": ["s06"]})), "split", "error")
    assert found.message == "class walk has nothing for test: its subjects s01, s05 are all in training"
    assert found.hint.startswith("choose them by name: `test: [s0")


def test_recordings_without_a_subject_are_named_when_subjects_decide() -> None:
    found = one(look(change(2, 3, subject="")), "split", "error")
    assert found.message == "2 recordings without a subject, and split.by is subject"
    assert found.places[0] == "data/wrist.csv:4: walk-2.take" and found.total == 2


def test_subjects_on_both_sides_are_said() -> None:
    of = spec(split={"by": "take", "test": ["t0", "t2", "t9", "t11"]})
    found = one(look(of=of), "leakage", "warning")
    assert found.message == "2 subjects in training and in the test: s01, s03"
    assert found.places[0] == "data/wrist.csv:2: rest-0.take" and found.total == 8
    assert found.hint == "split: {by: subject} tests on others"


def test_takes_on_both_sides_are_said() -> None:
    shared = change(0, 20, take="both")
    found = one(look(shared), "leakage", "warning")
    assert found.message == "1 take in training and in the test: both"
    assert found.places == ("data/wrist.csv:2: rest-0.take", "data/wrist.csv:22: rest-20.take")


def test_the_same_content_on_both_sides_is_said() -> None:
    of = spec({"duplicates": {"level": "off"}, "leakage": {"level": "error"}})
    found = one(look(change(20, sha256=good()[0].sha256), of), "leakage", "error")
    assert found.message == "2 recordings with the same content, in training and in the test"


def test_pieces_on_both_sides_that_share_frames_are_said() -> None:
    of = spec({"duplicates": {"level": "off"}})
    same = good()[0].sha256

    def edit(entries: Entries) -> None:
        """A long piece, others within it and between, and the last one in the test."""
        for number, begin, end in ((0, 0, 400), (1, 10, 20), (2, 30, 40), (20, 390, 500)):
            entries[number] = replace(entries[number], sha256=same, file="one.take", begin=begin, end=end)

    found = one(look(edit, of), "leakage", "warning")
    assert found.message == "2 pieces of files share frames, in training and in the test"
    assert found.places == ("data/wrist.csv:2: one.take[0:400]", "data/wrist.csv:22: one.take[390:500]")

    def whole(entries: Entries) -> None:
        edit(entries)
        entries[20] = replace(entries[20], begin=None, end=None)

    assert one(look(whole, of), "leakage", "warning").total >= 2


def test_a_subject_written_in_two_ways_on_both_sides_is_said() -> None:
    of = spec(split={"by": "subject", "test": ["s05", "s06", "S01"]})
    found = one(look(change(20, subject="S01"), of), "leakage", "warning")
    assert found.message == "subjects that differ by case or a sign only are in training and in the test: S01, s01"
    assert (found.total, found.hint) == (5, "give each subject one name")
    assert look(change(0, subject="S01")) == ()  # both in training
    by_take = spec({"leakage": {"level": "off"}}, split={"by": "take", "test": ["t0", "t2", "t9", "t11"]})
    assert look(of=by_take) == ()


def test_what_is_only_tested_leaks_nothing() -> None:
    anomaly = {"task": "anomaly", "normal": "rest", "split": {"by": "take", "test": ["t0", "t1"]}}
    walks = [n for n, its in enumerate(good()) if its.label == "walk"]
    assert look(change(*walks, take="t2"), spec({"leakage": {"level": "off"}}, **anomaly)) == ()  # all for the test
    assert look(of=spec(**{**anomaly, "split": {"by": "take", "test": ["t0", "t1"]}})) == ()  # s01 walks in the test
    few_walks = keep(lambda its: its.label == "rest" or its.take == "t2")
    assert look(few_walks, spec({"min_recordings_per_class": 1, "leakage": {"level": "off"}}, **anomaly)) == (
        Finding(
            "amounts", "error", "too few recordings that differ: walk 1; wanted at least 2 of each class", (), 0, MORE
        ),
    )
    one_take = spec(**{**anomaly, "split": {"by": "subject", "test": ["s05", "s06"]}})
    assert look(change(*walks, subject="s01", take="t2"), one_take) == ()
    assert one(look(change(0, 20, take="t0"), one_take), "leakage", "warning").total == 2


# -- duplicates ----------------------------------------------------------------------------------


def test_content_under_two_names_is_said() -> None:
    found = one(look(change(1, sha256=good()[0].sha256)), "duplicates", "warning")
    assert found.message == "2 recordings with content that another has too; it counts once"
    assert found.places == ("data/wrist.csv:2: rest-0.take", "data/wrist.csv:3: rest-1.take")
    names = ("sha256", "low", "high", "mean", "spread")
    whole = change(1, **{name: getattr(good()[0], name) for name in names})
    assert one(look(whole), "duplicates", "warning") == found  # said once, though their values are alike too


def test_one_content_with_two_labels_is_an_error_always() -> None:
    of = spec({"duplicates": {"level": "off"}})
    found = one(look(change(2, sha256=good()[0].sha256), of), "duplicates", "error")
    assert found.message == "the same content is labelled rest and walk"
    assert one(look(change(2, sha256=good()[0].sha256)), "duplicates", "error") == found


def test_the_same_values_in_two_files_are_said() -> None:
    first = good()[0]
    copied = {name: getattr(first, name) for name in ("low", "high", "mean", "spread")}
    found = one(look(change(1, **copied)), "duplicates", "warning")
    assert found.message == "2 recordings with the same values in another file, by their statistics"
    still = {**copied, "spread": (0.0, 0.1, 0.1, 0.7)}
    assert look(lambda all_: (change(0, **still)(all_), change(1, **still)(all_))) == ()  # silence is like silence


def test_small_pictures_that_agree_in_statistics_are_no_copies() -> None:
    copied = {name: getattr(good()[0], name) for name in ("low", "high", "mean", "spread")}
    pictures = spec(signal={**{k: v for k, v in SIGNAL.items() if k != "rate_hz"}, "size": [8, 8]})
    assert [f for f in look(change(1, **copied), pictures) if f.check == "duplicates"] == []


def test_pieces_that_overlap_are_said() -> None:
    digest = good()[0].sha256

    def pieces(ends: tuple[int, int], begins: tuple[int, int]) -> Edit:
        def edit(entries: Entries) -> None:
            for number in (0, 1):
                piece = {"begin": begins[number], "end": ends[number], "file": "rest-0.take"}
                change(number, sha256=digest, **piece)(entries)

        return edit

    found = one(look(pieces((300, 500), (0, 299))), "duplicates", "warning")
    assert found.message == "2 pieces of files share frames with another one"
    assert found.places == ("data/wrist.csv:2: rest-0.take[0:300]", "data/wrist.csv:3: rest-0.take[299:500]")
    assert look(pieces((300, 500), (0, 300))) == ()


def test_pieces_that_overlap_one_further_back_are_said() -> None:
    same = good()[0].sha256

    def edit(entries: Entries) -> None:
        for number, begin, end in ((0, 0, 400), (1, 10, 20), (4, 300, 500)):
            entries[number] = replace(entries[number], sha256=same, file="one.take", begin=begin, end=end)

    assert one(look(edit), "duplicates", "warning").total == 3


# -- balance -------------------------------------------------------------------------------------


def test_a_class_with_many_times_what_another_has() -> None:
    rests = [n for n, its in enumerate(good()) if its.label == "rest"]
    found = one(look(change(*rests, frames=5500)), "balance", "warning")
    assert found.message == "rest 1,320 s, walk 120 s: 11 times as much"
    assert look(change(*rests, frames=5000)) == ()
    assert look(change(*rests, frames=5500), spec({"balance": {"ratio_max": 12}})) == ()


def test_images_are_counted() -> None:
    picture = {**SIGNAL, "size": [1, 1]}
    del picture["rate_hz"]
    few = keep(lambda its: its.label == "rest" or (its.subject, its.take) in (("s01", "t2"), ("s05", "t18")))
    of = spec({"balance": {"ratio_max": 5}}, signal=picture)
    assert one(look(few, of), "balance", "warning").message == "rest 12 recordings, walk 2 recordings: 6 times as much"


# -- values --------------------------------------------------------------------------------------


def test_values_out_of_range_are_named_with_what_they_are() -> None:
    beyond = change(4, high=(0.5, 4.5, 1.5, 2.0))
    found = one(look(beyond, spec({"range": [-4, 4]})), "ranges", "error")
    assert found.message == "1 recording with ay outside -4 to 4 g"
    assert found.places == ("data/wrist.csv:6: rest-4.take: -0.5 to 4.5",)
    assert found.hint.endswith("or widen checks.range")


def test_a_channel_has_a_range_of_its_own() -> None:
    of = spec({"range": [-1, 1.6], "ranges": {"gx": [-1.5, 3]}})
    found = one(look(of=of), "ranges", "error")
    assert found.message == "24 recordings with gx outside -1.5 to 3 rad/s"
    assert len(found.places) == PLACES_SHOWN and found.total == 24 and found.hint.endswith("or widen checks.ranges.gx")


def scaled(factor: float, channels: Sequence[int]) -> Edit:
    def edit(entries: Entries) -> None:
        for number, its in enumerate(entries):
            statistics = {
                name: tuple(v * factor if n in channels else v for n, v in enumerate(getattr(its, name)))
                for name in ("low", "high", "mean", "spread")
            }
            entries[number] = replace(its, **statistics)

    return edit


@pytest.mark.parametrize(
    ("declared", "factor", "said"),
    [
        ("g", 9.81, "ax, ay, az feel 10.1 g in the median, gravity with it: that looks like m/s2"),
        ("g", 1000.0, "ax, ay, az feel 1.03e+03 g in the median, gravity with it: that looks like mg"),
        ("m/s2", 1.0, "ax, ay, az feel 1.03 m/s2 in the median, gravity with it: that looks like g"),
        ("m/s2", 1000.0, "ax, ay, az feel 1.03e+03 m/s2 in the median, gravity with it: that looks like mg"),
    ],
)
def test_an_accelerometer_in_another_unit_is_given_away_by_gravity(declared: str, factor: float, said: str) -> None:
    signal = {**SIGNAL, "units": [declared] * 3 + ["rad/s"], "full_scale": [16000] * 3 + [35]}
    assert said in [found.message for found in look(scaled(factor, (0, 1, 2)), spec(signal=signal))]


def test_units_that_fit_are_not_doubted() -> None:
    metres = {**SIGNAL, "units": ["m/s2"] * 3 + ["rad/s"], "full_scale": [39, 39, 39, 35]}
    assert look(scaled(9.81, (0, 1, 2)), spec(signal=metres)) == ()
    assert look(scaled(0.2, (0, 1, 2))) == ()  # gravity was taken out


def test_a_gyroscope_in_degrees_is_given_away_by_its_height() -> None:
    found = one(look(scaled(57.3, (3,))), "units", "warning")
    assert found.message == "gx reaches 115 rad/s: that looks like dps"


def test_values_far_below_full_scale_are_doubted() -> None:
    signal = {**SIGNAL, "full_scale": [4, 4, 4, 2100]}
    found = one(look(of=spec(signal=signal)), "units", "warning")
    assert found.message == "gx never leaves ±2 rad/s, full scale is 2100"


def test_another_rate_is_an_error() -> None:
    found = one(look(change(5, 6, rate_hz=44.9)), "rate", "error")
    assert found.message == "2 recordings more than 10% off the signal's 50 Hz"
    assert found.places[0] == "data/wrist.csv:7: rest-5.take: 44.9 Hz"
    assert look(change(5, rate_hz=45.1)) == ()
    assert one(look(change(5, rate_hz=50.8), spec({"rate": {"tolerance": 0.01}})), "rate", "error").total == 1


def test_lost_frames_are_said_with_their_share() -> None:
    found = one(look(change(8, lost=50)), "gaps", "warning")
    assert found.message == "1 recording with more than 5.0% of the frames lost"
    assert found.places == ("data/wrist.csv:10: rest-8.take: 9.1%",)
    assert look(change(8, lost=26)) == ()  # of 526


def test_a_long_gap_is_said_where_the_spec_wants_to_know() -> None:
    of = spec({"gaps": {"longest_s_max": 0.3, "level": "error"}})
    found = one(look(change(8, lost=16, gap=16), of), "gaps", "error")
    assert found.message == "1 recording with a gap longer than 0.3 s"
    assert found.places == ("data/wrist.csv:10: rest-8.take: 0.32 s",)
    assert look(change(8, lost=16, gap=15), of) == ()


def test_values_at_full_scale_are_said() -> None:
    found = one(look(change(9, clipped=21)), "clipping", "warning")
    assert found.message == "1 recording with more than 1.0% of the values at full scale"
    assert found.places == ("data/wrist.csv:11: rest-9.take: 1.1%",)
    assert look(change(9, clipped=20)) == ()


def test_recordings_shorter_than_a_window_are_an_error() -> None:
    found = one(look(change(9, frames=99), windows={"quick": 50, "slow": 100}), "short", "error")
    assert found.message == "1 recording shorter than a window of model slow: 100 frames"
    assert found.hint == "leave them out, or make input.window_s of slow shorter than 2"
    assert look(change(9, frames=100), windows={"quick": 50, "slow": 100}) == ()


def test_the_length_of_a_piece_is_what_counts() -> None:
    piece = change(9, begin=10, end=100)
    assert one(look(piece, windows={"slow": 100}), "short", "error").places == (
        "data/wrist.csv:11: rest-9.take[10:100]: 90 frames",
    )


# -- drift ---------------------------------------------------------------------------------------


def released() -> Population:
    found = population_of(good(), ("rest", "walk"), SIGNAL["channels"])  # type: ignore[arg-type]
    again = read_population(found.to_json())  # as a release carries it
    assert again is not None
    return again


def moved(channel: int, by: float, spread: float = 1.0, label: str = "walk") -> Edit:
    def edit(entries: Entries) -> None:
        for number, its in enumerate(entries):
            if its.label == label:
                mean, wide = list(its.mean), list(its.spread)
                mean[channel] += by
                wide[channel] *= spread
                entries[number] = replace(its, mean=tuple(mean), spread=tuple(wide))

    return edit


def test_another_mean_than_released_is_said_with_the_farthest_recordings() -> None:
    found = one(look(moved(1, 0.3), released=released()), "drift", "warning")
    assert found.message == "other values than were released: ay of walk 0.1 → 0.4 g in the mean"
    assert found.places[0].startswith("data/wrist.csv:") and found.places[0].endswith(": ay 0.4 ± 0.1")
    assert found.total == 12


def test_the_recordings_that_moved_most_are_named_first() -> None:
    def some(entries: Entries) -> None:
        moved(1, 0.06)(entries)
        entries[6] = replace(entries[6], mean=(0.06, 0.5, 0.99, 0.0))

    found = one(look(some, spec({"drift": {"shift_max": 0.45}}), released=released()), "drift", "warning")
    assert found.places[0] == "data/wrist.csv:8: walk-6.take: ay 0.5 ± 0.1"
    assert one(look(moved(1, 0.06), released=released()), "drift", "warning").total == 12


def test_a_population_is_means_and_sample_deviations() -> None:
    pair = [IndexEntry("sha256:ab", "a", mean=(m,), spread=(s,)) for m, s in ((1.0, 0.3), (3.0, 0.5))]
    found = population_of([*pair, IndexEntry("sha256:cd", "a")], ("a", "b"), ("x",))
    assert found.to_json() == {"counts": {"a": 3, "b": 0}, "channels": {"a": {"x": [2, 2.0, 1.4142, 0.4, 0.14142]}}}
    assert found.cells["a", "x"].level.error == pytest.approx(1.0)
    assert found.cells["a", "x"].deviation == pytest.approx((0.4**2 + 2) ** 0.5)


def test_another_spread_than_released_is_said() -> None:
    found = one(look(moved(1, 0.0, spread=2.1), released=released()), "drift", "warning")
    assert found.message == "other values than were released: ay of walk spreads by 0.1 → 0.21 g"
    assert look(moved(1, 0.0, spread=1.9), released=released()) == ()


def test_small_shifts_and_few_recordings_are_no_drift() -> None:
    assert look(moved(1, 0.04), released=released()) == ()
    few = keep(lambda its: its.take in ("t0", "t1", "t2", "t3", "t18", "t19", "t16", "t17"))
    of = spec(split={"by": "subject", "test": ["s05"]})

    def both(entries: Entries) -> None:
        few(entries)
        moved(1, 0.3)(entries)

    assert look(both, of, released=released()) == ()


def test_chance_is_no_drift() -> None:
    def noisy(entries: Entries) -> None:
        for number, its in enumerate(entries):
            mean = ((-1.0) ** (number // 4) + 0.6, *its.mean[1:])
            entries[number] = replace(its, mean=mean)

    old = [replace(its, mean=((-1.0) ** (n // 4), *its.mean[1:])) for n, its in enumerate(good())]
    before = population_of(old, ("rest", "walk"), SIGNAL["channels"])  # type: ignore[arg-type]
    assert look(noisy, spec({"drift": {"shift_max": 0.3}}), released=before) == ()


def test_other_shares_of_classes_are_said() -> None:
    def double(entries: Entries) -> None:
        entries += [replace(entry(100 + n, "rest", s), rate_hz=50.0) for n in range(60) for s in ("s01",)]

    of = spec({"drift": {"shift_max": 1e6, "spread_ratio_max": 1e6}, "units": {"level": "off"}})
    found = one(look(double, of, released=released()), "drift", "warning")
    assert found.message.startswith("other shares of classes than were released: walk 50 → 14 %, rest 50 → 86 % (PSI ")


def test_nothing_that_was_released_before_there_were_populations_drifts() -> None:
    assert read_population(None) is None
    assert read_population({"counts": {}, "channels": {"walk": {"ax": [1, 2]}}}) is None
    assert read_population({"counts": "many", "channels": {}}) is None


def test_a_population_of_very_many_cells_is_counts_only() -> None:
    names = [f"c{n}" for n in range(300)]
    found = population_of([IndexEntry("sha256:ab", names[0], mean=(1.0,) * 7, spread=(1.0,) * 7)], names, "abcdefg")
    assert found.counts["c0"] == 1 and found.cells == {}


# -- levels and what is made of findings -----------------------------------------------------------


@pytest.mark.parametrize("name", sorted(set(CHECKS) & set(Checks.model_fields)))
def test_each_level_can_be_set(name: str) -> None:
    for level in ("error", "warning", "off"):
        if name != "ranges":
            assert getattr(spec({name: {"level": level}}).checks, name).level == level


def test_an_error_comes_first() -> None:
    both = [f.level for f in look(lambda e: (change(8, lost=50)(e), change(5, rate_hz=9.0)(e)))]
    assert both == ["error", "warning"]


def test_a_finding_reads_well_and_survives_its_file() -> None:
    found = look(of=spec({"ranges": {"gx": [-1.5, 3]}}))[0]
    lines = str(found).splitlines()
    assert lines[0] == "ranges: 24 recordings with gx outside -1.5 to 3 rad/s"
    assert lines[1] == "  data/wrist.csv:2: rest-0.take: -2 to 2" and lines[-2] == "  … and 14 more"
    assert read_finding({**vars(found), "places": list(found.places)}) == found
    assert errors_of([found, replace(found, level="warning")]) == (found,)
    with pytest.raises(ValueError, match="not a finding"):
        read_finding({"check": "x"})


def test_of_what_is_added_only_that_is_judged_labelled_or_not() -> None:
    entries = good()
    change(3, rate_hz=25.0)(entries)
    change(5, label="", rate_hz=30.0)(entries)
    data = Evidence(spec(), rows_of(entries), windows={"m": 600})
    assert {f.check: f.total for f in judge_new(data, {"rest-5.take"})} == {"rate": 1, "short": 1}
    assert judge_new(data, {"rest-5.take"})[0].places == ("data/wrist.csv:7: rest-5.take: 30 Hz",)
    assert judge_new(replace(data, windows={}), {"rest-0.take"}) == ()
    change(1, sha256=entries[0].sha256)(entries)
    again = Evidence(spec(), rows_of(entries))
    assert [f.check for f in judge_new(again, {"rest-1.take"})] == ["duplicates"]
    assert judge_new(again, {"rest-4.take"}) == ()
