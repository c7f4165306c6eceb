"""Which reports are believed: forged, played again, of revoked devices and strange gateways, odd files, and clones."""

from __future__ import annotations

import os
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from fakes.faults import count_faults
from fakes.reports import NOW, devices_list, report, sealed
from tinyops.device.reports import SealedReport
from tinyops.device.reports.directory import DirectorySink
from tinyops.device.reports.enrolment import Enrolment
from tinyops.device.reports.memory import Memory
from tinyops.device.reports.reading import believed_reports, folder_files, settle
from tinyops.manifest.envelope import seal
from tinyops.manifest.fields import read_time, time_text
from tinyops.manifest.keys import SigningKey
from tinyops.manifest.report import REPORT_LIMIT_BYTES, DeviceReport, check_signature

PI, GATEWAY, OTHER = (SigningKey.generate() for _ in range(3))
HOUR = timedelta(hours=1)


def hexed(key: SigningKey) -> str:
    return key.public.raw.hex()


LISTED = Enrolment(
    {
        "wrist": devices_list(f"pi-7,linux,{hexed(PI)}", "bit-1,microbit,", f"old,linux,{hexed(OTHER)},2026-12-01"),
        "hubs": devices_list(f"gw-1,linux,{hexed(GATEWAY)}", f"gw-0,linux,{hexed(OTHER)},2026-12-01"),
    }
)


def read(
    folder: Path, *reports: SealedReport, lists: Enrolment = LISTED, memory: Memory | None = None
) -> tuple[list[DeviceReport], list[str]]:
    """The reports that are believed, and why others are not."""
    DirectorySink(folder).write(reports)
    good, bad = believed_reports(folder_files(folder), lists, root=folder, memory=memory)
    return good, [one.reason for one in bad]


def test_a_device_speaks_for_itself_and_a_gateway_for_it(tmp_path: Path) -> None:
    good, bad = read(tmp_path, sealed("pi-7", PI), sealed("bit-1", GATEWAY, reporter="gw-1"))
    assert ([one.device for one in good], bad) == (["bit-1", "pi-7"], [])
    assert {path.name for path in tmp_path.glob("*/*")} == {"pi-7.json", "bit-1@gw-1.json"}


@pytest.mark.faults
def test_forged_reports_are_named_and_none_is_believed(tmp_path: Path) -> None:
    forged: dict[str, tuple[SealedReport, str]] = {
        "another key": (sealed("pi-7", OTHER), "signed with key .*, the list of devices has .* of pi-7"),
        "a strange gateway": (sealed("bit-1", OTHER, reporter="gw-9"), "gw-9 speaks for it, and no list"),
        "a gateway's name": (sealed("bit-1", OTHER, reporter="gw-1"), "signed with key .* of gw-1"),
        "a revoked gateway": (sealed("bit-1", OTHER, reporter="gw-0"), "gw-0 .* was revoked on 2026-12-01"),
        "one without a key": (sealed("pi-7", OTHER, reporter="bit-1"), "bit-1 .* no public key of that"),
        "a name it has not": (
            SealedReport("wrist", "pi-7", 1, seal(report("pi-7", PI).to_json(), [OTHER]).to_bytes()),
            "0 of 1 trusted",
        ),
        "altered": (
            SealedReport("wrist", "pi-7", 1, sealed("pi-7", PI).data.replace(b'"errors":0', b'"errors":1')),
            "0 of 1 trusted",
        ),
        "under another name": (SealedReport("wrist", "bit-1", 1, sealed("pi-7", PI).data), "is the report of pi-7"),
        "in another fleet": (SealedReport("hubs", "pi-7", 1, sealed("pi-7", PI).data), "pi-7 in fleet wrist"),
        "twice the same field": (
            SealedReport("wrist", "pi-7", 1, sealed("pi-7", PI).data.replace(b'"errors":0', b'"errors":0,"errors":0')),
            "0 of 1 trusted|there twice",
        ),
    }
    for number, (what, (one, reason)) in enumerate(forged.items()):
        good, (why,) = read(tmp_path / str(number), one)
        assert not good, what
        assert re.search(reason, why), (what, why)
    count_faults("reports of a revoked gateway", 1)
    count_faults("reports forged", len(forged) - 1)


@pytest.mark.faults
def test_files_that_are_no_reports_are_named_and_bounded(tmp_path: Path) -> None:
    folder = tmp_path / "wrist"
    folder.mkdir()
    (tmp_path / "elsewhere.json").write_bytes(sealed("link", OTHER).data)  # which would be believed
    wrong: dict[str, bytes] = {
        "empty": b"",
        "html": b"<!doctype html><title>Please log in</title>",
        "binary": bytes(range(256)),
        "deep": b'{"signed":' * 100_000,
        "deep-lists": b'{"signatures":[],"signed":{"a":' + b"[" * 90_000 + b"]" * 90_000 + b"}}\n",
        "large": b" " * (REPORT_LIMIT_BYTES + 1),
        "nan": sealed("nan", OTHER).data.replace(b'"errors":0', b'"errors":NaN'),
        "huge-number": sealed("huge-number", OTHER).data.replace(b'"errors":0', b'"errors":' + b"9" * 5000),
        "list": b"[]",
        "half": sealed("half", OTHER).data[:-200],
    }
    for name, data in wrong.items():
        (folder / f"{name}.json").write_bytes(data)
    os.mkfifo(folder / "pipe.json")
    (folder / "link.json").symlink_to(tmp_path / "elsewhere.json")
    (folder / "folder.json").mkdir()
    (tmp_path / "linked").symlink_to(folder)
    good, bad = read(tmp_path)
    assert (good, len(bad)) == ([], len(wrong) + 3)
    count_faults("reports that are none", len(wrong) + 4)


def test_the_list_may_name_a_devices_gateways(tmp_path: Path) -> None:
    columns = "id,board,public_key,gateway"
    hubs = devices_list(f"gw-1,linux,{hexed(GATEWAY)}", f"gw-2,linux,{hexed(OTHER)}")
    lists = Enrolment({"wrist": devices_list("a,microbit,,gw-1 gw-3", "b,microbit,,", columns=columns), "hubs": hubs})
    told = [sealed(device, key, reporter=who) for device in "ab" for who, key in (("gw-1", GATEWAY), ("gw-2", OTHER))]
    good, bad = read(tmp_path, *told, lists=lists)
    assert [(one.device, one.reporter) for one in good] == [("a", "gw-1")]
    assert bad == [
        "gw-2 speaks for it; the list names gw-1 and gw-3",
        "gw-1 speaks for it; the list names no gateway for it",
        "gw-2 speaks for it; the list names no gateway for it",
    ]


@pytest.mark.faults
def test_a_gateway_that_one_list_revokes_speaks_for_nobody(tmp_path: Path) -> None:
    """Struck off where it was lost, and forgotten in another fleet's list: its stolen key is worth nothing."""
    lost, kept = f"gw-1,linux,{hexed(GATEWAY)},2027-01-01,", f"gw-1,linux,{hexed(GATEWAY)},,"
    for one, other in ((lost, kept), (kept, lost)):
        lists = Enrolment(
            {"hubs": devices_list(one), "attic": devices_list(other), "wrist": devices_list("a,microbit,,,")}
        )
        good, (why,) = read(tmp_path, sealed("a", GATEWAY, reporter="gw-1"), lists=lists)
        assert (good, "gw-1 speaks for it, and was revoked on 2027-01-01" in why) == ([], True)
    count_faults("reports by a gateway that one of two lists revokes", 2)


def test_without_a_list_a_gateway_has_one_key(tmp_path: Path) -> None:
    told = (sealed("a", GATEWAY, reporter="gw-1"), sealed("b", OTHER, reporter="gw-1"))
    good, (why,) = read(tmp_path, *told, lists=Enrolment({}))
    assert ([one.device for one in good], "gw-1 speaks for others with another key" in why) == (["a"], True)


@pytest.mark.faults
def test_an_old_report_played_again_is_named(tmp_path: Path) -> None:
    keep, file = tmp_path / "reports", tmp_path / "memory"
    assert read(keep, sealed("pi-7", PI, sequence=9), memory=Memory(file))[1] == []
    for sequence in (1, 8):
        good, (why,) = read(keep, sealed("pi-7", PI, sequence=sequence), memory=Memory(file))
        assert (good, f"has number {sequence}; number 9" in why) == ([], True)
    good, (why,) = read(keep, sealed("pi-7", PI, sequence=9, problem="not what 9 said"), memory=Memory(file))
    assert not good
    assert read(keep, sealed("pi-7", PI, sequence=9), memory=Memory(file))[1] == []
    assert read(keep, sealed("pi-7", PI, sequence=10), memory=Memory(file))[1] == []
    unlisted = Enrolment({})
    assert read(keep, sealed("pi-7", OTHER, sequence=2), lists=unlisted, memory=Memory(file))[1] == [], "a new signer"
    count_faults("reports played again", 3)


def test_what_was_verified_is_not_verified_again_and_nothing_else(tmp_path: Path, monkeypatch: Any) -> None:
    keep, file, verified = tmp_path / "reports", tmp_path / "memory", list[bytes]()

    def counting(data: bytes, *arguments: Any, **named: Any) -> None:
        verified.append(data)
        check_signature(data, *arguments, **named)

    for module in ("memory", "ahead"):
        monkeypatch.setattr(f"tinyops.device.reports.{module}.check_signature", counting)
    reports = [sealed("pi-7", PI), sealed("bit-1", GATEWAY, reporter="gw-1")]
    for _ in range(3):
        assert len(read(keep, *reports, memory=Memory(file))[0]) == 2
    assert len(verified) == 2
    assert len(read(keep, sealed("pi-7", PI, sequence=2), memory=Memory(file))[0]) == 2
    assert len(verified) == 3
    for damage in (b"", b"[]", b'{"format":1,"reports":[]}', b'{"format":1,"reports":{"wrist/pi-7.json":[1]}}'):
        file.write_bytes(damage)
        assert len(read(keep, memory=Memory(file))[0]) == 2
    assert len(verified) == 3 + 4 * 2


def told_at(who: str, key: SigningKey, before: timedelta = timedelta(), **changes: Any) -> DeviceReport:
    seen = time_text(read_time(NOW) - before)
    return report("bit-1", key, reporter=who, seen=seen, **changes)


@pytest.mark.faults
def test_clones_and_two_who_report_a_device_are_named() -> None:
    now = read_time(NOW)
    moved = [told_at("gw-1", GATEWAY, 2 * HOUR), told_at("gw-2", OTHER)]
    newest, disputed = settle(moved, now)
    assert (newest["wrist", "bit-1"], disputed) == (moved[1], {})
    wrong = {
        "at once": ([told_at("gw-1", GATEWAY, HOUR / 2), told_at("gw-2", OTHER)], "gw-1 and gw-2 report it at once"),
        "itself, too": ([report("bit-1", PI), told_at("gw-2", OTHER)], "bit-1 and gw-2 report it at once"),
        "two chips": (
            [told_at("gw-1", GATEWAY, 5 * HOUR, silicon="aa" * 8), told_at("gw-2", OTHER, silicon="bb" * 8)],
            "2 boards have its name: chips aaaaaaaaaaaaaaaa, bbbbbbbbbbbbbbbb",
        ),
    }
    for what, (reports, why) in wrong.items():
        assert settle(reports, now)[1] == {("wrist", "bit-1"): why}, what
        assert settle(reversed(reports), now)[1] == {("wrist", "bit-1"): why}, what
    long_ago = [told_at("gw-1", GATEWAY, 100 * HOUR, silicon="aa" * 8), told_at("gw-2", OTHER, silicon="bb" * 8)]
    assert settle(long_ago, now)[1] == {}, "a board was replaced, and its gateway"
    count_faults("devices reported by two, and cloned ids", len(wrong))


def test_reports_are_read_up_to_a_count(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("tinyops.device.reports.reading.REPORTS_MAX", 2)
    good, bad = read(tmp_path, *(sealed(f"d-{n}", PI) for n in range(4)), lists=Enrolment({}))
    assert (len(good), len(bad), "after 2 reports" in bad[0]) == (2, 1, True)


def test_a_folder_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    assert read(tmp_path / "none") == ([], [])
