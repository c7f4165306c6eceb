"""`tinyops update`'s client against a board in Python, over every way that needs no radio."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fakes.carriers import Breaks, Weather, over_tcp, over_udp, through
from fakes.slot_board import ORIGINS, SlotBoard
from fakes.smp_board import serving
from fakes.updates import QUICK, Told, holding, offer, run, runs
from tinyops.device.transports import transport_of
from tinyops.device.transports.udp import UdpTransport
from tinyops.device.update.session import Desk, update
from tinyops.device.update.settings import Patience, Stop, Stopped, UpdateFailed, Wish
from tinyops.images import Kind
from tinyops.link.client import LinkError


@pytest.fixture
def board() -> SlotBoard:
    old = offer(body=b"old model" * 9), offer(Kind.FIRMWARE, b"old firmware" * 99, at=ORIGINS[0])
    return holding(SlotBoard(), *old)


@pytest.fixture
def address(board: SlotBoard) -> Iterator[str]:
    with over_tcp(board.answer) as address:
        yield address


@pytest.mark.parametrize("way", ["serial", "udp", "tcp"])
def test_a_model_is_sent_tried_and_confirmed(board: SlotBoard, way: str) -> None:
    new, told = offer(), Told()
    ways = {
        "serial": lambda: serving(board),
        "udp": lambda: over_udp(board.answer),
        "tcp": lambda: over_tcp(board.answer),
    }
    with ways[way]() as address:
        done = run(address, new, told=told)
    assert runs(board, new) and board.resets == 0
    (image,) = done.images
    assert (done.board, image.result, image.sent, image.gap_ms) == ("microbit", "confirmed", len(new.data), 7)
    assert told.moves[-1] == len(new.data) and told.moves == sorted(set(told.moves))


def test_what_runs_already_is_not_sent_again(board: SlotBoard, address: str) -> None:
    new = offer()
    run(address, new)
    board.requests.clear()
    (image,) = run(address, new).images
    assert image.result == "ran already" and (1, 1) not in board.requests


def test_firmware_for_the_spare_slot_is_chosen_and_started_by_a_reset(board: SlotBoard, address: str) -> None:
    both = [offer(Kind.FIRMWARE, body, at=at) for body, at in ((b"a" * 999, ORIGINS[0]), (b"b" * 999, ORIGINS[1]))]
    (image,) = run(address, *both).images
    assert runs(board, both[1]) and board.resets == 1 and image.where == both[1].where
    with pytest.raises(UpdateFailed, match="its spare slot begins at 0x5000, and no firmware is linked for that"):
        run(address, offer(Kind.FIRMWARE, b"c" * 999, at=ORIGINS[1]))


def test_a_new_contract_brings_firmware_and_model_together(board: SlotBoard, address: str) -> None:
    contract = b"\x05" * 32
    firmware, model = offer(Kind.FIRMWARE, b"n" * 900, contract=contract), offer(body=b"m" * 900, contract=contract)
    assert [image.result for image in run(address, firmware, model).images] == ["confirmed", "confirmed"]
    assert runs(board, firmware) and runs(board, model)


@pytest.mark.parametrize(("how", "words"), [("crashes", "was reverted"), ("fails_test", "failed its self-test")])
def test_a_firmware_whose_model_fails_is_not_confirmed(board: SlotBoard, address: str, how: str, words: str) -> None:
    contract = b"\x05" * 32
    firmware, model = offer(Kind.FIRMWARE, b"n" * 900, contract=contract), offer(body=b"m" * 900, contract=contract)
    before = [slots.held[0] for slots in board.images]
    getattr(board, how).add(model.image.digest)
    with pytest.raises(UpdateFailed, match=rf"{model.label} {words}"):
        run(address, firmware, model)
    assert [slots.held[slots.running] for slots in board.images] == before


@pytest.mark.parametrize(
    ("number", "words"),
    [(8, "no key that it trusts"), (13, "security counter is lower"), (9, "not enrolled"), (10, "another board")],
)
def test_a_refusal_is_told_in_the_devices_words(board: SlotBoard, address: str, number: int, words: str) -> None:
    board.refuse, new = number, offer()
    with pytest.raises(UpdateFailed, match=f"^{address}: refused model {new.image.digest.hex()[:12]}.*{words}"):
        run(address, new)
    assert not runs(board, new) and board.images[1].trial is None


def test_what_this_side_can_see_is_not_sent(board: SlotBoard, address: str) -> None:
    stranger = offer(contract=b"\x09" * 32)
    with pytest.raises(UpdateFailed, match="the model is for contract 090909090909, its firmware's is 010101"):
        run(address, stranger)
    assert (1, 1) not in board.requests
    with pytest.raises(UpdateFailed, match=r"refused model .* another contract"):
        run(address, stranger, wish=Wish(anyway=True, patience=QUICK))


@pytest.mark.parametrize(("kind", "resets"), [(Kind.MODEL, 0), (Kind.FIRMWARE, 2)])
def test_a_failed_self_test_ends_the_trial(board: SlotBoard, address: str, kind: Kind, resets: int) -> None:
    new, before = offer(kind), board.images[kind].held[0]
    board.fails_test.add(new.image.digest)
    with pytest.raises(UpdateFailed, match=r"failed its self-test: (model|image)"):
        run(address, new)
    assert board.images[kind].held[board.images[kind].running] == before and board.resets == resets


@pytest.mark.parametrize("kind", list(Kind))
def test_one_that_crashes_is_reverted_and_says_so(board: SlotBoard, address: str, kind: Kind) -> None:
    new = offer(kind)
    board.crashes.add(new.image.digest)
    with pytest.raises(UpdateFailed, match="was reverted: it was reset before the trial was over"):
        run(address, new)


def test_a_trial_that_does_not_start_is_told_with_what_it_waits_for(board: SlotBoard, address: str) -> None:
    board.swaps = False
    with pytest.raises(UpdateFailed, match="did not start within") as caught:
        run(address, offer(), wish=Wish(patience=Patience(trial_s=0.1, poll_s=0.01)))
    assert "does its input come" in caught.value.hint


def test_without_confirmation_it_stays_on_trial_and_a_second_run_confirms(board: SlotBoard, address: str) -> None:
    new = offer()
    (image,) = run(address, new, wish=Wish(confirm=False, patience=QUICK)).images
    assert image.result == "on trial" and board.images[1].trial == 1
    board.requests.clear()
    (image,) = run(address, new).images
    assert image.result == "confirmed" and (1, 1) not in board.requests and runs(board, new)


# -- links that lose, break and vanish ----------------------------------------------------------


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("buffers", [1, 4])
def test_datagrams_may_be_lost_doubled_and_overtaken(board: SlotBoard, buffers: int, seed: int) -> None:
    board.buffers, new, weather = buffers, offer(), Weather(lost=0.1, doubled=0.1, held=0.1, seed=seed)
    with over_udp(board.answer) as address, through(weather, address) as rough:
        run(rough, new)
    assert runs(board, new) and board.uploaded == len(new.data)
    assert weather.counts["lost"] and weather.counts["doubled"] and weather.counts["held"]


@pytest.mark.parametrize("buffers", [1, 4])
def test_as_many_requests_are_in_flight_as_the_board_has_buffers(board: SlotBoard, buffers: int) -> None:
    board.buffers, together = buffers, []
    with over_udp(board.answer, together) as address:
        run(address, offer(), transport=UdpTransport(5.0, 5.0))
    assert max(together) == buffers


def test_a_broken_connection_goes_on_where_it_broke(board: SlotBoard) -> None:
    new, told, breaks = offer(), Told(), Breaks(after=[3000, 2500], refuse=2)
    with over_tcp(board.answer, breaks) as address:
        (image,) = run(address, new, told=told).images
    assert runs(board, new) and breaks.happened == 2 <= image.breaks
    assert board.uploaded == len(new.data), "no piece was taken twice"
    assert told.moves == sorted(set(told.moves)) and told.moves[-1] == len(new.data)


def test_a_board_that_was_reset_in_the_middle_gets_all_of_it_again(board: SlotBoard, address: str) -> None:
    board.lost_at, new = 2000, offer()
    run(address, new)
    assert runs(board, new) and board.uploaded > len(new.data)


def test_a_stopped_update_goes_on_where_it_stopped(board: SlotBoard, address: str) -> None:
    new, stop = offer(), Stop()

    class Stopping(Told):
        def moved(self, device: str, done: int, total: int) -> None:
            if done > total // 2:
                stop.set()

    desk = Desk(lambda info: [new], lambda board: ORIGINS, Wish(patience=QUICK), Stopping(), stop)
    with pytest.raises(Stopped, match="it runs what it ran"):
        update(address, transport_of(address), desk)
    half = board.uploaded
    assert len(new.data) // 2 < half < len(new.data)
    (image,) = run(address, new).images
    assert image.resumed_at == half and board.uploaded == len(new.data) and runs(board, new)


def test_nobody_at_the_address_is_one_error_that_names_it() -> None:
    with pytest.raises(LinkError, match=r"^tcp://127\.0\.0\.1:1: cannot be reached"):
        run("tcp://127.0.0.1:1", offer(), wish=Wish(patience=Patience(away_s=0.1)))


def test_a_board_that_takes_nothing_more_is_given_up(board: SlotBoard, address: str) -> None:
    board.full_at = 1000
    with pytest.raises(UpdateFailed, match=r"takes no more than 1,000 of 6,2\d\d bytes"):
        run(address, offer())


def test_a_board_that_falls_silent_is_given_up_within_the_time_limits(board: SlotBoard) -> None:
    with over_udp(lambda request: b"") as address, pytest.raises(LinkError, match="no answer to InfoRead"):
        run(address, offer(), transport=UdpTransport(0.01, 0.01, answer_s=0.1))


@pytest.mark.parametrize("off", [-1, 10**6, None])
def test_an_offset_that_can_be_none_ends_it(board: SlotBoard, address: str, off: int | None) -> None:
    board.replace[1, 1] = {} if off is None else {"off": off}
    with pytest.raises((UpdateFailed, LinkError), match=r"says that it has|cannot be read"):
        run(address, offer())
