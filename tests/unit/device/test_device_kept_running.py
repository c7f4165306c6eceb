"""How an agent keeps the program of its part running; shell scripts stand for the program."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tinyops.device import kept_running
from tinyops.device.document import DeviceSpec
from tinyops.device.kept_running import KeptRunning, Started, delay_after

WAIT_S = 20.0


class Said:
    """Lines, and waiting for one."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._more = threading.Condition()

    def __call__(self, line: str) -> None:
        with self._more:
            self.lines.append(line)
            self._more.notify_all()

    def wait(self, text: str, times: int = 1) -> None:
        with self._more:
            found = self._more.wait_for(lambda: sum(text in line for line in self.lines) >= times, WAIT_S)
        assert found, self.lines


@pytest.fixture
def said() -> Said:
    return Said()


@pytest.fixture
def kept(tmp_path: Path, said: Said, monkeypatch: pytest.MonkeyPatch) -> Iterator[KeptRunning]:
    monkeypatch.setattr(kept_running, "FIRST_DELAY_S", 0.01)
    made = KeptRunning(tmp_path, ("--line", "tcp:x:1"), said)
    yield made
    made.close()


def program(folder: Path, text: str, digest: str = "aa", restarts: int = 0) -> Started:
    path = folder / f"part-{digest}"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o700)
    return Started(path, digest, restarts)


STAYS = 'echo "$$ $*" >&2; exec sleep 1000'


def numbers(said: Said) -> list[int]:
    return [int(line.split()[1]) for line in said.lines if line.startswith("part: ")]


def is_gone(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return True
    return False


def test_waits_get_longer_up_to_a_minute_and_begin_anew_after_a_steady_run() -> None:
    delays = [0.0]
    for _ in range(9):
        delays.append(delay_after(0.1, delays[-1]))
    assert delays[1:] == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0]
    assert delay_after(61.0, 60.0) == 1.0


def test_it_runs_with_the_agents_slots_until_the_agent_ends(kept: KeptRunning, said: Said, tmp_path: Path) -> None:
    kept.run(program(tmp_path, STAYS))
    said.wait("part: ")
    assert said.lines[-1].endswith(f"--slots {tmp_path / 'slots'} --line tcp:x:1")
    kept.close()
    assert is_gone(numbers(said)[0]) and kept.trouble is None


def test_who_ends_again_and_again_is_started_later_each_time(kept: KeptRunning, said: Said, tmp_path: Path) -> None:
    kept.run(program(tmp_path, "echo is no model >&2; exit 2"))
    said.wait("ended with status 2: is no model; it is started again in", 3)
    said.wait("the program of this part runs", 4)
    assert kept.trouble is not None and "ended with status 2: is no model, 3 times in a row" in kept.trouble
    kept.run(program(tmp_path, STAYS, "bb"))
    said.wait("(bb)")
    said.wait(" --slots")
    assert kept.trouble is None


def test_only_another_program_or_a_wish_starts_it_anew(kept: KeptRunning, said: Said, tmp_path: Path) -> None:
    other = tmp_path / "b"
    other.mkdir()
    kept.run(program(tmp_path, STAYS))
    said.wait(" --slots")
    kept.run(program(other, STAYS))  # the same, in the other slot
    kept.run(program(tmp_path, STAYS, "bb"))
    said.wait(" --slots", 2)
    kept.run(program(tmp_path, STAYS, "bb", restarts=1))
    said.wait(" --slots", 3)
    assert len(numbers(said)) == 3 and all(map(is_gone, numbers(said)[:2]))
    kept.run(None)
    kept.close()
    assert is_gone(numbers(said)[2])


def test_a_part_wants_a_chain_and_streams() -> None:
    part = {"line": "tcp-listen:0.0.0.0:7600", "upstream": "/dev/ttyACM0@1000000"}
    spec = DeviceSpec.model_validate({"fleet": "door", "board": "far", "chain": "d-1", "part": part})
    assert spec.part is not None and spec.part.bridge is None
    with pytest.raises(ValueError, match="wants the chain"):
        DeviceSpec.model_validate({"fleet": "door", "board": "far", "part": part})
    with pytest.raises(ValueError, match="only the first part has a sensor"):
        DeviceSpec.model_validate({"fleet": "door", "board": "far", "chain": "d-1", "part": {**part, "pipe": "frames"}})
    first = {"line": "tcp-listen:0.0.0.0:7600", "pipe": "frames"}
    with pytest.raises(ValueError, match="takes its frames itself"):
        DeviceSpec.model_validate({"fleet": "door", "board": "far", "chain": "d", "part": first, "replay": "walk.csv"})
    for wrong in ("std", "tcp:host", "fd:3", "--slots", "tcp:a b:1", "dev/ttyACM0", "ble:", "ble-serve:" + "x" * 27):
        with pytest.raises(ValueError, match=r"serial device|not HOST:PORT|no stream begins|name"):
            DeviceSpec.model_validate({"fleet": "door", "board": "far", "chain": "d-1", "part": {"line": wrong}})
