"""Where firmware and model lie within the slots of a board's layout."""

from __future__ import annotations

from tinyops.boards.layout import Layout, Region
from tinyops.boards.model import BoardSpec
from tinyops.images import Kind, body_max

# An image around its body: the header, whose length keeps a vector table where it may lie, and the TLVs behind it.
HEADER_BYTES = 256
TRAILER_BYTES = 512
MODEL_HEADER_BYTES = 32
SMALL_FLASH_BYTES = 32 * 1024
MODEL_SLOTS = ("tinyops_model_slot", "tinyops_model_slot_b")  # symbols of firmware


def are_linked(layout: Layout) -> bool:
    """Whether the slot library and its cryptography are part of the application: no bootloader of ours has them."""
    return layout.state is not None and layout.settings is not None and layout.own_bootloader is None


def is_scarce(layout: Layout) -> bool:
    """Whether the firmware's slot is so small that every byte counts."""
    return layout.own_bootloader is not None and body(layout.firmware[0]).bytes <= SMALL_FLASH_BYTES


def takes_deltas(spec: BoardSpec) -> bool:
    """Whether the board's firmware takes an image as what differs from the one that runs: 2 KB of code, 1 KB of RAM."""
    layout = spec.layout
    return layout is not None and layout.state is not None and not is_scarce(layout)


def body(slot: Region) -> Region:
    """What an image leaves of a slot to the firmware in it."""
    return Region(origin=slot.origin + HEADER_BYTES, bytes=slot.bytes - HEADER_BYTES - TRAILER_BYTES)


def firmware_regions(layout: Layout, slots: tuple[Region, ...]) -> tuple[Region, ...]:
    """Where a firmware is linked to: once for each slot, where a bootloader of ours starts it."""
    return tuple(body(slot) for slot in slots) if layout.own_bootloader is not None else slots[:1]


def firmware_room(board: str, spec: BoardSpec, slots: tuple[Region, ...]) -> Region:
    """Where a firmware lies in the first slot, and the most that it may have there, signed where images are."""
    assert spec.layout is not None
    room = firmware_regions(spec.layout, slots)[0]
    if not spec.image_header_bytes:
        return room
    return Region(origin=room.origin, bytes=body_max(Kind.FIRMWARE, board, room.bytes - spec.image_header_bytes))


def model_symbols(layout: Layout) -> tuple[tuple[str, int], ...]:
    """Names that the linker gives to where models lie, for whoever maps an address of a crash."""
    regions = (model_region(layout, layout.model, number) for number in range(len(layout.model)))
    return tuple((name, region.origin) for name, region in zip(MODEL_SLOTS, regions, strict=False) if region)


def model_region(layout: Layout, slots: tuple[Region, ...], number: int = 0) -> Region | None:
    """Where a model lies in a slot, within its image where it is one; None where models are linked in."""
    if number >= len(slots):
        return None
    before = MODEL_HEADER_BYTES if layout.state is not None else 0
    return Region(origin=slots[number].origin + before, bytes=slots[number].bytes - before)
