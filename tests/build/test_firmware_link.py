"""The C end of the link: equal to the Python end byte for byte, and unharmed by anything on the line."""

from __future__ import annotations

import ctypes
import random
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinyops.link import PAYLOAD_MAX, Decoder, Frame, LinkError, Refused, Status, Tensor, Type, encode
from tinyops.link.protocol import APPLICATION, DATA_MAX, FRAME_MAX
from tinyops.link.smp import BoardManager
from tinyops.link.smp.console import ConsoleDecoder
from tinyops.link.smp.console import encode as encode_lines
from tinyops.toolchain import installed
from tinyops.twin import VirtualBoard
from tinyops.twin.machine import start
from tinyops.twin.runner import SOURCE_FOLDERS

pytestmark = pytest.mark.build

ROOT = Path(__file__).parents[2]
RUNTIME = ROOT / "tinyops/runtime"
MODEL = Path(__file__).with_name("test_twin_reverse.c")
STRICT = ["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-Wconversion", "-I", str(RUNTIME / "include")]
STRICT += ["-I", str(RUNTIME / "port/sim")]
SANITIZE = ["-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
WRITE = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.POINTER(ctypes.c_uint8), ctypes.c_uint32)

frames = st.builds(Frame, st.integers(0, 255), st.integers(0, 255), st.binary(max_size=PAYLOAD_MAX))


class CDecoder(ctypes.Structure):
    """tinyops_app_decoder."""

    _fields_ = (
        ("frame", ctypes.c_uint8 * FRAME_MAX),
        ("length", ctypes.c_uint32),
        ("bad_frames", ctypes.c_uint32),
        ("run", ctypes.c_uint8),
        ("code", ctypes.c_uint8),
        ("damaged", ctypes.c_uint8),
    )


class CPort(ctypes.Structure):
    """The start of tinyops_port: all that sending needs."""

    _fields_ = (("context", ctypes.c_void_p), ("read_byte", ctypes.c_void_p), ("write", WRITE))


@pytest.fixture(scope="module")
def codec(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    library = tmp_path_factory.mktemp("codec") / "codec.so"
    source = RUNTIME / "app/frame.c"
    subprocess.run([installed("gcc").path, *STRICT, "-O2", "-fPIC", "-shared", source, "-o", library], check=True)
    return ctypes.CDLL(str(library))


def feed_c(codec: ctypes.CDLL, data: bytes) -> tuple[list[Frame], int]:
    decoder, found = CDecoder(), []
    for byte in data:
        length = codec.tinyops_app_decode(ctypes.byref(decoder), ctypes.c_uint8(byte))
        if length:
            body = bytes(decoder.frame[:length])
            found.append(Frame(body[0], body[1], body[2:]))
    return found, decoder.bad_frames


def feed_python(data: bytes) -> tuple[list[Frame], int]:
    decoder = Decoder()
    return list(decoder.feed(data)), decoder.bad_frames


def encode_c(codec: ctypes.CDLL, frame: Frame) -> bytes:
    line = bytearray()
    write = WRITE(lambda _, data, count: line.extend(data[:count]))
    body = bytes((frame.type, frame.sequence)) + frame.payload
    buffer = (ctypes.c_uint8 * FRAME_MAX)(*body)
    codec.tinyops_app_send(ctypes.byref(CPort(None, None, write)), buffer, ctypes.c_uint32(len(body)))
    return bytes(line)


@settings(max_examples=150, deadline=None)
@given(frame=frames)
def test_both_ends_encode_the_same_bytes(codec: ctypes.CDLL, frame: Frame) -> None:
    assert encode_c(codec, frame) == encode(frame)


@pytest.mark.parametrize("length", [0, 1, *range(248, 258), PAYLOAD_MAX])
@pytest.mark.parametrize("fill", [b"\0", b"\1", b"\1\2\0"])
def test_both_ends_agree_around_the_longest_run(codec: ctypes.CDLL, length: int, fill: bytes) -> None:
    frame = Frame(0x81, 0x42, (fill * length)[:length])
    assert encode_c(codec, frame) == encode(frame)
    assert feed_c(codec, encode(frame)) == ([frame], 0)


@settings(max_examples=150, deadline=None)
@given(pieces=st.lists(st.one_of(frames.map(encode), st.binary(max_size=400), st.just(b"\0"), st.just(b"\xff" * 300))))
def test_both_ends_decode_and_count_the_same(codec: ctypes.CDLL, pieces: list[bytes]) -> None:
    line = b"".join(pieces) + b"\0"
    assert feed_c(codec, line) == feed_python(line)


def test_the_crc_32_is_that_of_zlib(codec: ctypes.CDLL) -> None:
    codec.tinyops_app_crc32.restype = ctypes.c_uint32
    assert codec.tinyops_app_crc32(b"123456789", 9) == 0xCBF43926


@pytest.mark.parametrize(
    "compiler",
    [
        ["gcc", "-O2"],
        ["arm-none-eabi-gcc", "-mthumb", "-mcpu=cortex-m0", "-Os"],
        ["arm-none-eabi-gcc", "-mthumb", "-mcpu=cortex-m4", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard", "-O2"],
    ],
)
def test_the_application_compiles_without_a_warning(compiler: list[str], tmp_path: Path) -> None:
    sources = [source for name in SOURCE_FOLDERS[1:] for source in sorted((RUNTIME / name).glob("*.c"))]
    for source in sources:
        subprocess.run([*compiler, *STRICT, "-ffreestanding", "-c", source, "-o", tmp_path / "x.o"], check=True)
    assert sources


@pytest.fixture(scope="module")
def sanitized(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The native runner under ASan and UBSan, with the reversing model, and its arguments."""
    folder = tmp_path_factory.mktemp("sanitized")
    runner, model = folder / "runner", folder / "model.so"
    sources = [source for name in SOURCE_FOLDERS for source in sorted((RUNTIME / name).glob("*.c"))]
    host = ["gcc", *STRICT, "-D_GNU_SOURCE", "-pthread", "-O1"]
    subprocess.run([*host, *SANITIZE, *sources, "-ldl", "-o", runner], check=True)
    shared = ["-shared", "-fPIC", "-DSHARED", "-DCONTRACT=0", "-DFRAME=300", "-DINPUT_BYTES=1000"]
    subprocess.run(["gcc", *STRICT, *SANITIZE, *shared, MODEL, "-o", model], check=True)
    return [str(runner), str(model), "desk", "00" * 32, "4096", "300"]


@pytest.fixture
def desk(sanitized: list[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[VirtualBoard]:
    monkeypatch.setenv("ASAN_OPTIONS", "detect_leaks=0")
    with start("desk", lambda _: sanitized) as virtual:
        yield virtual


def test_large_tensors_and_frames_travel_in_pieces(desk: VirtualBoard) -> None:
    link = desk.link
    assert link.hello().frame_values == 300 and link.hello().input_bytes == 1000
    data = bytes(i % 253 for i in range(1000))
    link.write_input(data)
    link.invoke()
    assert link.read_tensor(Tensor.OUTPUT, 1000) == data[::-1]
    result = None
    for index in range(500):
        result = link.sample([0] * 298 + [index % 100, 7])
    assert result is not None and result.outputs == 1000 and len(result.values) == DATA_MAX
    assert result.values[:4] == bytes((7, 99, 7, 98))


def random_request(source: random.Random) -> tuple[int, bytes]:
    """A request that is well formed in a third of all cases, and near the bounds in another."""
    kind = source.choice([*sorted(APPLICATION) * 2, source.randrange(256)])
    near = [0, 1, 2, 255, 256, 299, 300, 999, 1000, 0x7FFFFFFF, 0xFFFFFFFF, source.randrange(1200)]
    tail = source.randbytes(source.choice([0, 1, 2, 3, 100, 255, DATA_MAX]))
    if kind == Type.TENSOR_READ:
        return kind, struct.pack("<BIH", source.randrange(3), source.choice(near), source.choice(near) & 0xFFFF)
    if source.random() < 0.7:
        return kind, struct.pack("<I", source.choice(near)) + tail
    return kind, tail


def test_random_requests_and_garbage_do_no_harm(desk: VirtualBoard) -> None:
    source, link, served = random.Random(1), desk.link, 0  # noqa: S311
    for _ in range(3000):
        if source.random() < 0.2:
            link._stream.write(source.randbytes(source.randrange(1, 600)) + b"\0", 5.0)
        try:
            link.request(*random_request(source))
            served += 1
        except Refused:
            pass
        except LinkError as error:
            pytest.fail(f"{error}: {desk.how_it_ended()}")
    assert served > 300
    assert link.stats().bad_frames > 100


def test_frames_and_lines_share_the_line_whatever_comes_between(desk: VirtualBoard) -> None:
    """Garbage without 0x00 hides nothing; with it, one more 0x00 makes the board listen."""
    source, link = random.Random(2), desk.link  # noqa: S311
    manager = BoardManager(link._stream, name="desk", timeout_s=5.0)
    tempting = encode_lines(b"\x0a\0\0\1\0\0\7\5\xa0").replace(b"\n", b"") + b"\n"
    for number in range(400):
        garbage = source.randbytes(source.randrange(300)) + tempting[: source.randrange(len(tempting))]
        if source.random() < 0.5:
            link._stream.write(garbage.replace(b"\0", b"\6"), 5.0)
        else:
            link._stream.write(garbage + b"\0", 5.0)
        manager.echo(f"{number}" * source.randrange(1, 90))
        data = (tempting * 9 + source.randbytes(300))[: source.randrange(1, 500)]
        link.write_input(data.ljust(1000, b"\6"))
        assert link.hello().state == Status.OK
    assert link.stats().bad_frames > 50


def test_a_line_within_a_frame_is_no_message(desk: VirtualBoard) -> None:
    whole = encode_lines(b"\x0a\0\0\x04\0\0\x07\0\xa1\x61d\x60")  # alone, it is answered
    for line, answers in ((encode(Frame(Type.TENSOR_WRITE, 1, b"\1\1\1\1" + whole)), 0), (whole, 1)):
        desk.link._stream.write(line, 5.0)
        data = b""
        while not data.endswith((b"\0", b"\n")) or len(data) < 3:
            data += desk.link._stream.read(5.0)
        assert len(list(ConsoleDecoder().feed(data))) == answers


def test_a_message_goes_on_after_a_frame_between_its_lines(desk: VirtualBoard) -> None:
    stream, text = desk.link._stream, b"x" * 200
    whole = encode_lines(b"\x0a\0\0\xcd\0\0\7\0\xa1\x61d\x78\xc8" + text)
    lines = whole.splitlines(keepends=True)
    assert len(lines) == 3
    stream.write(encode(Frame(Type.HELLO, 1, b"")).join(lines[:2]) + b"\0" + lines[2], 5.0)
    decoder = ConsoleDecoder()
    found: list[bytes] = []
    while data := stream.read(1.0):
        found += decoder.feed(data)
    assert len(found) == 1 and text in found[0]
