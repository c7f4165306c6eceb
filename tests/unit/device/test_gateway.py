"""The gateway against devices in Python that speak SMP: who they are, what they get, what is told of it."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from fakes.carriers import over_udp
from fakes.herd import Herd, HerdBoard, enrolled
from fakes.pty_board import terminal
from fakes.slot_board import ORIGINS
from fakes.smp_board import HEALTH, _serve, serving
from fakes.updates import BODY, offer, runs
from tinyops.boards import load_catalog
from tinyops.device.gateway.gateway import Pace
from tinyops.device.gateway.places import Finder, Named
from tinyops.device.gateway.timing import Wake
from tinyops.device.identify.usb import UsbDevice
from tinyops.device.update.decide import Delta
from tinyops.errors import RemoteError
from tinyops.images import Kind
from tinyops.images.delta import make_delta
from tinyops.link.smp.definition import UpdateError
from tinyops.manifest.entry import Entry, EntryRollout
from tinyops.manifest.progress import POSITIONS, Progress, position


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


def test_many_are_updated_at_once(herd: Herd, monkeypatch: pytest.MonkeyPatch) -> None:
    """None is asked to try the new image before all are."""
    herd.unhurried()
    new, everybody = offer(body=b"new model" * 200), threading.Barrier(4)
    herd.release(new)
    boards = [enrolled(f"w-{n}") for n in range(4)]
    here: set[int] = set()  # a request whose answer is late is sent again

    def met(board: HerdBoard, body: dict[str, Any]) -> dict[str, Any]:
        if not body["confirm"] and id(board) not in here:
            here.add(id(board))
            everybody.wait(60)
        return HerdBoard._set(board, body)

    for board in boards:
        monkeypatch.setattr(board, "_set", partial(met, board))
    with contextlib.ExitStack() as lines:
        addresses = [lines.enter_context(herd.device(board)) for board in boards]
        herd.gateway(*addresses, pace=Pace(jobs=4)).round()
    assert all(runs(board, new) for board in boards) and not everybody.broken


def test_one_that_fails_stops_no_other(herd: Herd) -> None:
    new = offer(body=b"new model" * 200)
    herd.release(new)
    bad, good = enrolled("w-1", full_at=500), enrolled("w-2")
    with herd.device(bad, "tcp") as one, herd.device(good) as two:
        gateway = herd.gateway(one, two)
        gateway.round()
        first = herd.reports["w-1"].last_update
        herd.time += timedelta(hours=1)
        gateway.round()
    assert runs(good, new) and not runs(bad, new)
    assert gateway.statuses[one].state == "behind" and "takes no more than 500" in gateway.statuses[one].text
    assert gateway.counts.updates == {("wrist", "failed"): 2, ("wrist", "installed"): 1}
    last = herd.reports["w-1"].last_update
    assert last == first  # it failed so since then
    assert last is not None and last.result == "failed" and last.reason.startswith("takes no more than 500")


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
        assert herd.reports["w-1"].slot.state == ("reverted" if result == "reverted" else "confirmed")
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


def rollout(new: Entry, base: Entry, *, waves: tuple[int, ...]) -> Entry:
    halves = EntryRollout(
        id=new.version, waves=waves, on_failure="revert", keys=("11" * 32,), progress="", base=base.content
    )
    return new.model_copy(update={"rollout": halves})


def progress(version: int, state: str, waves: int, sequence: int) -> Progress:
    times = {"since": "2027-01-01T00:00:00Z", "time": "2027-01-01T00:00:00Z", "expires": "2028-01-01T00:00:00Z"}
    return Progress(
        project="wearables",
        fleet="wrist",
        rollout=version,
        sequence=sequence,
        state=state,  # type: ignore[arg-type]
        waves=waves,
        **times,
    )


def test_devices_take_a_release_in_their_wave_and_go_back_when_it_is_halted(herd: Herd) -> None:
    old, new = offer(body=b"base model" * 200), offer(body=b"new model" * 200)
    boards = {f"w-{n}": enrolled(f"w-{n}") for n in range(2)}
    first, second = sorted(boards, key=lambda name: position("wrist", name))
    base = herd.release(old)
    with herd.device(boards[first]) as one, herd.device(boards[second]) as two:
        gateway = herd.gateway(one, two)
        gateway.round()
        entry = herd.release(new, version=2)
        waves = (position("wrist", first), POSITIONS - 1)
        herd.offers.entries["wrist", "microbit"] = rollout(entry, base, waves=waves)

        def step(state: str, reached: int, sequence: int) -> list[bool]:
            herd.offers.progress["wrist"] = progress(2, state, reached, sequence)
            gateway.round()
            assert all(gateway.statuses[address].state == "current" for address in (one, two))
            return [runs(boards[name], new) for name in (first, second)]

        assert step("advancing", 0, 1) == [False, False]
        assert step("advancing", 1, 2) == [True, False]
        assert [herd.reports[name].wave for name in (first, second)] == [0, 1]
        uploaded = boards[first].uploaded
        assert step("halted", 1, 3) == [False, False]
        assert runs(boards[first], old) and boards[first].uploaded == uploaded  # it lay in its other slot
        running = herd.reports[first].running
        assert running is not None and (running.version, running.model) == (1, base.model.digest)
        assert step("advancing", 2, 4) == [True, True]


def test_nothing_is_taken_while_nobody_knows_how_far_a_rollout_is(herd: Herd) -> None:
    old, new, board = offer(body=b"base model" * 200), offer(body=b"new model" * 200), enrolled()
    base = herd.release(old)
    with herd.device(board) as address:
        gateway = herd.gateway(address)
        gateway.round()
        entry = herd.release(new, version=2)
        herd.offers.entries["wrist", "microbit"] = rollout(entry, base, waves=(POSITIONS - 1,))
        gateway.round()
        assert runs(board, old)
        herd.offers.progress["wrist"] = progress(2, "finished", 1, 1)
        gateway.round()
        assert runs(board, new)
        del herd.offers.progress["wrist"]  # a network that is down for a month: who has it keeps it
        gateway.round()
        assert runs(board, new) and gateway.statuses[address].state == "held" and herd.reports["w-1"].problem is None


def test_an_older_and_an_expired_release_install_nothing(herd: Herd) -> None:
    new, board = offer(body=b"new model" * 200), enrolled()
    herd.release(offer(body=b"other" * 200), version=5, expires="2027-01-01T00:00:00Z")
    with herd.device(board) as address:
        gateway = herd.gateway(address)
        gateway.round()
        assert (
            gateway.statuses[address].state == "expired" and "expired at 2027-01-01" in gateway.statuses[address].text
        )
        for entry, said in ((4, "older than v5"), (5, "a second, different v5")):
            herd.release(new, version=entry)
            gateway = herd.gateway(address)
            gateway.round()
            status = gateway.statuses[address]
            assert status.state == "held" and said in status.text
    assert (1, 1) not in board.requests


def test_a_trial_of_what_is_not_offered_any_more_ends_first(herd: Herd) -> None:
    new, stale, board = offer(body=b"new model" * 200), offer(body=b"stale model" * 200), enrolled()
    herd.release(new)
    board.images[1].held[1], board.images[1].trial = stale.image, 1
    with herd.device(board) as address:
        herd.gateway(address).round()
    assert runs(board, new)
    assert any("ends the trial of a model that is not offered" in line for line in herd.told.lines)


def test_a_device_that_sleeps_finds_its_update_prepared(herd: Herd) -> None:
    """It answers for a while once in a while; what it needs was fetched before."""
    board, awake = enrolled(), [True]
    new = offer(body=b"new model" * 200)
    herd.release(offer(body=b"first model" * 200))
    with over_udp(lambda request: board.answer(request) if awake[0] else b"") as address:
        gateway = herd.gateway(Named(address, Wake(every_s=3600, for_s=30)))
        gateway.round()
        awake[0] = False
        herd.release(new, version=2)
        herd.source.fetched.clear()
        gateway.round()
        assert gateway.statuses[address].state == "asleep" and "model.img" in herd.source.fetched
        fetched = len(herd.source.fetched)
        awake[0] = True
        gateway.round()
        assert "model.img" not in herd.source.fetched[fetched:]
    assert runs(board, new)


def test_a_line_that_speaks_is_looked_at_at_once(herd: Herd) -> None:
    board, new = enrolled(), offer(body=b"new model" * 200)
    herd.release(new)
    with terminal() as (far, port):
        gateway = herd.gateway(Named(port, listen=True), pace=Pace(look_s=1e6))
        with ThreadPoolExecutor(4) as pool, ThreadPoolExecutor(1) as poller:
            quiet = [0]

            def ticks(done: Callable[[], bool]) -> None:
                for _ in range(5000):
                    gateway.tick(pool, poller)
                    gateway._take(0.02)
                    quiet[0] += 1
                    if done():
                        return
                raise AssertionError("it did not come to that")

            ticks(lambda: gateway.statuses.get(port) is not None and gateway.statuses[port].state == "absent")
            for _ in range(5):
                gateway.tick(pool, poller)  # nobody says anything: it only listens
            gateway._ready = True
            herd.unhurried()
            gateway.ward.ask_s, gateway.ward.patience = 2.0, herd.patience
            done = threading.Event()
            serving_ = threading.Thread(target=_serve, args=(board, far, done), daemon=True)
            serving_.start()
            os.write(far, b"\x00 here I am \n")
            ticks(lambda: runs(board, new) and gateway.statuses[port].state == "current")
            done.set()
            serving_.join(5)


def test_what_is_plugged_in_is_found_and_what_is_pulled_out_is_gone(herd: Herd) -> None:
    board, new = enrolled(), offer(body=b"new model" * 200)
    herd.release(new)
    herd.usb = (UsbDevice(1, 2),)
    with serving(board) as port:
        gateway = herd.gateway()
        gateway._finder = Finder((), True, load_catalog(), usb=lambda: herd.usb)
        gateway.round()
        assert gateway.statuses == {}
        herd.usb = (UsbDevice(0x2341, 0x805A, "1", "Nano 33 BLE", ports=(port,)),)
        gateway.round()
        gateway.round()
        assert gateway.statuses[port].device == "w-1" and runs(board, new)
        herd.usb = ()
        gateway.round()
        assert gateway.statuses == {} and f"{port}: w-1 was unplugged" in herd.events


def test_reports_that_cannot_be_sent_are_sent_later(herd: Herd) -> None:
    board = enrolled()
    herd.release(offer(body=b"new model" * 200))
    herd.send_problem = RemoteError("the receiver is away")
    with herd.device(board) as address:
        gateway = herd.gateway(address)
        gateway.round()
        assert herd.sent == [] and "the receiver is away" in herd.events
        herd.send_problem = None
        gateway.round()
    assert [report.device for report in herd.sent] == ["w-1"]
