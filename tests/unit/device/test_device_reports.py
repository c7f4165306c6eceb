"""Reports on their way: what waits, what is lost, when it is tried again."""

from __future__ import annotations

import os
import signal
import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from fakes.faults import count_faults
from tinyops.device.reports import Credential, Outbox, Refusal, SealedReport, TryLater, open_outbox, open_sink
from tinyops.device.reports.directory import DirectorySink
from tinyops.device.reports.outbox import FIRST_WAIT_S, WAIT_MAX_S, wait_s
from tinyops.device.reports.spool import Spool
from tinyops.errors import RemoteError, SpecError, TinyopsError, ToolError, UsageError


def sealed(device: str = "pi-7", sequence: int = 1, data: bytes = b"{}", reporter: str | None = None) -> SealedReport:
    return SealedReport("wrist", device, sequence, data, reporter)


class Sink:
    """Takes reports, unless it is told what to do instead."""

    where, immediate, batch_max, every_s = "a sink", False, 10, 0.0

    def __init__(self) -> None:
        self.batches: list[list[SealedReport]] = []
        self.errors: list[TinyopsError] = []
        self.refusals: tuple[Refusal, ...] = ()
        self.gate = threading.Event()
        self.gate.set()

    def write(self, reports: Sequence[SealedReport]) -> Sequence[Refusal]:
        assert self.gate.wait(30)
        if self.errors:
            raise self.errors.pop(0)
        self.batches.append(list(reports))
        return self.refusals


def test_the_spool_keeps_the_newest_of_each_device(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "s")
    assert (spool.oldest(9), len(spool), (tmp_path / "s").exists()) == ([], 0, False)
    spool.put([sealed("a"), sealed("b"), sealed("a", 2, b"new")])
    assert spool.oldest(9) == [sealed("a", 2, b"new"), sealed("b")]
    spool.remove([sealed("a", 1), sealed("b")])
    assert spool.oldest(9) == [sealed("a", 2, b"new")], "the newer one of a is not settled by the older"
    spool.close()
    assert Spool(tmp_path / "s").oldest(9) == [sealed("a", 2, b"new")]


def test_two_who_speak_for_a_device_wait_apart(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "s")
    spool.put([sealed(reporter="gw-1"), sealed(reporter="gw-2"), sealed(reporter="pi-7")])
    assert [r.name for r in spool.oldest(9)] == ["wrist/pi-7@gw-1.json", "wrist/pi-7@gw-2.json", "wrist/pi-7.json"]


def test_a_spool_is_bounded_in_reports_and_bytes(tmp_path: Path) -> None:
    few = Spool(tmp_path / "few", waiting_max=3)
    assert few.put([sealed(str(number)) for number in range(5)]) == 2
    assert [report.device for report in few.oldest(9)] == ["2", "3", "4"]
    small = Spool(tmp_path / "small", limit_bytes=1000)
    assert small.put([sealed(str(number), data=b"x" * 400) for number in range(5)]) == 3


def test_a_damaged_spool_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "s").write_bytes(b"no database" * 500)
    spool = Spool(tmp_path / "s")
    assert spool.oldest(9) == []
    spool.put([sealed()])
    assert len(spool) == 1


def test_a_spool_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "s") as file:
        file.execute("CREATE TABLE waiting (something TEXT)")
    with pytest.raises(ToolError, match="cannot be written"):
        Spool(tmp_path / "s").put([sealed()])


def test_waits_double_and_honour_what_is_asked_for() -> None:
    assert [wait_s(failures, None, 0) for failures in (1, 2, 3)] == [FIRST_WAIT_S, 2 * FIRST_WAIT_S, 4 * FIRST_WAIT_S]
    assert wait_s(1, 100, 0) == 100
    assert wait_s(9, 1, 0) > 100, "who asks for less than doubling has come to gets that"
    assert wait_s(1, 1e9, 0) == wait_s(10_000, None, 0) == WAIT_MAX_S
    assert wait_s(1, 100, 1) == 125


def test_what_is_offered_arrives(tmp_path: Path) -> None:
    sink = Sink()
    outbox = Outbox(sink, tmp_path / "s")
    assert outbox.offer([sealed("a"), sealed("b")]) is None
    assert outbox.flush(30) is None
    assert sink.batches == [[sealed("a"), sealed("b")]]
    assert outbox.waiting() == 0
    outbox.close()


def test_a_sink_that_hangs_keeps_nobody_waiting_and_gets_the_newest(tmp_path: Path) -> None:
    sink = Sink()
    sink.gate.clear()
    outbox = Outbox(sink, tmp_path / "s")
    for sequence in range(1, 50):
        outbox.offer([sealed(sequence=sequence)])
    assert "still wait: 1" in str(outbox.flush(0))
    sink.gate.set()
    assert outbox.flush(30) is None
    assert [report.sequence for batch in sink.batches for report in batch][-1] == 49
    assert len(sink.batches) <= 2
    outbox.close()


def test_a_failure_is_kept_and_tried_again_at_the_next_start(tmp_path: Path) -> None:
    sink, events = Sink(), list[str]()
    sink.errors = [RemoteError("a sink: not there")]
    outbox = Outbox(sink, tmp_path / "s", on_event=events.append)
    outbox.offer([sealed()])
    assert str(outbox.flush(1)) == "a sink: not there", "the next attempt is later than that"
    assert (outbox.waiting(), events) == (1, ["a sink: not there"])
    outbox.close()
    again = Outbox(sink, tmp_path / "s")
    again.offer([sealed("other")])
    assert again.flush(30) is None
    assert {report.device for report in sink.batches[0]} == {"pi-7", "other"}
    again.close()


def test_a_sink_that_asks_to_wait_is_left_alone(tmp_path: Path) -> None:
    sink = Sink()
    later = TryLater("a sink: busy")
    later.after_s = 600
    sink.errors = [later]
    outbox = Outbox(sink, tmp_path / "s")
    outbox.offer([sealed()])
    assert str(outbox.flush(20)) == "a sink: busy", "returns before its 20 s: there is no use in waiting"
    assert sink.batches == []
    outbox.close()


def test_refused_reports_are_named_and_not_offered_again(tmp_path: Path) -> None:
    sink = Sink()
    sink.refusals = (Refusal("wrist/a.json", "revoked"), Refusal("wrist/b.json", "too many", later=True))
    outbox = Outbox(sink, tmp_path / "s")
    outbox.offer([sealed("a"), sealed("b"), sealed("c")])
    assert "2 reports are not taken: wrist/a.json: revoked; wrist/b.json: too many" in str(outbox.flush(0.5))
    assert outbox.waiting() == 1
    outbox.close()


def test_a_folder_is_written_at_once_and_what_failed_follows(tmp_path: Path) -> None:
    root = tmp_path / "reports"
    root.write_text("in the way")
    outbox = open_outbox(str(root), credential=Credential(), state=tmp_path / "state")
    assert "cannot be written" in str(outbox.offer([sealed("a", 3)]))
    root.unlink()
    assert outbox.offer([sealed("b")]) is None
    assert {path.name for path in root.glob("*/*")} == {"a.json", "b.json"}
    assert outbox.waiting() == 0
    assert not list(root.glob("*/.*"))


def test_a_full_disk_leaves_the_reports_that_were_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sink = DirectorySink(tmp_path)
    sink.write([sealed(data=b"old")])

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(ToolError, match=r"pi-7\.json: cannot be written: No space left"):
        sink.write([sealed(data=b"new")])
    assert [path.read_bytes() for path in tmp_path.glob("*/*")] == [b"old"]


def test_an_address_that_names_no_sink_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="ftp://x: reports go to"):
        open_sink("ftp://x", credential=Credential(), state=tmp_path)


def test_a_credential_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("s3cret\n")
    assert (Credential(file).text(), Credential().text()) == ("s3cret", "")
    for text in ("", "a\nb", "ä"):
        file.write_text(text)
        with pytest.raises(SpecError, match="holds no token"):
            Credential(file).text()


@pytest.mark.faults
def test_killed_while_reports_are_put_by_what_was_put_by_is_there(tmp_path: Path) -> None:
    """`kill -9` between two reports, and in the middle of one: what had returned is there at the next start."""
    kills = 8
    for kill in range(1, kills + 1):
        reads, writes = os.pipe()
        child = os.fork()
        if child == 0:
            _put_for_ever(tmp_path / "s", kill * 100_000, writes)
        os.close(writes)
        acknowledged = len(_exactly(reads, 5 * kill))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        acknowledged += len(_rest(reads))
        os.close(reads)
        spool = Spool(tmp_path / "s")
        kept = {report.device: report.sequence for report in spool.oldest(9)}
        assert min(kept["a"], kept["b"]) >= kill * 100_000 + acknowledged
        spool.close()
    count_faults("kill -9 while reports wait", kills)


def _put_for_ever(path: Path, sequence: int, writes: int) -> None:
    try:
        spool = Spool(path)
        while True:
            sequence += 1
            spool.put([sealed("a", sequence), sealed("b", sequence)])
            os.write(writes, b"x")
    finally:
        os._exit(1)


def _exactly(reads: int, count: int) -> bytes:
    data = b""
    while len(data) < count:
        part = os.read(reads, count - len(data))
        assert part, "the child ended by itself"
        data += part
    return data


def _rest(reads: int) -> bytes:
    data = b""
    while part := os.read(reads, 65536):
        data += part
    return data


def test_a_spool_that_cannot_be_emptied_is_no_reason_to_send_without_a_pause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk: what was taken cannot be struck off, and would be sent again at once, for ever."""
    sink = Sink()

    def remove(_self: Spool, _reports: Sequence[SealedReport]) -> None:
        raise ToolError("cannot be written: database or disk is full")

    monkeypatch.setattr(Spool, "remove", remove)
    outbox = Outbox(sink, tmp_path / "s")
    assert outbox.offer([sealed()]) is None
    trouble = outbox.flush(FIRST_WAIT_S / 4)
    outbox.close()
    assert len(sink.batches) == 1 and isinstance(trouble, ToolError)
