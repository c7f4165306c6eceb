"""The images of a board's slots: which there are, what they are bound to, and what does not fit."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest

from tinyops.boards.layout import Layout, Region
from tinyops.boards.loader import load_catalog
from tinyops.boards.model import BoardSpec
from tinyops.errors import DoesNotFit
from tinyops.files import digest_bytes
from tinyops.images import Golden, Kind, body_max, golden_input, read_image
from tinyops.twin.slot_images import slot_files, slot_images

CONTRACT = b'{"abi":1,"arena_bytes":4096}'
BOARD = "microbit"


def slotted(**changes: Any) -> BoardSpec:
    """A micro:bit with slots, whatever the catalogue's has."""
    region = lambda origin, count: Region(origin=origin, bytes=count)  # noqa: E731
    fields: dict[str, Any] = {
        "own_bootloader": region(0, 20480),
        "firmware": (region(0x5000, 32768), region(0xD000, 32768)),
        "model": (region(0x15000, 86016), region(0x2A000, 86016)),
        "settings": region(0x3F000, 2048),
        "state": region(0x3F800, 2048),
        "arena_bytes": 4096,
        "stack_bytes": 3072,
    }
    return load_catalog()[BOARD].spec.model_copy(update={"layout": Layout(**{**fields, **changes})})


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    vector = golden_input(3, 8) + b"\x01\x02"
    contents = {
        "contract.json": CONTRACT,
        "golden.bin": b"TOG1" + struct.pack("<3I", 1, 8, 2) + vector,
        "model.bin": b"TOM1 and so on",
        "firmware.bin": b"firmware at its first place",
        "firmware_b.bin": b"firmware at its second place",
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    return {name: tmp_path / name for name in contents}


def test_a_board_with_our_bootloader_has_three(files: dict[str, Path]) -> None:
    made = slot_images(BOARD, slotted(), files, 7)
    read = {name: read_image(image, where=name) for name, image in made.items()}
    assert list(read) == ["model.img", "firmware_a.img", "firmware_b.img"]
    assert {image.contract.hex() for image in read.values()} == {digest_bytes(CONTRACT).removeprefix("sha256:")}
    assert {(image.board, image.counter) for image in read.values()} == {(BOARD, 7)}
    assert [image.load_address for image in read.values()] == [None, 0x5000, 0xD000]
    assert [image.golden for image in read.values()] == [Golden(3, 0xB6CC4292), None, None]
    assert read["firmware_b.img"].body == files["firmware_b.bin"].read_bytes()


def test_a_firmware_that_a_cable_writes_is_no_image_and_without_a_log_nothing_is(files: dict[str, Path]) -> None:
    one = slotted().layout
    assert one is not None
    assert list(slot_images(BOARD, slotted(own_bootloader=None, firmware=one.firmware[:1]), files, 0)) == ["model.img"]
    assert slot_images(BOARD, slotted(state=None, own_bootloader=None), files, 0) == {}
    assert list(slot_files(None)) == []


def test_without_a_vector_of_a_seed_there_is_no_self_test(files: dict[str, Path]) -> None:
    files["golden.bin"].write_bytes(b"TOG1" + struct.pack("<3I", 1, 8, 2) + bytes(10))
    assert read_image(slot_images(BOARD, slotted(), files, 0)["model.img"], where="it").golden is None


def test_what_its_slot_cannot_hold_when_signed_is_refused(files: dict[str, Path]) -> None:
    most = body_max(Kind.FIRMWARE, BOARD, 32768)
    files["firmware_b.bin"].write_bytes(bytes(most))
    slot_images(BOARD, slotted(), files, 0)
    files["firmware_b.bin"].write_bytes(bytes(most + 1))
    with pytest.raises(DoesNotFit, match=rf"microbit: firmware_b.bin of {most + 1:,} bytes, its slot has room for"):
        slot_images(BOARD, slotted(), files, 0)
