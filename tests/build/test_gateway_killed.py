"""A gateway that is killed at every write of its journal, or has no room for one: what it and its devices do then."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from fakes.carriers import over_tcp
from fakes.faults import count_faults
from fakes.herd import HerdBoard, enrolled
from fakes.mortal_gateway import KILLED, MortalGateway, images, mortal_gateway
from fakes.updates import runs
from tinyops.device.update.decide import Offer

pytestmark = [pytest.mark.build, pytest.mark.faults]
RESENT_MAX = 1024  # one message that was on its way


@dataclass
class Bench:
    """A device and the folder of its gateway."""

    gateway: MortalGateway
    board: HerdBoard
    folder: Path
    address: str

    def survives(self, **kill: object) -> None:
        """Killed so, a second round comes to the same end as if nothing had been."""
        killed = self.gateway.round(self.folder, self.address, **kill)
        assert killed["status"] == KILLED, killed
        self.board.acts.append("started anew")
        done = self.gateway.round(self.folder, self.address)
        self.check(done["events"], done["open"], done["rounds"])

    def check(self, events: list[list[str]], still_open: int, rounds: list[dict[str, object]]) -> None:
        model, firmware = wanted()
        assert runs(self.board, model) and runs(self.board, firmware)
        assert rounds[-1]["states"] == {self.address: "current"} and still_open == 0
        assert sorted(map(tuple, events)) == [("w-1", "first-seen"), ("w-1", "installed"), ("w-1", "installed")]
        sequences = [number for one in rounds for _, number in one["reports"]]  # type: ignore[attr-defined]
        assert sequences == sorted(set(sequences)) and sequences
        size = len(model.data) + len(firmware.data)
        assert self.board.uploaded <= size + RESENT_MAX, "it went on where it was"
        assert_checked(self.board.acts)


def assert_checked(acts: list[str]) -> None:
    """Whoever confirms has asked for a self-test since it was started."""
    tested = False
    for act in acts:
        tested = act == "self-test" or (tested and act != "started anew")
        assert act != "confirm" or tested, acts


def wanted() -> tuple[Offer, Offer]:
    model, _, firmware = images()
    return model, firmware


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MortalGateway]:
    with mortal_gateway(tmp_path_factory.mktemp("kept")) as found:
        yield found


def bench(gateway: MortalGateway, folder: Path) -> Iterator[Bench]:
    board = enrolled("w-1")
    with over_tcp(board.answer) as address:
        yield Bench(gateway, board, folder, address)


def test_a_kill_at_every_write_of_the_journal(gateway: MortalGateway, tmp_path: Path) -> None:
    for whole in bench(gateway, tmp_path / "whole"):
        done = gateway.round(whole.folder, whole.address)
        whole.check(done["events"], done["open"], done["rounds"])
    writes, moves = done["rounds"][0]["writes"], done["rounds"][0]["moves"]
    assert writes >= 10 and moves >= 5
    kills = [{"write": n, "when": when} for n in range(1, writes + 1) for when in ("before", "after")]
    for number, kill in enumerate([*kills, *({"move": n} for n in range(1, moves + 1))]):
        for one in bench(gateway, tmp_path / f"{number}"):
            one.survives(**kill)
    count_faults("kill -9 of a gateway at a write of its journal", len(kills))
    count_faults("kill -9 of a gateway at a piece of an image", moves)


def test_a_second_kill_while_it_recovers(gateway: MortalGateway, tmp_path: Path) -> None:
    number = 0
    for first in (4, 8):
        for second in (1, 4):
            for one in bench(gateway, tmp_path / f"{first}-{second}"):
                killed = gateway.round(one.folder, one.address, write=first, when="after")
                assert killed["status"] == KILLED
                one.board.acts.append("started anew")
                again = gateway.round(one.folder, one.address, write=second, when="before")
                one.board.acts.append("started anew")
                number += again["status"] == KILLED
                done = gateway.round(one.folder, one.address)
                one.check(done["events"], done["open"], done["rounds"])
    count_faults("a second kill of a gateway that recovers", number)
    assert number >= 3


def can_mount() -> bool:
    probe = ["unshare", "-rm", "sh", "-c", "mount -t tmpfs -o size=64k tinyops /mnt"]
    return shutil.which("unshare") is not None and subprocess.run(probe, capture_output=True).returncode == 0


def test_a_full_disk_stops_what_could_not_be_told_of(tmp_path: Path) -> None:
    if not can_mount():
        pytest.skip("this machine lets nobody mount a small disk")
    disk = tmp_path / "disk"
    disk.mkdir()
    tried = stopped = 0
    with mortal_gateway(tmp_path, 4096, disk) as gateway:
        for free_kib in range(0, 300, 40):
            board = enrolled("w-1")
            with over_tcp(board.answer) as address:
                one = Bench(gateway, board, disk / f"{free_kib}", address)
                first = gateway.round(one.folder, address, free_kib=free_kib)
                assert first["status"] in (0, 70), first
                states = first["rounds"][-1]["states"] if first["rounds"] else {}
                tried += 1
                stopped += states != {address: "current"}
                assert_checked(board.acts)
                board.acts.append("started anew")
                done = gateway.round(one.folder, address)
                one.check(done["events"], done["open"], done["rounds"])
    assert 3 <= stopped < tried
    count_faults("a disk that is full before a gateway is done", stopped)
