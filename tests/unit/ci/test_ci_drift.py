"""The text of the drift issue: what drifted, escaped, bounded."""

from __future__ import annotations

from tinyops.ci.drifting import drift_issue
from tinyops.plan import Action, Bound, Change, Plan
from tinyops.plan.markdown import LIMIT
from tinyops.reconcile.states import Observed, State

BOUND = Bound(*("sha256:" + digit * 64 for digit in "1234"))
SETTLED = Plan("wearables", 3, BOUND, (Change("fleet", "wrist", Action.KEEP),))
WAITING = Plan("wearables", 3, BOUND, (Change("fleet", "wrist", Action.UPDATE),))


def device(state: State, name: str = "d1", why: str = "") -> Observed:
    return Observed("wrist", "microbit", name, state, "sha256:" + "a" * 64, "sha256:" + "b" * 64, 2, "then", why)


def test_no_drift() -> None:
    text, drifted = drift_issue(SETTLED, [device("converged")], 0)
    assert not drifted
    assert text.startswith("<!-- tinyops drift of wearables -->\nv3 is released. Devices: 1 converged.")
    assert "Everything is as released." in text
    assert not drift_issue(SETTLED, [device("unreported")], 0)[1]


def test_what_drifted_is_listed_and_nothing_else() -> None:
    text, drifted = drift_issue(SETTLED, [device("behind"), device("converged", "d2"), device("gave up", "d3")], 0)
    assert drifted
    rows = [line for line in text.splitlines() if line.startswith("| `wrist`")]
    assert len(rows) == 2 and "`d1`" in rows[0] and "`aaaaaaaaaaaa`" in rows[0] and "`d3`" in rows[1]


def test_waiting_changes_and_files_that_are_no_reports_are_drift_too() -> None:
    text, drifted = drift_issue(WAITING, [], 0)
    assert drifted and "1 change waits to be applied" in text and "Everything" not in text
    text, drifted = drift_issue(SETTLED, [], 2)
    assert drifted and "2 files among the reports are none" in text and "Everything" not in text


def test_the_same_drift_has_the_same_text_whenever_it_was_reported() -> None:
    earlier, later = device("behind"), Observed(**{**vars(device("behind")), "reported": "2027-01-01T00:00:00Z"})
    assert drift_issue(SETTLED, [earlier], 0) == drift_issue(SETTLED, [later], 0)


def test_what_devices_say_breaks_out_of_nothing() -> None:
    text, _ = drift_issue(SETTLED, [device("gave up", why="``` | @all <!-- x --> \\")], 0)
    row = next(line for line in text.splitlines() if line.startswith("| `wrist`"))
    assert "````` ``` \\| @all <!-- x --> \\ `````".replace("`````", "````") in row


def test_thousands_of_devices_fit() -> None:
    text, _ = drift_issue(SETTLED, [device("silent", f"device-{n:05}", "w" * 100) for n in range(20_000)], 0)
    assert len(text) < LIMIT
    assert "more: `tinyops drift` lists them." in text
