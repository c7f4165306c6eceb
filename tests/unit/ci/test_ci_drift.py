"""The text of the drift issue: what drifted, the evidence, what to do next; escaped, bounded."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fakes.fleets import NOW, Released, ago, gave_up, report, wearables
from fakes.releases import FLEET
from tinyops.ci.drifting import drift_issue
from tinyops.manifest.fields import time_text
from tinyops.manifest.report import Health
from tinyops.plan import Action, Bound, Change, Plan
from tinyops.plan.gates import Miss
from tinyops.plan.markdown import LIMIT
from tinyops.reconcile.fleet_status import Status, fleet_statuses
from tinyops.reconcile.needs import Looking, needs_of
from tinyops.reconcile.next_steps import next_steps
from tinyops.reconcile.states import Judging, Observed, State, judge_reports

BOUND = Bound(*("sha256:" + digit * 64 for digit in "1234"))
SETTLED = Plan("wearables", 3, BOUND, (Change("fleet", "wrist", Action.KEEP),))
WAITING = Plan("wearables", 3, BOUND, (Change("fleet", "wrist", Action.UPDATE),))
NEWER = Plan("wearables", 3, BOUND, (Change("collect", "motions", Action.UPDATE),))


def device(state: State, name: str = "d1", why: str = "") -> Observed:
    return Observed("wrist", "microbit", name, state, "sha256:" + "a" * 64, "sha256:" + "b" * 64, 2, "then", why)


def status(*devices: Observed, warnings: tuple[str, ...] = (), reporting: bool = True) -> Status:
    fleets = fleet_statuses(devices, ["wrist"], Judging(None, NOW))
    return Status("wearables", 3, time_text(NOW), reporting, fleets, needs_of(devices, Looking(NOW)), warnings)


def text_of(*devices: Observed, plan: Plan = SETTLED, **more: Any) -> str:
    return drift_issue(plan, status(*devices, **more), {})[0]


def test_no_drift() -> None:
    text, drifted = drift_issue(SETTLED, status(device("converged"), device("waiting", "d2")), {})
    assert not drifted
    assert text.startswith("<!-- tinyops drift of wearables -->\nv3 is released. Devices: 1 converged, 1 waiting.")
    assert "Everything that is reported is as released.\n" in text


@pytest.mark.parametrize("reporting", [True, False])
@pytest.mark.parametrize("devices", [(), (device("unreported"), device("unreported", "d2"))])
def test_who_never_reported_is_not_said_to_be_as_released(devices: tuple[Observed, ...], reporting: bool) -> None:
    text, drifted = drift_issue(SETTLED, status(*devices, reporting=reporting), {})
    assert not drifted and "Everything" not in text and "No device reports: what they run is not known." in text
    text, drifted = drift_issue(SETTLED, status(device("converged"), device("unreported", "d2")), {})
    assert not drifted and "But 1 of 2 devices never reported" in text


def test_what_drifted_is_listed_and_nothing_else() -> None:
    text = text_of(device("behind"), device("converged", "d2"), device("gave up", "d3"))
    rows = [line for line in text.splitlines() if line.startswith("| `wrist`")]
    assert len(rows) == 2 and "`d1`" in rows[0] and "`aaaaaaaaaaaa`" in rows[0] and "`d3`" in rows[1]


def test_waiting_changes_and_files_that_are_no_reports_are_drift_too() -> None:
    text, drifted = drift_issue(WAITING, status(), {})
    assert drifted and "- **apply**: 1 change waits to be applied." in text and "Everything" not in text
    text, drifted = drift_issue(SETTLED, status(warnings=("not a report: a.json: forged",)), {})
    assert drifted and "`not a report: a.json: forged`" in text and "Everything" not in text


def test_a_project_without_reports_is_open_loop_and_no_drift() -> None:
    assert not drift_issue(SETTLED, status(reporting=False), {})[1]


def test_the_same_drift_has_the_same_text_whenever_it_was_reported() -> None:
    earlier, later = device("behind"), replace(device("behind"), reported="2027-01-01T00:00:00Z")
    assert text_of(earlier) == text_of(later)


HOSTILE = "``` | @all <!-- x --> \\ https://evil.example www.evil.example [x](https://evil.example) \n# head"


def test_what_devices_say_breaks_out_of_nothing() -> None:
    text = text_of(device("gave up", why="``` | @all <!-- x --> \\"))
    row = next(line for line in text.splitlines() if line.startswith("| `wrist`"))
    assert "```` ``` \\| @all <!-- x --> \\ ````" in row


def test_what_a_rollout_and_warnings_quote_is_code() -> None:
    released = Released().reach(1, "halted", reason=HOSTILE)
    by = released.judging()
    devices = judge_reports([report("a", released.base)], by)
    made = Status("wearables", 2, "", True, fleet_statuses(devices, [], by), (), (HOSTILE,))
    text, drifted = drift_issue(SETTLED, made, {})
    lines = [line for line in text.splitlines() if "@all" in line]
    assert drifted and len(lines) == 2 and "\n# head" not in text
    assert all(line.count("````") == 2 for line in lines)
    assert "- **roll back** `wrist`" in text and "`tinyops rollback wrist`" in text


def test_thousands_of_devices_fit() -> None:
    text = text_of(*(device("silent", f"device-{n:05}", "w" * 100) for n in range(20_000)))
    assert len(text) < LIMIT
    assert "more: `tinyops drift` lists them." in text


def test_thousands_of_warnings_and_long_reasons_fit() -> None:
    devices = (device("gave up", f"device-{n:05}", "`" * 2_000) for n in range(20_000))
    assert len(text_of(*devices, warnings=("w" * 2_000,) * 9_999)) < LIMIT


def test_the_evidence_of_a_shift_is_in_the_text_and_how_to_end_it() -> None:
    text, drifted = drift_issue(SETTLED, wearables(), {})
    assert drifted and len(text) < LIMIT
    assert "| class | `Standing` | `Running` | `Walking` | `Badminton` |" in text
    assert "| expected | 25% | 25% | 25% | 25% |" in text
    step = next(line for line in text.splitlines() if line.startswith("- **collect** `wrist`"))
    assert "PSI" in step and "`class_shares: {Standing: 0.63, Running: 0.07, Walking: 0.27, Badminton: 0.03}`" in step
    assert "- **re-flash** `wrist`" in text and "- **check power and network** `wrist`" in text
    assert "| confidence |" in text and "w-0700" in text


def kinds(made: Status, plan: Plan = SETTLED, missed: Any = None) -> list[str]:
    return [step.kind for step in next_steps(made, plan, missed or {})]


def test_next_steps_follow_rules() -> None:
    assert kinds(status(device("converged"))) == []
    assert kinds(status(device("silent"))) == ["check power and network"]
    assert kinds(status(device("cloned"))) == ["re-flash"]
    assert kinds(status(device("unknown"), device("revoked", "d2"))) == ["enrol or remove"]
    assert kinds(status(), WAITING) == ["apply"]
    assert kinds(status(), NEWER) == ["retrain"]
    assert kinds(status(), replace(NEWER, released_version=0)) == ["apply"], "nothing was trained before"
    assert kinds(status(), missed={"wrist": [Miss("accuracy_min", "0.80, wanted 0.90")]}) == ["retrain"]


@pytest.mark.parametrize(("lost", "expected"), [(2, False), (3, True), (8, True)])
def test_a_release_that_many_devices_give_up_is_rolled_back_as_a_whole(lost: int, expected: bool) -> None:
    released = Released()
    reports = [gave_up(f"a-{n}", released.new, "no") for n in range(lost)]
    reports += [report(f"b-{n}", released.new) for n in range(10 - lost)]
    by = released.judging(in_waves=False)
    devices = judge_reports(reports, by)
    made = Status("wearables", 2, "", True, fleet_statuses(devices, [], by), needs_of(devices, Looking(NOW)))
    assert ("roll back" in kinds(made)) is expected


def test_crashes_are_counted_by_the_day_and_shown() -> None:
    released = Released()
    ill = Health(inferences=0, classes={}, errors=0, uptime_s=9, crashes=9)
    devices = released.judge(report("a", released.new, health=ill, time=ago(minutes=1)), in_waves=False)
    by = released.judging(in_waves=False)
    made = Status("wearables", 2, "", True, fleet_statuses(devices, [], by), needs_of(devices, Looking(NOW)))
    text, drifted = drift_issue(SETTLED, made, {})
    assert drifted and "| `9` | `crashes 2.3 times a day (9 so far)` |" in text
    assert f"- **look at its log** `{FLEET}`" in text
