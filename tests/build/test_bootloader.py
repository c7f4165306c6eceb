"""The bootloader: how large it is, what it starts and what it does not, in each emulator."""

from __future__ import annotations

import contextlib
import json
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from elftools.elf.elffile import ELFFile

from fakes.flashed import Flashed
from fakes.reversing import board_spec, build_firmware, compile_image, contract_of
from fakes.updatable import Updatable
from tinyops.boards.layout import Layout
from tinyops.device.provision.format import Settings, encode_copy, encode_values
from tinyops.images import Kind, build_image, sign_image
from tinyops.link import LinkClosed, LinkTimeout
from tinyops.manifest.keys import SigningKey
from tinyops.twin import qemu, rp2040
from tinyops.twin.flashed import Trust, flash_content
from tinyops.twin.machine import Bare
from tinyops.twin.released import segments

pytestmark = pytest.mark.build

BOARDS = ("microbit", "nano33ble", "pico")
MOST_BYTES = {"cortex-m4f": 16 << 10, "cortex-m0": 20 << 10, "cortex-m0plus": 20 << 10}
MAGIC, VERSION, TABLE_BYTES = b"TBT1", 1, 128
START_S, SILENT_S = 60.0, 3.0


@dataclass
class Built:
    """A board's files, and a key that signs for it."""

    name: str
    files: dict[str, Path]
    key: SigningKey

    @property
    def layout(self) -> Layout:
        layout = board_spec(self.name).layout
        assert layout is not None
        return layout

    def settings(self) -> bytes:
        """Those of an enrolled board that trusts the key, and another one."""
        keys = (self.key.public.raw, SigningKey.generate().public.raw)
        values = encode_values(Settings("b-1", "wrist", self.name, keys, b"\x33" * 32))
        memory = board_spec(self.name).memory
        assert memory is not None
        return encode_copy(values, 1, memory.flash[0].program_bytes)

    def content(self, *, trusted: bool) -> dict[int, bytes]:
        trust = Trust(self.key, self.settings()) if trusted else None
        return flash_content(self.name, board_spec(self.name), self.files, contract_of(self.name), trust=trust)

    def second(self) -> bytes:
        """The firmware's image that was linked for the second slot, unsigned."""
        spec, origin = board_spec(self.name), self.layout.firmware[1].origin
        loaded = segments(self.files["firmware_b.elf" if spec.twin.same_machine else "twin_b.elf"])
        body = bytearray(max(at + len(data) for at, data in loaded.items()) - origin - 256)
        for at, data in loaded.items():
            body[at - origin - 256 : at - origin - 256 + len(data)] = data
        about: dict[str, Any] = {"board": self.name, "contract": bytes(32), "counter": 0, "load_address": origin}
        return build_image(bytes(body), kind=Kind.FIRMWARE, **about)

    @contextlib.contextmanager
    def booted(self, content: Mapping[int, bytes], state: Path | None = None) -> Iterator[Any]:
        boot = rp2040.boot if self.name == "pico" else qemu.boot
        what = Flashed(
            self.name, board_spec(self.name), self.files, contract_of(self.name), {}, state=state, content=content
        )
        with boot(what) as virtual:
            yield virtual

    def starts(self, content: Mapping[int, bytes], state: Path | None = None) -> bool:
        with self.booted(content, state) as virtual:
            return answers(virtual, START_S)

    def stays(self, content: Mapping[int, bytes]) -> bool:
        """Whether nothing starts, and nothing resets."""
        with self.booted(content) as virtual:
            return not answers(virtual, SILENT_S) and still(virtual)


def answers(virtual: Any, timeout_s: float) -> bool:
    try:
        virtual.link.hello(timeout_s)
    except (LinkTimeout, LinkClosed):
        return False
    return True


def still(virtual: Any) -> bool:
    if isinstance(virtual, rp2040.PicoBoard):
        return "waits on USB" in virtual.how_it_ended()
    return isinstance(virtual, Bare) and virtual.measure().resets == 0


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Built]:
    @cache
    def make(name: str) -> Built:
        folder, contract = tmp_path_factory.mktemp(name), contract_of(name)
        (folder / "contract.json").write_text(json.dumps(contract))
        files = {"contract.json": folder / "contract.json", **compile_image(name, folder, contract)}
        return Built(name, files | build_firmware(name, folder, contract), SigningKey.generate())

    return make


@pytest.mark.parametrize("name", BOARDS)
def test_it_is_small_and_keeps_no_globals(name: str, built: Callable[[str], Built]) -> None:
    board = built(name)
    for file in ("bootloader.elf", "twin_bootloader.elf"):
        if file not in board.files:
            continue
        loaded = segments(board.files[file])
        table_at, table = max(loaded.items())
        code = sum(len(data) for at, data in loaded.items() if at != table_at)
        assert code + TABLE_BYTES <= MOST_BYTES[board_spec(name).cpu], (file, code)
        magic, version, length = struct.unpack_from("<4sHH", table)
        assert (magic, version, length) == (MAGIC, VERSION, len(table)) and len(table) <= TABLE_BYTES
        with board.files[file].open("rb") as stream:
            sections = {s.name: s["sh_size"] for s in ELFFile(stream).iter_sections()}
        assert sections.get(".globals", 0) == 0 and sections[".stack"] == 4096
        assert (sections[".data"] > 0) == (name == "pico"), "only what runs while flash cannot be read"


@pytest.mark.parametrize("name", BOARDS)
def test_the_table_is_where_the_firmware_looks_for_it(name: str, built: Callable[[str], Built]) -> None:
    board, own = built(name), built(name).layout.own_bootloader
    assert own is not None and max(segments(board.files["bootloader.elf"])) == own.end - TABLE_BYTES
    assert board.files["bootloader.bin"].stat().st_size <= own.bytes
    for file in ("firmware.elf", "firmware_b.elf"):
        with board.files[file].open("rb") as stream:
            table: Any = ELFFile(stream).get_section_by_name(".symtab")
            assert table.get_symbol_by_name("tinyops_boot_table")[0]["st_value"] == own.end - TABLE_BYTES


@pytest.mark.parametrize("name", BOARDS)
def test_a_board_that_was_never_enrolled_runs_what_a_cable_wrote(name: str, built: Callable[[str], Built]) -> None:
    board = built(name)
    content = board.content(trusted=False)
    assert board.starts(content)
    first = board.layout.firmware[0].origin
    turned = bytearray(content[first])
    turned[300] ^= 1
    assert board.stays({**content, first: bytes(turned)}), "but not what its digest is not of"


@pytest.mark.parametrize("name", BOARDS)
def test_an_enrolled_board_runs_what_its_keys_signed(name: str, built: Callable[[str], Built]) -> None:
    board = built(name)
    content, first = board.content(trusted=True), board.layout.firmware[0].origin
    assert board.starts(content)
    unsigned = board.content(trusted=False)[first]
    assert board.stays({**content, first: unsigned})
    assert board.stays({**content, first: sign_image(unsigned, SigningKey.generate())})


@pytest.mark.parametrize("name", BOARDS)
def test_the_second_slot_has_a_firmware_of_its_own(name: str, built: Callable[[str], Built]) -> None:
    board = built(name)
    content = board.content(trusted=True)
    first, second = (slot.origin for slot in board.layout.firmware)
    image = content.pop(first)
    assert board.starts({**content, second: sign_image(board.second(), board.key)})
    assert board.stays({**content, second: image}), "what was linked for the first one"


def test_settings_that_cannot_be_read_trust_nobody_but_what_was_verified_runs(
    built: Callable[[str], Built], tmp_path: Path
) -> None:
    """A key of zeros would let anybody sign; none at all would let an unsigned image run."""
    board = built("microbit")
    content, settings = board.content(trusted=True), board.layout.settings
    assert settings is not None
    short = encode_copy(b"\x04\x21\x00" + bytes(33), 2, 4)  # IMAGE_KEYS of 33 bytes
    first = board.layout.firmware[0].origin
    unsigned = board.content(trusted=False)[first]
    assert board.stays({**content, first: unsigned, settings.origin: short})
    assert board.stays({**content, settings.origin: short}), "nor does it know who signed"
    assert board.starts(content, tmp_path)  # verified, and recorded
    flash = bytearray((tmp_path / "flash.bin").read_bytes())
    flash[settings.origin : settings.origin + len(short)] = short
    (tmp_path / "flash.bin").write_bytes(flash)
    assert board.starts(content, tmp_path)


def test_a_reset_takes_the_same_way(built: Callable[[str], Built]) -> None:
    board = built("microbit")
    with board.booted(board.content(trusted=True)) as virtual:
        virtual.link.hello(START_S)
        written = virtual.measure().operations
        virtual.reset()
        virtual.link.hello(START_S)
        assert virtual.measure().operations == written, "what is as it was is not written again"


def test_a_signature_that_the_firmware_has_checked_leaves_room_on_its_stack(tmp_path: Path) -> None:
    """On the smallest board; the bootloader's code runs on the firmware's stack."""
    board = Updatable("microbit", tmp_path)
    with board.booted(board.prepare(board.model(), tmp_path / "state")) as live:
        before = live.virtual.link.stats()
        live.upload(1, board.model(5))
        stats = live.virtual.link.stats()
    assert before.stack_used + 500 < stats.stack_used <= stats.stack_bytes - 200
