"""Whom a receiver takes reports from, as a repository's specs say; read again when they change."""

from __future__ import annotations

from pathlib import Path

import pytest

from fakes.projects import DESK, FINISHED, repository
from fakes.reports import devices_list, sealed
from tinyops.errors import SpecError
from tinyops.manifest.keys import SigningKey
from tinyops.receiver.admission import FleetRule
from tinyops.receiver.lists import LOOK_EVERY_S, Watched
from tinyops.receiver.store import ReportStore
from tinyops.reconcile.receiving import rules_of_repository, spec_files

KEY = SigningKey.generate()
LISTED = DESK.replace("  boards:", "  devices: {file: desk.csv}\n  boards:")
OPEN = DESK.replace("name: desk", "name: lab").replace("  boards:", "  devices: {enrol: open, max: 20}\n  boards:")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = repository(tmp_path / "bench", FINISHED, LISTED, OPEN)
    made.write("specs/desk.csv", devices_list(f"d-1,linux,{KEY.public.raw.hex()}").to_text())
    return made.root


def test_fleets_and_lists_come_from_specs(root: Path) -> None:
    rules = rules_of_repository(root)
    assert rules.fleets == {"desk": FleetRule(), "lab": FleetRule(open=True, max=20)}
    assert set(rules.enrolment.lists) == {"desk"}
    device = rules.enrolment.device("desk", "d-1")
    assert device is not None
    assert device.public_key == KEY.public.raw.hex()


def test_a_device_that_is_struck_off_in_the_repository_is_out(root: Path, tmp_path: Path) -> None:
    now, events = [0.0], list[str]()
    watched = Watched(lambda: rules_of_repository(root), lambda: spec_files(root), events.append, lambda: now[0])
    store = ReportStore(tmp_path / "kept", watched, clock=lambda: now[0])
    assert store.take(sealed("d-1", KEY, fleet="desk").data).stored == 1
    line = f"d-1,linux,{KEY.public.raw.hex()},2027-01-01"
    (root / "specs" / "desk.csv").write_text(devices_list(line).to_text())
    now[0] = LOOK_EVERY_S + 1
    (refused,) = store.take(sealed("d-1", KEY, fleet="desk", sequence=2).data).refused
    assert (refused.name, refused.reason) == ("desk/d-1.json", "it was revoked on 2027-01-01")
    (root / "specs" / "fleets.yaml").write_text("kind: Nonsense\n")
    now[0] += LOOK_EVERY_S + 1
    assert store.take(sealed("a", KEY, fleet="lab").data).stored == 1
    assert events[0] == "the lists of devices changed"
    assert events[1].endswith("what was read before holds on")


def test_specs_that_are_wrong_from_the_start_are_refused(root: Path) -> None:
    (root / "specs" / "desk.csv").write_text("id\nx\n")
    with pytest.raises(SpecError, match="column 'board' is missing"):
        rules_of_repository(root)
