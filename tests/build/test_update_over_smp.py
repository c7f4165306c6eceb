"""Updates over SMP by unmodified smpclient and smpmgr, against the application, the slot library and the decisions of a
bootloader on this machine, under sanitizers: models are swapped while frames go on, and whatever is bad reverts."""

from __future__ import annotations

import asyncio
import random
import re
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import cbor2
import pytest
from smpclient import SMPClient
from smpclient.exceptions import SMPUploadError
from smpclient.generics import error, success
from smpclient.requests.image_management import ImageErase, ImageStatesRead, ImageStatesWrite, ImageUploadWrite
from smpclient.requests.os_management import MCUMgrParametersRead, ResetWrite
from smpclient.transport.serial import SMPSerialTransport
from smpclient.transport.udp import SMPUDPTransport

from fakes.update_device import (
    MODEL,
    OTHER_CONTRACT,
    SLOT_BYTES,
    UpdateDevice,
    build_device,
    firmware_image,
    golden,
    model_body,
    model_image,
    settings_of,
)
from tinyops.device.provision.format import encode_values
from tinyops.images import Golden, Kind, read_image
from tinyops.link import Link, Result, Status, Tensor
from tinyops.link.client import LinkError
from tinyops.link.serial_port import SerialStream
from tinyops.link.smp import BoardManager, Refused, UpdateState
from tinyops.link.smp.answers import TrialOutcome, TrialState
from tinyops.link.smp.definition import IMAGE_ERRORS, ImageError, UpdateError
from tinyops.manifest.keys import SigningKey

pytestmark = pytest.mark.build

KEY = SigningKey.generate()
FILLING = 9000  # bytes of a model: an upload of some pieces
WINDOW, HOP = 4, 2
LIMIT_S = 20
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Made:
    """The program, and images of models: `old` runs, `new` is to replace it."""

    program: Path
    folder: Path
    old: bytes
    new: bytes

    def model(self, *, mark: int = 2, fault: int = 0, **more: Any) -> bytes:
        """Another one, signed, that may be bad."""
        body = model_body(self.folder, mark=mark, fault=fault, contract=more.get("contract", bytes(range(32))))
        return model_image(body, more.pop("key", KEY), mark=mark, **more)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("device")
    program = build_device(folder)
    old = model_image(model_body(folder, mark=0), KEY, mark=0)
    return Made(program, folder, old, model_image(model_body(folder, mark=1, filling=FILLING), KEY, mark=1))


@pytest.fixture
def device(made: Made, tmp_path: Path) -> Iterator[UpdateDevice]:
    found = UpdateDevice(tmp_path, made.program, KEY)
    found.flash(made.old)
    with found.started(udp=True) as started:
        yield started


def talk(device: UpdateDevice, work: Callable[[SMPClient], Awaitable[Answer]]) -> Answer:
    """Does something as a program of smpclient's would."""

    async def connected() -> Answer:
        async with SMPClient(SMPSerialTransport(), device.port, timeout_s=LIMIT_S) as client:
            return await work(client)

    return asyncio.run(connected())


def upload(device: UpdateDevice, image: bytes, number: int = 1) -> list[int]:
    """The offsets that the device said."""

    async def work(client: SMPClient) -> list[int]:
        return [offset async for offset in client.upload(image, slot=number)]

    return talk(device, work)


def ask(device: UpdateDevice, request: Any) -> Any:
    return talk(device, lambda client: client.request(request))


def set_state(device: UpdateDevice, image: bytes | None, *, confirm: bool = False) -> Any:
    digest = read_image(image, where="image").digest if image is not None else None
    return ask(device, ImageStatesWrite(hash=digest, confirm=confirm))


def state(device: UpdateDevice, image: int = 1) -> UpdateState:
    with BoardManager.open(device.port, timeout_s=LIMIT_S) as board:
        return board.update_state(image)


def runs(device: UpdateDevice, image: bytes, number: int = 1) -> bool:
    """Whether that is the image which is active."""
    digest = read_image(image, where="image").digest
    slots = ask(device, ImageStatesRead()).images
    return [slot.hash for slot in slots if slot.active and slot.image == number] == [digest]


def classify(link: Link, first: int, count: int) -> list[Result | None]:
    return [link.sample((value, value)) for value in range(first, first + count)]


def mark_of(result: Result, first: int) -> int:
    """What the model adds to its input, reversed; the window began with frame `first`."""
    mark = result.values[-1] - first
    assert list(result.values[::2]) == [first + WINDOW - 1 - i + mark for i in range(WINDOW)]
    return mark


def test_a_model_is_listed_uploaded_tested_and_confirmed_and_outlives_a_reset(device: UpdateDevice, made: Made) -> None:
    listed = ask(device, ImageStatesRead()).images
    assert [(i.image, i.slot, i.active, i.confirmed, i.bootable) for i in listed] == [
        (0, 0, True, True, True),
        (1, 0, True, True, True),
    ]
    offsets = upload(device, made.new)
    assert offsets == sorted(offsets) and offsets[-1] == len(made.new)
    assert success(set_state(device, made.new)) and runs(device, made.new)
    assert (state(device).state, state(device).outcome) == (TrialState.RUNNING, TrialOutcome.NONE)
    listed = [i for i in ask(device, ImageStatesRead()).images if i.image == 1]
    assert [(i.active, i.confirmed, i.pending) for i in listed] == [(False, True, False), (True, False, False)]
    assert success(set_state(device, None, confirm=True))
    assert success(ask(device, ResetWrite())) and runs(device, made.new)
    assert (state(device).state, state(device).outcome) == (TrialState.IDLE, TrialOutcome.CONFIRMED)
    assert device.starts == 2 and "hash" not in device.log


def smpmgr(device: UpdateDevice, *words: str) -> str:
    command = [sys.executable, "-m", "smpmgr", "--port", device.port, "--timeout", "10", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_smpmgr_lists_uploads_tests_and_confirms(device: UpdateDevice, made: Made, tmp_path: Path) -> None:
    file = tmp_path / "new.img"
    file.write_bytes(made.new)
    digest = read_image(made.new, where="new").digest.hex()
    smpmgr(device, "image", "upload", str(file), "--slot", "1")
    assert digest.upper() in re.sub(r"\s", "", smpmgr(device, "image", "state-read"))
    assert not smpmgr(device, "image", "state-write", digest).strip().startswith("header")
    assert runs(device, made.new) and state(device).state == TrialState.RUNNING
    smpmgr(device, "image", "state-write", "--confirm")
    assert state(device).outcome == TrialOutcome.CONFIRMED
    smpmgr(device, "image", "erase", "2")
    assert [i.slot for i in ask(device, ImageStatesRead()).images if i.image == 1] == [1]


def test_a_client_that_resets_after_its_test_sees_its_model_on_trial(
    device: UpdateDevice, made: Made, tmp_path: Path
) -> None:
    """As `smpmgr upgrade` does, which knows of no swap without a reset."""
    file = tmp_path / "new.img"
    file.write_bytes(made.new)
    smpmgr(device, "upgrade", str(file), "--slot", "1")
    assert runs(device, made.new) and state(device).state == TrialState.RUNNING and device.starts == 2
    device.crash()
    assert runs(device, made.old) and state(device).outcome == TrialOutcome.RESET


def test_inference_goes_on_and_no_window_is_of_both_models(device: UpdateDevice, made: Made) -> None:
    with_link = SerialStream(device.port)
    link = Link(with_link, name="device", timeout_s=LIMIT_S)
    results = [r for r in classify(link, 0, 7) if r is not None]
    assert [mark_of(r, first) for r, first in zip(results, (0, 2), strict=True)] == [0, 0]
    with_link.close()
    upload(device, made.new)
    set_state(device, made.new)
    with_link = SerialStream(device.port)
    link = Link(with_link, name="device", timeout_s=LIMIT_S)
    frames = classify(link, 7, 7)
    assert [r is not None for r in frames] == [False, False, False, True, False, True, False]
    found = [r for r in frames if r is not None]
    assert [mark_of(r, first) for r, first in zip(found, (7, 9), strict=True)] == [1, 1]
    with_link.close()
    assert state(device).gap_ms < 1000


def test_a_frame_in_pieces_and_a_tensor_are_not_torn_by_a_swap(device: UpdateDevice, made: Made) -> None:
    """The host is in the middle of something: the swap waits for it."""
    upload(device, made.new)
    stream = SerialStream(device.port)
    link, board = Link(stream, name="device", timeout_s=LIMIT_S), BoardManager(stream, name="device", timeout_s=LIMIT_S)
    link.hello()
    link.write_input(bytes(range(8)))
    board.test_image(read_image(made.new, where="new").digest)
    assert board.update_state(1).state == TrialState.PENDING
    link.invoke()
    before = link.read_tensor(Tensor.OUTPUT, 8) if board.update_state(1).state == TrialState.PENDING else None
    assert before is None or before == bytes(reversed(range(8)))
    assert board.update_state(1).state == TrialState.RUNNING
    link.write_input(bytes(range(8)))
    link.invoke()
    assert link.read_tensor(Tensor.OUTPUT, 8) == bytes(value + 1 for value in reversed(range(8)))
    stream.close()


def test_what_a_swap_costs_a_sensor_is_counted(made: Made, tmp_path: Path) -> None:
    device = UpdateDevice(tmp_path, made.program, KEY, options=("--rate", "2000000", "--erase-ms", "3"))
    device.flash(made.old)
    with device.started() as started, BoardManager.open(started.port, timeout_s=LIMIT_S) as board:
        upload_through(board, made.new)
        before = board.health()
        board.test_image(read_image(made.new, where="new").digest)
        wait_until(lambda: board.update_state(1).state == TrialState.RUNNING)
        found, health = board.update_state(1), board.health()
        assert found.lost <= health.missed_frames and health.sensor == 1
        wait_until(lambda: board.health().inferences > before.inferences + 10)


def upload_through(board: BoardManager, image: bytes, number: int = 1) -> None:
    import hashlib

    at, room = 0, board.parameters().buffer_bytes - 140
    while at < len(image):
        first = {"image": number, "len": len(image), "sha": hashlib.sha256(image).digest()} if at == 0 else {}
        at = board.request(ImageUploadWrite(off=at, data=image[at : at + room], **first)).off


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < end, "in vain"
        time.sleep(0.02)


def test_an_upload_goes_on_where_it_stopped(device: UpdateDevice, made: Made) -> None:
    async def half(client: SMPClient) -> int:
        async for offset in client.upload(made.new, slot=1):
            if offset > len(made.new) // 2:
                return offset
        raise AssertionError("it was too short")

    stopped = talk(device, half)
    assert (state(device).written, state(device).announced) == (stopped, len(made.new))
    assert upload(device, made.new)[0] == stopped
    assert upload(device, made.new) == [len(made.new)], "what came whole is not sent again"
    assert success(set_state(device, made.new))


def test_an_upload_survives_a_reset_of_the_device(device: UpdateDevice, made: Made) -> None:
    async def through(client: SMPClient) -> list[int]:
        offsets = []
        async for offset in client.upload(made.new, slot=1):
            offsets.append(offset)
            if len(offsets) == 4:
                await client.request(ResetWrite())
        return offsets

    offsets = talk(device, through)
    assert 0 in offsets[4:] and offsets[-1] == len(made.new) and device.starts == 2
    assert success(set_state(device, made.new)) and runs(device, made.new)


def other_key(made: Made) -> bytes:
    return made.model(key=SigningKey.generate())


def flipped(made: Made, at: int) -> bytes:
    data = bytearray(made.new)
    data[at] ^= 4
    return bytes(data)


BAD: dict[str, tuple[Callable[[Made], bytes], UpdateError]] = {
    "forged": (other_key, UpdateError.SIGNATURE),
    "unsigned": (lambda made: made.model(key=None), UpdateError.SIGNATURE),
    "another board": (lambda made: made.model(board="table"), UpdateError.BOARD),
    "another contract": (lambda made: made.model(contract=OTHER_CONTRACT), UpdateError.CONTRACT),
    "a flipped bit of content": (lambda made: flipped(made, 500), UpdateError.DIGEST),
    "a flipped bit of the header": (lambda made: flipped(made, 24), UpdateError.DIGEST),
    "a flipped bit of the magic": (lambda made: flipped(made, 1), UpdateError.IMAGE),
    "a flipped bit of the signature": (lambda made: flipped(made, len(made.new) - 9), UpdateError.SIGNATURE),
    "cut short": (lambda made: made.new[:-40], UpdateError.BYTES),
    "something behind it": (lambda made: made.new + bytes(12), UpdateError.BYTES),
    "too large": (lambda made: made.new + bytes(SLOT_BYTES[Kind.MODEL]), UpdateError.BYTES),
    "no image": (lambda _: b"\x7fELF" + bytes(4000), UpdateError.IMAGE),
    "a firmware": (lambda _: firmware_image(KEY, slot=1), UpdateError.KIND),
}


@pytest.mark.parametrize("why", BAD)
def test_a_bad_model_is_refused_by_number_and_the_old_one_runs_on(device: UpdateDevice, made: Made, why: str) -> None:
    make, reason = BAD[why]
    image = make(made)
    with pytest.raises(SMPUploadError) as raised:
        upload(device, image)
    answer = raised.value.args[0]
    assert (answer.err.group, answer.err.rc) == (1, IMAGE_ERRORS[reason])
    assert (state(device).refusal, state(device).state) == (reason, TrialState.IDLE)
    assert runs(device, made.old) and [i.slot for i in ask(device, ImageStatesRead()).images if i.bootable] == [0, 0]
    assert upload(device, made.new)[-1] == len(made.new) and state(device).refusal == 0


def test_a_lower_counter_is_refused_once_a_higher_one_was_confirmed(device: UpdateDevice, made: Made) -> None:
    higher, lower = made.model(mark=3, counter=5), made.model(mark=4, counter=4)
    upload(device, higher)
    set_state(device, higher)
    assert state(device).counter == 0
    set_state(device, None, confirm=True)
    assert state(device).counter == 5
    with pytest.raises(SMPUploadError) as raised:
        upload(device, lower)
    assert raised.value.args[0].err.rc == ImageError.CURRENT_VERSION_IS_NEWER
    assert error(set_state(device, made.old)) and state(device).refusal == UpdateError.COUNTER


def test_a_device_that_trusts_no_key_takes_nothing_over_smp(made: Made, tmp_path: Path) -> None:
    device = UpdateDevice(tmp_path, made.program, None)
    device.flash(made.model(key=None, mark=0))
    with device.started() as started:
        with pytest.raises(SMPUploadError) as raised:
            upload(started, made.new)
        assert raised.value.args[0].err.rc == ImageError.UNKNOWN and state(started).refusal == UpdateError.KEYS
        with BoardManager.open(started.port, timeout_s=LIMIT_S) as board:
            board.write_settings(encode_values(settings_of(KEY)))
        assert upload(started, made.new)[-1] == len(made.new), "as soon as it is enrolled"


FAULTS: dict[str, tuple[dict[str, Any], TrialOutcome, int]] = {
    "crashes": ({"fault": 1}, TrialOutcome.RESET, 2),
    "hangs": ({"fault": 2}, TrialOutcome.RESET, 2),
    "fails": ({"fault": 3}, TrialOutcome.SELF_TEST, 1),
    "computes something else": ({"test": Golden(7, 1234)}, TrialOutcome.SELF_TEST, 1),
}


@pytest.mark.parametrize("how", FAULTS)
def test_a_model_that_is_bad_when_it_runs_reverts_by_itself(made: Made, tmp_path: Path, how: str) -> None:
    given, outcome, starts = FAULTS[how]
    image = made.model(**given)
    device = UpdateDevice(tmp_path, made.program, KEY, options=("--watchdog", "500"))
    device.flash(made.old)
    with device.started() as started:
        upload(started, image)
        set_state(started, image)
        wait_until(lambda: state(started).outcome == outcome)
        assert runs(started, made.old) and started.starts == starts
        stream = SerialStream(started.port)
        link = Link(stream, name="device", timeout_s=LIMIT_S)
        assert [mark_of(r, 0) for r in classify(link, 0, WINDOW) if r is not None] == [0]
        stream.close()
        with BoardManager.open(started.port, timeout_s=LIMIT_S) as board:
            health = board.health()
        assert (health.faults, health.watchdog_resets) == {"crashes": (1, 0), "hangs": (0, 1)}.get(how, (0, 0))


def test_a_model_that_crashes_later_reverts_unless_it_was_confirmed(device: UpdateDevice, made: Made) -> None:
    late = made.model(fault=4)
    upload(device, late)
    set_state(device, late)
    assert runs(device, late)
    stream = SerialStream(device.port)
    with pytest.raises(LinkError):
        Link(stream, name="device", timeout_s=1).sample((1, 1))
    stream.close()
    assert runs(device, made.old) and state(device).outcome == TrialOutcome.RESET


def test_a_client_ends_a_trial(device: UpdateDevice, made: Made) -> None:
    upload(device, made.new)
    set_state(device, made.new)
    assert runs(device, made.new)
    with BoardManager.open(device.port, timeout_s=LIMIT_S) as board:
        board.end_trial(1)
        wait_until(lambda: board.update_state(1).state == TrialState.IDLE)
        assert board.self_test().passed
    assert runs(device, made.old) and device.starts == 1
    assert success(set_state(device, made.new)) and runs(device, made.new), "it may be tried again"


def test_what_does_not_run_is_not_confirmed(device: UpdateDevice, made: Made) -> None:
    upload(device, made.new)
    answer = set_state(device, made.new, confirm=True)
    assert error(answer) and (answer.err.group, answer.err.rc) == (1, ImageError.IMAGE_CONFIRMATION_DENIED)
    assert error(set_state(device, made.model(mark=9))) and runs(device, made.old)
    for slot, rc in ((2, ImageError.NO_FREE_SLOT), (9, ImageError.INVALID_SLOT)):
        refused = ask(device, ImageErase(slot=slot))
        assert error(refused) and refused.err.rc == rc


# -- firmware ---------------------------------------------------------------------------------------


def update_firmware(device: UpdateDevice, image: bytes) -> None:
    upload(device, image, 0)
    assert success(set_state(device, image))
    assert success(ask(device, ResetWrite()))


def test_a_firmware_runs_after_a_reset_and_is_confirmed(device: UpdateDevice) -> None:
    for slot in (1, 0, 1):
        image = firmware_image(KEY, slot=slot, name=f"v{slot}{device.starts}")
        update_firmware(device, image)
        assert runs(device, image, 0) and state(device, 0).state == TrialState.RUNNING
        assert success(set_state(device, None, confirm=True))
        assert success(ask(device, ResetWrite())) and runs(device, image, 0)


def test_a_firmware_for_the_slot_that_runs_is_refused(device: UpdateDevice) -> None:
    with pytest.raises(SMPUploadError) as raised:
        upload(device, firmware_image(KEY, slot=0, name="x"), 0)
    assert raised.value.args[0].err.rc == ImageError.INVALID_FLASH_ADDRESS
    assert state(device, 0).refusal == UpdateError.ADDRESS


@pytest.mark.parametrize("behaves", ["c", "h", "s"])
def test_a_firmware_that_crashes_hangs_or_fails_its_self_test_reverts(made: Made, tmp_path: Path, behaves: str) -> None:
    device = UpdateDevice(tmp_path, made.program, KEY, options=("--watchdog", "500"))
    first = firmware_image(KEY, slot=0)
    device.flash(made.old, first)
    with device.started() as started:
        update_firmware(started, firmware_image(KEY, slot=1, behaves=behaves))
        wait_until(lambda: runs(started, first, 0))
        outcome = TrialOutcome.SELF_TEST if behaves == "s" else TrialOutcome.RESET
        assert state(started, 0).outcome == outcome and runs(started, made.old) and started.starts == 3


def test_a_firmware_of_another_contract_comes_before_its_model(device: UpdateDevice, made: Made) -> None:
    """The old model cannot run on it: that is no fault of the firmware, and its own model can follow."""
    update_firmware(device, firmware_image(KEY, slot=1, contract=OTHER_CONTRACT))
    with BoardManager.open(device.port, timeout_s=LIMIT_S) as board:
        assert board.info().state == Status.ABSENT and board.update_state(0).state == TrialState.RUNNING
    model = made.model(contract=OTHER_CONTRACT)
    set_state(device, None, confirm=True)
    upload(device, model)
    set_state(device, model)
    assert runs(device, model) and success(set_state(device, None, confirm=True))


def test_a_reset_before_a_firmware_is_confirmed_reverts_it_and_keeps_the_model(
    device: UpdateDevice, made: Made
) -> None:
    update_firmware(device, firmware_image(KEY, slot=1, contract=OTHER_CONTRACT))
    assert success(ask(device, ResetWrite()))
    assert state(device, 0).outcome == TrialOutcome.RESET and runs(device, made.old)


# -- resets and lost frames -------------------------------------------------------------------------

STATES = ("idle", "half an upload", "uploaded", "on trial", "confirmed", "firmware pending", "firmware on trial")


def bring_to(device: UpdateDevice, made: Made, where: str) -> None:
    firmware = firmware_image(KEY, slot=1, name="new")

    async def half(client: SMPClient) -> None:
        async for offset in client.upload(made.new, slot=1):
            if offset > 3000:
                return

    if where == "half an upload":
        talk(device, half)
    elif where in ("uploaded", "on trial", "confirmed"):
        upload(device, made.new)
    elif where.startswith("firmware"):
        upload(device, firmware, 0)
        set_state(device, firmware)
    if where in ("on trial", "confirmed"):
        set_state(device, made.new)
    if where == "confirmed":
        set_state(device, None, confirm=True)
    if where == "firmware on trial":
        ask(device, ResetWrite())
        assert state(device, 0).state == TrialState.RUNNING


@pytest.mark.parametrize("where", STATES)
def test_a_crash_in_every_state_leaves_a_verified_model_and_an_update_that_can_be_made(
    device: UpdateDevice, made: Made, where: str
) -> None:
    bring_to(device, made, where)
    before = device.starts
    device.crash()
    wait_until(lambda: device.starts > before)
    with BoardManager.open(device.port, timeout_s=LIMIT_S) as board:
        assert board.self_test().passed
    assert runs(device, made.new if where == "confirmed" else made.old)
    third = made.model(mark=5)
    set_state(device, None, confirm=True)  # of the firmware, where one runs on trial by now
    upload(device, third)
    set_state(device, third)
    assert runs(device, third) and success(set_state(device, None, confirm=True))


def datagram(off: int, data: bytes, number: int, **more: Any) -> bytes:
    body = cbor2.dumps({"off": off, "data": data, **more})
    return bytes((0x0A, 0)) + len(body).to_bytes(2, "big") + (1).to_bytes(2, "big") + bytes((number % 256, 1)) + body


@pytest.mark.parametrize("seed", range(4))
def test_lost_doubled_and_reordered_frames_end_in_the_same_image(device: UpdateDevice, made: Made, seed: int) -> None:
    """Whoever sends pieces again, in any order, is told where to go on, and damages nothing."""
    import hashlib

    source, size = random.Random(seed), 200  # noqa: S311
    first = {"len": len(made.new), "sha": hashlib.sha256(made.new).digest(), "image": 1}
    wanted, sent = 0, {"lost": 0, "doubled": 0, "elsewhere": 0}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.settimeout(LIMIT_S)
        line.connect(("127.0.0.1", device.udp_port))
        for number in range(2000):
            if wanted == len(made.new):
                break
            at, kind = wanted, source.random()
            if kind < 0.2:
                sent["elsewhere"] += 1
                at = source.randrange(0, len(made.new), size)
            message = datagram(at, made.new[at : at + size], number, **(first if at == 0 else {}))
            line.send(message)
            doubled = kind > 0.8
            sent["doubled"] += doubled
            if doubled:
                line.send(message)
            answers = [cbor2.loads(line.recv(2000)[8:]) for _ in range(1 + doubled)]
            assert all("off" in answer for answer in answers), answers
            if 0.4 < kind < 0.6:
                sent["lost"] += 1  # the answer: the piece is sent once more
            else:
                wanted = answers[-1]["off"]
    assert wanted == len(made.new) and min(sent.values()) > 3, sent
    assert success(set_state(device, made.new)) and runs(device, made.new)


def test_power_fails_at_sampled_operations_of_an_update_over_smp(made: Made, tmp_path: Path) -> None:
    """What the slot library's own tests cut at every operation, here with client, server and application around it."""
    device = UpdateDevice(tmp_path, made.program, KEY, geometry=(4096, 256))
    device.flash(made.old)
    with device.started() as started:
        before = started.operations
        upload(started, made.new)
        set_state(started, made.new)
        set_state(started, None, confirm=True)
        operations = started.operations - before
    cuts = 0
    for cut in sorted(random.Random(1).sample(range(1, operations + 1), 8)):  # noqa: S311
        device.flash(made.old)
        with device.started() as started:
            started.cut_at(started.operations + cut)
            try_update(started, made.new)
            cuts += started.starts > 1
            with BoardManager.open(started.port, timeout_s=LIMIT_S) as board:
                assert board.self_test().passed
            started.cut_at(0)
            try_update(started, made.new)
            assert runs(started, made.new) and state(started).state == TrialState.IDLE
    assert cuts == 8


def try_update(device: UpdateDevice, image: bytes) -> None:
    """As far as it goes; the device may start again meanwhile, and then does not answer what it was asked."""
    with BoardManager.open(device.port, timeout_s=1) as board:
        try:
            upload_through(board, image)
            board.test_image(read_image(image, where="image").digest)
            wait_until(lambda: board.update_state(1).state != TrialState.PENDING)
            board.confirm_image(read_image(image, where="image").digest)
        except LinkError:
            pass


# -- links ------------------------------------------------------------------------------------------


def test_a_link_that_is_not_local_changes_no_settings_once_the_device_trusts_keys(made: Made, tmp_path: Path) -> None:
    new = encode_values(settings_of(SigningKey.generate()))
    for key, refused in ((KEY, True), (None, False)):
        folder = tmp_path / str(refused)
        folder.mkdir()
        device = UpdateDevice(folder, made.program, key)
        device.flash(made.model(key=key))
        with device.started(udp=True) as started:
            answer = over_udp(started, cbor2.dumps({"off": 0, "len": len(new), "data": new}), group=64, command=3)
            assert answer == ({"err": {"group": 64, "rc": 11}} if refused else {"off": len(new)})
            with BoardManager.open(started.port, timeout_s=LIMIT_S) as board:
                board.write_settings(new)


def over_udp(device: UpdateDevice, body: bytes, *, group: int, command: int, op: int = 2) -> Any:
    head = bytes((8 | op, 0)) + len(body).to_bytes(2, "big") + group.to_bytes(2, "big") + bytes((1, command))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.settimeout(LIMIT_S)
        line.sendto(head + body, ("127.0.0.1", device.udp_port))
        answer = line.recv(5000)
    assert answer[0] == (8 | op) + 1 and int.from_bytes(answer[2:4], "big") == len(answer) - 8
    return cbor2.loads(answer[8:])


def test_a_datagram_that_the_buffer_does_not_take_is_refused_and_what_is_none_is_dropped(device: UpdateDevice) -> None:
    assert over_udp(device, cbor2.dumps({"d": "x" * 1100}), group=0, command=0) == {"rc": 7}
    room = 1024 - 4 - 8
    text = "y" * (room - 7)  # the answer's map has an end mark, and needs a byte more
    assert over_udp(device, cbor2.dumps({"d": text}), group=0, command=0) == {"r": text}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        for noise in (b"", b"x", bytes(7), bytes(8)[:-1] + b"\x05xx", bytes((0x0A, 0, 0, 9, 0, 0, 0, 0))):
            line.sendto(noise, ("127.0.0.1", device.udp_port))
    assert over_udp(device, cbor2.dumps({"d": "still"}), group=0, command=0) == {"r": "still"}


def test_smpclient_updates_a_model_over_udp(device: UpdateDevice, made: Made) -> None:
    async def work() -> None:
        transport = SMPUDPTransport(mtu=900)
        await transport.connect("127.0.0.1", LIMIT_S, device.udp_port)
        client = SMPClient(transport, "127.0.0.1", timeout_s=LIMIT_S)
        answer = await client.request(MCUMgrParametersRead())
        assert success(answer) and answer.buf_size == 1024
        assert [offset async for offset in client.upload(made.new, slot=1)][-1] == len(made.new)
        await client.disconnect()

    asyncio.run(work())
    assert success(set_state(device, made.new)) and runs(device, made.new)
    with BoardManager.open(device.port, timeout_s=LIMIT_S) as board, pytest.raises(Refused):
        board.update_state(2)


def test_a_model_slot_is_never_written_while_it_runs(device: UpdateDevice, made: Made) -> None:
    content = device.file.read_bytes()[MODEL[0] : MODEL[0] + len(made.old)]
    upload(device, made.new)
    assert device.file.read_bytes()[MODEL[0] : MODEL[0] + len(made.old)] == content == made.old
    assert golden(0) != golden(1)
