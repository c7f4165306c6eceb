"""Pushing over lines that break, to receivers that are busy, gone, killed meanwhile, or none."""

from __future__ import annotations

import io
import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fakes.collecting import FACTS, TOKEN, Collector, Forge
from fakes.dropping import dropping
from fakes.faults import count_faults
from fakes.web import FakeServer, Request, serving
from tinyops.cli import main
from tinyops.collect.pushing import LiveTake, PushedTake, Receiver, push_entries, push_file
from tinyops.collect.wire import Closing, Opening
from tinyops.datasets.index import IndexEntry, parse_index
from tinyops.datasets.objects import Folder, data_folder, read_entry
from tinyops.datasets.take import read_take
from tinyops.errors import RemoteError, UsageError
from tinyops.files import digest_bytes

VALUES = np.arange(60_000, dtype="<i2").reshape(-1, 2)
DATA = VALUES.tobytes()


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory, collectors: Forge) -> Iterator[Collector]:
    with collectors.collecting(tmp_path_factory.mktemp("pushed"), "--rate", "100000") as running:
        yield running


@dataclass
class Waits:
    """A clock that runs only while somebody sleeps."""

    now_s: float = 0.0
    slept: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now_s += seconds


def receiver(port: int, waits: Waits | None = None, **more: Any) -> Receiver:
    waits = waits or Waits()
    return Receiver(f"http://127.0.0.1:{port}", TOKEN, sleep=waits.sleep, clock=lambda: waits.now_s, **more)


def opening(**facts: Any) -> Opening:
    return Opening.model_validate({**FACTS, **facts})


def values_of(collector: Collector, device: str) -> list[list[int]]:
    index = collector.root / "wrist.csv"
    (entry,) = (e for e in parse_index(index.read_bytes(), "x") if e.device == device)
    found: list[list[int]] = read_take(read_entry(Folder(data_folder(index)), entry), "x").values.tolist()
    return found


@pytest.mark.faults
def test_a_line_that_breaks_over_and_over_costs_nothing_but_time(collector: Collector) -> None:
    """In the middle of requests, and of answers: those may have been taken, and are sent again."""
    chance = random.Random(8)  # noqa: S311 that it is always the same is wanted
    cuts = [chance.choice([chance.randrange(8000), -chance.randrange(1, 400)]) for _ in range(60)]
    data = DATA[:12_000]
    with dropping(collector.port, cuts) as line:
        waits = Waits()
        pusher = receiver(line.port, waits, patience_s=1e9)
        tried = 0
        for number in range(100):
            take = PushedTake(pusher, opening(device=f"b-{number}", take="t"))
            for at in range(0, len(data), 3000):
                take.send(data[at : at + 3000], at)
            assert take.close(Closing(bytes=len(data), sha256=digest_bytes(data))).frames == 3000
            tried += 1
            if line.connections > len(cuts):
                break
        pusher.close()
        assert line.dropped == len(cuts)
    assert len(waits.slept) >= len(cuts) - 1
    for number in range(tried):
        assert values_of(collector, f"b-{number}") == VALUES[:3000].tolist()
    count_faults("connections that break under who pushes recordings", len(cuts))


def test_a_file_is_pushed_once_however_often_it_is_asked_for(collector: Collector) -> None:
    out = io.BytesIO()
    np.save(out, VALUES)
    pusher = receiver(collector.port)
    facts = opening(device="f-1", encoding="file", ending="npy", take="t-1")
    receipts = [push_file(pusher, out.getvalue(), facts) for _ in range(2)]
    assert {receipt.sha256 for receipt in receipts} == {digest_bytes(out.getvalue())}
    other = push_file(pusher, out.getvalue() + b"x", facts)
    assert other.sha256 == digest_bytes(out.getvalue() + b"x"), "another file of the same take"
    pusher.close()
    entries = [e for e in parse_index((collector.root / "wrist.csv").read_bytes(), "x") if e.device == "f-1"]
    assert {(e.take, e.sha256) for e in entries} == {("t-1", receipts[0].sha256), ("t-1", other.sha256)}


def test_a_take_is_pushed_while_it_is_made_and_a_killed_receiver_goes_on(tmp_path: Path, collectors: Forge) -> None:
    with collectors.collecting(tmp_path) as first:
        port = first.port
        pusher = receiver(port)
        live = LiveTake(pusher, opening(take="t-1"), piece_bytes=4000)
        for at in range(0, 60_000, 300):
            live.add(DATA[at : at + 300])
        first.kill()
        with pytest.raises(RemoteError, match="cannot be reached"):
            live.flush()
    with collectors.collecting(tmp_path, "--listen", f"127.0.0.1:{port}") as second:
        for at in range(60_000, len(DATA), 300):
            live.add(DATA[at : at + 300])
        assert live.close().frames == len(VALUES)
        pusher.close()
        assert values_of(second, "d-1") == VALUES.tolist()


def test_lines_of_an_index_are_pushed_with_their_labels(collector: Collector, tmp_path: Path) -> None:
    data = b"x,y\n1,2\n3,4\n"
    whole = IndexEntry(digest_bytes(data), label="walk", device="i-1", format="csv", subject="anna")
    pieces = [
        replace(whole, sha256=digest_bytes(data * 2), label=n, begin=int(n == "run"), end=1 + (n == "run"))
        for n in ("walk", "run")
    ]
    pusher = receiver(collector.port)
    receipts = push_entries(pusher, "lines", [whole, *pieces], lambda entry: data * (1 if entry is whole else 2))
    pusher.close()
    assert [receipt.problem for receipt in receipts] == ["", ""]
    entries = parse_index((collector.root / "lines.csv").read_bytes(), "x")
    assert {(e.sha256, e.label, e.subject) for e in entries} == {
        (whole.sha256, "walk", "anna"),
        (pieces[0].sha256, "", "anna"),
    }


# -- Against a server that misbehaves --------------------------------------------------------------


def answering(status: int, body: bytes = b"", **headers: str) -> Any:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda request, _: request.answer(status, body, named)


@pytest.mark.faults
def test_what_a_receiver_may_answer(tmp_path: Path) -> None:
    def endless(request: Request, _: bytes) -> None:
        request.answer(200, b"[" * 2_000_000)

    wrong = {
        "no token": (answering(401, b'{"error":"the token is missing"}'), "the token is missing"),
        "none of its datasets": (answering(404, b'{"error":"no dataset wrist"}'), "no dataset wrist"),
        "elsewhere": (answering(302, Location="https://example.org"), "answered 302"),
        "a page": (answering(200, b"<html>"), "not a receiver's answer"),
        "nothing": (answering(200, b""), "not a receiver's answer"),
        "a list": (answering(200, b"[]"), "not a receiver's answer"),
        "too much": (endless, "not a receiver's answer"),
        "an offset that is none": (answering(200, b'{"take":"x","offset":"a"}'), "not a receiver's answer"),
        "an offset below zero": (answering(200, b'{"take":"x","offset":-1}'), "not a receiver's answer"),
        "truth for a number": (answering(200, b'{"take":"x","offset":true}'), "not a receiver's answer"),
        "a terminal's orders": (answering(422, b'{"error":"\\u001b[2J"}'), "\ufffd\\[2J"),
        "busy for ever": (answering(503, b'{"error":"the disk is slow"}', Retry_After="2"), "the disk is slow"),
        "full for ever": (answering(507, b'{"error":"the disk is full"}', Retry_After="60"), "the disk is full"),
    }
    with serving(tmp_path) as server:
        for what, (fault, said) in wrong.items():
            server.faults = {"/v1/takes": fault}
            pusher = _of(server)
            with pytest.raises(RemoteError, match=said):
                PushedTake(pusher, opening())
            pusher.close()
            assert {headers["Authorization"] for _, headers in server.asked} == {f"Bearer {TOKEN}"}, what
    count_faults("answers of a receiver of recordings that are wrong", len(wrong))


def _of(server: FakeServer) -> Receiver:
    return receiver(int(server.url.rpartition(":")[2]), patience_s=100)


def test_it_waits_as_long_as_it_is_asked_to(tmp_path: Path) -> None:
    waits = Waits()
    with serving(tmp_path) as server:
        server.faults = {"/v1/takes": answering(429, b"{}", Retry_After="17")}
        pusher = receiver(int(server.url.rpartition(":")[2]), waits, patience_s=60)
        with pytest.raises(RemoteError, match="answered 429"):
            PushedTake(pusher, opening())
        pusher.close()
    assert waits.slept == [17.0] * 3


def test_a_receiver_that_lost_what_it_had_is_not_sent_rubbish(collector: Collector) -> None:
    pusher = receiver(collector.port)
    take = PushedTake(pusher, opening(device="l-1"))
    take.offset = 400
    with pytest.raises(RemoteError, match="it has lost what it had taken: bytes from 0 are missing"):
        take.send(DATA[400:800], 400)
    take.send(DATA[:800], 0)
    take.drop()
    pusher.close()


def test_a_token_never_goes_over_plain_http() -> None:
    for url in ("http://collect.example.org", "https://user@collect.example.org", "https://", "https://x?y", "ftp://x"):
        with pytest.raises(UsageError, match="recordings go to an https:// address"):
            Receiver(url, TOKEN)
    Receiver("http://collect.example.org", TOKEN, is_insecure=True)
    with pytest.raises(UsageError, match="not printable ASCII"):
        Receiver("https://collect.example.org", "a\r\nX: y")


def test_the_command_pushes_files_and_indexes(
    collector: Collector, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "token").write_text(TOKEN + "\n")
    (tmp_path / "a.csv").write_text("x,y\n1,2\n3,4\n")
    to = ["--to", f"http://127.0.0.1:{collector.port}", "--token-file", str(tmp_path / "token")]
    files = ["collect", "push", str(tmp_path / "a.csv"), "--dataset", "wrist", "--device", "c-1", "--label", "walk"]
    assert main([*files, *to]) == 0
    assert "1 recordings are at http://127.0.0.1" in capsys.readouterr().out
    index = str(collector.root / "wrist.csv")
    assert main(["collect", "push", "--index", index, "--dataset", "copy", *to]) == 0
    first, second = (parse_index((collector.root / f"{n}.csv").read_bytes(), "x") for n in ("wrist", "copy"))
    assert {(e.sha256, e.label, e.take, e.device) for e in first} == {
        (e.sha256, e.label, e.take, e.device) for e in second
    }
    assert main(["collect", "push", "--dataset", "wrist", *to]) == 64
    bad = ["collect", "push", str(tmp_path / "a.csv"), "--dataset", "A/B", "--device", "c-1"]
    assert main([*bad, *to]) == 65
