"""Bytes of takes as they are read: rubbish of all kinds, and the process that reads what may swell."""

from __future__ import annotations

import os
import random
import signal
import sys
from pathlib import Path

import numpy as np
import pytest

from fakes.collecting import FACTS
from fakes.faults import count_faults
from tinyops.collect.wire import Closing, Opening
from tinyops.errors import SpecError
from tinyops.link import Frame, encode
from tinyops.link.protocol import REPLIES, Type
from tinyops.receiver.recordings.building import build
from tinyops.receiver.recordings.ledger import Incoming
from tinyops.receiver.recordings.reader import Reader

MIB = 1024 * 1024


def opening(**facts: object) -> Opening:
    return Opening.model_validate({**FACTS, "started": "2026-11-29T20:15:00Z", **facts})


def sampled(first: int, count: int, value: int = 0) -> bytes:
    values = np.arange(first * 2, (first + count) * 2).astype("<i2").tobytes()
    return encode(Frame(Type.SAMPLES, 0, REPLIES[Type.SAMPLES].pack(1, first, value, 0, tail=values)))


def kept(data: bytes, encoding: str) -> list[list[float]]:
    """The values; none where it is no recording."""
    facts = opening(encoding=encoding, full_scale=[] if encoding == "csv" else [4, 4])
    try:
        built = build(facts, Closing(), (), data, None)
    except SpecError:
        return []
    from tinyops.datasets.take import read_take

    take = read_take(built.addition.data, "x")
    assert len(take.values) == built.frames
    assert np.isfinite(take.values).all()
    values: list[list[float]] = take.values.tolist()
    return values


@pytest.mark.faults
def test_rubbish_is_a_recording_or_is_refused(tmp_path: Path) -> None:
    """Random bytes, and good ones with some changed, cut and repeated: what is kept was in them."""
    chance = random.Random(8)  # noqa: S311 that it is always the same is wanted
    good = {
        "int16": bytes(range(200)),
        "frames": b"".join(sampled(at, 5) for at in range(0, 200, 5)),
        "csv": b"".join(b"%d,%d\n" % (n, -n) for n in range(100)),
    }
    tried = 0
    for encoding, whole in good.items():
        assert kept(whole, encoding)
        for _ in range(150):
            data = bytearray(whole if chance.random() < 0.8 else chance.randbytes(500))
            for _ in range(chance.randrange(1, 10)):
                at = chance.randrange(len(data))
                if chance.random() < 0.5:
                    data[at] = chance.randrange(256)
                else:
                    data[at : at + chance.randrange(60)] = data[: chance.randrange(60)]
                data = data or bytearray(b"\0")
            kept(bytes(data), encoding)
            tried += 1
    count_faults("fuzz takes of the receiver of recordings", tried)


def test_damaged_frames_of_the_link_leave_gaps_and_no_others_values() -> None:
    parts = [sampled(at, 5) for at in range(0, 100, 5)]
    for lost in range(1, 19):
        damaged = bytearray(parts[lost])
        damaged[len(damaged) // 2] ^= 0x55
        values = kept(b"".join([*parts[:lost], bytes(damaged), *parts[lost + 1 :]]), "frames")
        assert [row[0] // 2 for row in values] == [n for n in range(100) if not 5 * lost <= n < 5 * lost + 5]


def test_frames_go_round_and_a_device_that_began_anew_is_not_a_gap_of_hours() -> None:
    wide = (1 << 32) - 5
    payload = REPLIES[Type.SAMPLES].pack(1, wide, 0, 0, tail=bytes(20))
    data = encode(Frame(Type.SAMPLES, 0, payload)) + sampled(0, 5) + sampled(1 << 30, 5) + sampled(7, 1)
    built = build(opening(encoding="frames"), Closing(), (), data, None)
    assert (built.frames, built.lost) == (11, 2)
    with pytest.raises(SpecError, match="its frames are not of 2 channels"):
        build(opening(encoding="frames"), Closing(), (), sampled(0, 5, value=1), None)


def incoming(path: Path, data: bytes, **facts: object) -> Incoming:
    path.write_bytes(data)
    return Incoming(1, opening(encoding="csv", full_scale=[], **facts), len(data))


@pytest.mark.faults
def test_a_reader_that_is_killed_is_started_again_and_one_that_hangs_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = Reader(tmp_path / "out", MIB)
    take = incoming(tmp_path / "take", b"1,2\n3,4\n")
    try:
        assert reader.read(take, tmp_path / "take", None).frames == 2
        assert reader._child is not None
        os.kill(reader._child.pid, signal.SIGKILL)
        assert reader.read(take, tmp_path / "take", None).frames == 2
        os.kill(reader._child.pid, signal.SIGSTOP)
        reader._timeout_s = 0.2
        with pytest.raises(SpecError, match=r"d-1: is not read within 0\.2 s"):
            reader.read(take, tmp_path / "take", None)
        assert reader._child is None
        reader._timeout_s = 60
        assert reader.read(take, tmp_path / "take", None).addition.entry.low == (1, 2)
    finally:
        reader.close()
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(SpecError, match="whoever reads it dies of it"):
        reader.read(take, tmp_path / "take", None)
    assert reader._child is None
    count_faults("readers of takes that are killed, hang or do not start", 3)
