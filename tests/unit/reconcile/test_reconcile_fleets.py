"""Where fleets stand: who needs a person, what moved, and the same as text, JSON and one device's log."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from fakes.fleets import CLASSES, NOW, Released, ago, gave_up, listed, report, wearables
from fakes.releases import FLEET
from tinyops.cli.fleet_text import log_text, status_text
from tinyops.cli.output import Output
from tinyops.errors import UsageError
from tinyops.manifest.report import Event, Health
from tinyops.reconcile.device_log import device_log, find_device
from tinyops.reconcile.fleet_status import FleetStatus, Status, fleet_statuses, status_json
from tinyops.reconcile.needs import HealthRules, Looking, need_of, needs_of
from tinyops.reconcile.past import Past
from tinyops.reconcile.shifts import Reference, Seen, expected, shifts
from tinyops.reconcile.states import Observed

TEXT = Output(json=False)


@pytest.fixture
def released() -> Released:
    return Released()


def only(released: Released, *reports: Any, in_waves: bool = True, **lists: Any) -> FleetStatus:
    by = released.judging(lists, in_waves=in_waves)
    (status,) = fleet_statuses(released.judge(*reports, lists=lists, in_waves=in_waves), [FLEET], by)
    return status


# -- fleets ------------------------------------------------------------------------------------


def test_a_fleet_that_nobody_reports_of_is_unreported_and_never_converged(released: Released) -> None:
    assert only(released, in_waves=False).state == "unreported"
    assert only(released, in_waves=False, wrist=listed("a,linux", "b,linux")).state == "unreported"
    one = only(released, report("a", released.new), in_waves=False, wrist=listed("a,linux", "b,linux"))
    assert one.state == "settling"


@pytest.mark.parametrize(
    ("reached", "state", "runs", "expected"),
    [
        (1, "advancing", ("new", "base"), "rolling out"),
        (2, "halted", ("base", "base"), "halted"),
        (3, "finished", ("new", "new"), "converged"),
        (3, "finished", ("new", "base"), "drifted"),
        (3, "advancing", ("new", "new"), "converged"),
    ],
)
def test_the_state_of_a_fleet(
    released: Released, reached: int, state: str, runs: tuple[str, str], expected: str
) -> None:
    released.reach(reached, state)
    models = [{"new": released.new, "base": released.base}[name] for name in runs]
    assert only(released, report("d-1", models[0]), report("d-2", models[1])).state == expected


def test_devices_that_do_not_count_hold_no_fleet_back(released: Released) -> None:
    lists = {FLEET: listed("a,linux", "b,linux,,,2027-01-01")}
    found = only(released, report("a", released.new), report("b", released.new), in_waves=False, **lists)
    assert (found.state, dict(found.states)) == ("converged", {"converged": 1, "revoked": 1})


def test_waves_boards_and_digests_add_up() -> None:
    status = wearables()
    wrist = next(fleet for fleet in status.fleets if fleet.name == FLEET)
    assert sum(wave.devices for wave in wrist.waves) == sum(b.devices for b in wrist.boards) == 1200
    assert [wave.reached for wave in wrist.waves] == [True, True, False, False]
    assert [(runs.what, runs.devices) for runs in wrist.runs] == [
        ("before", 713),
        ("before", 242),
        ("released", 182),
        ("released", 56),
    ]
    assert wrist.waves[2].states.keys() <= {"waiting", "silent", "unreported", "cloned"}


# -- who needs a person ------------------------------------------------------------------------


def ill(**changes: Any) -> Health:
    return Health(**{"inferences": 0, "classes": {}, "errors": 0, "uptime_s": 9, **changes})


@pytest.mark.parametrize(
    ("health", "why", "action"),
    [
        (ill(self_test="fail"), "its self-test fails", "re-flash"),
        (ill(crashes=6), "crashes 1.5 times a day (6 so far)", "look at its log"),
        (ill(crashes=4), None, None),
        (ill(self_test="pass", errors=900), None, None),
    ],
)
def test_a_device_that_runs_what_it_should_may_be_ill(
    released: Released, health: Health, why: str | None, action: str | None
) -> None:
    (device,) = released.judge(report("a", released.new, health=health, time=ago(minutes=0)), in_waves=False)
    need = need_of(device, Looking(NOW))
    assert (need.why, need.action) == (why, action) if need else why is None


def test_a_fleets_own_rule_decides_what_is_too_often(released: Released) -> None:
    (device,) = released.judge(report("a", released.new, health=ill(crashes=5)), in_waves=False)
    assert need_of(device, Looking(NOW, rules={FLEET: HealthRules(crashes_per_day_max=2)})) is None


def test_one_crash_in_the_first_hour_is_not_24_a_day(released: Released) -> None:
    young = report("a", released.new, health=ill(crashes=1))
    assert young.running is not None
    running = young.running.model_copy(update={"since": ago(hours=1)})
    (device,) = released.judge(young.model_copy(update={"running": running}), in_waves=False)
    assert need_of(device, Looking(NOW)) is None


@pytest.mark.parametrize(("days", "needed"), [(2, False), (4, True)])
def test_who_is_behind_for_long_needs_a_person(released: Released, days: int, needed: bool) -> None:
    devices = released.judge(report("a"), gave_up("b", released.new, "no space", "failed"), in_waves=False)
    found = needs_of(devices, Looking(NOW, since={FLEET: NOW - timedelta(days=days)}))
    expected = [("a", "look at its log"), ("b", "check power and network")] if needed else []
    assert [(need.device.device, need.action) for need in found] == expected
    assert not needs_of(devices, Looking(NOW)), "since when is not known"


def test_the_worst_come_first() -> None:
    states = [need.device.state for need in wearables().needs]
    assert states[0] == "cloned" and states[-1] == "silent" and states.index("gave up") < states.index("silent")


# -- what moved --------------------------------------------------------------------------------

SURE, UNSURE = (0, 0, 0, 0, 0, 0, 0, 10, 30, 160), (0, 0, 0, 20, 40, 60, 40, 20, 10, 10)
EVEN = {"rest": 100, "shake": 100}


def seen(classes: dict[str, int], confidence: tuple[int, ...] = (0,) * 10, mean: float | None = None) -> Seen:
    return Seen(3, sum(classes.values()), 0, 0, 0, classes, confidence, confidence_mean=mean)


@pytest.mark.parametrize(
    ("classes", "confidence", "mean", "verdicts"),
    [
        ({"rest": 510, "shake": 490}, tuple(10 * n for n in SURE), None, ("as trained", "as trained")),
        ({"rest": 900, "shake": 100}, tuple(10 * n for n in UNSURE), None, ("moved", "moved")),
        ({"rest": 700, "shake": 300}, tuple(10 * n for n in SURE), None, ("moving", "as trained")),
        ({"rest": 400, "shake": 20}, UNSURE, None, ("too few", "too few")),
        ({"rest": 510, "shake": 490}, (0,) * 10, 0.91, ("as trained", "as trained")),
        ({"rest": 510, "shake": 490}, (0,) * 10, 0.84, ("as trained", "moving")),
        ({"rest": 510, "shake": 490}, (0,) * 10, 0.7, ("as trained", "moved")),
        ({"rest": 510, "shake": 490}, (0,) * 10, 0.99, ("as trained", "as trained")),
    ],
)
def test_classes_and_confidence_are_compared_with_what_the_model_saw(
    classes: dict[str, int], confidence: tuple[int, ...], mean: float | None, verdicts: tuple[str, str]
) -> None:
    found = shifts(Reference(EVEN, SURE, 0.9), seen(classes, confidence, mean))
    assert tuple(moved.verdict for moved in found) == verdicts


def test_a_small_test_side_proves_nothing() -> None:
    """The same shares, of 8 windows only: chance alone could do that."""
    few = Reference({"rest": 4, "shake": 4}, (0,) * 10)
    assert shifts(few, seen({"rest": 700, "shake": 300}))[0].verdict == "as trained"
    many = Reference({"rest": 400, "shake": 400}, (0,) * 10)
    assert shifts(many, seen({"rest": 700, "shake": 300}))[0].verdict == "moving"


def test_a_fleet_may_live_otherwise_than_its_training_data() -> None:
    told = expected(Reference(EVEN, SURE), {"rest": 0.9, "shake": 0.1})
    assert shifts(told, seen({"rest": 900, "shake": 100}))[0].verdict == "as trained"
    assert shifts(told, seen({"rest": 500, "shake": 500}))[0].verdict == "moved"
    assert expected(None, {"rest": 1.0}) is None


def test_without_a_record_or_confidence_nothing_is_claimed() -> None:
    assert [m.verdict for m in shifts(None, seen({"rest": 900, "shake": 100}))] == ["unknown", "unknown"]
    assert shifts(Reference(EVEN, ()), seen({"rest": 500, "shake": 500}, UNSURE))[1].verdict == "unknown"


def test_classes_that_a_model_does_not_have_are_counted_together(released: Released) -> None:
    strange = ill(inferences=12, classes={f"class {number}": 1 for number in range(12)})
    found = only(released, report("a", released.new, health=strange), in_waves=False)
    assert (dict(found.seen.classes), found.seen.others) == ({}, 12)


def test_who_does_not_count_moves_no_figure(released: Released) -> None:
    health = ill(inferences=900, classes={"rest": 900}, crashes=7)
    lists = {FLEET: listed("a,linux", "b,linux,,,2027-01-01")}
    reports = [report(name, released.new, health=health) for name in ("a", "b", "c")]
    found = only(released, *reports, in_waves=False, **lists)
    assert (found.seen.devices, found.seen.inferences, found.seen.crashes) == (1, 900, 7)


# -- text and JSON -----------------------------------------------------------------------------


def test_the_text_says_who_needs_a_person_before_all_else() -> None:
    text = status_text(wearables(), TEXT)
    lines = text.splitlines()
    assert lines[0] == "wearables, v2: 3 fleets, 1,264 devices; 28 need a person."
    assert lines[4].split()[:4] == ["wrist", "linux", "w-0700", "cloned"] and lines[4].endswith("re-flash")
    assert "… and 8 more" in text and text.index("w-0700") < text.index("bench, model activity: converged")
    assert "rolling out; rollout of v2 advancing since 2027-03-04T06:00:00Z, 2 of 4 waves reached" in text
    assert "classes moved (PSI 1.06)" in text and "porch, model activity: unreported" in text


def test_the_document_holds_every_device_and_is_json() -> None:
    value = json.loads(json.dumps(status_json(wearables())))
    wrist = next(fleet for fleet in value["fleets"] if fleet["name"] == FLEET)
    assert (value["schema"], len(wrist["devices"])) == ("tinyops/fleet-status/v1", 1200)
    assert wrist["rollout"]["reached"] == 2 and len(wrist["rollout"]["waves"]) == 4
    assert wrist["health"]["shift"]["classes"]["verdict"] == "moved"
    assert [*wrist["health"]["classes"]] == [*CLASSES]


def test_one_fleet_alone_and_one_that_is_not_there() -> None:
    status = wearables()
    assert [fleet.name for fleet in status.only("bench").fleets] == ["bench"] and not status.only("bench").needs
    with pytest.raises(UsageError, match="there is no fleet 'bensch'"):
        status.only("bensch")


HOSTILE = "\x1b]0;pwned\x07\x1b[2J\u202eevil\nfleet  linux  d-9  converged"


def test_what_devices_say_moves_no_cursor_and_adds_no_line(released: Released) -> None:
    released.reach(1, reason=HOSTILE)
    devices = released.judge(gave_up("a", released.new, HOSTILE, model=released.base), report("b", released.base))
    by = released.judging()
    status = Status("w", 2, "", True, fleet_statuses(devices, [FLEET], by), needs_of(devices, Looking(NOW)))
    text = status_text(status, TEXT)
    assert "\x1b" not in text and "\u202e" not in text and "\x07" not in text
    assert not any(line.startswith("fleet  linux  d-9") for line in text.splitlines())


# -- one device --------------------------------------------------------------------------------


def test_a_log_tells_releases_waves_events_and_the_report_in_order(released: Released, tmp_path: Path) -> None:
    released.reach(1)
    events = (
        Event(time=ago(days=3), kind="crash", text="hard fault at 0x1234"),
        Event(time=ago(days=2), kind="update", text=HOSTILE),
    )
    said = gave_up("a", released.new, "vector 3", model=released.base, events=events, reporter="gw", seen=ago(hours=1))
    by = released.judging({FLEET: listed("a,linux,,2026-12-24")})
    (device,) = released.judge(said, lists=by.lists)
    lines = device_log(device, by, Past(released.store, 2, tmp_path / "past"), 20)
    assert [line.time for line in lines] == sorted(line.time for line in lines)
    whats = [(line.source, line.what) for line in lines]
    assert whats[0] == ("list", "enrolled")
    assert ("release", "v1") in whats and ("release", "v2") in whats and ("rollout", "advancing") in whats
    assert ("gateway", "crash") in whats and ("gateway", "reverted") in whats and ("gateway", "seen") in whats
    assert whats[-1] == ("gateway", "report")
    text = log_text(lines, TEXT)
    assert "\x1b" not in text and len(text.splitlines()) == len(lines) + 2
    v2 = next(line.text for line in lines if line.what == "v2")
    assert "offers model" in v2 and "before" in v2


@pytest.mark.parametrize(
    ("told", "lines"),
    [
        ("v2: vector 3", 1),  # a Linux device's own journal
        ("vector 3", 1),  # a gateway's
        ("vecto…", 1),
        ("v2: vector 4", 2),
        ("firmware runs, confirmed", 2),
    ],
)
def test_the_newest_update_is_told_once(released: Released, told: str, lines: int) -> None:
    event = Event(time=ago(hours=2), kind="reverted", text=told)
    (device,) = released.judge(gave_up("a", released.new, "vector 3", events=(event,)), in_waves=False)
    log = [
        line for line in device_log(device, released.judging({}, in_waves=False), None, 20) if line.what == "reverted"
    ]
    assert len(log) == lines and log[-1].text.startswith("v2, model ")


def test_a_device_that_never_reported_has_a_log_too(released: Released) -> None:
    by = released.judging({FLEET: listed("a,linux,,2026-12-24")}, in_waves=False)
    (device,) = released.judge(lists=by.lists, in_waves=False)
    assert [line.what for line in device_log(device, by, None, 20)] == ["enrolled", "v2"]


def test_a_device_is_found_by_its_name_and_fleet() -> None:
    devices = [Observed(fleet, "linux", "a", "converged") for fleet in ("x", "y")]
    assert find_device(devices, "a", "y").fleet == "y"
    for name, fleet, message in [
        ("a", None, "in fleets x, y"),
        ("b", None, "no device 'b'"),
        ("a", "z", "in fleet z"),
    ]:
        with pytest.raises(UsageError, match=message):
            find_device(devices, name, fleet)
