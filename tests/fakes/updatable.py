"""Images for an updatable board, signed by a key of the test's, and the plain requests that bring them there."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from elftools.elf.elffile import ELFFile
from test_twin_boards import board_spec, build_firmware, compile_image, contract_of

from tinyops.device.provision.format import Settings, encode_values
from tinyops.files import digest_json
from tinyops.images import Golden, Kind, build_image, golden_input, sign_image
from tinyops.link.smp import BoardManager, ImageSlot

INPUT_BYTES, FAULTY_INPUT = 8, 0x55
PIECE_BYTES = 512
HANGS, CRASHES = b"\xfe\xe7", b"\x00\xde"  # Thumb: b . and udf #0


def private_key(number: int = 1) -> Any:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32)


def public_bytes(key: Any) -> bytes:
    return bytes(key.public_key().public_bytes_raw())


def digest_of(image: bytes) -> bytes:
    """The one that SMP calls an image's hash."""
    from tinyops.images import read_image

    return read_image(image, where="an image").digest


@dataclass
class Updatable:
    """A board whose firmware is built once, and everything that can be brought onto it."""

    board: str
    folder: Path
    files: dict[str, Path] = field(default_factory=dict)
    key: Any = field(default_factory=private_key)

    def __post_init__(self) -> None:
        self.spec, self.contract = board_spec(self.board), contract_of(self.board)
        self.contract_digest = bytes.fromhex(digest_json(self.contract).removeprefix("sha256:"))
        if not self.files:
            self.files = build_firmware(self.board, self.folder, self.contract)
        self.body = cache(self._body)

    def _body(self, adds: int, padding: int, fault: int) -> bytes:
        folder = self.folder / f"model-{adds}-{padding}-{fault}"
        folder.mkdir()
        more = {"PADDING": padding} if padding else {}
        return compile_image(self.board, folder, self.contract, fault, ADDS=adds, **more)["model.bin"].read_bytes()

    def signed(self, body: bytes, kind: Kind, **changes: Any) -> bytes:
        """An image that this board takes, but for the changes: key, board, contract, counter, load_address, golden."""
        key = changes.pop("key", self.key)
        settings = {"board": self.board, "contract": self.contract_digest, "counter": 1, **changes}
        return sign_image(build_image(body, kind=kind, **settings), key)

    def model(self, adds: int = 0, *, total: int = 0, fault: int = 0, golden: bool = True, **changes: Any) -> bytes:
        """A model whose outputs are its inputs reversed, each with `adds` added; `total` bytes of image.

        With a `fault` of test_twin_reverse.c its self-test has an input that brings it about, if it has a self-test.
        """
        smallest = len(self.body(adds, 0, fault))
        test = golden_of(adds, faulty=fault != 0) if golden else None
        bare = len(self.signed(b"x" * smallest, Kind.MODEL, golden=test))
        body = self.body(adds, total - bare, fault) if total else self.body(adds, 0, fault)
        image = self.signed(body, Kind.MODEL, golden=test, **changes)
        assert not total or len(image) == total
        return image

    def firmware(self, slot: int, *, instead: bytes = b"", at: str = "main", grown: int = 0, **changes: Any) -> bytes:
        """The firmware of a slot; other instructions `instead` of those `at` a function's start, `grown` by zeros."""
        stem = "firmware" if slot == 0 else "firmware_b"
        body = bytearray(self.files[f"{stem}.bin"].read_bytes())
        origin = self.spec.layout.firmware[slot].origin
        if instead:
            offset = function_address(self.files[f"{stem}.elf"], at) - origin - 256
            body[offset : offset + len(instead)] = instead
        settings = {"load_address": origin, **changes}
        return self.signed(bytes(body) + bytes(grown), Kind.FIRMWARE, **settings)

    def settings(self) -> bytes:
        """Those of an enrolled board that trusts the test's key."""
        keys = (public_bytes(self.key), public_bytes(private_key(2)))
        return encode_values(Settings("w-1", "wrist", self.board, keys, b"\x33" * 32))


def golden_of(adds: int, *, faulty: bool) -> Golden:
    """The self-test of the reversing model, whose input starts with the byte that faults wait for, or does not."""
    seed = next(s for s in range(1, 5000) if (golden_input(s, INPUT_BYTES)[0] == FAULTY_INPUT) == faulty)
    given = golden_input(seed, INPUT_BYTES)
    return Golden(seed, zlib.crc32(bytes((byte + adds) % 256 for byte in reversed(given))))


def function_address(elf: Path, name: str) -> int:
    with elf.open("rb") as stream:
        table: Any = ELFFile(stream).get_section_by_name(".symtab")
        return int(table.get_symbol_by_name(name)[0]["st_value"]) & ~1


def upload(board: BoardManager, image: int, data: bytes, moved: Callable[[int], None] = lambda _: None) -> None:
    """Sends all of an image, from where the board wants it. Raises LinkError."""
    from smpclient.requests.image_management import ImageUploadWrite

    sha, at = hashlib.sha256(data).digest(), 0
    while at < len(data):
        first: dict[str, Any] = {"len": len(data), "image": image, "sha": sha} if at == 0 else {}
        answer = board.request(ImageUploadWrite(off=at, data=data[at : at + PIECE_BYTES], **first))
        at = int(answer.off)
        moved(at)


def slots_of(board: BoardManager, image: int) -> list[ImageSlot]:
    return [slot for slot in board.images() if slot.image == image]


def active(board: BoardManager, image: int) -> ImageSlot:
    """The slot that runs."""
    return next(slot for slot in slots_of(board, image) if slot.active)


def outputs_crc(adds: int) -> int:
    """What a self-test on zeros says of a model."""
    return zlib.crc32(bytes([adds % 256]) * INPUT_BYTES)
