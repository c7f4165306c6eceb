"""The gateway against devices in Python that speak SMP: who they are, what they get, what is told of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fakes.herd import Herd, enrolled
from fakes.slot_board import ORIGINS
from fakes.smp_board import HEALTH
from fakes.updates import BODY, offer, runs
from tinyops.device.update.decide import Delta
from tinyops.errors import RemoteError
from tinyops.images import Kind
from tinyops.images.delta import make_delta
from tinyops.link.smp.definition import UpdateError


@pytest.fixture
def herd(tmp_path: Path) -> Iterator[Herd]:
    found = Herd(tmp_path)
    yield found
    found.close()


def kinds(herd: Herd, device: str) -> list[str]:
    assert herd.journal is not None
    return [event.kind for event in herd.journal.events(device, 99)]


@pytest.mark.parametrize("way", ["udp", "tcp"])
def test_a_device_gets_what_its_fleet_is_offered_and_is_reported(herd: Herd, way: str) -> None:
    new, board = offer(body=b"new model" * 200), enrolled()
    entry = herd.release(new)
    with herd.device(board, way) as address:
        gateway = herd.gateway(address)
        gateway.round()
        assert herd.reports["w-1"].health.inferences == 0  # of the new model
        board.replace[64, 1] = {**HEALTH, "inferences": 12, "histogram": [6, 6], "watchdogs": 3}
        gateway.round()
    assert runs(board, new)
    assert gateway.statuses[address].state == "current"
    report = herd.reports["w-1"]
    assert report.running is not None and report.running.model == entry.model.digest
    assert (report.running.version, report.slot.state, report.problem) == (1, "confirmed", None)
    assert (report.reporter, report.silicon, report.seen) == ("hall-3", board.silicon.hex(), "2027-01-02T03:04:05Z")
    assert report.last_update is not None and report.last_update.result == "installed"
    assert [event.kind for event in report.events] == ["first-seen", "installed"]
    assert (report.health.inferences, report.health.classes) == (5, {"up": 3, "down": 2})
    assert report.health.crashes == 4  # three by the watchdog, and a fault


def test_only_what_is_needed_is_fetched_and_once_for_all(herd: Herd) -> None:
    new = offer(body=b"new model" * 200)
    firmware = [offer(Kind.FIRMWARE, text * 999, at=at) for text, at in ((b"a", ORIGINS[0]), (b"b", ORIGINS[1]))]
    herd.release(new, *firmware)
    boards = [enrolled(f"w-{n}") for n in range(3)]
    with herd.device(boards[0]) as one, herd.device(boards[1]) as two, herd.device(boards[2]) as three:
        gateway = herd.gateway(one, two, three)
        gateway.round()
        assert sorted(herd.source.fetched) == ["contract.json", "firmware_b.img", "model.img"]
        assert all(runs(board, new) and runs(board, firmware[1]) for board in boards)
        requests = [len(board.requests) for board in boards]
        gateway.round()
    assert all(gateway.statuses[a].state == "current" for a in (one, two, three))
    assert all((1, 1) not in board.requests[at:] for board, at in zip(boards, requests, strict=True))


def test_a_device_that_runs_the_base_is_sent_the_delta(herd: Herd) -> None:
    old, new = offer(), offer(body=BODY[:3000] + b"!" + BODY[3001:])
    data = make_delta(old.data, new.data, where="model")
    delta = Delta(old.image.digest, len(data), "model.delta", lambda: data)
    herd.release(replace(new, deltas=(delta,)))
    first, other = enrolled("w-1", bases={old.image.digest: old.data}), enrolled("w-2")
    for board in (first, other):
        board.images[1].held[0] = old.image
    with herd.device(first) as one, herd.device(other) as two:
        herd.gateway(one, two).round()
    assert runs(first, new) and runs(other, new), "the other one takes none"
    assert first.uploaded == len(data) < 0.1 * other.uploaded
    assert sorted(herd.source.fetched) == ["contract.json", "model.delta", "model.img"]


def test_one_that_fails_stops_no_other(herd: Herd) -> None:
    new = offer(body=b"new model" * 200)
    herd.release(new)
    bad, good = enrolled("w-1", full_at=500), enrolled("w-2")
    with herd.device(bad, "tcp") as one, herd.device(good) as two:
        gateway = herd.gateway(one, two)
        gateway.round()
    assert runs(good, new) and not runs(bad, new)
    assert gateway.statuses[one].state == "behind" and "takes no more than 500" in gateway.statuses[one].text
    assert gateway.counts.updates == {("wrist", "failed"): 1, ("wrist", "installed"): 1}


@pytest.mark.parametrize(
    ("fault", "result", "said"),
    [
        ("refuse", "refused", "no key that it trusts has signed the image"),
        ("fails", "reverted", "failed its self-test: model (-1)"),
    ],
)
def test_what_a_device_gives_up_is_not_tried_again_until_the_offer_changes(
    herd: Herd, fault: str, result: str, said: str
) -> None:
    new, board = offer(body=b"new model" * 200), enrolled()
    entry = herd.release(new)
    if fault == "refuse":
        board.refuse = UpdateError.SIGNATURE
    else:
        board.fails_test = {new.image.digest}
    with herd.device(board) as address:
        gateway = herd.gateway(address)
        gateway.round()
        assert gateway.statuses[address].state == "given-up" and said in gateway.statuses[address].text
        last = herd.reports["w-1"].last_update
        assert last is not None and (last.result, last.digest) == (result, entry.model.digest) and said in last.reason
        assert herd.reports["w-1"].slot.state == "reverted"
        board.requests.clear()
        gateway = herd.gateway(address)  # also after a restart
        gateway.round()
        assert (1, 1) not in board.requests and gateway.statuses[address].state == "given-up"
        board.fails_test.clear()
        herd.release(new, version=2)
        gateway.round()
        gateway.round()
    assert runs(board, new)
    assert kinds(herd, "w-1") == ["first-seen", result, "installed"]


def test_a_trial_that_a_reset_ended_is_tried_three_times(herd: Herd) -> None:
    new, board = offer(body=b"new model" * 200), enrolled()
    herd.release(new)
    board.crashes = {new.image.digest}
    with herd.device(board) as address:
        gateway = herd.gateway(address)
        for _ in range(5):
            gateway.round()
    assert gateway.statuses[address].state == "given-up"
    assert kinds(herd, "w-1") == ["first-seen", "reverted", "reverted", "reverted"]


def test_a_poll_that_fails_changes_nothing_for_devices(herd: Herd) -> None:
    new, board = offer(body=b"new model" * 200), enrolled()
    herd.release(new)
    herd.offers.problem = RemoteError("the store is away")
    with herd.device(board) as address:
        gateway = herd.gateway(address)
        with pytest.raises(RemoteError):
            gateway.round()
    assert gateway.counts.problem == "the store is away" and herd.reports["w-1"].sequence > 0
