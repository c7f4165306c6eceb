"""The SMP server in C under sanitizers: every answer is one, whatever comes over the line."""

from __future__ import annotations

import hashlib
import random
import subprocess
from collections.abc import Sequence
from ctypes import CDLL, c_uint32, create_string_buffer
from pathlib import Path
from typing import Any

import cbor2
import pytest
from smp import packet
from smp.error import MGMT_ERR
from smp.header import Header, Version

from tinyops.link.smp.console import ConsoleDecoder
from tinyops.link.smp.definition import (
    COMMANDS,
    IMAGE_ERRORS,
    MESSAGE_MAX,
    MESSAGE_MIN,
    SILICON_MAX,
    Command,
    ImageError,
    UpdateError,
)
from tinyops.toolchain import installed

pytestmark = pytest.mark.build

ROOT = Path(__file__).parents[2]
RUNTIME = ROOT / "tinyops/runtime"
SOURCES = [*sorted((RUNTIME / "smp").glob("*.c")), RUNTIME / "digest/sha256.c", ROOT / "tests/runtime/run_smp.c"]
STRICT = ["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-Wconversion", "-I", str(RUNTIME / "include")]
SANITIZE = ["-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
READ, WRITE = 0, 2
OS, IMAGE, OURS = 0, 1, 64
REFUSING = 100  # slots from here on run_smp.c refuses to erase, by the number of the image
BUFFERS = (64, 100, 256, MESSAGE_MIN, MESSAGE_MAX)
KEYS = ("d", "off", "len", "data", "repeat", "keep", "format", "hash", "sha", "image", "slot", "confirm", "", "k" * 30)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = tmp_path_factory.mktemp("smp") / "run_smp"
    subprocess.run([installed("gcc").path, *STRICT, *SANITIZE, *SOURCES, "-o", program], check=True)
    return program


def message(op: int, group: int, command: int, body: object, sequence: int = 0, version: int = 1) -> bytes:
    data = body if isinstance(body, bytes) else cbor2.dumps(body)
    head = bytes((version << 3 | op, 0)) + len(data).to_bytes(2, "big") + group.to_bytes(2, "big")
    return head + bytes((sequence % 256, command)) + data


def run(server: Path, line: bytes, buffer_bytes: int = MESSAGE_MAX) -> tuple[list[bytes], int, int]:
    """The answers, how often it was reset, and how many messages it dropped."""
    done = subprocess.run([server, str(buffer_bytes)], input=line, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    decoder = ConsoleDecoder()
    answers = list(decoder.feed(done.stdout))
    assert decoder.bad_messages == 0
    resets, bad = map(int, done.stderr.split())
    return answers, resets, bad


def ask(server: Path, *messages: bytes, buffer_bytes: int = MESSAGE_MAX) -> list[Any]:
    line = b"".join(b"".join(packet.encode(m)) for m in messages)
    return [cbor2.loads(answer[8:]) for answer in run(server, line, buffer_bytes)[0]]


def test_a_chips_number_comes_whole_and_in_order(server: Path) -> None:
    (answer,) = ask(server, message(READ, OURS, Command.INFO, {}))
    assert answer["silicon"] == b"\xe6\x60\x00\x01".ljust(SILICON_MAX, b"\0")


def test_every_command_answers_with_the_keys_of_its_definition(server: Path) -> None:
    bodies = {Command.SETTINGS: {"off": 0, "len": 3, "data": b"abc"}, Command.BENCH: {"repeat": 5}}
    bodies[Command.UPDATE] = {"image": 1}
    for command, definition in COMMANDS.items():
        for op, exchange in ((WRITE, definition.write), (READ, definition.read)):
            (answer,) = ask(server, message(op, OURS, command, bodies.get(command, {})))
            if exchange is None:
                assert answer == {"rc": 8}
                continue
            found = list(answer)
            assert set(found) <= {key.name for key in exchange.answer}
            assert {key.name for key in exchange.answer if not key.optional} <= set(found)


def test_values_at_their_limits_arrive(server: Path) -> None:
    health, crash, bench, test, info = ask(
        server,
        message(READ, OURS, Command.HEALTH, {}),
        message(READ, OURS, Command.CRASH, {}),
        message(WRITE, OURS, Command.BENCH, {"repeat": 1000}),
        message(WRITE, OURS, Command.SELF_TEST, {"keep": True}),
        message(READ, OURS, Command.INFO, {}),
    )
    assert (health["uptime_ms"], health["sensor"], health["histogram"][15]) == (0xFFFFFFFF, -3, 15 << 30 & 0xFFFFFFFF)
    assert len(health["histogram"]) == 16 and (crash["lr"], crash["uptime_ms"]) == (0xFFFFFFFF, 77)
    assert bench["ticks_sum"] == 1000 << 32
    assert (test["names"], test["statuses"], test["outputs_crc"]) == (["image", "model"], [0, -3], 1)
    assert (info["state"], info["free_slots"]) == (-16, 1) and "model" not in info


def test_a_refusal_is_a_map_in_version_2_and_a_number_in_version_1(server: Path) -> None:
    asked = (WRITE, OURS, Command.BENCH, {"repeat": 13})
    assert ask(server, message(*asked), message(*asked, version=0)) == [{"err": {"group": 64, "rc": 9}}, {"rc": 9}]
    unknown = [(READ, OS, 1), (READ, IMAGE, 1), (READ, IMAGE, 5), (WRITE, IMAGE, 2), (READ, 5, 0), (READ, OURS, 99)]
    assert ask(server, *(message(*place, {}) for place in unknown)) == [{"rc": 8}] * len(unknown)


def test_an_answer_keeps_version_sequence_and_place(server: Path) -> None:
    for version in (0, 1):
        line = b"".join(packet.encode(message(WRITE, OS, 0, {"d": "x"}, 200, version)))
        (answer,), _, _ = run(server, line)
        assert answer[:8] == bytes((version << 3 | 3, 0, 0, len(answer) - 8, 0, 0, 200, 0))


def test_a_reset_comes_after_its_answer_and_once(server: Path) -> None:
    line = b"".join(b"".join(packet.encode(message(op, OS, 5, {}))) for op in (WRITE, READ, WRITE))
    answers, resets, _ = run(server, line)
    assert [cbor2.loads(a[8:]) for a in answers] == [{}, {"rc": 8}, {}] and resets == 2


def test_what_does_not_fit_is_an_error_and_not_cut_off(server: Path) -> None:
    for size in BUFFERS:
        (info,) = ask(server, message(READ, OURS, Command.INFO, {}), buffer_bytes=size)
        assert ("board" in info) == (size >= 256) or info == {"rc": 7}
        assert ask(server, message(WRITE, OS, 0, {"d": "y" * (size - 40)}), buffer_bytes=size) == [
            {"r": "y" * (size - 40)}
        ]
    assert ask(server, message(WRITE, OS, 0, {"d": "y" * 200}), buffer_bytes=64) == []


@pytest.mark.parametrize("size", BUFFERS)
def test_an_echo_that_fills_the_buffer_is_answered_or_said_to_be_too_large(server: Path, size: int) -> None:
    """The answer's map has an end mark, the request's a count: it may be one byte longer, and then has no room."""
    longest = next(n for n in range(size) if 2 + len(message(WRITE, OS, 0, {"d": "y" * n})) + 2 == size)
    for text, answer in (("y" * longest, {"rc": 7}), ("y" * (longest - 1), {"r": "y" * (longest - 1)})):
        answers = ask(server, message(WRITE, OS, 0, {"d": text}), message(WRITE, OS, 0, {"d": "x"}), buffer_bytes=size)
        assert answers == [answer, {"r": "x"}]


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize(("group", "command", "op"), [(OS, 0, WRITE), (OS, 5, WRITE), (OURS, Command.CRASH, WRITE)])
def test_a_version_that_is_too_new_is_refused_in_the_newest_known(
    server: Path, version: int, group: int, command: int, op: int
) -> None:
    """As Zephyr's server does; nothing else happens."""
    asked = message(op, group, command, {"d": "x"}, sequence=9, version=version)
    line = b"".join(packet.encode(asked)) + b"".join(packet.encode(message(READ, OURS, Command.CRASH, {})))
    (refused, crash), resets, _ = run(server, line)
    header = Header.loads(refused[:8])
    assert (header.op, header.version, header.sequence) == (op + 1, Version.V2, 9)
    assert cbor2.loads(refused[8:]) == {"rc": MGMT_ERR.UNSUPPORTED_TOO_NEW} and resets == 0
    assert cbor2.loads(crash[8:])["pc"] == 0x1234


@pytest.mark.parametrize(
    "body",
    [
        *(
            b"",
            b"\xff",
            b"\xbf",
            b"\xa1",
            b"\xa1\x61d",
            b"\xa1\x61d\x7a\xff\xff\xff\xff",
            b"\xba\xff\xff\xff\xff\x61d\x61x",
        ),
        *(
            b"\xa1\x61d\x01",
            b"\xa1\x01\x61x",
            b"\xbf\x61d\x7f\x61x\xff\xff",
            b"\xa1\x61d\xc0\x61x",
            b"\x81\x61d",
            b"\x9f" * 90,
        ),
        *(
            b"\xa2\x61a" + b"\x81" * 80 + b"\x01\x61d\x61x",
            b"\xa1\x61d\x1b" + b"\x01" * 8,
            b"\xbb" + b"\0" * 7 + b"\x01\x61d\x61x",
        ),
        *(b"\xa1\x61d\xa1\x61d\x61x", b"\xa1\x61d", b"\xa1\x61d\x79\x00"),
    ],
)
def test_a_malformed_request_is_invalid(server: Path, body: bytes) -> None:
    assert ask(server, message(WRITE, OS, 0, body)) == [{"rc": 3}]


def test_other_entries_of_a_map_are_stepped_over(server: Path) -> None:
    odd = {"a": [1, [2, {"d": "no"}]], "b": {"d": b"no"}, "c": -5, "e": None, "d": "yes", "f": False}
    indefinite = b"\xbf\x61a\x9f\x01\xff\x61d\x63yes\xff"
    assert ask(server, message(WRITE, OS, 0, odd), message(WRITE, OS, 0, indefinite)) == [{"r": "yes"}] * 2


def test_settings_are_replaced_as_a_whole(server: Path) -> None:
    def put(at: int, size: int, data: bytes) -> bytes:
        return message(WRITE, OURS, Command.SETTINGS, {"off": at, "len": size, "data": data})

    def get(at: int) -> bytes:
        return message(READ, OURS, Command.SETTINGS, {"off": at})

    new = bytes(range(200))
    answers = ask(server, put(0, 3, b"old"), put(0, 200, new[:128]), get(0), put(128, 200, new[128:]), get(0), get(128))
    assert answers[2] == {"off": 0, "len": 3, "data": b"old"}
    assert answers[3] == {"off": 200} and answers[4]["data"] + answers[5]["data"] == new
    invalid = {"err": {"group": 64, "rc": 3}}
    assert ask(server, put(5, 3, b"x"), put(0, 3, b"long"), get(1), put(0xFFFFFFFF, 4, b"x")) == [invalid] * 4


def test_a_damaged_message_is_not_answered(server: Path) -> None:
    (line,) = packet.encode(message(WRITE, OS, 0, {"d": "AAAAAAAA"}))
    for at in range(2, len(line) - 1):
        if line[at] in b"=":
            continue
        damaged = line[:at] + (b"B" if line[at : at + 1] != b"B" else b"C") + line[at + 1 :]
        answers, _, bad = run(server, damaged + line)
        assert (len(answers), bad) == (1, 1), at


def digest_of(place: int) -> bytes:
    """As run_smp.c names what lies in a slot."""
    return bytes((place,)).ljust(32, b"\0")


def refused(error: ImageError) -> dict[str, Any]:
    return {"err": {"group": IMAGE, "rc": error}}


def test_four_slots_with_the_longest_versions_fit_the_buffer_of_a_board_that_updates_itself(server: Path) -> None:
    (listed,) = ask(server, message(READ, IMAGE, 0, {}))
    assert [(i["image"], i["slot"], i["hash"][0]) for i in listed["images"]] == [
        (0, 0, 0),
        (0, 1, 1),
        (1, 0, 2),
        (1, 1, 3),
    ]
    assert {i["version"] for i in listed["images"]} == {"255.255.65535.4294967295"}
    assert [i["active"] for i in listed["images"]] == [True, False, True, False]
    assert ask(server, message(READ, IMAGE, 0, {}), buffer_bytes=MESSAGE_MIN) == [{"rc": 7}]


def test_each_refusal_of_slots_has_its_number_in_group_1(server: Path) -> None:
    asked = [message(WRITE, IMAGE, 5, {"slot": REFUSING + 2 * error}) for error in UpdateError]
    assert ask(server, *asked) == [refused(IMAGE_ERRORS[error]) for error in UpdateError]
    assert ask(server, message(WRITE, IMAGE, 5, {"slot": REFUSING + 400})) == [refused(ImageError.UNKNOWN)]


def test_what_is_no_upload_or_no_state_is_refused_by_number(server: Path) -> None:
    def upload(**body: object) -> bytes:
        return message(WRITE, IMAGE, 1, body)

    def state(**body: object) -> bytes:
        return message(WRITE, IMAGE, 0, body)

    sha = b"s" * 32
    cases = [
        (upload(data=b"x"), {"rc": 3}),
        (upload(off=0, len=9), {"rc": 3}),
        (upload(off=0, data=b"x"), refused(ImageError.INVALID_LENGTH)),
        (upload(off=0, data=b"x", len=1 << 31), refused(ImageError.INVALID_LENGTH)),
        (upload(off=0, data=b"x", len=9, image=2), refused(ImageError.INVALID_SLOT)),
        (upload(off=0, data=b"x", len=9, image="1"), refused(ImageError.INVALID_SLOT)),
        (upload(off=0, data=b"x", len=9, sha=sha[1:]), refused(ImageError.INVALID_HASH)),
        (upload(off=0, data=b"x", len=5001), refused(ImageError.INVALID_IMAGE_TOO_LARGE)),
        (upload(off=0, data=b"x" * 10, len=9), refused(ImageError.INVALID_IMAGE_TOO_LARGE)),
        (state(), refused(ImageError.INVALID_HASH)),
        (state(hash=sha[1:]), refused(ImageError.INVALID_HASH)),
        (state(hash=sha), refused(ImageError.HASH_NOT_FOUND)),
        (state(hash=digest_of(3), confirm=True), refused(ImageError.IMAGE_CONFIRMATION_DENIED)),
        (state(hash="text"), {"rc": 3}),
        (state(confirm=1), {"rc": 3}),
        (message(WRITE, IMAGE, 5, {"slot": 2}), refused(ImageError.NO_FREE_SLOT)),
        (message(WRITE, IMAGE, 5, {"slot": 4}), refused(ImageError.INVALID_SLOT)),
        (message(WRITE, IMAGE, 5, {"slot": 3}), {}),
        (message(WRITE, IMAGE, 5, {}), {}),
        (message(READ, OURS, Command.UPDATE, {}), {"err": {"group": OURS, "rc": 3}}),
        (message(READ, OURS, Command.UPDATE, {"image": 2}), {"err": {"group": OURS, "rc": 5}}),
        (message(WRITE, OURS, Command.UPDATE, {"image": 1}), {}),
    ]
    assert ask(server, *(asked for asked, _ in cases)) == [answer for _, answer in cases]


def test_an_upload_goes_on_where_it_was_and_a_piece_from_elsewhere_changes_nothing(server: Path) -> None:
    def piece(off: int, count: int, **more: object) -> bytes:
        return message(WRITE, IMAGE, 1, {"off": off, "data": bytes(count), **more})

    first = piece(0, 300, len=1000, sha=b"s" * 32)
    asked = [first, piece(300, 200), piece(300, 200), piece(900, 100), first, piece(500, 500), piece(0, 9, len=800)]
    assert [a["off"] for a in ask(server, *asked)] == [300, 500, 500, 500, 500, 1000, 9]


def random_body(source: random.Random) -> bytes:
    """A map, of which a part is no longer one."""
    values: list[object] = [
        0,
        1,
        23,
        24,
        300,
        1 << 16,
        1 << 32,
        -1,
        -500,
        True,
        False,
        None,
        "x" * 40,
        b"y" * 130,
        [],
        [1, {}],
    ]
    data = cbor2.dumps({source.choice(KEYS): source.choice(values) for _ in range(source.randrange(5))})
    damaged = bytearray(data)
    while source.random() < 0.4:
        damaged[source.randrange(len(damaged))] = source.randrange(256)
    return bytes(damaged[: source.randrange(len(damaged) + 1)]) if source.random() < 0.2 else bytes(damaged)


def random_line(source: random.Random) -> Sequence[bytes]:
    group = source.choice((OS, IMAGE, OURS, OURS, source.randrange(1 << 16)))
    whole = message(
        source.choice((READ, WRITE)), group, source.randrange(9), random_body(source), source.randrange(256)
    )
    return list(packet.encode(whole, source.choice((8, 40, 127))))


def test_random_messages_and_garbage_do_no_harm(server: Path) -> None:
    for seed, size in enumerate(BUFFERS * 6):
        source, line = random.Random(seed), b""  # noqa: S311
        for _ in range(600):
            lines = random_line(source)
            line += b"".join(lines if source.random() < 0.8 else source.sample(lines, source.randrange(len(lines) + 1)))
            if source.random() < 0.2:
                line += source.randbytes(source.randrange(200)) + source.choice(
                    (b"\n", b"\r\n", b"\0", b"\x06\x09", b"")
                )
        answers, _, bad = run(server, line, size)
        assert len(answers) > (100 if size >= 256 else 5) and bad > 10
        for answer in answers:
            assert (
                isinstance(cbor2.loads(answer[8:], str_errors="replace"), dict)
                and int.from_bytes(answer[2:4], "big") == len(answer) - 8
            )


@pytest.mark.parametrize("lengths", [range(140), (4096, 65536 + 55)])
def test_the_digest_is_sha_256(lengths: Sequence[int], tmp_path: Path) -> None:
    library = tmp_path / "sha256.so"
    source = RUNTIME / "digest/sha256.c"
    subprocess.run([installed("gcc").path, *STRICT, "-O2", "-shared", "-fPIC", source, "-o", library], check=True)
    loaded, digest = CDLL(str(library)), create_string_buffer(32)
    for length in lengths:
        data = random.Random(length).randbytes(length)  # noqa: S311
        loaded.tinyops_sha256(data, c_uint32(length), digest)
        assert digest.raw == hashlib.sha256(data).digest()
