"""The receiver of recordings in bad times: killed over and over under load, on disks that fill and that stall."""

from __future__ import annotations

import http.client
import random
import socket
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fakes.collecting import TOKEN, Client, Forge, forge
from fakes.faults import count_faults
from tinyops.datasets.index import parse_index
from tinyops.datasets.objects import Folder, data_folder, read_entry
from tinyops.datasets.take import read_take
from tinyops.files import MIB

KILLS = 25
FULL = "the disk is full: keep what you have"
DEVICES = 4
CHUNK_FRAMES, CHUNKS = 50, 6


def measured(device: int, take: int) -> NDArray[np.int16]:
    """A take's values, which no other has."""
    count = np.arange(CHUNK_FRAMES * CHUNKS * 2, dtype=np.int64).reshape(-1, 2)
    return (count * 7 + device * 1009 + take * 31 - 20_000).astype("<i2")


@dataclass
class Pusher:
    """A device that goes on where the receiver says it is. `offset`: what it was told is taken; `closed` takes have a
    receipt."""

    number: int
    take: int = 0
    offset: int = 0
    closed: list[int] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    answers: int = 0

    def push(self, client: Client) -> None:
        """Until the receiver is gone."""
        try:
            while True:
                self._step(client)
        except (OSError, http.client.HTTPException):
            return

    def _step(self, client: Client) -> None:
        data = measured(self.number, self.take).tobytes()
        opened = client.open(device=f"d-{self.number}", take=f"t-{self.take}", label="walk")
        if opened.status == 409:
            self._note(opened.value["sha256"] != "" and not opened.value["problem"], f"no receipt: {opened}")
        else:
            self._note(opened.status in (200, 201), f"not opened: {opened}")
            self._note(
                opened.value["offset"] >= self.offset, f"{self.offset} was taken, now {opened.value['offset']} is"
            )
            self._send(client, opened.value["take"], opened.value["offset"], data)
        self.closed.append(self.take)
        self.take, self.offset = self.take + 1, 0

    def _send(self, client: Client, take: str, offset: int, data: bytes) -> None:
        step = 2 * 2 * CHUNK_FRAMES
        while offset < len(data):
            answer = client.put(take, offset, data[offset : offset + step])
            self._note(answer.status == 200, f"not taken: {answer}")
            self.offset = offset = answer.value["offset"]
        receipt = client.close(take, bytes=len(data))
        self._note(receipt.status == 200, f"not closed: {receipt}")

    def _note(self, is_right: bool, what: str) -> None:
        self.answers += 1
        if not is_right:
            self.wrong.append(what)
            raise ConnectionError(what)


@pytest.mark.faults
def test_killed_over_and_over_it_has_all_that_it_acknowledged(tmp_path: Path, collectors: Forge) -> None:
    """After some answers of a random number, in the middle of the next."""
    chance = random.Random(8)  # noqa: S311 that it is always the same is wanted
    pushers = [Pusher(number) for number in range(DEVICES)]
    for _ in range(KILLS):
        with collectors.collecting(tmp_path, "--rate", "1000000", "--device-kb-s", "100000") as collector:
            threads = [threading.Thread(target=pusher.push, args=(collector.client(),)) for pusher in pushers]
            for thread in threads:
                thread.start()
            wanted = sum(pusher.answers for pusher in pushers) + chance.randrange(30)
            while sum(pusher.answers for pusher in pushers) < wanted and any(one.is_alive() for one in threads):
                time.sleep(0.001)
            time.sleep(chance.uniform(0.0, 0.02))
            collector.kill()
            for thread in threads:
                thread.join()
    assert [wrong for pusher in pushers for wrong in pusher.wrong] == []
    closed = sum(len(pusher.closed) for pusher in pushers)
    assert closed >= 10
    kept = values_by_take(tmp_path / "inbox" / "wrist.csv")
    for pusher in pushers:
        for take in pusher.closed:
            assert kept[f"d-{pusher.number}", f"t-{take}"] == measured(pusher.number, take).tolist()
    count_faults("kill -9 of a receiver of recordings under load", KILLS)


def values_by_take(index: Path) -> dict[tuple[str, str], list[list[int]]]:
    """Each take stands there once."""
    entries = parse_index(index.read_bytes(), "x")
    place = Folder(data_folder(index))
    found = {(e.device, e.take): read_take(read_entry(place, e), "x").values.tolist() for e in entries}
    assert len(found) == len(entries)
    return found


@pytest.mark.faults
def test_a_disk_that_fills_keeps_what_was_taken_and_takes_again(tmp_path: Path) -> None:
    """A real one of 1.2 MB, half of which is given back in the end; killed while it is full."""
    disk = tmp_path / "disk"
    disk.mkdir()
    arguments = ("--inbox", disk / "inbox", "--keep-free-mb", "0")
    with forge(disk, 1200) as forged:
        filling = forged.inside(disk / "filling")
        with forged.collecting(tmp_path, *arguments) as collector:
            filling.write_bytes(bytes(600 * 1024))
            client = collector.client()
            take, taken = client.take(device="d-0", take="t-0"), 0
            while (answer := client.put(take, 10_000 * taken, bytes([taken]) * 10_000)).status == 200:
                taken += 1
            assert (answer.status, answer.error, answer.headers["retry-after"]) == (507, FULL, "60")
            assert 10 < taken < 60
            assert client.look(take).value["offset"] == 10_000 * taken
            full = client.close(take)
            assert (full.status, "safe" in full.error or full.error == FULL) == (507, True)
            assert client.open(device="d-1", take="x" * 63).status in (201, 507)
            collector.kill()
        with forged.collecting(tmp_path, *arguments) as collector:
            client = collector.client()
            assert client.look(take).value["offset"] == 10_000 * taken
            assert client.put(take, 10_000 * taken, bytes(10_000)).status in (409, 507)
            filling.unlink()
            assert client.close(take).value["frames"] == 2500 * taken
            kept = values_by_take(forged.inside(disk / "inbox" / "wrist.csv"))["d-0", "t-0"]
    assert np.array(kept, "<i2").tobytes() == b"".join(bytes([number]) * 10_000 for number in range(taken))
    count_faults("disks that are full under a receiver of recordings", 2)


STALLED = """
import os, time
real = os.fdatasync
def stalled(file):
    while os.path.exists("GATE"):
        time.sleep(0.01)
    real(file)
os.fdatasync = stalled
"""


@pytest.mark.faults
def test_while_the_disk_stalls_senders_wait_and_memory_is_bounded(tmp_path: Path, collectors: Forge) -> None:
    """Nothing is answered, the sender of a stream is not read from; then everything is there."""
    gate = tmp_path / "gate"
    fault = STALLED.replace("GATE", str(gate))
    with collectors.collecting(tmp_path, "--device-kb-s", "1000000", fault=fault) as collector:
        client = collector.client()
        stream, other = client.take(device="d-0"), client.take(device="d-1")
        before = collector.peak_bytes
        gate.touch()
        end = socket.create_connection(("127.0.0.1", collector.port), timeout=1)
        head = f"POST /v1/takes/{stream}/stream?offset=0 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"
        end.sendall(f"{head}Content-Length: {24 * MIB}\r\n\r\n".encode())
        data = memoryview(bytes(range(256)) * (24 * MIB // 256))
        sent = 0
        with pytest.raises(TimeoutError):
            while sent < len(data):
                sent += end.send(data[sent : sent + 65536])
        assert sent < 16 * MIB
        hasty = Client(collector.port, timeout_s=0.5)
        with pytest.raises(TimeoutError):
            hasty.put(other, 0, bytes(400))
        assert collector.peak_bytes < before + 16 * MIB
        assert client.look(stream).value["offset"] == 0
        gate.unlink()
        end.settimeout(60)
        end.sendall(data[sent:])
        assert end.recv(100).startswith(b"HTTP/1.1 200")
        end.close()
        client.hang_up()
        assert client.look(stream).value["offset"] == 24 * MIB
        assert client.put(other, 0, bytes(400)).value == {"offset": 400}, "sent again, taken once"
        assert collector.peak_bytes < before + 32 * MIB
    count_faults("disks that stall under a receiver of recordings", 1)


def test_a_take_of_which_nothing_comes_any_more_is_kept_as_it_is(tmp_path: Path, collectors: Forge) -> None:
    with collectors.collecting(tmp_path, "--idle", "0.3") as collector:
        client = collector.client()
        take, empty = client.take(device="d-0"), client.take(device="d-1")
        client.put(take, 0, bytes(400))
        deadline = time.monotonic() + 30
        while client.look(take).value["state"] != "closed" or client.look(empty).status != 404:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert client.look(take).value["frames"] == 100


def test_asked_to_stop_it_ends_streams_and_goes_on_with_them_later(tmp_path: Path, collectors: Forge) -> None:
    with collectors.collecting(tmp_path) as collector:
        client = collector.client()
        take = client.take(device="d-0")
        end = socket.create_connection(("127.0.0.1", collector.port), timeout=30)
        head = f"POST /v1/takes/{take}/stream?offset=0 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"
        end.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n".encode())
        while client.look(take).value["offset"] < 4:
            time.sleep(0.01)
        collector.stop()
        assert end.recv(100).startswith(b"HTTP/1.1 503")
        end.close()
    with collectors.collecting(tmp_path) as collector:
        assert collector.client().look(take).value["offset"] == 4
