"""What a receiver stores, and what not; full disks; and `kill -9` at every step of storing."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from fakes.faults import count_faults
from fakes.power import cut_at
from fakes.reports import devices_list, report, sealed
from tinyops.device.reports import SealedReport
from tinyops.device.reports.enrolment import Enrolment
from tinyops.errors import SpecError, UsageError
from tinyops.manifest.envelope import seal
from tinyops.manifest.keys import SigningKey
from tinyops.receiver.admission import REPORTERS_MAX, FleetRule, Rules
from tinyops.receiver.guard import Refused
from tinyops.receiver.lists import LOOK_EVERY_S, Watched, parse_lists, rules_of_files
from tinyops.receiver.store import BATCH_MAX, DEVICE_BURST, ReportStore, Stored

PI, GATEWAY, OTHER = (SigningKey.generate() for _ in range(3))


KEYS = (PI, GATEWAY, GATEWAY)


def hexed(key: SigningKey) -> str:
    return key.public.raw.hex()


RULES = Rules(
    {"wrist": FleetRule(), "hubs": FleetRule(), "lab": FleetRule(open=True, max=3), "bare": FleetRule()},
    Enrolment(
        {
            "wrist": devices_list(f"pi-7,linux,{hexed(PI)}", "bit-1,microbit,", f"old,linux,{hexed(OTHER)},2026-12-01"),
            "hubs": devices_list(f"gw-1,linux,{hexed(GATEWAY)}", f"gw-0,linux,{hexed(OTHER)},2026-12-01"),
        }
    ),
)


@pytest.fixture
def store(tmp_path: Path) -> ReportStore:
    return opened(tmp_path / "kept")


def opened(root: Path, rules: Rules = RULES) -> ReportStore:
    return ReportStore(root, lambda: rules, clock=lambda: 0.0)


def take(store: ReportStore, *reports: SealedReport) -> Stored:
    return store.take(b"".join(one.data for one in reports))


def why(store: ReportStore, one: SealedReport) -> str:
    """Why it was not stored; empty if it was."""
    taken = take(store, one)
    assert taken.stored + len(taken.refused) == 1
    return taken.refused[0].reason if taken.refused else ""


def files(store: ReportStore) -> dict[str, bytes]:
    return {str(path.relative_to(store.root)): path.read_bytes() for path in store.root.rglob("*") if path.is_file()}


def test_what_enrolled_devices_and_gateways_sign_is_stored_as_it_came(store: ReportStore) -> None:
    told = (sealed("pi-7", PI), sealed("bit-1", GATEWAY, reporter="gw-1"))
    assert take(store, *told) == Stored(2, ())
    assert files(store) == {one.name: one.data for one in told}
    assert b"".join(store.lines()) == b"".join(one.name.encode() + b" " + one.data for one in reversed(told))


@pytest.mark.faults
def test_what_is_refused_is_named_and_leaves_what_was_there(store: ReportStore) -> None:
    assert why(store, sealed("pi-7", PI, sequence=5)) == ""
    before = files(store)
    refused = {
        "another key": (sealed("pi-7", OTHER, sequence=6), "signed with key"),
        "played again": (sealed("pi-7", PI, sequence=4), "has number 4; number 5 was stored before"),
        "twice one number": (sealed("pi-7", PI, sequence=5, problem="x"), "a second, different number 5"),
        "revoked": (sealed("old", OTHER), "it was revoked on 2026-12-01"),
        "of a revoked gateway": (sealed("bit-1", OTHER, reporter="gw-0"), "was revoked on 2026-12-01"),
        "a strange gateway": (sealed("bit-1", OTHER, reporter="gw-9"), "gw-9 speaks for it, and no list"),
        "not listed": (sealed("pi-8", PI), "the list of its fleet does not name it"),
        "no fleet": (sealed("pi-7", PI, fleet="elsewhere"), "there is no fleet elsewhere here"),
        "no list": (sealed("pi-7", PI, fleet="bare"), "its fleet has no list, and is not open"),
        "forged": (
            SealedReport("wrist", "pi-7", 6, seal(report("pi-7", PI, sequence=6).to_json(), [OTHER]).to_bytes()),
            "0 of 1 trusted signatures",
        ),
        "no report": (SealedReport("wrist", "pi-7", 6, b'{"signed":{},"signatures":[]}\n'), "line 1: its schema"),
        "html": (SealedReport("wrist", "pi-7", 6, b"<html></html>\n"), "an HTML or XML page"),
        "deep": (SealedReport("wrist", "pi-7", 6, b'{"signed":' * 50_000 + b"\n"), "nested too deeply"),
        "large": (SealedReport("wrist", "pi-7", 6, b" " * 600_000 + b"\n"), "larger than"),
        "out of the folder": (
            SealedReport("x", "x", 1, sealed("pi-7", PI).data.replace(b'"fleet":"wrist"', b'"fleet":"../../x"')),
            "fleet",
        ),
    }
    for what, (one, reason) in refused.items():
        assert reason in why(store, one), what
        assert files(store) == before, what
    revoked = sum("revoked" in reason for _, reason in refused.values())
    count_faults("reports that a receiver refuses: of revoked devices and gateways", revoked)
    count_faults("reports that a receiver refuses: forged, played again, malformed", len(refused) - revoked)


def test_the_same_report_again_is_well_and_good(store: ReportStore, monkeypatch: Any) -> None:
    take(store, sealed("pi-7", PI, sequence=5))
    monkeypatch.setattr("os.replace", lambda *_: pytest.fail("nothing is written"))
    for _ in range(3 * int(DEVICE_BURST)):
        assert take(store, sealed("pi-7", PI, sequence=5)) == Stored(1, ())


def test_of_one_batch_the_newest_counts(store: ReportStore) -> None:
    take(store, *(sealed("pi-7", PI, sequence=sequence) for sequence in (2, 9, 3)))
    assert files(store) == {"wrist/pi-7.json": sealed("pi-7", PI, sequence=9).data}


def test_an_open_fleet_pins_the_first_key_of_each_and_fills_up(store: ReportStore) -> None:
    lab = {"fleet": "lab"}
    assert why(store, sealed("a", PI, **lab)) == ""
    assert "signed with another key than before" in why(store, sealed("a", OTHER, sequence=2, **lab))
    assert "signed with another key than before" in why(opened(store.root), sealed("a", OTHER, sequence=2, **lab))
    assert why(store, sealed("a", GATEWAY, reporter="gw-1", **lab)) == "", "an enrolled gateway speaks for it, too"
    for number in range(REPORTERS_MAX - 2):
        assert why(store, sealed("a", OTHER, reporter=f"g-{number}", **lab)) == ""
    assert f"{REPORTERS_MAX} speak for it already" in why(store, sealed("a", OTHER, reporter="g-99", **lab))
    assert [why(store, sealed(device, OTHER, **lab)) for device in "bc"] == ["", ""]
    assert why(store, sealed("d", OTHER, **lab)) == "its fleet has 3 devices, and takes no more"
    assert why(opened(store.root), sealed("d", OTHER, **lab)) == "its fleet has 3 devices, and takes no more"


def test_a_device_that_is_enrolled_again_replaces_its_report(store: ReportStore) -> None:
    take(store, sealed("pi-7", PI, sequence=900))
    again = Rules(RULES.fleets, Enrolment({"wrist": devices_list(f"pi-7,linux,{hexed(OTHER)}")}))
    assert why(opened(store.root, again), sealed("pi-7", OTHER, sequence=1)) == ""


def test_a_device_that_reports_too_often_is_asked_to_wait(store: ReportStore) -> None:
    taken = [take(store, sealed("pi-7", PI, sequence=n)) for n in range(1, int(DEVICE_BURST) + 2)]
    assert [one.stored for one in taken] == [1] * int(DEVICE_BURST) + [0]
    assert (taken[-1].refused[0].later, taken[-1].refused[0].reason) == (True, "reports too often: again in 5 s")


def test_batches_are_bounded(store: ReportStore) -> None:
    for body in (b"", b"\n\n", b"{}\n" * (BATCH_MAX + 1)):
        with pytest.raises(Refused, match="a batch has 1 to 1,000"):
            store.take(body)


@pytest.mark.faults
def test_a_full_disk_is_said_and_nothing_is_lost(store: ReportStore, monkeypatch: Any) -> None:
    take(store, sealed("pi-7", PI), sealed("bit-1", GATEWAY, reporter="gw-1"))
    before = files(store)
    new = (sealed("pi-7", PI, sequence=2), sealed("bit-1", GATEWAY, reporter="gw-1", sequence=2))
    tried, now = 0, [0.0]
    store = ReportStore(store.root, lambda: RULES, clock=lambda: now[0])
    for number, status in ((errno.ENOSPC, 507), (errno.EDQUOT, 507), (errno.EIO, 503)):
        for call in ("fsync", "replace", "chmod"):

            def fails(*_: Any, number: int = number) -> None:
                raise OSError(number, os.strerror(number))

            with monkeypatch.context() as patched:
                patched.setattr(os, call, fails)
                with pytest.raises(Refused) as refused:
                    take(store, *new)
            assert (refused.value.status, "Retry-After" in refused.value.headers) == (status, True)
            assert files(store) == before
            tried, now[0] = tried + 1, now[0] + 60
    assert take(store, *new) == Stored(2, ())
    assert files(store) == {one.name: one.data for one in new}
    count_faults("receivers with a full or failing disk", tried)


@pytest.mark.faults
def test_killed_at_every_step_nothing_that_was_acknowledged_is_lost(tmp_path: Path) -> None:
    """Each file is the old or the new one; all are new once the sender was told so; the next start leaves no rest."""
    told, root = tmp_path / "told", tmp_path / "kept"
    old = (sealed("pi-7", PI), sealed("bit-1", GATEWAY, reporter="gw-1"), sealed("gw-1", GATEWAY, fleet="hubs"))
    new = [
        sealed(one.device, k, sequence=2, fleet=one.fleet, reporter=one.reporter)
        for one, k in zip(old, KEYS, strict=True)
    ]
    step, some_new, left = 1, 0, 0
    while True:
        for path in sorted(root.rglob("*.json*"), reverse=True):
            path.unlink()
        store = opened(root)
        take(store, *old)

        def work(store: ReportStore = store) -> None:
            assert take(store, *new) == Stored(3, ())
            told.write_bytes(b"acknowledged")

        cut = cut_at(work, tmp_path, step)
        left += len(list(root.rglob(".*.json.*")))
        again = opened(root)
        found = files(again)
        assert set(found) == {one.name for one in old}
        for before, after in zip(old, new, strict=True):
            assert found[before.name] in (before.data, after.data)
        if told.exists():
            assert list(found.values()) == [after.data for after in sorted(new, key=lambda one: one.name)]
            told.unlink()
        some_new += 0 < sum(found[one.name] == one.data for one in new) < 3
        assert take(again, *new) == Stored(3, ()), "the sender, who heard nothing, sends all again"
        if not cut:
            break
        step += 1
    assert step > 12
    assert some_new > 0
    assert left > 0
    count_faults("kill -9 at each step of storing reports", step - 1)


def test_lists_are_read_again_when_they_change_and_wrong_ones_change_nothing(tmp_path: Path) -> None:
    path, now, events = tmp_path / "wrist.csv", [0.0], list[str]()
    path.write_text(f"id,board,public_key\npi-7,linux,{hexed(PI)}\n")
    files, fleets = parse_lists([str(path)], ["lab"])
    watched = Watched(lambda: rules_of_files(files, fleets), files.values, events.append, lambda: now[0])
    store = ReportStore(tmp_path / "kept", watched, clock=lambda: now[0])
    assert why(store, sealed("pi-7", PI)) == ""
    path.write_text(f"id,board,public_key,revoked\npi-7,linux,{hexed(PI)},2027-01-01\n")
    now[0] = LOOK_EVERY_S + 1
    assert why(store, sealed("pi-7", PI, sequence=2)) == "it was revoked on 2027-01-01"
    path.write_text("id,board\npi-7,linux,too,many\n")
    now[0] += LOOK_EVERY_S + 1
    assert why(store, sealed("pi-7", PI, sequence=2)) == "it was revoked on 2027-01-01"
    assert events[0] == "the lists of devices changed"
    assert "4 fields, the header has 2: what was read before holds on" in events[1]
    assert why(store, sealed("x", OTHER, fleet="lab")) == ""


def test_fleets_are_named_with_their_lists(tmp_path: Path) -> None:
    named, fleets = parse_lists(["wrist=a/b.csv", "desk.csv"], ["desk", "lab"])
    assert (named, fleets["desk"].open, fleets["wrist"].open, fleets["lab"].open) == (
        {"wrist": Path("a/b.csv"), "desk": Path("desk.csv")}, True, False, True,
    )  # fmt: skip
    with pytest.raises(UsageError, match="nothing says whose reports"):
        parse_lists([], [])
    with pytest.raises(UsageError, match=r"'\.\./x' is no name"):
        parse_lists([], ["../x"])
    with pytest.raises(SpecError, match="cannot be read"):
        rules_of_files({"wrist": tmp_path / "none"}, {})
