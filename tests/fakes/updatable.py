"""An updatable virtual board: images signed by a key of the test's, flash that is prepared once, and plain requests."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from elftools.elf.elffile import ELFFile

from fakes.firmware_edits import Edit, as_rendered
from fakes.reversing import board_spec, build_firmware, compile_image, contract_of
from tinyops.boards.model import BoardSpec
from tinyops.device.provision.format import Settings, encode_values
from tinyops.files import digest_json
from tinyops.images import Golden, Kind, build_image, golden_input, read_image, sign_image
from tinyops.images.definition import HEADER_BYTES
from tinyops.link import Link, LinkTimeout, Tensor
from tinyops.link.smp import BoardManager, Garbled, ImageSlot
from tinyops.manifest.keys import SigningKey
from tinyops.twin import qemu
from tinyops.twin.flash import FLASH, flash_file
from tinyops.twin.flashed import Trust, firmware_body
from tinyops.twin.machine import Boot

INPUT_BYTES, FAULTY_INPUT = 8, 0x55
HANGS, CRASHES = b"\xfe\xe7", b"\x00\xde"  # Thumb: b . and udf #0
PIECE_BYTES = 512
LOOK_S, ANSWER_S, START_S = 0.02, 60.0, 120.0


def digest_of(image: bytes) -> bytes:
    """What SMP calls an image's hash."""
    return read_image(image, where="an image").digest


class Updatable:
    """A board whose firmware is built once, and everything that can be brought onto it."""

    def __init__(
        self, board: str, folder: Path, *, edit: Edit = as_rendered, device: str = "w-1", key: SigningKey | None = None
    ) -> None:
        self.board, self.folder, self.device = board, folder, device
        self.spec: BoardSpec = board_spec(board)
        self.contract = contract_of(board)
        self.contract_digest = bytes.fromhex(digest_json(self.contract).removeprefix("sha256:"))
        self.key, self.other_key = key or SigningKey.generate(), SigningKey.generate()
        self.files = build_firmware(board, folder, self.contract, edit=edit)
        self._bodies: dict[tuple[int, int, int], bytes] = {}

    def _body(self, adds: int, padding: int, fault: int) -> bytes:
        made = self._bodies.get((adds, padding, fault))
        if made is None:
            folder = self.folder / f"model-{adds}-{padding}-{fault}"
            folder.mkdir()
            more = {"PADDING": padding} if padding else {}
            built = compile_image(self.board, folder, self.contract, fault, ADDS=adds, **more)
            made = self._bodies[adds, padding, fault] = built["model.bin"].read_bytes()
        return made

    def signed(self, body: bytes, kind: Kind, **changes: Any) -> bytes:
        """An image that this board takes, but for the changes: key, board, contract, counter, load_address, golden."""
        key = changes.pop("key", self.key)
        settings = {"board": self.board, "contract": self.contract_digest, "counter": 1, **changes}
        return sign_image(build_image(body, kind=kind, **settings), key)

    def model(self, adds: int = 0, *, total: int = 0, fault: int = 0, golden: bool = True, **changes: Any) -> bytes:
        """A model whose outputs are its inputs reversed, each with `adds` added; of `total` bytes, less up to 3.

        With a `fault` of test_twin_reverse.c its self-test has an input that brings it about, if it has a self-test.
        """
        test = golden_of(adds, faulty=fault != 0) if golden else None
        bare = len(self.signed(self._body(adds, 0, fault), Kind.MODEL, golden=test))
        body = self._body(adds, (total - bare) // 4 * 4 if total else 0, fault)
        image = self.signed(body, Kind.MODEL, golden=test, **changes)
        assert not total or total - 4 < len(image) <= total
        return image

    def firmware(self, slot: int, *, instead: bytes = b"", at: str = "main", grown: int = 0, **changes: Any) -> bytes:
        """The firmware of a slot; other instructions `instead` of those `at` a function's start, `grown` by zeros."""
        layout = self.spec.layout
        assert layout is not None
        stem, origin = "firmware" if self.spec.twin.same_machine else "twin", layout.firmware[slot].origin
        elf = self.files[f"{stem}{'_b' if slot else ''}.elf"]
        body = bytearray(firmware_body(elf, origin))
        if instead:
            offset = function_address(elf, at) - origin - HEADER_BYTES[Kind.FIRMWARE]
            body[offset : offset + len(instead)] = instead
        return self.signed(bytes(body) + bytes(grown), Kind.FIRMWARE, **{"load_address": origin, **changes})

    def settings(self) -> bytes:
        """Those of an enrolled board that trusts the test's key."""
        keys = (self.key.public.raw, self.other_key.public.raw)
        return encode_values(Settings(self.device, "wrist", self.board, keys, b"\x33" * 32))

    def _boot(self, state: Path) -> Boot:
        trust = Trust(self.key, b"")
        files = {name: path for name, path in self.files.items() if name != "model.bin"}
        return Boot(self.board, self.spec, files, self.contract, {}, state=state, trust=trust)

    def prepare(self, model: bytes, state: Path) -> Path:
        """A folder of the flash of an enrolled board that runs this model, confirmed and verified."""
        assert self.spec.memory is not None and self.spec.layout is not None
        flash, what = self.spec.memory.flash[0], self._boot(state)
        with flash_file([flash], state, what.flash_content()) as path:
            content = bytearray(path.read_bytes())
        at = self.spec.layout.model[0].origin - flash.origin
        content[at : at + len(model)] = model
        (state / FLASH).write_bytes(content)
        with self.booted(state) as board:
            board.manager.write_settings(self.settings())
            board.restart()
            assert board.active(1).digest == digest_of(model)
        return state

    @contextlib.contextmanager
    def booted(self, state: Path) -> Iterator[Live]:
        """The board with the flash of a folder, which it changes."""
        with qemu.boot(self._boot(state)) as virtual:
            live = Live(virtual)
            live.wait()
            yield live

    @contextlib.contextmanager
    def copied(self, prepared: Path, folder: Path) -> Iterator[Live]:
        """The same with a copy, which is gone afterwards."""
        shutil.copytree(prepared, folder)
        try:
            with self.booted(folder) as live:
                yield live
        finally:
            shutil.rmtree(folder)


class WasReset(Exception):
    """The board started again while a request was on its way."""


class _Watched:
    """A board's line, on which a read ends as soon as the board was reset: no test waits for an answer in vain."""

    def __init__(self, virtual: qemu.QemuBoard) -> None:
        self._virtual = virtual
        self._stream: Any = virtual.link._stream
        self.resets = 0

    def read(self, timeout_s: float) -> bytes:
        deadline = time.monotonic() + timeout_s
        while True:
            data: bytes = self._stream.read(min(timeout_s, LOOK_S))
            if data or time.monotonic() > deadline:
                return data
            self.check()

    def check(self) -> None:
        if self._virtual.measure().resets != self.resets:
            raise WasReset

    def write(self, data: bytes, timeout_s: float) -> None:
        self.check()
        self._stream.write(data, timeout_s)


class Live:
    """A board that runs: its manager raises WasReset when it was reset, until `wait` saw it answer again."""

    def __init__(self, virtual: qemu.QemuBoard) -> None:
        self.virtual, self.phase = virtual, ""
        self._watched = _Watched(virtual)
        self.manager = BoardManager(self._watched, name=virtual.name, timeout_s=ANSWER_S)

    def wait(self) -> None:
        """Until it answers. Raises LinkError."""
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            self._watched.resets = self.virtual.measure().resets or 0
            with contextlib.suppress(LinkTimeout, Garbled, WasReset):
                self.manager.parameters(timeout_s=0.3)
                return
        raise LinkTimeout(f"{self.virtual.name}: does not start")

    def restart(self) -> None:
        self.virtual.reset()
        self.wait()

    def operations(self) -> int:
        return self.virtual.measure().operations or 0

    def slots(self, image: int) -> list[ImageSlot]:
        return [slot for slot in self.manager.images() if slot.image == image]

    def active(self, image: int) -> ImageSlot:
        """The slot that runs."""
        return next(slot for slot in self.slots(image) if slot.active)

    def upload(self, image: int, data: bytes, moved: Callable[[int], None] = lambda _: None) -> None:
        """Sends all of an image, from where the board wants it. Raises LinkError."""
        from smpclient.requests.image_management import ImageUploadWrite

        sha, at = hashlib.sha256(data).digest(), 0
        while at < len(data):
            first: dict[str, Any] = {"len": len(data), "image": image, "sha": sha} if at == 0 else {}
            answer = self.manager.request(ImageUploadWrite(off=at, data=data[at : at + PIECE_BYTES], **first))
            at = int(answer.off)
            moved(at)

    def infer(self, given: bytes) -> bytes:
        """One inference over the link, asked for as by a host that knows no updates. Raises LinkError, WasReset."""
        link = Link(self._watched, name=self.virtual.name, timeout_s=ANSWER_S)
        link.write_input(given)
        link.invoke(timeout_s=START_S)
        return link.read_tensor(Tensor.OUTPUT, len(given))

    def wait_for_reset(self, count: int = 1) -> None:
        """Until it was reset so often and answers. Raises LinkError."""
        deadline = time.monotonic() + START_S
        while self.virtual.measure().resets != count:
            if time.monotonic() > deadline:
                raise LinkTimeout(f"{self.virtual.name}: was not reset")
            time.sleep(LOOK_S)
        self.wait()

    def wait_active(self, image: int, digest: bytes) -> None:
        deadline = time.monotonic() + ANSWER_S
        while time.monotonic() < deadline:
            if self.active(image).digest == digest:
                return
        raise LinkTimeout(f"{digest.hex()} does not run")

    def try_model(self, data: bytes) -> None:
        """Upload and test; what becomes of the trial is the caller's to see. Raises LinkError, WasReset."""
        self.upload(1, data)
        self.manager.test_image(digest_of(data))

    def update_model(self, data: bytes, *, uploaded: bool = False) -> None:
        """Upload, if it is not there, test, on trial, confirm. Raises LinkError, WasReset."""
        digest = digest_of(data)
        if not uploaded:
            self.phase = "upload"
            self.upload(1, data)
        self.phase = "trial"
        self.manager.test_image(digest)
        self.wait_active(1, digest)
        self.phase = "confirm"
        self.manager.confirm_image(digest)
        self._watched.check()


def golden_of(adds: int, *, faulty: bool) -> Golden:
    """The self-test of the reversing model, whose input starts with the byte that faults wait for, or does not."""
    seed = next(s for s in range(1, 5000) if (golden_input(s, INPUT_BYTES)[0] == FAULTY_INPUT) == faulty)
    return Golden(seed, zlib.crc32(answer_to(golden_input(seed, INPUT_BYTES), adds)))


def answer_to(given: bytes, adds: int) -> bytes:
    return bytes((byte + adds) % 256 for byte in reversed(given))


def function_address(elf: Path, name: str) -> int:
    """Of a function, which may have lost arguments when it was compiled with the rest (main.isra.0)."""
    with elf.open("rb") as stream:
        table: Any = ELFFile(stream).get_section_by_name(".symtab")
        found = [symbol for symbol in table.iter_symbols() if symbol.name.partition(".")[0] == name]
    return int(found[0]["st_value"]) & ~1
