"""SMP on boards: unmodified smpclient and BoardManager against the rendered firmware in its twins."""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pytest
from smp.error import MGMT_ERR
from smpclient import SMPClient
from smpclient.exceptions import SMPUploadError
from smpclient.generics import error, success
from smpclient.requests.image_management import ImageErase, ImageStatesRead
from smpclient.requests.os_management import (
    DateTimeRead,
    EchoWrite,
    MCUMgrParametersRead,
    OSApplicationInfoRead,
    ResetWrite,
)
from smpclient.transport.serial import SMPSerialTransport
from test_twin_boards import VECTORS

from fakes.pty_board import port_of
from fakes.reversing import board_spec, build_firmware, compile_image, contract_of
from tinyops.files import digest_json
from tinyops.firmware.project import FIRMWARE_VERSION
from tinyops.images import read_image
from tinyops.link import Link, Status, Tensor
from tinyops.link.serial_port import SerialStream
from tinyops.link.smp import BoardManager, Refused, requests
from tinyops.link.smp.definition import MESSAGE_LARGE, MESSAGE_MAX, ImageError
from tinyops.twin import VirtualBoard, open_twin
from tinyops.twin.flashed import flash_content

pytestmark = pytest.mark.build
QEMU = ("microbit", "nano33ble")
BOARDS = (*QEMU, "linux")
BUFFERS = {"microbit": MESSAGE_MAX, "nano33ble": MESSAGE_LARGE, "linux": MESSAGE_MAX}  # by how much RAM there is


@dataclass
class Built:
    """A board's files, and how to boot them."""

    name: str
    files: dict[str, Path]

    @contextmanager
    def booted(self) -> Iterator[VirtualBoard]:
        with open_twin(self.name, board_spec(self.name), self.files) as virtual:
            yield virtual

    def digest(self, name: str) -> bytes:
        return sha256(self.files[name].read_bytes()).digest()


@pytest.fixture(scope="module", params=BOARDS)
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder, contract = tmp_path_factory.mktemp(request.param), contract_of(request.param)
    (folder / "contract.json").write_text(json.dumps(contract))
    files = compile_image(request.param, folder, contract) | build_firmware(request.param, folder, contract)
    return Built(request.param, {"contract.json": folder / "contract.json", **files})


@pytest.fixture
def port(built: Built) -> Iterator[str]:
    with built.booted() as virtual, port_of(virtual) as port:
        yield port


@pytest.fixture
def manager(port: str) -> Iterator[BoardManager]:
    with BoardManager.open(port, timeout_s=20) as manager:
        yield manager


async def ask_everything(port: str, buffer_bytes: int, *, has_slots: bool) -> None:
    async with SMPClient(SMPSerialTransport(), port, timeout_s=20) as client:
        for text in ("", "hello", "\u00e4\u20ac" * 30, "x" * 300):
            answer = await client.request(EchoWrite(d=text))
            assert success(answer) and answer.r == text
        parameters = await client.request(MCUMgrParametersRead())
        assert success(parameters) and (parameters.buf_size, parameters.buf_count) == (buffer_bytes, 1)
        full = next(n for n in range(buffer_bytes) if len(EchoWrite(d="x" * n).BYTES) + 4 == buffer_bytes)
        too_large = await client.request(EchoWrite(d="x" * full))
        assert error(too_large) and too_large.rc == MGMT_ERR.EMSGSIZE
        system = await client.request(OSApplicationInfoRead(format="sv"))
        assert success(system) and system.output.startswith("tinyops ")
        listed = await client.request(ImageStatesRead())
        assert success(listed) and listed.images[0].active
        health = await client.request(requests.HealthRead())
        assert success(health) and 0 < health.stack_used < health.stack
        unknown = await client.request(DateTimeRead())
        assert error(unknown) and unknown.rc == MGMT_ERR.ENOTSUP
        refused = await client.request(ImageErase())  # it was not enrolled, or has nothing to erase
        assert error(refused) and (
            refused.err.rc == ImageError.UNKNOWN if has_slots else refused.rc == MGMT_ERR.ENOTSUP
        )
        with pytest.raises(SMPUploadError):
            async for _ in client.upload(b"\1" * 1000):
                pass
        reset = await client.request(ResetWrite())
        assert success(reset) if has_slots else (error(reset) and reset.rc == MGMT_ERR.ENOTSUP)
        answer = await client.request(EchoWrite(d="still there"))
        assert success(answer) and answer.r == "still there"


def test_unmodified_smpclient_talks_to_the_board(built: Built, port: str) -> None:
    asyncio.run(ask_everything(port, BUFFERS[built.name], has_slots=built.name in QEMU))


def test_the_board_says_who_it_is_by_digests_of_what_lies_in_its_flash(built: Built, manager: BoardManager) -> None:
    info = manager.info()
    contract = contract_of(built.name)
    assert (info.board, info.state, info.abi) == (built.name, Status.OK, 1)
    assert info.free_slots == (2 if built.name in QEMU else 0)
    assert info.contract.hex() == digest_json(contract).removeprefix("sha256:")
    assert info.version == FIRMWARE_VERSION and info.arena_bytes == contract["arena_bytes"] < info.ram_bytes
    slots = manager.images()
    if built.name == "linux":
        assert (info.fleet, info.firmware, info.model, info.image_crc) == ("", None, None, 0)
        assert [(slot.image, slot.digest) for slot in slots] == [(0, None)]
        return
    assert info.fleet == "wrist" and info.model == built.digest("model.bin")
    assert info.image_crc == zlib.crc32(built.files["model.bin"].read_bytes())
    spec = board_spec(built.name)
    assert spec.layout is not None
    content = flash_content(built.name, spec, built.files, contract)
    images = [read_image(content[place[0].origin], where="slot") for place in (spec.layout.firmware, spec.layout.model)]
    assert [(slot.image, slot.slot, slot.digest, slot.version) for slot in slots] == [
        (number, 0, image.digest, "0.0.0.{3}".format(*image.version)) for number, image in enumerate(images)
    ]
    assert all(slot.active and slot.confirmed and slot.bootable for slot in slots)
    if built.name == "microbit":  # its twin runs the firmware's own bytes
        assert info.firmware == built.digest("firmware.bin")


def test_self_test_and_bench_run_the_model(built: Built, manager: BoardManager) -> None:
    test = manager.self_test()
    assert test.passed and [name for name, _ in test.checks] == ["image", "model", "stack"]
    assert test.outputs_crc == zlib.crc32(bytes(8))  # the reversing model, on zeros
    bench = manager.bench(50)
    assert bench.repeat == 50 and bench.ticks.least <= bench.ticks.mean <= bench.ticks.largest
    assert (bench.cycles is None or bench.emulated) and manager.health().inferences == 0
    for repeat in (0, 1001):
        with pytest.raises(Refused, match="out of range"):
            manager.bench(repeat)


def test_what_the_board_lacks_is_refused_and_no_fault_is_kept(built: Built, manager: BoardManager) -> None:
    assert manager.read_settings() == b""  # their ports write flash; what is no settings is refused all the same
    with pytest.raises(Refused, match="refused SettingsWrite: a value is missing"):
        manager.write_settings(b"x")
    assert manager.crash() is None
    manager.clear_crash()


def test_the_link_goes_on_between_the_messages(built: Built, port: str) -> None:
    stream = SerialStream(port)
    link, manager = Link(stream, name=port, timeout_s=20), BoardManager(stream, name=port, timeout_s=20)
    try:
        for round_, vector in enumerate(VECTORS):
            link.write_input(vector)
            link.invoke()
            manager.echo(f"round {round_}")
            assert link.read_tensor(Tensor.OUTPUT, 8) == vector[::-1]
            assert manager.health().inferences == round_ + 1
            link.write_input(vector)
            test = manager.self_test(keep_input=True)
            assert test.outputs_crc == zlib.crc32(vector[::-1])
        results = [link.sample((i, -i)) for i in range(6)]
        manager.echo("between frames")
        assert [r is not None for r in results] == [False, False, False, True, False, True]
        assert link.stats().bad_frames == 0 and built.name
    finally:
        stream.close()


def test_garbage_hides_neither_the_link_nor_smp(port: str) -> None:
    stream = SerialStream(port)
    link, manager = Link(stream, name=port, timeout_s=20), BoardManager(stream, name=port, timeout_s=20)
    junk = [
        b"AT\r\n",
        b"\x06\x09AA",
        b"\x04\x14QUJD\n",
        b"\x06",
        b"\xff" * 600,
        b"\x06\x09====\n",
        b"\0",
        b"\x06\x09\0",
    ]
    try:
        for piece in (*junk, b"".join(junk)):
            stream.write(piece, 5)
            manager.echo("after garbage")
            stream.write(piece, 5)
            assert link.hello().state == Status.OK
    finally:
        stream.close()


@pytest.mark.parametrize("built", QEMU, indirect=True)
def test_an_empty_slot_is_no_error_of_management(built: Built) -> None:
    files = {name: path for name, path in built.files.items() if name != "model.bin"}
    empty = built.files["firmware.elf"].with_name("empty.bin")
    empty.write_bytes(b"\xff" * 64)
    bare = Built(built.name, {**files, "model.bin": empty})
    with bare.booted() as virtual:
        manager = BoardManager(virtual.link._stream, name=built.name, timeout_s=20)
        info, test = manager.info(), manager.self_test()
        assert (info.state, info.model, info.image_crc) == (Status.ABSENT, None, 0)
        assert test.checks == (("image", Status.ABSENT), ("stack", 0)) and not test.passed
        with pytest.raises(Refused, match="no model that can run"):
            manager.bench(1)
        assert manager.health().histogram == ()
