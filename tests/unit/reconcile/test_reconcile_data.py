"""What plan says of datasets by their indexes: whom errors hold, what is judged again, what a release changes."""

from __future__ import annotations

import functools
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from fakes.projects import PROJECT, STREAM, TRAINED, Repository, fleet
from tinyops.artifacts import Record
from tinyops.boards.loader import load_catalog
from tinyops.boards.model import Board
from tinyops.datasets.findings import Finding
from tinyops.datasets.index import IndexEntry, format_index
from tinyops.datasets.population import population_of
from tinyops.errors import SpecError
from tinyops.plan import Action, Bound, Change, Plan
from tinyops.plan.findings import DataFinding
from tinyops.reconcile import data_findings
from tinyops.reconcile.calibration_findings import calibration_findings
from tinyops.reconcile.data_findings import built_findings, findings_of, judge_added, judge_indexes
from tinyops.reconcile.judging import foreseen
from tinyops.reconcile.planning import plan_of
from tinyops.reconcile.world import World
from tinyops.specs.loader import load_repository
from tinyops.specs.lock import Lock, TinyopsPins
from tinyops.specs.recorded import recorded_dataset

PIN = "sha256:" + "1" * 64
INDEXED = """\
apiVersion: tinyops/v1
kind: Dataset
metadata: {name: shakes}
spec:
  classes: [rest, shake]
  signal: {sensor: accelerometer, channels: [ax, ay], units: [g, g], full_scale: [2, 2], rate_hz: 10}
  sources:
    - {kind: recordings, index: ../data/shakes.csv}
  split: {by: subject, test: [s1]}
  checks: {min_recordings_per_class: 2}
"""


def entry(number: int, label: str, subject: str, **more: object) -> IndexEntry:
    turn = number / 100
    made = IndexEntry(
        f"sha256:{number:064x}",
        label,
        subject,
        frames=40,
        rate_hz=10.0,
        lost=0,
        mean=(turn, 0.0),
        spread=(0.3 + turn, 0.1),
        low=(-1.0, -1.0),
        high=(1.0, 1.0),
        file=f"{number}.csv",
    )
    return replace(made, **more)  # type: ignore[arg-type]


def good() -> list[IndexEntry]:
    pairs = [(label, subject) for subject in ("s1", "s2") for label in ("rest", "shake") for _ in range(3)]
    return [entry(number, label, subject) for number, (label, subject) in enumerate(pairs)]


@pytest.fixture
def bench(tmp_path: Path) -> Repository:
    bench = Repository(tmp_path)
    bench.write("specs/project.yaml", PROJECT)
    bench.write("specs/data.yaml", INDEXED)
    bench.write("specs/other.yaml", INDEXED.replace("shakes", "calm"))
    bench.write("specs/model.yaml", TRAINED + "---\n" + TRAINED.replace("motion", "calm").replace("shakes", "calm"))
    fleets = [fleet("desk", "motion", {"linux": STREAM}), fleet("sofa", "calm", {"linux": STREAM})]
    bench.write("specs/fleets.yaml", "---\n".join(fleets))
    for name in ("shakes", "calm"):
        bench.write(f"data/{name}.csv", format_index(good()))
    return bench


@functools.cache
def catalog() -> Mapping[str, Board]:
    return load_catalog(None)


def spoil(bench: Repository, number: int = 3, **values: object) -> None:
    entries = good()
    entries[number] = replace(entries[number], **values)  # type: ignore[arg-type]
    bench.write("data/shakes.csv", format_index(entries))


def world_of(bench: Repository) -> World:
    lock = Lock(tinyops=TinyopsPins(version="0.1.0", compiler=PIN, firmware=PIN))
    return World(load_repository(bench.root, catalog=catalog()), lock, catalog(), None, None)


def test_an_error_holds_the_fleets_of_its_dataset_and_no_other(bench: Repository) -> None:
    spoil(bench, frames=9)
    world = world_of(bench)
    plan = plan_of(world)
    findings = findings_of(plan, world.data_findings)
    assert [(f.dataset, f.finding.check, f.finding.level) for f in findings] == [("shakes", "short", "error")]
    assert findings[0].finding.places[0].endswith("data/shakes.csv:7: 3.csv: 9 frames")
    held = foreseen(world, plan, findings)
    said = "collect:shakes: short: 1 recording shorter than a window of model motion: 10 frames"
    assert held.reasons == {"desk": (said,)}


def test_a_warning_holds_nobody(bench: Repository) -> None:
    spoil(bench, lost=30)
    world = world_of(bench)
    plan = plan_of(world)
    findings = findings_of(plan, world.data_findings)
    assert [(f.finding.check, f.finding.level) for f in findings] == [("gaps", "warning")]
    assert foreseen(world, plan, findings).held == {}


def test_a_good_dataset_is_not_mentioned(bench: Repository) -> None:
    assert world_of(bench).data_findings == {"calm": (), "shakes": ()}


def test_what_is_released_already_is_a_warning() -> None:
    bound = Bound(PIN, PIN, PIN, "none")
    error = Finding("gaps", "error", "2 recordings")
    for action, level in ((Action.KEEP, "warning"), (Action.UPDATE, "error"), (Action.CREATE, "error")):
        plan = Plan("bench", 1, bound, (Change("collect", "shakes", action),))
        (found,) = findings_of(plan, {"shakes": (error,)})
        assert found.finding.level == level


def test_an_index_that_cannot_be_read_is_an_error_with_its_line(bench: Repository) -> None:
    bench.edit("data/shakes.csv", ",40,", ",forty,")
    with pytest.raises(SpecError, match=r"shakes\.csv:2:.*'forty' is no count"):
        world_of(bench).data_findings  # noqa: B018 - a property that looks


def test_what_did_not_change_is_not_judged_again(bench: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    spoil(bench, lost=30)
    cache = bench.root / "cache"
    looked: list[str] = []
    look = data_findings._look
    monkeypatch.setattr(data_findings, "_look", lambda d, *more: (looked.append(d.name), look(d, *more))[1])
    first = judge_indexes(world_of(bench).repository, {}, cache)
    assert judge_indexes(world_of(bench).repository, {}, cache) == first
    assert looked == ["calm", "shakes"] and first["shakes"][0].check == "gaps"
    bench.edit("specs/data.yaml", "checks: {", "checks: {gaps: {lost_share_max: 0.9}, ")
    assert judge_indexes(world_of(bench).repository, {}, cache) == {"calm": (), "shakes": ()}
    assert looked == ["calm", "shakes", "shakes"]
    bench.edit("specs/model.yaml", "window_s: 1,", "window_s: 5,")
    assert [f.check for f in judge_indexes(world_of(bench).repository, {}, cache)["shakes"]] == ["short"]
    assert looked[3:] == ["calm", "shakes"]


def test_a_place_is_named_from_where_one_is(bench: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    spoil(bench, lost=30)
    for folder, place in ((bench.root, "data/shakes.csv:7: 3.csv"), (bench.root / "data", "shakes.csv:7: 3.csv")):
        monkeypatch.chdir(folder)
        found = judge_indexes(world_of(bench).repository, {}, bench.root / "cache")["shakes"]
        assert found[0].places == (f"{place}: 42.9%",)


def test_a_cache_that_was_tampered_with_is_as_good_as_none(bench: Repository) -> None:
    cache = bench.root / "cache"
    spoil(bench, lost=30)
    first = judge_indexes(world_of(bench).repository, {}, cache)
    (cache / "checks.json").write_bytes((cache / "checks.json").read_bytes().replace(b"gaps", b"gasp"))
    assert judge_indexes(world_of(bench).repository, {}, cache) == first


def test_a_release_is_what_drift_is_measured_from(bench: Repository) -> None:
    old = [replace(its, mean=(its.mean[0], 0.7)) for its in good()]
    population = population_of(old, ("rest", "shake"), ("ax", "ay")).to_json()
    records = {"collect:shakes": Record("collect:shakes", PIN, {}, {}, {}, {}, {}, {"population": population})}
    found = judge_indexes(world_of(bench).repository, records)
    assert found["calm"] == ()
    (drift,) = found["shakes"]
    assert drift.check == "drift" and "ay of rest 0.7 → 0 g in the mean" in drift.message


def test_judging_by_index_needs_no_numpy(bench: Repository) -> None:
    spoil(bench, lost=30)
    code = (
        "import sys, pathlib\n"
        "from tinyops.reconcile.world import load_world_catalog\n"
        "from tinyops.reconcile.data_findings import judge_indexes\n"
        "from tinyops.specs.loader import load_repository\n"
        "root = pathlib.Path(sys.argv[1])\n"
        "found = judge_indexes(load_repository(root, catalog=load_world_catalog(root)), {})\n"
        "print(found['shakes'][0].check, 'numpy' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(bench.root)],
        capture_output=True,
        text=True,
        timeout=60,
        env=bench.environment(),
    )
    assert done.stdout == "gaps False\n", done.stderr


def test_whoever_adds_hears_of_those_recordings_only(bench: Repository) -> None:
    entries = good()
    entries[3] = replace(entries[3], rate_hz=5.0)
    entries[4] = replace(entries[4], label="", frames=8)
    bench.write("data/shakes.csv", format_index(entries))
    dataset = recorded_dataset(bench.root, "shakes")
    (found,) = judge_added(bench.root, dataset, {"4.csv"})
    assert (found.check, found.total) == ("short", 1)
    assert found.places[0].endswith("data/shakes.csv:8: 4.csv: 8 frames")
    assert judge_added(bench.root, dataset, {"5.csv"}) == ()


def test_warnings_of_datasets_that_were_read_anew_come_from_their_facts() -> None:
    warning = {"check": "gaps", "level": "warning", "message": "1 recording", "places": ["a"], "total": 1, "hint": ""}
    record = Record("collect:shakes", PIN, {}, {}, {}, {}, {}, {"warnings": [warning]})
    found = [*built_findings({"collect:shakes": record, "train:motion": record}, {})]
    assert found == [DataFinding("shakes", Finding("gaps", "warning", "1 recording", ("a",), 1))]
    assert [*built_findings({"collect:shakes": record}, {"collect:shakes": record})] == []


def test_a_new_check_builds_no_released_dataset_again(bench: Repository) -> None:
    """The settings that a key is made of are those of the first version, until somebody writes others."""
    spec = world_of(bench).repository.datasets["shakes"].document.spec
    assert spec.settings()["checks"] == {"min_recordings_per_class": 2, "range": None}
    assert {"adapt", "normal"}.isdisjoint({*spec.settings(), *spec.settings()["sources"][0]})
    bench.edit("specs/data.yaml", "checks: {", "checks: {drift: {level: error}, short: {level: off}, ")
    again = world_of(bench).repository.datasets["shakes"].document.spec
    assert again.settings() == spec.settings()
    bench.edit("specs/data.yaml", "checks: {", "checks: {gaps: {level: error}, ")
    stricter = world_of(bench).repository.datasets["shakes"].document.spec
    assert stricter.settings()["checks"]["gaps"]["level"] == "error"  # type: ignore[index]


def test_a_recording_that_sets_a_range_alone_is_a_warning_about_its_dataset() -> None:
    outlier = {"tensor": "input", "factor": 2.5, "recordings": ["a.csv", "b.csv"]}
    steps = ("squeeze:motion/int8", "squeeze:motion/w0.5", "squeeze:tiny/int8")
    facts = ({"calibration": {"outliers": [outlier]}}, {"calibration": {"outliers": [outlier]}}, {"calibration": None})
    records = {s: Record(s, "sha256:0", {}, {}, {}, {}, {}, f) for s, f in zip(steps, facts, strict=True)}
    (found,) = calibration_findings(records, {}, {"motion": "shakes", "tiny": "shakes"})
    assert found.dataset == "shakes" and found.finding.level == "warning"
    assert found.finding.message == "the range of input in motion/int8 is 2.5 times as wide as without"
    assert found.finding.places == ("a.csv", "b.csv")
    assert [*calibration_findings(records, records, {"motion": "shakes"})] == []
