"""What a fleet calls a device that is a part of its chain: at enrolment, in updates, in its image."""

from __future__ import annotations

import struct
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tinyops.device.provision.enrolling import Enrolment, part_of
from tinyops.device.provision.format import Settings, Tag
from tinyops.errors import UsageError
from tinyops.images import Kind, build_image, read_image
from tinyops.images.members import set_of
from tinyops.reconcile.flashable import choose_target

PARTS = {"eye": "microbit", "ear": "microbit", "brain": "linux"}
DOOR = Enrolment("door", tuple(PARTS.values()), (), parts=PARTS)


def named(board: str, part: str = "") -> str:
    return part_of("/dev/x", cast(Any, SimpleNamespace(board=board)), DOOR, part)


def test_a_part_is_found_by_its_board_or_named() -> None:
    assert (named("linux"), named("microbit", "ear")) == ("brain", "ear")
    wrist = Enrolment("wrist", ("pico",), ())
    assert part_of("/dev/x", cast(Any, SimpleNamespace(board="pico")), wrist, "") == "pico"
    with pytest.raises(UsageError, match="fleet wrist is no chain"):
        part_of("/dev/x", cast(Any, SimpleNamespace(board="pico")), wrist, "eye")


@pytest.mark.parametrize(
    ("board", "part", "said"),
    [
        ("microbit", "", "a microbit may be any of several parts of fleet door"),
        ("microbit", "brain", "a microbit is no brain of fleet door"),
        ("pico", "", "a pico is no part of fleet door"),
    ],
)
def test_who_is_none_is_told_which_there_are(board: str, part: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        named(board, part)
    assert "eye (a microbit), ear (a microbit), brain (a linux)" in str(caught.value.hint)


def test_a_device_is_told_its_board_its_part_and_its_chain() -> None:
    keys = (b"\1" * 32, b"\2" * 32)
    part = Settings("cam-17", "door", "microbit", keys, b"\3" * 32, part="eye", chain="door-1")
    assert part.values()[Tag.BOARD] == b"microbit/eye/door-1"
    assert Settings("w-1", "wrist", "microbit", keys, b"\3" * 32).values()[Tag.BOARD] == b"microbit"


def released(**fleets: tuple[str, ...]) -> Any:
    entries = {name: SimpleNamespace(boards=dict.fromkeys(boards)) for name, boards in fleets.items()}
    return SimpleNamespace(tag="v3", fleets=entries)


def test_a_release_has_a_part_under_its_name() -> None:
    manifest = released(door=("eye", "ear", "brain"), wrist=("pico",))
    names = {"door": ("eye", "ear")}
    assert choose_target(manifest, {"door": ("ear",)}, "microbit", None) == ("door", "ear")
    assert choose_target(manifest, {"door": ()}, "pico", None) == ("wrist", "pico")
    with pytest.raises(UsageError, match="a microbit may be several parts of fleet door: eye, ear"):
        choose_target(manifest, names, "microbit", "door")
    with pytest.raises(UsageError, match="v3: fleet wrist has nothing for microbit"):
        choose_target(manifest, names, "microbit", "wrist")


def image(body: bytes, kind: Kind = Kind.MODEL) -> bytes | None:
    origin = None if kind is Kind.MODEL else 0x4000
    made = build_image(body, kind=kind, board="microbit", contract=bytes(32), counter=1, load_address=origin)
    return set_of(read_image(made, where="it"))


def test_an_image_says_which_set_it_is_of() -> None:
    start, part = struct.pack("<IHH", 0x314D4F54, 1, 156), struct.pack("<IHH16s", 0x31504F54, 0, 2, b"S" * 16)
    body = start.ljust(92, b"\0") + part + bytes(64)
    assert image(body) == b"S" * 16
    whole = struct.pack("<IHH", 0x314D4F54, 1, 92).ljust(92, b"\0") + part + bytes(64)
    other = start.ljust(92, b"\0") + bytes(88)
    assert image(whole) is None and image(other) is None and image(body[:100]) is None
    assert image(body, Kind.FIRMWARE) is None
