"""The images of a board's slots: which there are, what they are bound to, and what does not fit."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import pytest

from fakes.slotted import CONTRACT, NAME, OUTPUT, SEED, region, slotted, write_contents
from tinyops.boards.loader import load_catalog
from tinyops.errors import DoesNotFit
from tinyops.files import digest_bytes
from tinyops.images import Golden, Kind, body_max, read_image
from tinyops.twin.slot_images import slot_files, slot_images

SPEC = slotted().spec
ESP32 = load_catalog()["esp32"].spec


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    return write_contents(tmp_path)


def test_a_board_with_our_bootloader_has_three(files: dict[str, Path]) -> None:
    made = slot_images(NAME, SPEC, files, 7)
    read = {name: read_image(image, where=name) for name, image in made.items()}
    assert list(read) == ["model.img", "firmware_a.img", "firmware_b.img"]
    assert {image.contract.hex() for image in read.values()} == {digest_bytes(CONTRACT).removeprefix("sha256:")}
    assert {(image.board, image.counter) for image in read.values()} == {(NAME, 7)}
    assert [image.load_address for image in read.values()] == [None, 0x5000, 0xD000]
    assert [image.golden for image in read.values()] == [Golden(SEED, zlib.crc32(OUTPUT)), None, None]
    assert read["firmware_b.img"].body == files["firmware_b.bin"].read_bytes()


def test_a_firmware_that_a_cable_writes_is_no_image_and_without_a_log_nothing_is(files: dict[str, Path]) -> None:
    one = slotted(own_bootloader=None, firmware=(region(0, 86016),)).spec
    assert list(slot_images(NAME, one, files, 0)) == ["model.img"]
    assert slot_images(NAME, slotted(state=None, own_bootloader=None).spec, files, 0) == {}
    assert list(slot_files(one.model_copy(update={"layout": None}))) == []


def test_without_a_vector_of_a_seed_there_is_no_self_test(files: dict[str, Path]) -> None:
    files["golden.bin"].write_bytes(b"TOG1" + struct.pack("<3I", 1, 8, 2) + bytes(10))
    assert read_image(slot_images(NAME, SPEC, files, 0)["model.img"], where="it").golden is None


def test_what_its_slot_cannot_hold_when_signed_is_refused(files: dict[str, Path]) -> None:
    most = body_max(Kind.FIRMWARE, NAME, 32768)
    files["firmware_b.bin"].write_bytes(bytes(most))
    slot_images(NAME, SPEC, files, 0)
    files["firmware_b.bin"].write_bytes(bytes(most + 1))
    with pytest.raises(DoesNotFit, match=rf"microbit: firmware_b.bin of {most + 1:,} bytes, its slot has room for"):
        slot_images(NAME, SPEC, files, 0)


def test_where_a_makers_bootloader_starts_it_the_header_has_the_slots_last_sector(files: dict[str, Path]) -> None:
    most = body_max(Kind.FIRMWARE, "esp32", 1310720 - 4096)
    files["firmware.bin"].write_bytes(bytes(most))
    assert list(slot_images("esp32", ESP32, files, 0)) == ["firmware_a.img", "firmware_b.img"]
    files["firmware.bin"].write_bytes(bytes(most + 1))
    with pytest.raises(DoesNotFit, match=rf"its slot has room for {most:,} in a signed image"):
        slot_images("esp32", ESP32, files, 0)
