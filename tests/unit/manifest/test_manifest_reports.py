"""Device reports: signed, bounded, read one by one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tinyops.device.reports.enrolment import Enrolment
from tinyops.device.reports.reading import believed_reports, folder_files
from tinyops.errors import RemoteError
from tinyops.manifest.envelope import parse_envelope, seal
from tinyops.manifest.keys import SigningKey
from tinyops.manifest.report import (
    REPORT_LIMIT_BYTES,
    DeviceReport,
    Health,
    LastUpdate,
    Running,
    Slot,
    read_report,
    report_path,
    seal_report,
)

KEY = SigningKey.generate()
DIGEST = "sha256:" + "ab" * 32
NOW = "2027-01-02T03:04:05Z"


def report(**changes: Any) -> DeviceReport:
    fields: dict[str, Any] = {
        "device": "Pi-7.lab",
        "fleet": "wrist",
        "board": "linux",
        "sequence": 4,
        "time": NOW,
        "running": Running(model=DIGEST, contract=DIGEST, version=3, security_counter=0, since=NOW),
        "slot": Slot(state="confirmed"),
        "last_update": LastUpdate(version=3, digest=DIGEST, result="installed", reason="", time=NOW),
        "health": Health(inferences=10, classes={"Walking": 7, "Running": 3}, errors=0, uptime_s=60),
        "problem": None,
        "agent": "tinyops/1.0",
        "public_key": KEY.public.raw.hex(),
    }
    return DeviceReport(**{**fields, **changes})


def test_the_format() -> None:
    value = report().to_json()
    assert value["schema"] == "tinyops/report/v1"
    assert set(value["running"]) == {"model", "contract", "version", "security_counter", "since", "firmware"}
    counts = {"inferences", "classes", "errors", "uptime_s", "posted", "unposted", "crashes"}
    assert set(value["health"]) == counts | {"self_test", "confidence", "confidence_mean"}
    assert set(value["last_update"]) == {"version", "digest", "result", "reason", "time"}


def test_a_report_is_read_as_it_was_written() -> None:
    sealed = seal_report(report(), KEY)
    assert read_report(sealed, where="x") == report()
    assert read_report(sealed, where="x", key=KEY.public) == report()


def test_a_forged_report_is_refused() -> None:
    other = SigningKey.generate()
    with pytest.raises(RemoteError, match="0 of 1 trusted signatures"):
        read_report(seal(report().to_json(), [other]).to_bytes(), where="x")
    own = report(public_key=other.public.raw.hex())
    assert read_report(seal_report(own, other), where="x") == own
    with pytest.raises(RemoteError, match=r"signed with key .*, Pi-7\.lab has"):
        read_report(seal_report(own, other), where="x", key=KEY.public)


def test_an_altered_report_is_refused() -> None:
    altered = seal_report(report(), KEY).replace(b'"errors":0', b'"errors":1')
    with pytest.raises(RemoteError, match="0 of 1"):
        read_report(altered, where="x")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("device", "../../etc/passwd"),
        ("sequence", 0),
        ("sequence", 2**60),
        ("slot", {"state": "perfect"}),
        ("problem", "x" * 3000),
        ("health", {"inferences": -1, "classes": {}, "errors": 0, "uptime_s": 0}),
        ("health", {"inferences": 1, "classes": {str(i): 1 for i in range(1001)}, "errors": 0, "uptime_s": 0}),
        ("public_key", "00"),
        ("time", "now"),
    ],
)
def test_wrong_values_are_refused_by_name(field: str, value: Any) -> None:
    with pytest.raises(RemoteError, match=field):
        read_report(seal({**report().to_json(), field: value}, [KEY]).to_bytes(), where="x")


def test_a_report_has_a_largest_size() -> None:
    with pytest.raises(RemoteError, match="larger than"):
        parse_envelope(b" " * (REPORT_LIMIT_BYTES + 1), limit_bytes=REPORT_LIMIT_BYTES, where="x")


def test_fields_of_a_later_agent_are_skipped() -> None:
    later = {**report().to_json(), "battery": 0.5}
    assert read_report(seal(later, [KEY]).to_bytes(), where="x") == report()


def test_a_folder_of_reports_names_those_that_are_wrong(tmp_path: Path) -> None:
    good = report_path(tmp_path, "wrist", "Pi-7.lab")
    good.parent.mkdir()
    good.write_bytes(seal_report(report(), KEY))
    good.with_name("other.json").write_bytes(seal_report(report(), KEY))
    good.with_name("zero.json").write_bytes(b"")
    good.with_name("huge.json").write_bytes(b" " * (REPORT_LIMIT_BYTES + 1))
    found, wrong = believed_reports(folder_files(tmp_path), Enrolment({}), root=tmp_path)
    assert found == [report()]
    reasons = {one.path.name: one.reason for one in wrong}
    assert "is the report of Pi-7.lab" in reasons["other.json"]
    assert "not valid JSON" in reasons["zero.json"]
    assert "larger than" in reasons["huge.json"]
