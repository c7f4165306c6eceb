"""Devices behind a gateway that answer whatever they like: it is their own trouble, and nobody else's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from fakes.faults import count_faults
from fakes.herd import Herd, HerdBoard, enrolled
from fakes.updates import offer
from tinyops.device.gateway.standing import STRANGE_MAX
from tinyops.device.provision.format import Settings, encode_values


@pytest.fixture
def herd(tmp_path: Path) -> Iterator[Herd]:
    found = Herd(tmp_path)
    yield found
    found.close()


@pytest.mark.parametrize("digest", [b"", b"short", b"x" * 33])
def test_a_digest_that_is_none_ends_nobody_elses_reports(
    herd: Herd, digest: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be the firmware's in a report of a model that the gateway knows."""
    bad, good = enrolled("w-1"), enrolled("w-2")
    listed = type(bad)._list

    def lies(self: HerdBoard) -> dict[str, Any]:
        images = listed(self)["images"]
        return {"images": [{**one, "hash": digest} if self is bad and one["image"] == 0 else one for one in images]}

    monkeypatch.setattr(type(bad), "_list", lies)
    herd.release(offer(body=b"old model" * 9))
    with herd.device(bad, "tcp") as one, herd.device(good, "tcp") as two:
        gateway = herd.gateway(one, two)
        gateway.round()
        gateway.round()
    assert herd.reports["w-2"].running is not None
    assert not gateway.statuses[one].answers
    count_faults("a digest that is none, from a device behind a gateway", 1)


@dataclass
class Renaming(HerdBoard):
    """Each time that it is asked it is another one."""

    times: int = 0
    what: str = "fleet"

    def _act(self, group: int, command: int, write: bool, body: dict[str, Any]) -> dict[str, Any]:
        if (group, command) == (64, 0):
            self.times += 1
            device = f"w-{self.times}" if self.what == "device" else "w-0"
            fleet = f"f-{self.times}" if self.what == "fleet" else "wrist"
            self.settings = encode_values(Settings(device, fleet, "microbit", (), b"\x33" * 32))
        return super()._act(group, command, write, body)


def test_fleets_that_are_none_are_not_asked_for_without_end(herd: Herd) -> None:
    herd.release(offer(body=b"old model" * 9))
    standings = herd.ward().standings
    assert standings.of("wrist", "microbit").offered is not None
    for number in range(5 * STRANGE_MAX):
        assert standings.of(f"f-{number}", "microbit").offered is None
    asked: list[str] = []
    offered = herd.offers.offered
    herd.offers.offered = lambda fleet, board: (asked.append(fleet), offered(fleet, board))[1]  # type: ignore[method-assign]
    standings.refresh()
    assert len(asked) == STRANGE_MAX + 1 and asked[0] == "wrist"
    last = f"f-{5 * STRANGE_MAX - 1}"
    herd.release(offer(body=b"old model" * 9), fleet=last)
    assert standings.refresh() == {(last, "microbit")}, "who waits for an offer hears of it"


def test_devices_that_the_journal_forgets_are_forgotten_in_memory_and_met_anew(
    herd: Herd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tinyops.device.gateway.journal.DEVICES_MAX", 3)
    herd.release(offer(body=b"old model" * 9))
    old = enrolled("w-0")
    liar = Renaming(**{**enrolled("w-1").__dict__, "what": "device"})
    with herd.device(old) as one, herd.device(liar) as two:
        gateway = herd.gateway(one, two)
        for _ in range(6):
            herd.time += timedelta(minutes=5)
            gateway.round()
        assert liar.times > 5 and len(gateway.ward.devices) <= 3
        assert herd.journal is not None and set(gateway.ward.devices) == set(herd.journal.devices())
