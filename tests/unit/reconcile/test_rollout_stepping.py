"""What a step makes of several who speak for one device: the newest counts, and where both cannot be true neither."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from fakes.faults import count_faults
from fakes.reports import devices_list
from fakes.rollouts import HOUR, OLD, Fleet, report
from tinyops.manifest.fields import time_text
from tinyops.manifest.report import DeviceReport
from tinyops.reconcile.rollout import stepping
from tinyops.reconcile.rollout.decide import Decision, decide


def told(fleet: Fleet, name: str, gateway: str, ago: timedelta = timedelta(), **more: Any) -> DeviceReport:
    seen = time_text(fleet.now - ago)
    return report(name, fleet.now, **more).model_copy(update={"reporter": gateway, "seen": seen})


def step(fleet: Fleet, reports: list[DeviceReport], monkeypatch: pytest.MonkeyPatch) -> Decision:
    """A step by what lies where reports lie, in that order."""
    project = SimpleNamespace(document=SimpleNamespace(spec=SimpleNamespace(reports="there")))
    repository = SimpleNamespace(fleets={"f": None}, project=project)
    spec = SimpleNamespace(spec=SimpleNamespace(rollout=fleet.rules))
    world: Any = SimpleNamespace(repository=repository, fleets={"f": spec}, root=None)
    manifest: Any = SimpleNamespace(project="p", fleets={"f": fleet.entry})
    listed = devices_list(*(f"{name},b" for name in fleet.names), columns="id,board")
    monkeypatch.setattr(stepping, "devices_of", lambda *_: listed)
    monkeypatch.setattr(stepping, "reports_of", lambda *_: (reports, []))
    held: Any = {"f": SimpleNamespace(progress=fleet.progress)} if fleet.progress else {}
    (found,) = stepping._situations(world, manifest, held, fleet.now, lambda _: None)
    return decide(found)


@pytest.fixture
def fleet() -> Fleet:
    made = Fleet()
    made.step()
    return made


@pytest.mark.parametrize(("old", "new"), [("gw-a", "gw-z"), ("gw-z", "gw-a")])
def test_a_device_that_moved_to_another_gateway_is_not_silent(
    fleet: Fleet, old: str, new: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet.now += 24 * HOUR
    canaries = fleet.up_to(1)
    before = [told(fleet, name, old, timedelta(days=99), model=OLD, version=6) for name in canaries]
    reports = sorted([*before, *(told(fleet, name, new) for name in canaries)], key=lambda r: str(r.reporter))
    assert step(fleet, reports, monkeypatch).says == "wave 2 of 3 begins"


@pytest.mark.faults
@pytest.mark.parametrize("lie", ["well", "failed"])
def test_a_gateway_that_lies_beside_the_true_one_lets_nothing_go_on(
    fleet: Fleet, lie: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its stolen key can keep a wave from passing, which people see; not bring a rollout on, nor halt it at once."""
    fleet.now += 24 * HOUR
    said = {"well": {"self_test": "pass"}, "failed": {"self_test": "fail"}}
    honest = [
        told(fleet, name, "gw-1", HOUR / 2, **said[{"well": "failed", "failed": "well"}[lie]])
        for name in fleet.up_to(1)
    ]
    liar = [told(fleet, name, "gw-2", **said[lie]) for name in fleet.up_to(1)]
    assert "waits, 0 of 2 devices well" in step(fleet, [*honest, *liar], monkeypatch).says
    fleet.now += 72 * HOUR
    made = step(fleet, [told(fleet, name, who) for name in fleet.up_to(1) for who in ("gw-1", "gw-2")], monkeypatch)
    assert made.says.startswith("halted") and "gw-1 and gw-2 report it at once" in made.says
    count_faults("lies of a gateway beside the truth of another", 1)
