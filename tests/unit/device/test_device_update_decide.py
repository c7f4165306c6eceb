"""What an update decides, without any device; and how several of them come to one exit code."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from fakes.carriers import over_tcp
from fakes.slot_board import CONTRACT, ORIGINS, SlotBoard
from fakes.smp_board import INFO as FAKE_INFO
from fakes.updates import QUICK, Told, holding, offer, runs
from tinyops.device.transports import transport_of
from tinyops.device.update import decide
from tinyops.device.update.decide import Offer, Seen, Step, Trial
from tinyops.device.update.files import Files
from tinyops.device.update.many import Outcome, exit_code, update_all
from tinyops.device.update.pace import Pace
from tinyops.device.update.session import Desk
from tinyops.device.update.settings import Stop, Stopped, UpdateFailed, Wish
from tinyops.errors import ExitCode, RemoteError, ToolError, UsageError
from tinyops.images import Kind, build_image
from tinyops.link.smp import BoardInfo, ImageSlot, SelfTest, UpdateState

INFO = BoardInfo("microbit", "wrist", "1", CONTRACT, None, None, 0, 1, 0, 0, 0, 1)
STATE = UpdateState(0, 0, 0, 0, 0, 0, 0, 0)


def slot(one: Offer, number: int, **flags: bool) -> ImageSlot:
    state = {"active": False, "confirmed": False, "pending": False, "bootable": True, **flags}
    return ImageSlot(one.image.kind, number, one.image.version_text, one.image.digest, **state)


def seen(*slots: ImageSlot, origins: tuple[int, ...] = ORIGINS) -> Seen:
    return Seen(INFO, slots, origins)


MODEL = offer()


@pytest.mark.parametrize(
    ("flags", "step"),
    [
        ({"active": True, "confirmed": True}, Step.NOTHING),
        ({"active": True}, Step.CONFIRM),
        ({"pending": True}, Step.WAIT),
        ({}, Step.TEST),
        ({"bootable": False}, Step.UPLOAD),
    ],
)
def test_the_next_step_follows_from_what_the_device_lists(flags: dict[str, bool], step: Step) -> None:
    assert decide.next_step(MODEL.image, seen(slot(MODEL, 1, **flags))) is step


def test_what_is_not_listed_is_uploaded_and_what_lies_twice_counts_where_it_runs() -> None:
    assert decide.next_step(MODEL.image, seen(slot(offer(body=b"other"), 0))) is Step.UPLOAD
    both = slot(MODEL, 0), slot(MODEL, 1, active=True, confirmed=True)
    assert decide.next_step(MODEL.image, seen(*both)) is Step.NOTHING


@pytest.mark.parametrize("running", [0, 1])
def test_firmware_is_chosen_by_the_spare_slot(running: int) -> None:
    pair = [offer(Kind.FIRMWARE, bytes([65 + n]) * 99, at=ORIGINS[n]) for n in (0, 1)]
    old = offer(Kind.FIRMWARE, b"old", at=ORIGINS[running])
    there = slot(old, running, active=True, confirmed=True)
    for origins in (ORIGINS, ()):  # a board of no catalogue: by the order of the images' own addresses
        assert decide.choose(pair, seen(there, origins=origins)) == (pair[1 - running],)
    here = slot(pair[running], running, active=True, confirmed=True)
    assert decide.choose(pair, seen(here)) == (pair[running],), "what runs is not sent to the other slot"


def test_two_models_or_none_for_the_slot_are_refused() -> None:
    with pytest.raises(UpdateFailed, match="2 models"):
        decide.choose([MODEL, offer(body=b"x")], seen())
    old = offer(Kind.FIRMWARE, b"old", at=ORIGINS[1])
    with pytest.raises(UpdateFailed, match="spare slot begins at 0x5000") as caught:
        decide.choose([offer(Kind.FIRMWARE, at=ORIGINS[1])], seen(slot(old, 1, active=True)))
    assert "give both files" in caught.value.hint


def test_a_trial_is_read_from_the_slots_and_the_devices_own_word() -> None:
    pending = dataclasses.replace(STATE, state=1)
    assert decide.trial_of(MODEL.image, seen(slot(MODEL, 1, active=True)), STATE) is Trial.RUNNING
    assert decide.trial_of(MODEL.image, seen(slot(MODEL, 1, pending=True)), None) is Trial.WAITING
    assert decide.trial_of(MODEL.image, seen(slot(MODEL, 1)), pending) is Trial.WAITING
    assert decide.trial_of(MODEL.image, seen(slot(MODEL, 1)), STATE) is Trial.REVERTED
    whole = slot(MODEL, 1, active=True, confirmed=True)
    assert decide.trial_of(MODEL.image, seen(whole), STATE) is Trial.CONFIRMED


def test_why_a_trial_ended_is_said_also_where_the_number_is_new() -> None:
    assert "self-test" in decide.why_reverted(dataclasses.replace(STATE, outcome=3))
    assert "outcome 77" in decide.why_reverted(dataclasses.replace(STATE, outcome=77))
    assert decide.why_reverted(None)


def test_a_check_that_failed_before_is_no_fault_of_the_new_firmware() -> None:
    before, after = SelfTest((("image", 0), ("model", -16)), 0), SelfTest((("image", -2), ("model", -16)), 0)
    assert decide.newly_failed(before, after) == ("image (-2)",)
    assert decide.newly_failed(None, before) == ("model (-16)",) and decide.newly_failed(before, None) == ()


def test_the_pace_is_of_the_last_seconds_and_starts_anew_after_a_turn_back() -> None:
    pace = Pace()
    assert pace.bytes_per_s == 0 and pace.left_s(100) is None
    for second in range(30):
        pace.mark(float(second), 100 * min(second, 15) + 1000 * max(0, second - 15))
    assert pace.bytes_per_s == 1000 and pace.left_s(20_500) == 5.0
    pace.mark(31.0, 0)
    assert pace.bytes_per_s == 0


def test_files_are_images_and_different_ones(tmp_path: Path) -> None:
    path, other = tmp_path / "a.img", tmp_path / "b.img"
    path.write_bytes(MODEL.data)
    assert Files([path]).offers(INFO)[0].image == MODEL.image
    with pytest.raises(UsageError, match="no such file"):
        Files([other])
    other.write_bytes(MODEL.data[:-1])
    with pytest.raises(RemoteError, match=r"b\.img: not an image of ours"):
        Files([path, other])
    other.write_bytes(MODEL.data)
    with pytest.raises(UsageError, match="are the same"):
        Files([path, other])


def test_of_a_folder_a_device_takes_what_is_made_for_its_board(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"holds 0 files \.img"):
        Files([tmp_path])
    (tmp_path / "a.img").write_bytes(MODEL.data)
    strange = build_image(b"x", kind=Kind.MODEL, board="pico", contract=CONTRACT, counter=0)
    (tmp_path / "b.img").write_bytes(strange)
    found = Files([tmp_path])
    assert [offer.image for offer in found.offers(INFO)] == [MODEL.image]
    with pytest.raises(UpdateFailed, match="no image is made for board teensy41"):
        found.offers(dataclasses.replace(INFO, board="teensy41"))


@pytest.mark.parametrize(
    ("errors", "code"),
    [
        ([None, None], ExitCode.OK),
        ([None, UpdateFailed("x")], ExitCode.TOOL),
        ([RemoteError("x"), ToolError("y")], ExitCode.REMOTE),
        ([RemoteError("x"), Stopped("y")], ExitCode.INTERRUPTED),
    ],
)
def test_one_exit_code_for_many_devices(errors: list[ToolError | None], code: ExitCode) -> None:
    assert exit_code([Outcome("x", error=error) for error in errors]) == code


def test_devices_are_updated_together_and_one_that_fails_stops_no_other() -> None:
    boards, told = [holding(SlotBoard(), offer(body=b"old")) for _ in range(10)], Told()
    boards[3].refuse = 8
    from contextlib import ExitStack

    with ExitStack() as stack:
        addresses = [stack.enter_context(over_tcp(board.answer)) for board in boards]
        desk = Desk(lambda info: [MODEL], lambda board: ORIGINS, Wish(patience=QUICK), told, Stop())
        outcomes = update_all({address: transport_of(address) for address in addresses}, desk, jobs=10)
    assert [outcome.error is not None for outcome in outcomes] == [number == 3 for number in range(10)]
    assert [runs(board, MODEL) for board in boards] == [number != 3 for number in range(10)]
    assert [outcome.address for outcome in outcomes] == addresses


def test_a_defect_of_ours_on_one_device_stops_no_other() -> None:
    board = holding(SlotBoard(), offer(body=b"old"))

    def offers(info: BoardInfo) -> list[Offer]:
        if info.board == "pico":
            raise KeyError("ours")
        return [MODEL]

    strange = SlotBoard(replace={(64, 0): {**FAKE_INFO, "board": "pico"}})
    desk = Desk(offers, lambda board: ORIGINS, Wish(patience=QUICK), Told(), Stop())
    with over_tcp(board.answer) as good, over_tcp(strange.answer) as bad:
        ways = {address: transport_of(address) for address in (bad, good)}
        outcomes = update_all(ways, desk, jobs=2)
        with pytest.raises(KeyError):
            update_all({bad: ways[bad]}, desk, jobs=1)
    assert runs(board, MODEL) and outcomes[1].done is not None and outcomes[0].error is not None
    assert "a defect of tinyops: KeyError" in outcomes[0].error.message
    assert exit_code(outcomes) == ExitCode.UNFORESEEN


def test_after_a_stop_nothing_begins() -> None:
    stop = Stop()
    stop.set()
    desk = Desk(lambda info: [MODEL], lambda board: ORIGINS, Wish(patience=QUICK), Told(), stop)
    (outcome,) = update_all({"tcp://127.0.0.1:1": transport_of("tcp://127.0.0.1:1")}, desk, jobs=1)
    assert isinstance(outcome.error, Stopped)


def test_firmware_that_only_a_cable_brings_is_refused_with_what_to_do() -> None:
    by_cable = seen(origins=(0x0,))
    why = decide.objection(offer(Kind.FIRMWARE).image, by_cable)
    assert why is not None and "microbit takes firmware over its cable alone" in why.text
    assert "`tinyops flash` writes it" in why.hint
    assert decide.objection(MODEL.image, by_cable) is None
