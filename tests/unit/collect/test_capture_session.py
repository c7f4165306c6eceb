"""Takes from a device that speaks the link, over a real pseudo terminal: begun, paused, dropped, cut off, recovered."""

from __future__ import annotations

import errno
import os
import re
import signal
import zlib
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from fakes.capturing import SIGNAL, Bench, Scripted, opened
from fakes.collecting_device import CollectingDevice, on_terminal
from tinyops.collect.capture import opening
from tinyops.collect.capture import session as session_module
from tinyops.collect.capture.block import Block
from tinyops.collect.capture.dialects.framed import Framed
from tinyops.collect.capture.finishing import recover
from tinyops.collect.capture.journal import CRC, NO_CLOCK, RECORD, Journal
from tinyops.collect.capture.session import Act
from tinyops.collect.capture.wanted import Wanted
from tinyops.datasets.editing import read_index
from tinyops.errors import ToolError
from tinyops.link.client import LinkClosed, LinkTimeout, Refused

SHORT = Wanted(label="shake", subject="anna", device="n1", take="one", seconds=0.1, count=1)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody prints lines here: a device is asked without waiting for them."""
    monkeypatch.setattr(opening, "LOOK_S", 0.0)
    monkeypatch.setattr(opening, "ASK_S", 0.1)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def record(bench: Bench, device: CollectingDevice, wanted: Wanted, operator: Scripted) -> None:
    with on_terminal(device) as port, opened("--port", port) as source:
        operator.frames = lambda: device.made
        bench.session(source, wanted, operator).run()


def test_a_take_is_what_the_sensor_measured(bench: Bench) -> None:
    operator = Scripted()
    record(bench, CollectingDevice(SIGNAL), SHORT, operator)
    (take,) = bench.takes()
    (line,) = read_index(bench.destination.index)
    assert bench.frames() == [list(range(200))]
    assert (take.facts.clock.source, take.facts.board, take.facts.gaps) == ("device", "fake nano", ())
    assert take.facts.firmware.startswith("sha256:")
    assert (line.label, line.subject, line.device, line.take) == ("shake", "anna", "n1", "one")
    assert (line.frames, line.lost, line.clipped) == (200, 0, 0)
    assert line.rate_hz == 2000  # too short to measure another
    assert bench.unfinished == []
    assert operator.takes[0].entry.sha256 == line.sha256


def test_what_is_lost_on_the_way_is_a_gap(bench: Bench) -> None:
    device = CollectingDevice(SIGNAL, drop=frozenset({1, 3}), twice=frozenset({2}), stale=True)
    operator = Scripted()
    record(bench, device, replace(SHORT, seconds=0.12), operator)
    (take,) = bench.takes()
    each = device.per_report
    assert take.facts.gaps == ((each, each), (2 * each, each))
    assert np.array_equal(bench.frames()[0][: 2 * each], [*range(each), *range(2 * each, 3 * each)])
    assert (len(take.values) + take.facts.lost) == 240
    assert any("earlier take" in note for note in operator.takes[0].notes)
    assert any("came twice" in note for note in operator.takes[0].notes)


def test_several_takes_begin_anew(bench: Bench) -> None:
    device = CollectingDevice(SIGNAL)
    record(bench, device, replace(SHORT, seconds=0.06, count=2), Scripted())
    assert [f[0] for f in bench.frames()] == [0, 0]
    assert [e.take for e in read_index(bench.destination.index)] == ["one-1", "one-2"]
    assert len(set(device.takes)) == 2


def test_keys_start_stop_and_quit_and_the_last_frames_are_kept(bench: Bench) -> None:
    device = CollectingDevice(SIGNAL)
    operator = Scripted([(0, Act.LABEL), (0, Act.TOGGLE), (150, Act.TOGGLE), (0, Act.QUIT)], present=True)
    operator.label = "still"
    record(bench, device, replace(SHORT, seconds=None, count=None, take=""), operator)
    (frames,) = bench.frames()
    assert frames == list(range(device.made))
    assert [e.label for e in read_index(bench.destination.index)] == ["still"]


def test_retake_drops_a_running_take_and_then_the_last_one(bench: Bench) -> None:
    script = [(0, Act.TOGGLE), (80, Act.RETAKE), (0, Act.TOGGLE), (100, Act.TOGGLE), (0, Act.RETAKE), (0, Act.QUIT)]
    operator = Scripted(script, present=True)
    record(bench, CollectingDevice(SIGNAL), replace(SHORT, seconds=None, count=None), operator)
    assert len(operator.takes) == 1
    assert read_index(bench.destination.index) == ()
    assert list(bench.destination.index.with_suffix("").rglob("*.take")) == []
    assert bench.unfinished == []


def test_a_pause_makes_two_recordings_of_one_take(bench: Bench) -> None:
    script = [(0, Act.TOGGLE), (80, Act.PAUSE), (0, Act.PAUSE), (80, Act.TOGGLE), (0, Act.QUIT)]
    record(bench, CollectingDevice(SIGNAL), replace(SHORT, seconds=None, count=None), Scripted(script, True))
    lines = read_index(bench.destination.index)
    assert [e.take for e in lines] == ["one-1", "one-1"]
    assert all(e.lost == 0 for e in lines)


@pytest.mark.parametrize(
    "script",
    [
        [(80, Act.PAUSE), (0, Act.PAUSE), (80, Act.RETAKE)],
        [(80, Act.PAUSE), (0, Act.RETAKE)],
        [(80, Act.PAUSE), (0, Act.PAUSE), (80, Act.TOGGLE), (0, Act.RETAKE)],
    ],
    ids=["running", "paused", "over"],
)
def test_retake_drops_the_whole_take_also_what_came_before_a_pause(bench: Bench, script: list[tuple[int, Act]]) -> None:
    script = [(0, Act.TOGGLE), *script, (0, Act.TOGGLE), (100, Act.TOGGLE), (0, Act.QUIT)]
    device = CollectingDevice(SIGNAL)
    record(bench, device, replace(SHORT, seconds=None, count=None), Scripted(script, True))
    assert [e.take for e in read_index(bench.destination.index)] == ["one-1"]
    assert bench.frames() == [list(range(device.made))]
    assert len(list(bench.destination.index.with_suffix("").rglob("*.take"))) == 1


def test_a_take_that_was_dropped_does_not_count(bench: Bench) -> None:
    take = [(0, Act.TOGGLE), (80, Act.TOGGLE)]
    operator = Scripted([*take, (0, Act.RETAKE), (0, Act.RETAKE), *take, *take], True)
    record(bench, CollectingDevice(SIGNAL), replace(SHORT, seconds=None, count=2), operator)
    assert [e.take for e in read_index(bench.destination.index)] == ["one-1", "one-2"]
    assert "there is no take to drop" in operator.said


def test_quit_in_a_pause_ends_the_sitting_and_keeps_the_take(bench: Bench) -> None:
    script = [(0, Act.TOGGLE), (80, Act.PAUSE), (0, Act.QUIT)]
    record(bench, CollectingDevice(SIGNAL), replace(SHORT, seconds=None, count=None), Scripted(script, True))
    assert [e.take for e in read_index(bench.destination.index)] == ["one-1"]


def test_a_take_longer_than_a_recording_may_be_goes_on_in_another(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tinyops.collect.capture.recording.TAKE_LIMIT_BYTES", 1500)
    record(bench, CollectingDevice(SIGNAL), replace(SHORT, seconds=0.2), Scripted())
    lines = read_index(bench.destination.index)
    assert len(lines) > 1
    assert {e.take for e in lines} == {"one"}
    assert all(frames == list(range(len(frames))) for frames in bench.frames())


def test_a_device_unplugged_in_the_middle_leaves_what_it_sent(bench: Bench) -> None:
    device = CollectingDevice(SIGNAL, limit=210)
    with on_terminal(device, unplug=True) as port, opened("--port", port) as source:
        session = bench.session(source, replace(SHORT, seconds=30), Scripted())
        with pytest.raises(LinkClosed, match="the board is gone"):
            session.run()
    (frames,) = bench.frames()  # what the kernel still held is gone with the port
    assert frames == list(range(len(frames)))
    assert len(frames) >= 84


def test_a_device_that_falls_silent_leaves_what_it_sent(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_module, "SILENCE_S", 0.3)
    device = CollectingDevice(SIGNAL, limit=84)
    with pytest.raises(LinkTimeout, match="sent no frames"):
        record(bench, device, replace(SHORT, seconds=30), Scripted())
    assert bench.frames() == [list(range(84))]


def test_ctrl_c_within_a_block_waits_for_its_end(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    feed = Framed.feed

    def cut(self: Framed, data: bytes, arrived_s: float) -> Sequence[Block]:
        blocks = feed(self, data, arrived_s)
        if blocks and self.frames > 100:
            signal.raise_signal(signal.SIGINT)  # the frames are read, and not yet written
            monkeypatch.setattr(Framed, "feed", feed)
        return blocks

    monkeypatch.setattr(Framed, "feed", cut)
    device = CollectingDevice(SIGNAL)
    with pytest.raises(KeyboardInterrupt):
        record(bench, device, replace(SHORT, seconds=30), Scripted())
    assert bench.frames() == [list(range(device.made))]
    assert bench.takes()[0].facts.gaps == ()


def test_a_sensor_that_fails_in_a_take_is_said_and_leaves_what_it_sent(bench: Bench) -> None:
    device = CollectingDevice(SIGNAL, limit=126, fails=True)
    with pytest.raises(Refused, match="ended the take: the board's sensor does not answer"):
        record(bench, device, replace(SHORT, seconds=30), Scripted())
    assert bench.frames() == [list(range(126))]


def test_a_clock_that_jumps_is_reported_and_wraps_without_a_word(bench: Bench) -> None:
    operator = Scripted()
    device = CollectingDevice(SIGNAL, clock_from_ms=2**32 - 300)
    record(bench, device, replace(SHORT, seconds=0.9), operator)
    assert operator.takes[0].notes == ()
    assert operator.takes[0].measured.rate_hz == pytest.approx(2000, rel=0.01)
    device = CollectingDevice(SIGNAL, clock_jump=(900, 7_200_000))
    record(bench, device, replace(SHORT, seconds=0.9), operator)
    assert "clock jumped 1 times, by up to 7200.0 s" in operator.takes[1].notes[0]
    assert operator.takes[1].measured.rate_hz == pytest.approx(2000, rel=0.01)


def test_a_rate_that_is_not_the_signals_is_said(bench: Bench) -> None:
    operator = Scripted()
    record(bench, CollectingDevice(SIGNAL, rate_hz=1000), replace(SHORT, seconds=0.8), operator)
    assert operator.takes[0].notes == ("frames came at 1000 Hz, the dataset's signal says 2000 Hz",)


@pytest.mark.parametrize(
    ("device", "message"),
    [
        (CollectingDevice(SIGNAL, contract=bytes(32)), "was not made to collect for this dataset's signal"),
        (CollectingDevice(SIGNAL.model_copy(update={"channels": ("a",), "units": ("g",)})), "sends 1 values a frame"),
        (CollectingDevice(SIGNAL, collector=False), "runs no collector's firmware"),
    ],
)
def test_other_firmware_is_refused(bench: Bench, device: CollectingDevice, message: str) -> None:
    with pytest.raises(ToolError, match=message) as caught:
        record(bench, device, SHORT, Scripted())
    assert "collect firmware" in caught.value.hint
    assert bench.takes() == []


def test_two_collectors_on_one_port_are_one_too_many() -> None:
    with (
        on_terminal(CollectingDevice(SIGNAL)) as port,
        opened("--port", port),
        pytest.raises(ToolError, match=f"{port}: another program uses this line"),
        opened("--port", port),
    ):
        pass


def journal_of(bench: Bench) -> Path:
    """What a recorder leaves that is killed in the middle."""
    taken: list[Path] = []

    def cut(self: Journal) -> None:
        self.close()
        copy = self.path.with_name("left.journal")
        copy.write_bytes(self.path.read_bytes())
        taken.append(copy)
        self.path.unlink()

    patch = pytest.MonkeyPatch()
    with patch.context() as context:
        context.setattr(Journal, "remove", cut)
        record(bench, CollectingDevice(SIGNAL), SHORT, Scripted())
    bench.destination.index.unlink()
    return taken[0]


def test_a_take_that_was_cut_off_is_recovered_up_to_the_record_that_is_torn(bench: Bench) -> None:
    left = journal_of(bench)
    data = left.read_bytes()
    counts = []
    records = len(data) - data.index(b"\n")
    for length in (len(data), len(data) - 3, len(data) - records // 2, len(data) - 2 * records // 3):
        left.write_bytes(data[:length])
        said: list[str] = []
        (kept,) = recover(bench.destination, said.append)
        assert kept.entry.take == "one-recovered"
        assert "recovered the take one-recovered" in said[0]
        counts.append(kept.entry.frames or 0)
        assert not left.exists()
        bench.destination.index.unlink()
    assert counts[0] == 200
    assert all(a > b for a, b in pairwise(counts))


def test_a_changed_byte_ends_what_is_recovered(bench: Bench) -> None:
    left = journal_of(bench)
    data = bytearray(left.read_bytes())
    data[-(len(data) - data.index(b"\n")) // 3] ^= 1  # of the records: the heading may be half of it
    left.write_bytes(bytes(data))
    (kept,) = recover(bench.destination, lambda _: None)
    assert 0 < (kept.entry.frames or 0) < 200


def test_a_take_that_is_in_the_index_already_is_not_recovered_twice(bench: Bench) -> None:
    left = journal_of(bench)
    data = left.read_bytes()
    recover(bench.destination, lambda _: None)
    left.write_bytes(data)
    assert recover(bench.destination, lambda _: None) == []
    assert len(read_index(bench.destination.index)) == 1
    assert not left.exists()


def test_what_is_no_journal_stays_and_is_said(bench: Bench) -> None:
    bench.destination.journals.mkdir(parents=True)
    (bench.destination.journals / "other.journal").write_text("{}\n")
    said: list[str] = []
    assert recover(bench.destination, said.append) == []
    assert "other.journal: not the journal of a take" in said[0]
    assert bench.unfinished


@pytest.mark.parametrize("strange", ["values", "arrival", "lost"])
def test_a_journal_of_what_was_never_recorded_keeps_no_other_from_being_recovered(bench: Bench, strange: str) -> None:
    left = journal_of(bench)
    heading = left.read_bytes().split(b"\n", 1)[0]
    lost, late_s, records = 0, 0.0, 200
    if strange == "values":
        heading = re.sub(rb'"values":\d+', b'"values":1', heading)
    elif strange == "arrival":
        heading, late_s = heading.replace(b'"source":"device"', b'"source":"host"'), 1e308
    else:
        lost, records = 1, 100_002
    values = bytes(2 if strange == "values" else 2 * SIGNAL.frame_values)
    body = [heading, b"\n"]
    for number in range(records):
        record = RECORD.pack(len(values), lost, NO_CLOCK, number / 100 + late_s * (number > 198)) + values
        body += record, CRC.pack(zlib.crc32(record))
    foreign = left.with_name(f"a{left.name}")
    foreign.write_bytes(b"".join(body))
    said: list[str] = []
    (kept,) = recover(bench.destination, said.append)
    assert kept.entry.frames == 200
    assert "stays where it is" in said[0]
    assert foreign.exists()


def test_a_link_to_what_never_ends_is_no_journal(bench: Bench) -> None:
    bench.destination.journals.mkdir(parents=True)
    (bench.destination.journals / "a.journal").symlink_to("/dev/zero")
    assert recover(bench.destination, lambda _: None) == []


def test_a_journal_that_is_being_written_is_left_alone(bench: Bench) -> None:
    device = CollectingDevice(SIGNAL)
    with on_terminal(device) as port, opened("--port", port) as source:
        operator = Scripted()
        seen: list[int] = []
        operator.show = lambda view, state: seen.append(len(recover(bench.destination, operator.say)))  # type: ignore[method-assign]
        bench.session(source, SHORT, operator).run()
    assert seen and not any(seen)
    assert bench.frames() == [list(range(200))]


def test_a_full_disk_ends_the_take_and_says_where_it_is(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write

    def full(descriptor: int, data: bytes) -> int:
        name = Path(f"/proc/self/fd/{descriptor}").readlink().name
        if name.endswith(".journal") and os.fstat(descriptor).st_size > 1500:
            write(descriptor, data[: len(data) // 2])  # as much as there was room for
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(descriptor, data)

    monkeypatch.setattr("tinyops.collect.capture.journal.os.write", full)
    with pytest.raises(ToolError, match="No space left"):
        record(bench, CollectingDevice(SIGNAL), replace(SHORT, seconds=30), Scripted())
    (frames,) = bench.frames()
    assert frames == list(range(len(frames)))
    assert len(frames) >= 42


def test_a_disk_too_full_for_the_take_keeps_the_journal(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    objects = bench.destination.objects.__class__

    def full(*_: object) -> None:
        raise ToolError("data/wrist: cannot be written: No space left on device")

    with monkeypatch.context() as context:
        context.setattr(objects, "put", full)
        with pytest.raises(ToolError, match=r"the take's 200 frames are safe in .*\.journal") as caught:
            record(bench, CollectingDevice(SIGNAL), SHORT, Scripted())
    assert "recovered" in caught.value.hint
    (kept,) = recover(bench.destination, lambda _: None)
    assert kept.entry.frames == 200
