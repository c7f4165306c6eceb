"""Slots in C on simulated flash: what is taken, what is refused, trials, resets, wear, and forged images."""

from __future__ import annotations

import hashlib
import struct
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fakes.faults import count_faults, report_faults
from fakes.slots import (
    BOARD,
    CONTRACT,
    MICROBIT,
    PICO,
    RUNTIME,
    Layout,
    body_of,
    filling,
    own_key,
    signed,
    slots_program,
    small_layout,
)
from tinyops.images import Golden, key_hash, read_image

pytestmark = pytest.mark.build

FW, MODEL = 0, 1
NONE = -1
IDLE, PENDING, RUNNING = 0, 1, 2
CONFIRMED, RESET, SELF_TEST, DAMAGED, REFUSED = 1, 2, 3, 4, 5
FLASH, GEOMETRY, NO_SLOT, OFFSET, BYTES, IMAGE, DIGEST, SIGNATURE = -1, -2, -3, -4, -5, -6, -7, -8
KEYS, ADDRESS, CONTRACT_, COUNTER, STATE, ABSENT, KIND, BOARD_ = -9, -11, -12, -13, -14, -15, -16, -10


class Device:
    """A process of slots_run.c: each call is a command, what it answers is returned."""

    def __init__(self, folder: Path, layout: Layout) -> None:
        self.folder, self.layout, self._files = folder, layout, 0
        keys = folder / "keys"
        keys.write_bytes(own_key(1).public.raw + own_key(0).public.raw)
        command = [slots_program("slots_run"), *layout.arguments, keys]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def do(self, command: str, *numbers: int) -> int:
        return int(self.ask(command, *numbers)[0])

    def ask(self, command: str, *numbers: int | str) -> list[str]:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(" ".join(map(str, (command, *numbers))) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, f"{command}: exit status {self._process.wait(10)}"
        return answer.split()

    def file(self, data: bytes) -> int:
        path = self.folder / f"file-{self._files}"
        path.write_bytes(data)
        self._files += 1
        return int(self.ask("file", str(path))[0])

    def state(self, image: int) -> tuple[int, ...]:
        """Active, trial, state, outcome, counter."""
        return tuple(int(word) for word in self.ask("state", image))

    def restart(self) -> tuple[int, int]:
        """As bootloader and application do; what each of the two boots from."""
        assert self.do("power") == 0
        return self.do("boot", FW), self.do("boot", MODEL)

    def close(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        assert self._process.wait(10) == 0


@pytest.fixture
def open_device(tmp_path: Path) -> Iterator[Callable[..., Device]]:
    made: list[Device] = []

    def make(layout: Layout = MICROBIT, *, firmware: bytes | None = None, model: bytes | None = None) -> Device:
        """As a cable leaves it: both in slot 0, no log."""
        device = Device(tmp_path, layout)
        made.append(device)
        device.do("cable", FW, 0, device.file(firmware or firmware_of(0, 1)))
        device.do("cable", MODEL, 0, device.file(model or signed(body_of(900, 2))))
        assert device.restart() == (0, 0)
        return device

    yield make
    for device in made:
        device.close()


def firmware_of(slot: int, seed: int, *, layout: Layout = MICROBIT, counter: int = 1) -> bytes:
    return signed(body_of(700, seed), origin=layout.firmware[slot], counter=counter)


def model_of(seed: int, **what: object) -> bytes:
    return signed(body_of(1000 + seed, seed), **what)  # type: ignore[arg-type]


def put_on_trial(device: Device, image: int, file: int) -> None:
    assert device.do("upload", image, file) == 0
    assert device.do("test", image, file) == 0
    if image == FW:
        assert device.restart()[0] == device.state(FW)[1]
    else:
        assert device.do("start", MODEL) == device.state(MODEL)[1]
    assert device.state(image)[2] == RUNNING


def test_what_a_cable_wrote_runs_and_is_known_from_then_on(open_device: Callable[..., Device]) -> None:
    golden = Golden(seed=7, crc=0xDEADBEEF)
    data = signed(body_of(900, 2), counter=3, golden=golden)
    device = open_device(model=data)
    assert device.state(MODEL) == (0, NONE, IDLE, 0, 3)
    image = read_image(data, where="test")
    version = "{}.{}.{}+{}".format(*image.version)
    numbers = [image.header_bytes, len(image.body), len(data), 1, 3]
    assert device.ask("describe", MODEL, 0) == [*map(str, [0, *numbers]), version, "1", "7", str(golden.crc)]
    before = device.do("sequence")
    assert device.restart() == (0, 0)
    assert device.do("sequence") == before  # nothing new: nothing is written
    assert device.do("describe", MODEL, 1) == IMAGE
    assert device.do("describe", MODEL, 2) == NO_SLOT and device.do("describe", 2, 0) == NO_SLOT


def test_a_model_is_tried_without_a_reset_and_confirmed(open_device: Callable[..., Device]) -> None:
    device = open_device()
    new = device.file(model_of(5, counter=2))
    assert device.do("test", MODEL, new) == ABSENT
    assert device.do("upload", MODEL, new) == 0
    assert device.do("test-zeros", MODEL) == ABSENT
    assert device.do("test", MODEL, new) == 0 and device.do("test", MODEL, new) == 0
    assert device.state(MODEL) == (0, 1, PENDING, 0, 1)
    assert device.do("confirm", MODEL) == STATE  # it has not run
    assert device.do("start", MODEL) == 1 and device.do("start", MODEL) == STATE
    assert (device.do("running", MODEL), device.do("running", FW)) == (1, 0)
    assert device.state(MODEL)[4] == 1  # the counter rises when it is confirmed
    assert device.do("confirm", MODEL) == 0 and device.do("confirm", MODEL) == 0
    assert device.restart() == (0, 1)
    assert device.state(MODEL) == (1, NONE, IDLE, CONFIRMED, 2)
    assert device.do("test", MODEL, new) == 0  # it runs already
    assert device.state(MODEL)[2] == IDLE


def test_a_firmware_is_tried_by_a_reset_and_reverts_by_one(open_device: Callable[..., Device]) -> None:
    device = open_device()
    new = device.file(firmware_of(1, 8))
    put_on_trial(device, FW, new)
    assert device.state(FW) == (0, 1, RUNNING, 0, 1)
    assert device.do("upload", FW, new) == STATE and device.do("erase", FW) == STATE
    assert device.restart() == (0, 0)
    assert device.state(FW) == (0, 1, IDLE, RESET, 1)
    assert device.do("test", FW, new) == 0  # once more: it lies there, verified
    assert device.restart() == (1, 0) and device.do("confirm", FW) == 0
    assert device.restart() == (1, 0)
    assert device.do("upload", FW, device.file(firmware_of(1, 9))) == ADDRESS
    assert device.do("upload", FW, device.file(firmware_of(0, 9))) == 0


@pytest.mark.parametrize(
    ("data", "image", "status"),
    [
        (model_of(1, board="boar"), MODEL, BOARD_),
        (model_of(1, board=BOARD + "s"), MODEL, BOARD_),
        (model_of(1, contract=b"\x01" * 32), MODEL, CONTRACT_),
        (model_of(1, counter=1), MODEL, COUNTER),
        (model_of(1, counter=2, key=own_key(2)), MODEL, SIGNATURE),
        (firmware_of(1, 1), MODEL, KIND),
        (model_of(1, counter=2), FW, KIND),
        (firmware_of(0, 3), FW, ADDRESS),
        (firmware_of(1, 1, layout=PICO), FW, ADDRESS),
        (b"\x7fELF" + bytes(400), FW, IMAGE),
        (bytes(31), MODEL, BYTES),
        (bytes(86017), MODEL, BYTES),
    ],
    ids=str.split("board longer contract counter key kind kind-too slot board-too format short long"),
)
def test_what_this_device_cannot_run_is_refused_by_name(
    data: bytes, image: int, status: int, open_device: Callable[..., Device]
) -> None:
    device = open_device(model=signed(body_of(900, 2), counter=2))
    file = device.file(data)
    assert device.do("upload", image, file) == status
    assert device.do("test", image, file) == ABSENT
    assert device.do("finish") == STATE
    assert device.restart() == (0, 0)


def test_without_a_signature_or_without_keys_nothing_is_written(open_device: Callable[..., Device]) -> None:
    device = open_device()
    whole = model_of(3)
    end = read_image(whole, where="test").covered_bytes
    unsigned = whole[:end] + b"\x07\x69\x28\x00" + whole[end + 4 : end + 40]
    assert device.do("upload", MODEL, device.file(unsigned)) == SIGNATURE
    device.do("cable", MODEL, 0, device.file(unsigned))
    assert device.restart() == (0, ABSENT)
    device.do("keys", 0)
    assert device.restart() == (0, 0)  # not enrolled: it runs what a cable wrote
    assert device.do("upload", MODEL, device.file(whole)) == KEYS and device.do("erase", MODEL) == KEYS


def test_a_header_that_cannot_run_here_is_refused_before_its_slot_is_filled(
    open_device: Callable[..., Device],
) -> None:
    device = open_device()
    other = device.file(firmware_of(0, 1))
    assert device.do("begin", FW, other, 1) == 0
    before = device.do("operations")
    assert device.do("write", other, 0, 31) == 31 and device.do("write", other, 31, 1) == ADDRESS
    assert device.do("operations") == before
    assert device.do("write", other, 32, 1) == STATE


def test_lost_doubled_and_reordered_pieces_go_on_where_they_belong(open_device: Callable[..., Device]) -> None:
    device = open_device()
    data = model_of(4)
    new = device.file(data)
    assert device.do("begin", MODEL, new, 1) == 0 and device.do("write", new, 0, 200) == 200
    assert device.do("write", new, 0, 200) == OFFSET  # doubled
    assert device.do("write", new, 400, 100) == OFFSET  # one was lost
    assert device.do("write", new, 200, 200) == 400 and device.do("write", new, 300, 100) == OFFSET
    assert device.do("begin", MODEL, new, 1) == 400  # the client has started again
    assert device.do("finish") == BYTES  # and gives up all of it
    assert device.do("begin", MODEL, new, 1) == 0
    assert device.do("write", new, 0, 1000) == 1000
    assert device.do("begin", MODEL, new, 0) == 0  # nobody says that it is the same
    assert device.do("write", new, 0, len(data)) == len(data)
    assert device.do("write", new, 0, 1) == OFFSET
    assert device.do("finish") == 0 and device.do("test", MODEL, new) == 0


def test_more_than_was_announced_ends_the_upload(open_device: Callable[..., Device]) -> None:
    device = open_device()
    data = model_of(4)
    longer = device.file(data + bytes(8))
    assert device.do("bytes", MODEL, len(data)) == 0
    assert device.do("write", longer, 0, len(data)) == len(data)
    assert device.do("write", longer, len(data), 1) == BYTES and device.do("finish") == STATE


@pytest.mark.parametrize("image", [FW, MODEL])
def test_a_reset_in_every_state_of_the_protocol(image: int, open_device: Callable[..., Device]) -> None:
    device = open_device()
    data = firmware_of(1, 6) if image == FW else model_of(6)
    new = device.file(data)

    def expect(*state: int) -> None:
        slots = device.restart()
        assert slots[1 - image] == 0 and device.state(image)[:3] == state
        assert slots[image] == (state[1] if state[2] == RUNNING else state[0])
        assert device.do("write", new, 0, 1) == STATE

    device.do("begin", image, new, 1)
    expect(0, NONE, IDLE)
    device.do("begin", image, new, 1), device.do("write", new, 0, 500)
    expect(0, NONE, IDLE)
    assert device.do("begin", image, new, 1) == 0  # RAM is gone, so is the offset
    device.do("write", new, 0, len(data))
    expect(0, NONE, IDLE)
    assert device.do("test", image, new) == ABSENT
    assert device.do("upload", image, new) == 0
    expect(0, NONE, IDLE)
    assert device.do("test", image, new) == 0
    expect(0, 1, RUNNING)
    expect(0, 1, IDLE)
    assert device.do("test", image, new) == 0
    expect(0, 1, RUNNING)
    assert device.do("again", image) == 0  # a client asks for this reset
    expect(0, 1, RUNNING)
    assert device.do("confirm", image) == 0
    expect(1, NONE, IDLE)
    assert device.do("erase", image) == 0
    expect(1, NONE, IDLE)


def test_writing_to_a_pending_slot_ends_its_trial(open_device: Callable[..., Device]) -> None:
    device = open_device()
    new, newer = device.file(model_of(5)), device.file(model_of(6))
    device.do("upload", MODEL, new), device.do("test", MODEL, new)
    assert device.do("begin", MODEL, newer, 0) == 0
    assert device.state(MODEL)[:3] == (0, NONE, IDLE)
    assert device.do("start", MODEL) == STATE and device.do("test", MODEL, new) == ABSENT
    assert device.restart() == (0, 0)


def test_a_model_that_failed_runs_again_only_when_it_is_tested_again(open_device: Callable[..., Device]) -> None:
    device = open_device()
    new = device.file(model_of(5))
    put_on_trial(device, MODEL, new)
    assert device.do("revert", MODEL, SELF_TEST) == 0 and device.do("revert", MODEL, RESET) == 0
    assert device.state(MODEL) == (0, 1, IDLE, SELF_TEST, 1)
    device.do("flip", MICROBIT.model[0] + 100, 0)
    assert device.restart() == (0, ABSENT)  # not even when the active one is damaged
    assert device.do("test", MODEL, new) == 0
    assert device.do("boot", MODEL) == 1 and device.do("confirm", MODEL) == 0
    assert device.restart() == (0, 1)


def test_a_damaged_active_image_gives_way_to_the_other_one(open_device: Callable[..., Device]) -> None:
    device = open_device()
    put_on_trial(device, FW, device.file(firmware_of(1, 6))), device.do("confirm", FW)
    put_on_trial(device, MODEL, device.file(model_of(6))), device.do("confirm", MODEL)
    device.do("flip", MICROBIT.firmware[1] + 300, 3), device.do("flip", MICROBIT.model[1] + 300, 3)
    assert device.restart() == (0, 0)
    assert (device.state(FW)[0], device.state(MODEL)[0]) == (0, 0)
    device.do("flip", MICROBIT.firmware[0] + 300, 3)
    assert device.restart() == (ABSENT, 0)


def test_the_other_one_is_not_run_when_its_counter_is_too_low(open_device: Callable[..., Device]) -> None:
    device = open_device()
    old = device.file(firmware_of(0, 1))
    put_on_trial(device, FW, device.file(firmware_of(1, 6, counter=2))), device.do("confirm", FW)
    assert device.do("test", FW, old) == COUNTER and device.do("upload", FW, old) == COUNTER
    device.do("flip", MICROBIT.firmware[1] + 300, 3)
    assert device.restart() == (ABSENT, 0)


def test_a_pending_image_that_was_damaged_is_dropped(open_device: Callable[..., Device]) -> None:
    device = open_device()
    for start in ("start", "boot"):
        new = device.file(model_of(5))
        device.do("upload", MODEL, new), device.do("test", MODEL, new)
        device.do("flip", MICROBIT.model[1] + 500, 6)
        assert device.do(start, MODEL) == (DIGEST if start == "start" else 0)
        assert device.state(MODEL)[2:4] == (IDLE, DAMAGED)
        assert device.do("test", MODEL, new) == ABSENT
    assert device.restart() == (0, 0)


def test_a_pending_model_that_this_firmware_cannot_run_is_refused(open_device: Callable[..., Device]) -> None:
    device = open_device()
    new = device.file(model_of(5))
    device.do("upload", MODEL, new), device.do("test", MODEL, new)
    device.do("contract", 1)
    assert device.do("start", MODEL) == CONTRACT_
    assert device.state(MODEL)[:4] == (0, 1, IDLE, REFUSED)
    assert device.restart() == (0, ABSENT)
    device.do("contract", 0)
    assert device.restart() == (0, 0)


def test_under_a_firmware_on_trial_the_model_before_it_stays(open_device: Callable[..., Device]) -> None:
    """The new firmware has another contract: it gets a model of its own, and may still revert to one that has none."""
    device = open_device()
    put_on_trial(device, FW, device.file(firmware_of(1, 6)))
    device.do("contract", 1)
    assert device.do("boot", MODEL) == ABSENT
    own = device.file(model_of(7, contract=b"\x01" * 32, counter=2))
    put_on_trial(device, MODEL, own)
    assert device.do("confirm", MODEL) == STATE  # the firmware first
    device.do("contract", 0)
    assert device.restart() == (0, 0)  # both reverted
    assert (device.state(FW)[3], device.state(MODEL)[3]) == (RESET, RESET)
    assert device.do("test", MODEL, own) == CONTRACT_
    device.do("test", FW, 2), device.do("contract", 1)
    assert device.restart() == (1, ABSENT)  # the other one does not take the active one's place
    assert device.do("test", MODEL, own) == 0 and device.do("boot", MODEL) == 1
    assert device.do("confirm", FW) == 0 and device.do("confirm", MODEL) == 0
    assert device.restart() == (1, 1) and device.state(MODEL)[4] == 2


def test_a_cable_writes_over_what_the_record_knows(open_device: Callable[..., Device]) -> None:
    device = open_device()
    device.do("cable", FW, 0, device.file(firmware_of(0, 77, counter=4)))
    forged = signed(body_of(50, 3), key=own_key(5))
    device.do("cable", MODEL, 0, device.file(forged))
    assert device.restart() == (0, ABSENT)
    assert device.state(FW)[4] == 4
    device.do("cable", FW, 0, device.file(firmware_of(0, 78, counter=3)))
    assert device.restart() == (ABSENT, ABSENT)  # older than what ran


def test_a_device_that_never_had_a_model_gets_its_first(open_device: Callable[..., Device]) -> None:
    device = open_device()
    device.do("forget"), device.do("cable", MODEL, 0, 99)
    assert device.restart() == (0, ABSENT) and device.do("confirm", MODEL) == STATE
    new = device.file(model_of(5))
    put_on_trial(device, MODEL, new)
    assert device.do("running", MODEL) == 0
    assert device.restart() == (0, ABSENT)  # it crashed: the device lives without one
    assert device.do("test", MODEL, new) == 0 and device.do("start", MODEL) == 0
    assert device.do("confirm", MODEL) == 0 and device.restart() == (0, 0)


def test_a_board_with_one_slot_for_its_firmware(open_device: Callable[..., Device]) -> None:
    layout = Layout("one", MICROBIT.flash, (0x5000, 0x15000, 0), MICROBIT.model, MICROBIT.state)
    device = Device(open_device().folder, layout)
    new = device.file(model_of(5))
    device.do("cable", MODEL, 0, new)
    assert device.restart() == (ABSENT, 0)
    assert device.do("upload", FW, new) == NO_SLOT and device.do("upload", 2, new) == NO_SLOT
    newer = device.file(model_of(6))
    put_on_trial(device, MODEL, newer)
    assert device.do("confirm", MODEL) == 0 and device.restart() == (ABSENT, 1)
    device.close()


def test_a_log_that_cannot_be_written_keeps_nobody_from_booting(open_device: Callable[..., Device]) -> None:
    device = open_device()
    new = device.file(firmware_of(1, 6))
    put_on_trial(device, FW, new)
    assert device.do("power") == 0
    device.do("cut", 1)
    assert device.do("boot", FW) == FLASH or device.do("boot", FW) < 0  # nothing can be read any more
    assert device.restart() == (0, 0) and device.state(FW)[3] == RESET


def test_what_reads_right_every_second_time_is_no_record_and_no_room_for_one(
    open_device: Callable[..., Device],
) -> None:
    device = open_device()
    put_on_trial(device, MODEL, device.file(model_of(5)))
    record, sequence, following = device.do("record"), device.do("sequence"), device.do("next")
    assert following == record + 156
    for byte in (0, 5, 60, 155):
        device.do("flicker", record + byte)
        assert device.do("power") == 0 and device.do("sequence") == sequence - 1, byte
        assert device.state(MODEL)[2] == PENDING
    for byte in (0, 60, 155):
        device.do("flicker", following + byte)
        assert device.do("power") == 0 and device.do("sequence") == sequence
        assert device.do("next") == 0, byte  # it was the last one of its half
    device.do("flicker", 0)
    assert device.do("power") == 0 and device.do("next") == following


def test_records_count_modulo_2_to_the_32(open_device: Callable[..., Device]) -> None:
    """The last number is that of the last record in the first half; 0 is none, so 1 begins the other half."""
    device = open_device()
    assert device.do("sequence") == 2
    device.do("count", 2**32 - 5)
    put_on_trial(device, MODEL, device.file(model_of(5)))
    assert device.do("confirm", MODEL) == 0 and device.do("sequence") == -1 and device.do("next") == 0
    assert device.restart() == (0, 1) and device.do("sequence") == -1
    assert device.do("erase", MODEL) == 0
    assert device.restart() == (0, 1) and device.do("sequence") == 1
    assert device.do("record") == MICROBIT.state[0] + MICROBIT.state[1] // 2


def area(magic: int, tlvs: list[tuple[int, bytes]]) -> bytes:
    body = b"".join(struct.pack("<HH", number, len(value)) + value for number, value in tlvs)
    return struct.pack("<HH", magic, 4 + len(body)) + body


def forged(
    change: Callable[[list[tuple[int, bytes]], list[tuple[int, bytes]]], object],
    *,
    fields: tuple[int, int, int, int] = (0, 32, 0, 0),
) -> bytes:
    """An image with other TLVs, or header (load address, its bytes, more protected ones, flags), signed rightly."""
    load, header, more, flags = fields
    values = {0x50: b"\1\0\0\0", 0xA0: CONTRACT, 0xA1: BOARD.encode(), 0xA3: b"\1"}
    under, free = list(values.items()), [(0x10, b""), (0x01, key_hash(own_key(0).public.raw)), (0x24, b"")]
    change(under, free)
    protected = area(0x6908, under)
    head = struct.pack("<IIHHIIBBHII", 0x96F3B83D, load, header, len(protected) + more, 40, flags, 0, 0, 0, 5, 0)
    covered = head.ljust(header, b"\0") + body_of(40, 1) + protected
    digest = hashlib.sha256(covered).digest()
    made = {0x10: digest, 0x24: own_key(0).sign(digest)}
    return covered + area(0x6907, [(number, value or made.get(number, b"")) for number, value in free])


def test_a_form_that_could_be_read_two_ways_is_refused_though_signed(open_device: Callable[..., Device]) -> None:
    device = open_device()
    unknown = (0xB0, b"x")
    changes = [lambda u, _, i=i: u.pop(i) for i in range(4)] + [lambda _, f, i=i: f.pop(i) for i in range(3)]
    changes += [lambda u, _, i=i: u.append(u[i]) for i in range(4)] + [
        lambda _, f, i=i: f.append(f[i]) for i in range(3)
    ]
    changes += [lambda u, _: u.append(unknown), lambda _, f: f.append(unknown), lambda u, f: u.append(f[1])]
    changes += [lambda u, f: f.append(u[0]), lambda u, _: u.append((0xA2, bytes(7))), lambda u, _: u.clear()]
    changes += [lambda u, _, v=v: u.__setitem__(3, (0xA3, v)) for v in (b"\0", b"\2", b"\1\0", b"")]
    changes += [lambda u, _, v=v: u.__setitem__(2, (0xA1, v)) for v in (b"", b"b" * 64)]
    refused = [forged(change) for change in changes]
    fields = [(4, 32, 0, 0), (0, 28, 0, 0), (0, 34, 0, 0), (0, 1028, 0, 0), (0, 32, 1, 0), (0, 32, 0, 4)]
    refused += [forged(lambda _u, _f: None, fields=these) for these in fields]
    for number, data in enumerate(refused):
        assert device.do("upload", MODEL, device.file(data)) == IMAGE, number
    assert device.do("upload", MODEL, device.file(forged(lambda _u, _f: None))) == 0
    count_faults("signed images of a wrong form", len(refused))


@pytest.mark.parametrize(
    ("layout", "unit"),
    [
        (Layout("log too small", (0, 4096, 64, 4, 1), (0, 1024, 1024), (2048, 3072, 512), (3584, 256)), 192),
        (Layout("slot on no sector", (0, 8192, 1024, 4, 1), (512, 1024, 1024), (2048, 3072, 1024), (4096, 2048)), 192),
        (Layout("log on no sector", (0, 8192, 1024, 4, 1), (0, 1024, 1024), (2048, 3072, 1024), (4608, 2048)), 192),
        (Layout("unit too large", (0, 8192, 1024, 512, 1), (0, 1024, 1024), (2048, 3072, 1024), (4096, 2048)), 512),
        (small_layout(1024, 4, 1), 128),
        (small_layout(1024, 32, 1), 176),
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_what_does_not_go_together_is_refused(layout: Layout, unit: int, tmp_path: Path) -> None:
    device = Device(tmp_path, layout)
    device.do("unit", unit)
    assert device.do("power") == GEOMETRY
    device.close()


@pytest.mark.parametrize(("image", "layout"), [(MODEL, MICROBIT), (FW, PICO)])
def test_no_forged_image_is_ever_accepted(image: int, layout: Layout, tmp_path: Path) -> None:
    origin = layout.firmware[0] if image == FW else None
    key, small, full = tmp_path / "key", tmp_path / "small", tmp_path / "full"
    key.write_bytes(own_key(0).public.raw)
    small.write_bytes(signed(body_of(70, 1), origin=origin, golden=Golden(1, 2) if image else None))
    full.write_bytes(filling((layout.model if image else layout.firmware)[2], 2, origin=origin))
    for path, stride in ((small, 1), (full, 4099)):
        command = [slots_program("slots_hostile"), *layout.arguments, key, str(image), path, str(stride)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        report_faults(
            f"{layout.name}: {('a firmware', 'a model')[image]} of {path.stat().st_size:,} bytes", done.stdout
        )


def test_an_update_wears_no_sector_but_its_slots_and_half_a_log(open_device: Callable[..., Device]) -> None:
    """Records of an update: begin, finish, test, start, confirm; six have room in a half of a micro:bit's log."""
    device = open_device()
    for seed in range(13):
        if seed == 1:  # the first one found a slot that no record had to forget
            before, records = device.do("operations"), device.do("sequence")
        put_on_trial(device, MODEL, device.file(signed(body_of(4000, seed))))
        assert device.do("confirm", MODEL) == 0
    written = device.do("sequence") - records
    operations = device.do("operations") - before
    # Beside the slot's own: 39 units a record, and an erase each sixth of them.
    own = 12 * (5 + -(-len(signed(body_of(4000, 0))) // 4))
    assert written == 12 * 5
    assert operations - own == written * 39 + written // 6
    print(f"wear: {written / 12:g} records and {written / 6 / 12:.2f} erases of a sector of the log an update")


def test_imgtool_makes_the_same_image_and_it_is_taken(open_device: Callable[..., Device], tmp_path: Path) -> None:
    pem, body, made = tmp_path / "key.pem", tmp_path / "body", tmp_path / "made"
    subprocess.run(["imgtool", "keygen", "-t", "ed25519", "-k", pem], check=True, timeout=60)
    body.write_bytes(body_of(1234, 9))
    tlvs = {"0x00a0": "0x" + CONTRACT.hex(), "0x00a1": BOARD, "0x00a3": "0x01"}
    custom = [word for tlv, value in tlvs.items() for word in ("--custom-tlv", tlv, value)]
    sign = ["imgtool", "sign", "-k", pem, "--header-size", "32", "--pad-header", "--slot-size", "86016", "--align", "4"]
    words = [*sign, "--version", "0.0.0+5", "--security-counter", "6", *custom, body, made]
    subprocess.run(words, check=True, timeout=60, capture_output=True)
    device = open_device()
    image = read_image(made.read_bytes(), where="imgtool's")
    assert (image.counter, image.board, image.body) == (6, BOARD, body.read_bytes())
    new = device.file(made.read_bytes())
    assert device.do("upload", MODEL, new) == SIGNATURE  # form and content are right, the key is a stranger's
    device.do("keys", 0), device.do("forget"), device.do("cable", MODEL, 0, new)
    assert device.restart() == (0, 0) and device.state(MODEL)[4] == 6


@pytest.mark.parametrize(("cpu", "limit"), [("cortex-m0", 4640), ("cortex-m4", 4400)])
def test_it_builds_for_small_cores_without_a_library(cpu: str, limit: int, tmp_path: Path) -> None:
    strict = ["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror", "-I", RUNTIME / "include"]
    flags = ["-mthumb", f"-mcpu={cpu}", "-Os", "-ffreestanding", "-nostdlib", "-r"]
    out = tmp_path / "update.o"
    sources = sorted((RUNTIME / "update").glob("*.c"))
    subprocess.run(["arm-none-eabi-gcc", *strict, *flags, *sources, "-o", out], check=True, timeout=60)
    wanted = subprocess.run(["arm-none-eabi-nm", "-u", out], capture_output=True, text=True, check=True).stdout
    assert not wanted.split()
    sizes = subprocess.run(["arm-none-eabi-size", out], capture_output=True, text=True, check=True).stdout
    assert int(sizes.splitlines()[1].split()[0]) <= limit
