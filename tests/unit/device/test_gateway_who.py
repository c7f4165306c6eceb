"""Who is behind a gateway: boards swapped, unplugged, cloned, without a name, of another fleet or project."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from fakes.carriers import over_tcp, over_udp
from fakes.faults import count_faults
from fakes.herd import Herd, HerdBoard, enrolled
from fakes.slot_board import CONTRACT
from fakes.smp_board import INFO
from fakes.updates import BODY, offer, runs
from tinyops.device.gateway.gateway import Pace
from tinyops.device.gateway.roster import Roster
from tinyops.device.gateway.who import PIECES_MAX, Answer, Identity, judge, leading_values
from tinyops.device.provision.format import Tag
from tinyops.images import build_image, read_image, sign_image
from tinyops.images.definition import Kind
from tinyops.link.smp import BoardInfo, Garbled
from tinyops.manifest.keys import SigningKey

NEW = offer(body=b"new model" * 200)


@pytest.fixture
def herd(tmp_path: Path) -> Iterator[Herd]:
    found = Herd(tmp_path)
    found.release(NEW)
    yield found
    found.close()


class Port:
    """An address at which boards come and go."""

    def __init__(self, board: HerdBoard | None) -> None:
        self.board = board
        self.asked = 0
        self.swap_at: tuple[int, HerdBoard | None] | None = None

    def answer(self, request: bytes) -> bytes:
        self.asked += 1
        if self.swap_at is not None and self.asked >= self.swap_at[0]:
            self.board, self.swap_at = self.swap_at[1], None
            raise ConnectionError("unplugged")
        return self.board.answer(request) if self.board is not None else b""


@contextlib.contextmanager
def plugged(port: Port) -> Iterator[str]:
    """A swap breaks the connection, as pulling a cable does."""

    def answer(request: bytes) -> bytes:
        try:
            return port.answer(request)
        except ConnectionError:
            return b"\xff" * 8  # no SMP: the other end hangs up

    with over_tcp(answer) as address:
        yield address


def kinds(herd: Herd, device: str) -> list[str]:
    assert herd.journal is not None
    return [event.kind for event in herd.journal.events(device, 99)]


@pytest.mark.faults
def test_a_board_that_was_swapped_is_told_and_gets_what_its_own_fleet_has(herd: Herd) -> None:
    other = offer(body=b"other model" * 200)
    herd.release(other, fleet="ankle")
    one, two = enrolled("w-1"), enrolled("a-1", fleet="ankle")
    port = Port(one)
    with plugged(port) as address:
        gateway = herd.gateway(address)
        gateway.round()
        port.board = two
        gateway.round()
        assert gateway.statuses[address].device == "a-1"
    assert runs(one, NEW) and runs(two, other) and not runs(two, NEW)
    assert kinds(herd, "a-1") == ["swapped", "first-seen", "installed"]
    count_faults("boards swapped behind a gateway", 1)


@pytest.mark.faults
@pytest.mark.parametrize("at", range(12, 26, 2))
def test_a_swap_in_the_middle_of_an_update_sends_nothing_to_the_wrong_board(herd: Herd, at: int) -> None:
    herd.release(offer(body=b"other model" * 200), fleet="ankle")
    one, stranger = enrolled("w-1"), enrolled("a-1", fleet="ankle")
    one.buffer_bytes = 384
    port = Port(one)
    port.swap_at = (at, stranger)
    with plugged(port) as address:
        gateway = herd.gateway(address)
        gateway.round()
    writes = [request for request in stranger.requests if request == (1, 1)]
    assert not writes and stranger.resets == 0 and not stranger.acts
    assert not runs(stranger, NEW)
    count_faults("boards swapped behind a gateway", 1)


@pytest.mark.faults
@pytest.mark.parametrize("at", range(10, 34, 3))
def test_datagrams_that_reach_another_board_start_and_confirm_nothing_there(herd: Herd, at: int) -> None:
    """Its address was given to another device, and no link broke."""
    one, stranger, asked = enrolled("w-1"), enrolled("w-2", silicon=b"\x09" * 8), [0]

    def answer(request: bytes) -> bytes:
        asked[0] += 1
        return (one if asked[0] < at else stranger).answer(request)

    with over_udp(answer) as address:
        herd.gateway(address).round()
    assert stranger.acts == [] and stranger.resets == 0 and stranger.images[1].pending is None
    assert not runs(stranger, NEW)
    count_faults("boards swapped behind a gateway", 1)


@pytest.mark.faults
def test_unplugged_in_the_middle_it_goes_on_when_it_is_back(herd: Herd) -> None:
    herd.patience = replace(herd.patience, away_s=0.5)
    one = enrolled("w-1")
    one.buffer_bytes = 384
    port = Port(one)
    port.swap_at = (14, None)
    with plugged(port) as address:
        gateway = herd.gateway(address)
        gateway.round()
        assert gateway.statuses[address].state in ("behind", "absent") and not runs(one, NEW)
        port.board = one
        gateway.round()
    assert runs(one, NEW) and one.uploaded <= len(NEW.data) + 384
    assert kinds(herd, "w-1") == ["first-seen", "installed"]
    count_faults("boards unplugged in an update", 1)


@pytest.mark.faults
def test_two_boards_with_one_id_are_both_left_alone_until_one_is_gone(herd: Herd) -> None:
    one, two = (enrolled("w-1", silicon=bytes([n] * 8)) for n in (1, 2))
    ports = [Port(one), Port(two)]
    with plugged(ports[0]) as first, plugged(ports[1]) as second:
        gateway = herd.gateway(first, second, pace=Pace(jobs=1))  # one after the other
        gateway.round()
        for address in (first, second):
            status = gateway.statuses[address]
            assert (status.state, status.trouble) == ("trouble", "cloned")
            assert "0101010101010101" in status.text and "0202020202020202" in status.text
        assert not runs(one, NEW) and not runs(two, NEW)
        assert (1, 1) not in one.requests + two.requests
        problem = herd.reports["w-1"].problem
        assert problem is not None and "two boards answer as w-1" in problem
        gateway.round()
        assert kinds(herd, "w-1").count("cloned") == 2  # one an address, told once
        two.settings = enrolled("w-2").settings
        gateway.round()
        gateway.round()
    assert runs(one, NEW) and runs(two, NEW)
    count_faults("boards with a cloned id", 2)


@pytest.mark.faults
def test_one_board_reached_in_two_ways_is_updated_once(herd: Herd) -> None:
    board = enrolled("w-1")
    with herd.device(board) as udp, herd.device(board, "tcp") as tcp:
        gateway = herd.gateway(udp, tcp)
        gateway.round()
        states = sorted((gateway.statuses[a].state, gateway.statuses[a].trouble) for a in (udp, tcp))
    assert states == [("current", None), ("trouble", "twice")]
    assert runs(board, NEW) and board.acts.count("confirm") == 1 and len(herd.sent) == 1
    count_faults("boards reached in two ways", 1)


@pytest.mark.parametrize(
    ("board", "trouble", "said"),
    [
        (enrolled("w-1", fleet="unheard-of"), "unknown-fleet", "nothing for fleet unheard-of, board microbit"),
        (HerdBoard(settings=b""), "unenrolled", "it was not enrolled"),
        (enrolled("w-1", board="pico"), "other-board", "enrolled as a pico, and runs firmware for a microbit"),
    ],
)
def test_a_device_of_nobody_is_named_and_left_alone(herd: Herd, board: HerdBoard, trouble: str, said: str) -> None:
    with herd.device(board) as address:
        gateway = herd.gateway(address)
        gateway.round()
        gateway.round()
        status = gateway.statuses[address]
    assert (status.state, status.trouble) == ("trouble", trouble) and said in status.text
    assert (1, 1) not in board.requests
    assert kinds(herd, status.device or address).count(trouble) == 1
    assert set(herd.reports) == ({"w-1"} if status.identity is not None else set())


def test_a_device_of_another_project_trusts_other_keys(herd: Herd) -> None:
    key = SigningKey.generate()
    data = sign_image(build_image(BODY, kind=Kind.MODEL, board="microbit", contract=CONTRACT, counter=1), key)
    image = read_image(data, where="test")
    signed = type(NEW)(image, data, "model.img")
    herd.release(signed)
    ours, foreign = enrolled("w-1", keys=(key.public.raw, b"\x22" * 32)), enrolled("w-2")
    with herd.device(ours) as one, herd.device(foreign) as two:
        gateway = herd.gateway(one, two)
        gateway.round()
        gateway.round()
    assert runs(ours, signed) and gateway.statuses[one].state == "current"
    status = gateway.statuses[two]
    assert status.trouble == "foreign" and "trusts none of the keys" in status.text
    assert (1, 1) not in foreign.requests and kinds(herd, "w-2") == ["first-seen", "foreign"]


@pytest.mark.faults
def test_a_device_that_moved_is_the_same_one(herd: Herd) -> None:
    board = enrolled("w-1")
    with herd.device(board) as here:
        herd.gateway(here).round()
    with herd.device(board) as there:
        herd.gateway(there).round()
    assert kinds(herd, "w-1") == ["first-seen", "installed", "moved"]
    count_faults("boards moved to another address", 1)


def test_a_crash_is_told_once(herd: Herd) -> None:
    board = enrolled("w-1")
    with herd.device(board) as address:
        gateway = herd.gateway(address)
        gateway.round()
        board.crashed, board.faults = True, 1
        for _ in range(3):
            gateway.round()
        gateway = herd.gateway(address)
        gateway.round()
    assert kinds(herd, "w-1") == ["first-seen", "installed", "crash"]
    assert herd.reports["w-1"].health.crashes == 1


def test_a_roster_forgets_who_is_gone() -> None:
    roster = Roster()
    one, two = Identity("w-1", "wrist", "microbit", "aa"), Identity("w-1", "wrist", "microbit", "bb")
    assert roster.saw("a", one) is None and roster.saw("b", two) is None
    clash = roster.clash("w-1")
    assert clash is not None and (clash.trouble, clash.addresses) == ("cloned", ("a", "b"))
    roster.gone("a")
    assert roster.clash("w-1") is None and roster.saw("b", one) == two
    assert roster.gone("b") == one and roster.gone("b") is None and roster.at("b") is None


def test_boards_without_a_number_and_with_one_id_cannot_be_told_apart() -> None:
    roster = Roster()
    for address in ("a", "b"):
        roster.saw(address, Identity("w-1", "wrist", "microbit", ""))
    clash = roster.clash("w-1")
    assert clash is not None and clash.trouble == "cloned" and "without a number" in clash.text


def test_a_device_that_sends_its_settings_byte_by_byte_is_not_waited_for(herd: Herd) -> None:
    class Slow(HerdBoard):
        def _read(self, body: dict[str, int]) -> dict[str, object]:
            return {"off": body["off"], "len": 60_000, "data": b"\x00"}

    board = Slow(settings=b"x", silicon=b"\x05" * 8)
    with herd.device(board) as address:
        gateway = herd.gateway(address)
        gateway.round()
        assert gateway.statuses[address].trouble == "unenrolled"
    assert board.requests.count((64, 3)) == PIECES_MAX


def test_settings_are_read_as_far_as_they_came() -> None:
    whole = enrolled("w-1").settings
    found = [leading_values(whole[:at]) for at in range(len(whole) + 1)]
    assert [len(one) for one in found] == sorted(len(one) for one in found) and len(found[-1]) == 5


@pytest.mark.parametrize("runs_it", [True, False])
def test_a_board_that_takes_a_cable_alone_is_current_only_when_it_says_so(herd: Herd, runs_it: bool) -> None:
    entry = herd.release()
    board = enrolled("w-1")
    model = bytes.fromhex(entry.model.sha256) if runs_it else b"\x09" * 32
    board.replace[64, 0] = {**INFO, "contract": CONTRACT, "model": model}
    board.replace[1, 0] = {"err": {"group": 1, "rc": 2}}
    with herd.device(board) as address:
        gateway = herd.gateway(address)
        gateway.round()
        gateway.round()
        status = gateway.statuses[address]
    report = herd.reports["w-1"]
    if runs_it:
        assert status.state == "current" and report.slot.state == "confirmed"
        assert report.running is not None and report.running.model == entry.model.digest
    else:
        assert (status.state, status.trouble) == ("trouble", "cable") and "over a cable alone" in status.text
        assert report.running is None and kinds(herd, "w-1") == ["first-seen", "cable"]


def test_parts_of_a_chain_take_its_place_in_the_waves(herd: Herd) -> None:
    herd.release(NEW)
    ward = herd.ward()
    ward.chains = {"w-1": "door-3"}
    assert (ward.unit("w-1"), ward.unit("w-2")) == ("door-3", "w-2")


def judged(board: bytes, hardware: str = "microbit") -> Answer:
    info = SimpleNamespace(board=hardware, silicon=b"")
    values = {int(Tag.DEVICE): b"cam-17", int(Tag.FLEET): b"door", int(Tag.BOARD): board}
    return judge(cast(BoardInfo, info), values, "it")


def test_a_part_of_a_chain_goes_by_its_name_there() -> None:
    answer = judged(b"microbit/eye/door-1")
    assert answer.identity == Identity("cam-17", "door", "eye", "", (), "door-1") and answer.trouble is None
    assert judged(b"microbit").identity == Identity("cam-17", "door", "microbit", "")
    moved = judged(b"microbit/eye/door-1", hardware="pico")
    assert moved.trouble == "other-board" and moved.why == "was enrolled as a microbit, and runs firmware for a pico"


@pytest.mark.parametrize("board", [b"", b"/eye", b"microbit/Eye/x", b"microbit/eye/../x", b"a/b/c/d", b"\xff"])
def test_a_place_that_nobody_can_have_written_is_garbled(board: bytes) -> None:
    with pytest.raises(Garbled, match="its settings name no device, fleet and board"):
        judged(board)
