"""The host's end of SMP against a board in Python behind a pseudo terminal, well-behaved and not."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import cbor2
import pytest
from smp import packet
from smpclient import SMPClient
from smpclient.generics import success
from smpclient.transport.serial import SMPSerialTransport

from fakes.pty_board import terminal
from fakes.smp_board import HEALTH, INFO, SmpBoard, serving
from tinyops.errors import ToolError
from tinyops.firmware.project import FIRMWARE_VERSION
from tinyops.link import Frame, LinkClosed, LinkTimeout, Type, encode
from tinyops.link import smp as management
from tinyops.link.protocol import REQUESTS
from tinyops.link.smp import BoardManager, Garbled, Refused, c_header, requests
from tinyops.link.smp.console import ConsoleDecoder
from tinyops.link.smp.console import encode as encode_lines
from tinyops.link.smp.definition import (
    COMMANDS,
    HEADER_BYTES,
    MESSAGE_MAX,
    RESERVED_TYPES,
    START,
    Command,
    Exchange,
    Key,
)

HEADER = Path(management.__file__).parents[2] / "runtime/include/tinyops/smp_group.h"
QUICK_S = 0.4


@pytest.fixture
def board() -> SmpBoard:
    return SmpBoard()


@pytest.fixture
def manager(board: SmpBoard) -> Iterator[BoardManager]:
    with serving(board) as port, BoardManager.open(port, timeout_s=3) as manager:
        yield manager


def test_the_os_group_is_echo_reset_parameters_and_information(manager: BoardManager, board: SmpBoard) -> None:
    manager.echo("hello, board")
    manager.reset()
    assert board.resets == 1
    assert (manager.parameters().buffer_bytes, manager.parameters().buffers) == (384, 1)
    assert manager.os_info("sv") == "tinyops sv"


def test_the_longest_information_fits_a_message() -> None:
    names = {"board": "b" * 63, "fleet": "f" * 63, "firmware_version": FIRMWARE_VERSION}
    digests = dict.fromkeys(("contract", "firmware", "model"), b"\x01" * 32)
    numbers = dict.fromkeys(("image_crc", "arena", "ram"), 2**32 - 1) | {"abi": 1, "state": -100, "free_slots": 2}
    answer = {**names, **digests, **numbers, "silicon": b"\x01" * 8}  # as boards have that can read their firmware
    assert set(answer) == {key.name for key in COMMANDS[Command.INFO].read.answer}
    length_crc_and_end = 2 + 2 + 1
    assert len(cbor2.dumps(answer)) + HEADER_BYTES + length_crc_and_end <= MESSAGE_MAX


@pytest.mark.parametrize("number", [None, b"\x00" * 8, b"\xff" * 12])
def test_a_chip_whose_number_nobody_wrote_has_none(
    manager: BoardManager, board: SmpBoard, number: bytes | None
) -> None:
    board.replace[64, 0] = {**INFO, "silicon": number} if number else {k: v for k, v in INFO.items() if k != "silicon"}
    assert manager.info().silicon is None


@pytest.mark.parametrize("number", [b"\x01" * 3, b"\x01" * 17, 5])
def test_a_number_that_can_be_none_is_refused(manager: BoardManager, board: SmpBoard, number: object) -> None:
    board.replace[64, 0] = {**INFO, "silicon": number}
    with pytest.raises(Garbled):
        manager.info()


@pytest.mark.parametrize("name", ["\x1b[2J", "pico\n", "x" * 65])
def test_a_name_that_no_board_has_reaches_no_terminal(manager: BoardManager, board: SmpBoard, name: str) -> None:
    board.replace[64, 0] = {**INFO, "board": name}
    with pytest.raises(Garbled):
        manager.info()


def test_images_are_listed_with_their_digests(manager: BoardManager) -> None:
    (image,) = manager.images()
    assert (image.version, image.digest, image.active, image.pending) == ("1.2.3", b"\x02" * 32, True, False)


def test_a_board_says_who_it_is_and_how_it_fares(manager: BoardManager) -> None:
    info, health = manager.info(), manager.health()
    assert (info.board, info.fleet, info.version, info.model) == ("microbit", "wrist", "1.2.3", None)
    assert (info.state, info.image_crc, info.arena_bytes, info.ram_bytes) == (-16, 0xDEADBEEF, 10240, 13000)
    assert info.silicon is not None and info.silicon.hex() == "e66058388335372c"
    assert health.reset_cause_name == "watchdog" and health.histogram == (3, 4)
    assert (health.watchdog_resets, health.missed_frames, health.confidence_steps) == (2, 4, HEALTH["confidence"])


def test_self_test_and_bench_give_named_results(manager: BoardManager) -> None:
    assert manager.self_test().passed and manager.self_test().checks == (("image", 0), ("model", 0))
    assert manager.self_test(keep_input=True).outputs_crc == 1
    bench = manager.bench(4)
    assert (bench.ticks.least, bench.ticks.largest, bench.ticks.mean) == (10, 20, 15.0)
    assert bench.cycles is None and bench.emulated


def test_a_kept_fault_is_read_and_forgotten(manager: BoardManager) -> None:
    crash = manager.crash()
    assert crash is not None and (crash.pc, crash.lr, crash.bfar, crash.uptime_ms) == (0x1234, 0x1111, 4, 0)
    manager.clear_crash()
    assert manager.crash() is None


def test_settings_travel_in_pieces_both_ways(manager: BoardManager, board: SmpBoard) -> None:
    assert manager.read_settings() == b"\x07" * 300
    manager.write_settings(bytes(range(256)))
    assert board.settings == bytes(range(256)) == manager.read_settings()


def test_a_refusal_says_what_was_asked_and_why(manager: BoardManager, board: SmpBoard) -> None:
    board.replace[64, 4] = {"err": {"group": 64, "rc": 6}}
    with pytest.raises(Refused, match=r"^/dev/.*: refused BenchWrite: it has no model that can run") as caught:
        manager.bench(3)
    assert (caught.value.code, caught.value.group) == (6, 64)
    board.replace[64, 1] = {"rc": 8}
    with pytest.raises(Refused, match="cannot do that") as caught:
        manager.health()
    assert caught.value.group is None


@pytest.mark.parametrize("junk", [b"boot: v1.0\r\n", b"\0", b"\x06\x06", START, b"\xff" * 700, b"\x06\tAA"])
def test_what_comes_before_an_answer_does_no_harm(manager: BoardManager, board: SmpBoard, junk: bytes) -> None:
    board.before = junk
    manager.echo("a" * 200)


def test_frames_of_the_link_around_an_answer_are_stepped_over(manager: BoardManager, board: SmpBoard) -> None:
    tempting = encode_lines(b"\x0b\0\0\x02\0\0\0\0\xbf\xff")
    board.before = b"".join(encode(Frame(Type.RESULT, i, tempting * 3)) for i in range(4))
    board.after = encode(Frame(Type.RESULT, 9, b"\x06\x09" * 50))
    for _ in range(5):
        manager.echo("x" * 150)


def test_garbage_is_one_error_that_names_the_port(manager: BoardManager, board: SmpBoard) -> None:
    board.instead = b"\x80login: \xff\xfe" * 40
    with pytest.raises(Garbled, match=r"^/dev/\S+: answered EchoWrite with \d+ bytes that are no message"):
        manager.echo("x", timeout_s=QUICK_S)


def test_a_damaged_answer_is_told_from_silence(manager: BoardManager, board: SmpBoard) -> None:
    board.instead = encode_lines(b"\x0b\0\0\1\0\0\0\0\xa0")[:-5] + b"AAA=\n"
    with pytest.raises(Garbled, match="1 damaged messages"):
        manager.echo("x", timeout_s=QUICK_S)
    board.instead = b""
    with pytest.raises(LinkTimeout, match=r"^/dev/\S+: no answer to EchoWrite within the time limit"):
        manager.echo("x", timeout_s=QUICK_S)
    board.instead = None
    manager.echo("still there")


def test_answers_without_end_do_not_outlast_the_time_limit(manager: BoardManager, board: SmpBoard) -> None:
    board.change = lambda m: m[:6] + bytes(((m[6] + 1) % 256,)) + m[7:]  # the number of another request
    with pytest.raises(Garbled):
        manager.echo("x", timeout_s=QUICK_S)


@pytest.mark.parametrize(("at", "value"), [(0, 0x08), (0, 0x09), (3, 200), (4, 0x7F), (5, 65), (7, 9), (0, 0xFF)])
def test_a_header_of_another_answer_is_garbled(manager: BoardManager, board: SmpBoard, at: int, value: int) -> None:
    board.change = lambda m: m[:at] + bytes((value,)) + m[at + 1 :]
    with pytest.raises(Garbled, match="answered EchoWrite"):
        manager.echo("x")


@pytest.mark.parametrize(
    "body",
    [
        *({}, {"rc": 99}, {"err": {"group": 64, "rc": 77}}, {"crashed": 5}, {"crashed": True, "pc": -1}),
        *({"crashed": True, "pc": 1 << 32}, {"crashed": True, "more": 1}, {"header": 1}, {"smp_data": b""}, [1, 2], 7),
    ],
)
def test_a_map_of_another_shape_is_garbled(manager: BoardManager, board: SmpBoard, body: object) -> None:
    board.replace[64, 5] = body  # type: ignore[assignment]
    with pytest.raises(Garbled, match="its answer to CrashRead cannot be read"):
        manager.crash()


@pytest.mark.parametrize("body", [b"", b"\xff", b"\xbf", b"\x9f" * 500, b"\xa1\x61", b"\xd8\x1c\x1b" + b"\xff" * 8])
def test_cbor_that_is_none_is_garbled(manager: BoardManager, board: SmpBoard, body: bytes) -> None:
    board.change = lambda m: m[:2] + len(body).to_bytes(2, "big") + m[4:8] + body
    with pytest.raises(Garbled):
        manager.info()


def test_settings_that_do_not_fit_together_are_garbled(manager: BoardManager, board: SmpBoard) -> None:
    for answer in (
        {"off": 0, "len": 1 << 30, "data": b"x"},
        {"off": 0, "len": 9, "data": b""},
        {"off": 5, "len": 9, "data": b"x"},
    ):
        board.replace[64, 3] = answer
        with pytest.raises(Garbled, match="settings"):
            manager.read_settings()
    board.replace[64, 3] = {"off": 7}
    with pytest.raises(Garbled, match="took 7 bytes"):
        manager.write_settings(b"x" * 20)


def test_a_port_that_vanishes_is_one_error() -> None:
    with terminal() as (far, port):
        manager = BoardManager.open(port)
        spare = os.dup(far)
    os.close(spare)
    with pytest.raises(LinkClosed, match="gone"):
        manager.echo("x")
    manager.close()
    with pytest.raises(ToolError, match="there is no such serial line"):
        BoardManager.open(port)


def test_smpclient_itself_knows_our_requests(board: SmpBoard) -> None:
    async def ask(port: str) -> str:
        async with SMPClient(SMPSerialTransport(), port) as client:
            answer = await client.request(requests.InfoRead())
            assert success(answer)
            return str(answer.board)

    with serving(board) as port:
        assert asyncio.run(ask(port)) == "microbit"


@pytest.mark.parametrize("length", [8, 9, 80, 85, 86, 89, 90, 91, 92, 93, 200, 380])
def test_lines_are_those_of_the_library(length: int) -> None:
    message = bytes(i % 256 for i in range(length))
    lines = encode_lines(message).splitlines(keepends=True)
    assert all(len(line) <= 127 for line in lines)
    decoder = packet.decode()
    next(decoder)
    with pytest.raises(StopIteration) as whole:
        for line in lines:
            decoder.send(line)
    assert whole.value.value == message
    for step in (1, 7, 400):
        ours, data = ConsoleDecoder(), b"".join(packet.encode(message, 60))
        pieces = [data[at : at + step] for at in range(0, len(data), step)]
        assert [m for piece in pieces for m in ours.feed(piece)] == [message]


def _fields(exchange: Exchange, side: str) -> dict[str, bool]:
    keys: tuple[Key, ...] = getattr(exchange, side)
    return {key.name: key.optional for key in keys}


@pytest.mark.parametrize("command", list(Command))
def test_request_classes_have_the_keys_of_the_definition(command: Command) -> None:
    inherited = {"header", "version", "sequence", "smp_data"}
    definition = COMMANDS[command]
    for exchange, way in ((definition.read, "Read"), (definition.write, "Write")):
        name = "".join(part.title() for part in command.name.split("_")) + way
        if exchange is None:
            assert not hasattr(requests, name)
            continue
        ask, answer = getattr(requests, name), getattr(requests, f"{name}Response")
        assert (64, command) == (ask._GROUP_ID, ask._COMMAND_ID)
        assert ask.__private_attributes__["_Response"].default is answer
        for kind, side in ((ask, "ask"), (answer, "answer")):
            found = {k: not f.is_required() for k, f in kind.model_fields.items() if k not in inherited}
            assert found == _fields(exchange, side), name


def test_the_committed_header_is_the_emitted_one() -> None:
    assert HEADER.read_text() == c_header()


def test_no_request_of_the_link_begins_like_a_line() -> None:
    assert not {int(kind) for kind in REQUESTS} & set(RESERVED_TYPES)
