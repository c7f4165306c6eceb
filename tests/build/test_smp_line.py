"""One line, two framings, and all else on it: what MCUmgr's own library asks is answered, whatever came before."""

from __future__ import annotations

import random
import re
import struct
import subprocess
from pathlib import Path
from typing import NamedTuple

import cbor2
import pytest
from smp import packet

from tinyops.link import Frame, Type, encode

pytestmark = pytest.mark.build

ROOT = Path(__file__).parents[2]
RUNTIME = ROOT / "tinyops/runtime"
RUNNER = ROOT / "tests/runtime/run_line.c"
STRICT = ["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-Wconversion", "-I", str(RUNTIME / "include")]
SANITIZE = ["-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
LINE = re.compile(rb"(?:\x06\x09|\x04\x14)[A-Za-z0-9+/=]+\n")
HEADER = struct.Struct("!BBHHBB")
OS, IMAGE, OURS = 0, 1, 64
READ, WRITE = 0, 2
ENDS_A_FRAME = b"\n\0\0"
BUFFER_BYTES = 384  # TINYOPS_SMP_MESSAGE_MAX


class Asked(NamedTuple):
    """What an answer repeats of its request."""

    group: int
    sequence: int
    command: int


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = tmp_path_factory.mktemp("line") / "run_line"
    sources = [RUNNER, *sorted((RUNTIME / "app").glob("*.c")), *sorted((RUNTIME / "smp").glob("*.c"))]
    sources += [RUNTIME / "digest/sha256.c", *sorted((RUNTIME / "settings").glob("*.c"))]
    subprocess.run(["gcc", *STRICT, *SANITIZE, *sources, "-o", program], check=True)
    return program


def received(runner: Path, line: bytes, *arguments: str) -> bytes:
    done = subprocess.run([runner, *arguments], input=line, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr.decode(errors="replace")[:2000]
    return done.stdout


def message(op: int, version: int, asked: Asked, body: bytes) -> bytes:
    return HEADER.pack(op | version << 3, 0, len(body), asked.group, asked.sequence, asked.command) + body


def lines_of(data: bytes, length: int = 127) -> bytes:
    return b"".join(packet.encode(data, length))


def answers(line: bytes) -> list[bytes]:
    """The messages in what a board sent, put together by MCUmgr's library."""
    found, decoder = [], packet.decode()
    for piece in LINE.findall(line):
        if piece.startswith(packet.START_DELIMITER):
            decoder = packet.decode()
            next(decoder)
        try:
            decoder.send(piece)
        except StopIteration as ended:
            found.append(ended.value)
    return found


def asked_of(answer: bytes) -> Asked:
    _, _, length, group, sequence, command = HEADER.unpack_from(answer)
    assert length == len(answer) - HEADER.size
    return Asked(group, sequence, command)


def body_for(source: random.Random, group: int, command: int) -> bytes:
    """A request's body: well formed, with entries that nobody knows, or damaged."""
    bodies = {
        (OS, 0): {"d": "x" * source.choice([0, 1, 23, 24, 100, 200])},
        (OS, 7): {"format": source.choice(["a", "s", "svi", "", "z" * 40])},
        (OURS, 3): {
            "off": source.choice([0, 50, 100, 101, 1 << 31, 0xFFFFFFFF]),
            "len": source.choice([0, 100, 0xFFFFFFFF]),
            "data": source.randbytes(source.randrange(80)),
        },
        (OURS, 4): {"repeat": source.choice([0, 1, 3, 0xFFFFFFFF])},
    }
    body = dict(bodies.get((group, command), {}))
    if source.random() < 0.2:
        body["z"] = [[1, {"a": 2.5}], None, True, b"x"]
    data = bytearray(cbor2.dumps(body))
    if source.random() < 0.2:
        data[source.randrange(len(data))] = source.randrange(256)
    return source.randbytes(source.randrange(60)) if source.random() < 0.1 else bytes(data)


def random_asked(source: random.Random, number: int) -> Asked:
    group = source.choice([OS, OS, IMAGE, OURS, OURS, OURS, source.randrange(65536)])
    command = source.choice([*range(9), source.randrange(256)])
    return Asked(group, number % 256, 0 if (group, command) == (OS, 5) else command)


def garbage(source: random.Random, whole: bytes) -> bytes:
    """A damaged message, a frame that is none, or noise; and what ends whatever that began."""
    damaged = bytearray(whole)
    damaged[source.randrange(len(damaged))] = source.randrange(256)
    noise = source.randbytes(source.randrange(300))
    return source.choice([bytes(damaged), b"\0" + noise.replace(b"\0", b"\1"), noise]) + ENDS_A_FRAME


@pytest.mark.parametrize("seed", range(6))
def test_every_message_is_answered_whatever_came_before(runner: Path, seed: int) -> None:
    source, line, wanted = random.Random(seed), b"", []  # noqa: S311
    for number in range(400):
        asked = random_asked(source, number)
        body = body_for(source, asked.group, asked.command)
        whole = lines_of(message(source.choice([READ, WRITE]), number % 2, asked, body), source.choice([127, 64, 8]))
        if source.random() < 0.3:
            line += garbage(source, whole)
        else:
            line += whole
            wanted.append(asked)
    got = iter([asked_of(answer) for answer in answers(received(runner, line))])
    assert len(wanted) > 200
    for asked in wanted:
        assert asked in got, asked  # goes on where the one before was found: in order


@pytest.mark.parametrize(("group", "command"), [(OS, 0), (OS, 6), (OS, 7), (IMAGE, 0), (OURS, 0), (OURS, 1), (OURS, 5)])
@pytest.mark.parametrize("version", [0, 1])
def test_answers_are_maps_of_the_request_s_version(runner: Path, group: int, command: int, version: int) -> None:
    asked = Asked(group, 9, command)
    op = WRITE if (group, command) == (OS, 0) else READ
    (answer,) = answers(received(runner, lines_of(message(op, version, asked, cbor2.dumps({"d": "hi"})))))
    assert answer[0] == (op + 1) | version << 3 and asked_of(answer) == asked
    assert "rc" not in cbor2.loads(answer[HEADER.size :])


def test_a_line_between_two_frames_and_a_frame_between_two_lines(runner: Path) -> None:
    hello = encode(Frame(Type.HELLO, 1, b""))
    echo = lines_of(message(WRITE, 1, Asked(OS, 2, 0), cbor2.dumps({"d": "hi"})))
    said = received(runner, hello + echo + hello + echo)
    assert len(answers(said)) == 2
    assert said.count(b"desk") == 2  # of the two HELLOs


def test_a_line_within_a_frame_is_data(runner: Path) -> None:
    """Else a recording could restart the board that it is played to."""
    reset = lines_of(message(WRITE, 1, Asked(OS, 2, 5), b"\xa0"))
    said = received(runner, encode(Frame(Type.TENSOR_WRITE, 1, b"\1\1\1\1" + reset)))
    assert b"<reset>" not in said and not answers(said)


def test_a_reset_is_answered_first(runner: Path) -> None:
    said = received(runner, lines_of(message(WRITE, 1, Asked(OS, 2, 5), b"\xa0")))
    assert said.endswith(b"<reset>") and len(answers(said)) == 1


def test_a_board_that_cannot_reset_says_so(runner: Path) -> None:
    (answer,) = answers(received(runner, lines_of(message(WRITE, 1, Asked(OS, 2, 5), b"\xa0")), "no-reset"))
    assert cbor2.loads(answer[HEADER.size :]) == {"rc": 8}


@pytest.mark.parametrize("length", [127, 20_000])
@pytest.mark.parametrize("extra", [0, 1, 2, 3, 200, 5000])
def test_what_is_longer_than_the_buffer_is_dropped_whole(runner: Path, extra: int, length: int) -> None:
    """The buffer holds the message, its length and its CRC; an answer that does not fit is an error."""
    echo = Asked(OS, 3, 0)
    head = cbor2.dumps({"d": "x" * 256})[:-256]
    text = BUFFER_BYTES - 4 - HEADER.size - len(head) + extra
    body = head[:-2] + text.to_bytes(2, "big") + b"x" * text
    after = message(WRITE, 1, Asked(OS, 4, 0), cbor2.dumps({"d": "hi"}))
    said = received(runner, lines_of(message(WRITE, 1, echo, body), length) * 2 + lines_of(after))
    got = [asked_of(answer).sequence for answer in answers(said)]
    assert got == ([3, 3, 4] if extra == 0 else [4])


@pytest.mark.parametrize(
    "body", ["a161647901ff78", "a1616478ff78", "a161", "bf616461", "a1616462", "ba00000fff616461", ""]
)
def test_a_text_that_leads_out_of_its_request_is_refused(runner: Path, body: str) -> None:
    before = message(WRITE, 1, Asked(OS, 1, 0), cbor2.dumps({"d": "secret" * 20}))
    line = lines_of(before) + lines_of(message(WRITE, 1, Asked(OS, 2, 0), bytes.fromhex(body)))
    _, answer = answers(received(runner, line))
    assert cbor2.loads(answer[HEADER.size :]) == {"rc": 3}
