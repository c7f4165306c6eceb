"""What the fuzzing of devices starts from beside its corpus: one of each request, and settings of a real device."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import cbor2

from tinyops.device.provision.format import Settings, encode_values
from tinyops.files import canonical_json
from tinyops.link.smp.definition import COMMANDS, GROUP, GROUP_IMAGE, GROUP_OS, SETTINGS_PIECE, Command, Image, Key, Os

SENT_WHOLE = 0xF8 | 1  # a step of fuzz_smp.c: a message in wide lines
GROUPS = {GROUP_OS: 0, GROUP_IMAGE: 1, GROUP: 2}
COMMIT, PUT, TAKE, BEGIN = 4, 3, 5, 2  # steps of fuzz_settings.c
VALUES_OF_TYPES: dict[str, object] = {"uint": 3, "int": -3, "bool": True, "text": "x", "bytes": b"xyz", "array": [1]}


def request(write: bool, group: int, command: int, body: object) -> bytes:
    """A message as fuzz_smp.c takes it from its input."""
    data = cbor2.dumps(body)
    return struct.pack("<BBBH", SENT_WHOLE, write | 1 << 1 | GROUPS[group] << 4, command, len(data)) + data


def device_values() -> bytes:
    keys = (b"\x11" * 32, b"\x22" * 32)
    place = ("https://example.org/r", "plant", "pass word")
    return encode_values(Settings("b3f0", "wrist", "microbit", keys, b"\x33" * 32, *place, b"\x66" * 32))


def smp_seeds() -> Iterator[bytes]:
    starts = (b"\0\0", b"\1\0", b"\0\xff")
    requests = [
        request(True, GROUP_OS, Os.ECHO, {"d": "hello"}),
        request(False, GROUP_OS, Os.PARAMETERS, {}),
        request(False, GROUP_OS, Os.INFO, {"format": "svi"}),
        request(True, GROUP_OS, Os.RESET, {}),
        request(False, GROUP_IMAGE, Image.STATE, {}),
        request(True, GROUP_IMAGE, Image.STATE, {"hash": bytes(32), "confirm": False}),
        request(True, GROUP_IMAGE, Image.ERASE, {"slot": 1}),
    ]
    for command, definition in COMMANDS.items():
        for write, exchange in ((False, definition.read), (True, definition.write)):
            if exchange is not None:
                requests.append(request(write, GROUP, command, _asked(exchange.ask)))
    yield from (start + one for start in starts for one in requests)
    yield b"\0\0" + b"".join(requests)
    yield b"\4\0" + b"".join(b"\x13" + one for one in requests)  # as datagrams
    image = b"\x0b"  # a step of fuzz_smp.c: a forged image
    for how in range(16):
        whole = b"".join(image + bytes((how,)) + image_input(2, 500, how=odd, wrong=odd) for odd in (0, 5, 0))
        yield b"\4\0" + whole + b"\x03" + whole
    values = device_values()
    pieces = [(at, values[at : at + SETTINGS_PIECE]) for at in range(0, len(values), SETTINGS_PIECE)]
    writes = [{"off": at, "len": len(values), "data": piece} for at, piece in pieces]
    reads = [{"off": at} for at, _ in pieces]
    yield b"\0\0" + b"".join(
        request(write, GROUP, Command.SETTINGS, body)
        for write, bodies in ((True, writes), (False, reads))
        for body in bodies
    )


def _asked(keys: tuple[Key, ...]) -> dict[str, object]:
    return {key.name: VALUES_OF_TYPES[key.type] for key in keys}


def settings_seeds() -> Iterator[bytes]:
    values = device_values()
    copy = struct.pack("<BH", 3, len(values)) + values
    nothing = bytes(3)
    write = struct.pack("<BH", BEGIN, len(values))
    write += b"".join(bytes((PUT, len(part))) + part for part in (values[:200], values[200:])) + bytes((COMMIT,))
    take = bytes((TAKE, 2, 3)) + b"\x01\x00\x00"
    for geometry in range(4):
        yield bytes((geometry,)) + copy + struct.pack("<I", 1) + nothing + write + take
        yield bytes((geometry,)) + copy + struct.pack("<I", 1) + copy + struct.pack("<I", 2) + b"\0\x81\xff\1\0\0\xff"


UPLOAD, TEST, START, CONFIRM, REVERT, CABLE, CUT, RESTART = 0, 3, 5, 6, 7, 11, 12, 15  # steps of fuzz_slots.c
MODEL = 0x80
KEYS, KEYLESS, GEOMETRIES = 0, 8, 4


def image_input(counter: int, body: int = 300, how: int = 0, wrong: int = 0) -> bytes:
    """An image as fuzz_slots.c forges it."""
    return struct.pack("<BBHB4s", how, wrong, body, counter, b"body") + (b"\x20\0\1" if wrong & 0x80 else b"")


def slots_seeds() -> Iterator[bytes]:
    upload = b"\x1f"  # in pieces of 249 bytes
    cable = bytes((CABLE,)) + image_input(1) + bytes((CABLE | MODEL,)) + image_input(1)
    for geometry in range(GEOMETRIES):
        for kind in (0, MODEL):
            whole = bytes((UPLOAD | kind,)) + image_input(2, 580) + upload
            trial = bytes(
                (TEST | kind, 0, TEST | kind, 1, START | kind, RESTART, TEST | kind, 1, RESTART, CONFIRM | kind)
            )
            older = bytes((UPLOAD | kind,)) + image_input(1) + upload
            yield bytes((geometry | KEYS,)) + cable + whole + trial + older + bytes((RESTART,))
            yield (
                bytes((geometry | KEYS,))
                + cable
                + whole
                + bytes((TEST | kind, 1, START | kind, REVERT | kind, RESTART))
            )
            yield bytes((geometry | KEYS,)) + cable + bytes((CUT, 9)) + whole + bytes((CUT, 1)) + trial
            yield bytes((geometry | KEYLESS,)) + cable + whole
    for how in range(1, 128):
        yield bytes((KEYS,)) + cable + bytes((UPLOAD | MODEL,)) + image_input(3, how=how, wrong=how) + upload


def http_seeds() -> Iterator[bytes]:
    """Answers as release downloads give them, and some that nobody should give."""
    ok, moved = b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: "
    dated = b'Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nETag: "0123456789abcdef"\r\n'
    chunks = b"Transfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\nB\r\n and so on..\r\n0\r\nX: y\r\n\r\n"
    answers = [
        ok + dated + b"Content-Length: 5\r\n\r\nhello",
        ok + b"Content-Security-Policy: " + b"default-src 'none'; " * 30 + b"\r\nConnection: close\r\n\r\nhello",
        ok + chunks,
        b"HTTP/1.1 206 Partial Content\r\nContent-Length: 5\r\nContent-Range: bytes 5-9/10\r\n\r\nhello",
        b"HTTP/1.1 416 No\r\nContent-Range: bytes */10\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + ok + b"Content-Length: 0\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\n" + dated + b"\r\n",
        b"HTTP/1.0 404 Not Found\n\n",
        moved + b"https://objects.test:8443/a?b=" + b"c" * 1600 + b"#d\r\n\r\n",
        moved + b"/somewhere/else \r\n\r\n",
        moved + b"http://objects.test/\r\n\r\n",
        ok + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n\r\n",
    ]
    yield from (lengths + one for lengths in (b"\0\0", b"\x05\x02") for one in answers)


def entry_seeds() -> Iterator[bytes]:
    """An entry whose signature fuzz_entry.c takes for right, and texts that are less."""
    file = {"tag": "v12", "asset": "squeeze.activity.int8.bin", "sha256": "ab" * 32, "bytes": 12345}
    signed: dict[str, object] = {
        "schema": "tinyops/entry/v1",
        "project": "wearables",
        "fleet": "wrist",
        "board": "pico-w",
        "version": 12,
        "security_counter": 3,
        "contract": "cd" * 32,
        "contract_file": file,
        "golden": file,
        "post": None,
        "model": {**file, "kind": "image"},
        "firmware": file,
        "expires": "2030-01-31T23:59:59Z",
        "zz": [1, -2.5e3, True, False, None, {}, [], 'x"\\', {"a": [[]]}],
    }
    before = {name: signed[name] for name in ("version", "security_counter", "contract", "model")}
    waves: dict[str, object] = {"id": 12, "waves": [7, 2**32 - 1], "on_failure": "hold", "keys": ["ab" * 32]}
    rollout = {**waves, "base": before, "progress": "https://acme.example/rollout/wrist.json"}
    progress = {"schema": "tinyops/progress/v1", "project": "p", "fleet": "f", "rollout": 1, "sequence": 3}
    progress |= {"state": "advancing", "waves": 1, "expires": "2030-01-31T23:59:59Z", "quarantined": [{"rollout": 1}]}
    several = [signed, {**signed, "expires": None}, {**signed, "rollout": rollout}, progress, {}]
    for text in map(canonical_json, several):
        number = struct.pack("<H", len(text)).hex()
        one = {"keyid": "11" * 32, "sig": number.ljust(128, "0")}
        other = {"keyid": "22" * 32, "sig": "00" * 64}
        for signatures in ([one], [other, one], [other] * 17, []):
            yield b'{"signatures":%b,"signed":%b}\n' % (canonical_json(signatures), text)  # type: ignore[arg-type]
        yield text


def chain_seeds() -> Iterator[bytes]:
    """Tables of tensors, then neighbours and messages: whole, with a piece too few, of the inference after."""

    def tensor(count: int, arena: int | None, held: int | None) -> bytes:
        lies = (arena is not None) | (held is not None) << 1
        return struct.pack("<BH", lies, count) + b"".join(
            struct.pack("<H", at) for at in (arena, held) if at is not None
        )

    one = b"\x01\0" + tensor(300, 0, None) + tensor(16, 400, None)
    passed = b"\x02\x20" + tensor(300, 0, None) + tensor(20, None, 0) + tensor(16, 400, None)
    outside = b"\x01\0" + tensor(300, 400, None) + tensor(16, 400, None)
    ready, whole, short = b"\x02\0\x03\0", b"\x04\x01\0\0", b"\x04\x01\0\x01"
    for table in (one, passed, outside):
        for steps in (whole, short + whole, short + b"\x07\x40" * 9, whole + b"\x04\x02\0\0", whole + b"\x03\x09"):
            yield table + ready + steps
    for kind in (b"\x44", b"\x45", b"\x46", b"\x47"):
        yield one + ready + b"\0\x08\0" + kind + b"\x01\0\0\0\0\0\0\0\0" + b"\x01\x08\0" + kind + bytes(9)
        yield one + ready + b"\0\x02\x01" + kind + b"\x01\x30\x0b" + bytes(256)


def delta_seeds() -> Iterator[bytes]:
    """A base, then its deltas, right and turned; and bits of nobody's."""
    right, turned, bits = b"\x01", b"\x31\x40", b"\x00"
    in_place, apart = b"\x0f", b"\x34\x10\0" * 40
    for image in (b"\0", b"\1"):
        base = image + image_input(1, 500)
        for rounds in (in_place, apart):
            yield base + right + image_input(2, 500) + rounds + b"\0" + b"\x1f"
            yield base + right + image_input(1, 300, how=1) + rounds + b"\x08\x40\0" + b"\x1f"
            yield base + turned + image_input(3, 560) + rounds + b"\0" + b"\x03"
        yield base + bits + b"\xf0\1\0\3\xff" + bytes(range(256)) * 2 + b"\x07"


SEEDS = {
    "chain": chain_seeds,
    "delta": delta_seeds,
    "entry": entry_seeds,
    "http": http_seeds,
    "slots": slots_seeds,
    "smp": smp_seeds,
    "settings": settings_seeds,
}


def seeds(target: str) -> list[bytes]:
    return list(SEEDS[target]()) if target in SEEDS else []
